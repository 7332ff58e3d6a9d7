/* What the guest writes arrives unchanged, and its hash is the hash of those bytes. */
#include <criterion/criterion.h>
#include <sha2.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "core/console.h"
#include "core/vm.h"

Test(console, bytes_and_hash_agree)
{
	static struct vm vm;
	char text[5000], back[6000], got[65], want[65];
	int fd[2];

	cr_assert_eq(pipe(fd), 0);
	vm.cfg.console_in = -1;
	vm.cfg.console_out = fd[1];
	cr_assert_eq(console_create(&vm), 0);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 97 == 96 ? '\n' : (char)(i * 7);
	console_write(&vm, text, sizeof(text));
	console_flush(&vm);
	console_sha256(&vm, got);
	cr_assert_eq(read(fd[0], back, sizeof(back)), (ssize_t)sizeof(text));
	cr_assert(!memcmp(text, back, sizeof(text)));
	SHA256Data((const uint8_t *)text, sizeof(text), want);
	cr_assert_str_eq(got, want);
	console_destroy(&vm);
}

Test(console, a_closed_reader_does_not_stop_the_guest)
{
	static struct vm vm;
	int fd[2];

	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(pipe(fd), 0);
	close(fd[0]);
	vm.cfg.console_in = -1;
	vm.cfg.console_out = fd[1];
	cr_assert_eq(console_create(&vm), 0);
	console_write(&vm, "lost\n", 5);
	cr_assert_not(console_input_open(&vm));
	console_destroy(&vm);
}
