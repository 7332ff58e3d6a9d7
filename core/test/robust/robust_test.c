/*
 * What a user can do wrong, or a machine can lack: always a sentence and a status of its own, never a crash or silence.
 */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../loader/images.h"

#define BAD_USAGE 223
#define HOST_FAILED 222
#define TIMED_OUT 221
#define INTERRUPTED 225

struct outcome {
	int status;      /* exit status, or 1000 + signal */
	char text[4096]; /* both streams */
};

static struct outcome shell(const char *command)
{
	struct outcome o = { 0 };
	FILE *p = popen(command, "r");
	int w;

	cr_assert_not_null(p);
	o.text[fread(o.text, 1, sizeof(o.text) - 1, p)] = 0;
	w = pclose(p);
	o.status = WIFEXITED(w) ? WEXITSTATUS(w) : 1000 + WTERMSIG(w);
	return o;
}

/* Runs "ringlab ARGS", with 20 s at most and no input. */
static struct outcome ringlab(const char *before, const char *args)
{
	char command[1200];

	snprintf(command, sizeof(command), "%s timeout 20 %s %s 2>&1 </dev/null", before, RINGLAB_BINARY, args);
	return shell(command);
}

/* A sentence: one line from us that has the given word, and no sanitizer's or libc's complaint. */
static void expect(const char *args, int status, const char *word)
{
	struct outcome o = ringlab("", args);

	cr_expect_eq(o.status, status, "ringlab %s: status %d, not %d: %s", args, o.status, status, o.text);
	cr_expect(strstr(o.text, "ringlab: "), "ringlab %s: no sentence: '%s'", args, o.text);
	cr_expect(strstr(o.text, word), "ringlab %s: '%s' lacks '%s'", args, o.text, word);
	cr_expect(!strstr(o.text, "Sanitizer") && !strstr(o.text, "runtime error"), "ringlab %s: %s", args, o.text);
}

Test(robust, commands_and_options)
{
	expect("frobnicate", BAD_USAGE, "frobnicate");
	expect("run", BAD_USAGE, "guest");
	expect("run hello extra", BAD_USAGE, "one guest");
	expect("explain", BAD_USAGE, "instruction");
	expect("explain nosuchinsn", BAD_USAGE, "nosuchinsn");
	expect("compare", BAD_USAGE, "guest");
	expect("run --backend qemu hello", BAD_USAGE, "qemu");
	expect("run --backend interp --interface xen hello", BAD_USAGE, "interface");
	expect("run --timeout soon hello", BAD_USAGE, "soon");
	expect("run --kernel /dev/null hello", BAD_USAGE, "leave out 'hello'");
	expect("run --kernel /no/such/vmlinuz", BAD_USAGE, "cannot open /no/such/vmlinuz");
	expect("run --kernel /proc/self/exe", BAD_USAGE, "not a bzImage");
	expect("run --initrd /proc/self/exe hello", BAD_USAGE, "leave out --initrd");
}

Test(robust, an_unknown_option_is_named)
{
	struct outcome o = ringlab("", "run --no-such-option hello");

	cr_expect_eq(o.status, BAD_USAGE);
	cr_expect(strstr(o.text, "no-such-option"), "%s", o.text);
}

Test(robust, no_arguments_print_help_and_fail)
{
	struct outcome o = ringlab("", "");

	cr_expect_eq(o.status, BAD_USAGE);
	cr_expect(strstr(o.text, "usage"));
}

Test(robust, help_everywhere_is_no_error)
{
	static const char *const command[] = { "", "run", "compare", "explain", "doctor", "list" };

	for (unsigned i = 0; i < 6; i++) {
		char args[64];
		snprintf(args, sizeof(args), "%s --help", command[i]);
		struct outcome o = ringlab("", args);
		cr_expect_eq(o.status, 0, "%s", args);
		cr_expect(strstr(o.text, "usage: ringlab"), "%s: %s", args, o.text);
	}
}

Test(robust, memory_sizes)
{
	expect("run --backend interp --mem 0 hello", BAD_USAGE, "--mem");
	expect("run --backend interp --mem -1 hello", BAD_USAGE, "--mem");
	expect("run --backend interp --mem lots hello", BAD_USAGE, "--mem");
	expect("run --backend interp --mem 1000 hello", BAD_USAGE, "--mem");
	expect("run --backend interp --mem 4G hello", BAD_USAGE, "--mem");
	expect("run --backend interp --mem 99999999999999999999G hello", BAD_USAGE, "--mem");
	expect("run --backend interp --mem 64K hello", BAD_USAGE, "use --mem");
}

Test(robust, guests_that_are_not_there)
{
	expect("run --backend interp nosuchguest", BAD_USAGE, "nosuchguest");
	expect("run --backend interp /no/such/file.elf", BAD_USAGE, "/no/such/file.elf");
	expect("run --backend interp /", BAD_USAGE, "directory");
	expect("run --backend interp /dev/zero", BAD_USAGE, "regular file");
	expect("run --backend interp --module /no/such/module " RINGLAB_GUESTS "/hello.elf", BAD_USAGE, "/no/such/module");
	expect("run --backend interp --stats /no/such/dir/stats.json hello", BAD_USAGE, "/no/such/dir");
	expect("run --backend interp --trace /no/such/dir/trace.json hello", BAD_USAGE, "/no/such/dir");
}

/* The first n bytes of the hello guest, or n bytes of noise, as a file. */
static void broken_file(char *path, size_t n, bool noise)
{
	FILE *in = fopen(RINGLAB_GUESTS "/hello.elf", "r"), *out;
	char *buf = calloc(1, n + 1);
	unsigned v = 12345;

	strcpy(path, "/tmp/ringlab-broken-XXXXXX");
	out = fdopen(mkstemp(path), "w");
	cr_assert(in && out, "no hello.elf in " RINGLAB_GUESTS);
	for (size_t i = 0; noise && i < n; i++)
		buf[i] = (char)((v = v * 1103515245 + 12345) >> 16);
	if (noise || fread(buf, 1, n, in) == n)
		fwrite(buf, 1, n, out);
	fclose(in);
	fclose(out);
	free(buf);
}

Test(robust, truncated_and_random_files)
{
	static const size_t size[] = { 0, 1, 4, 16, 51, 52, 60, 100, 180, 4096, 4200, 8191 };

	for (unsigned i = 0; i < 24; i++) {
		char path[64], args[128];

		broken_file(path, size[i / 2], i & 1);
		snprintf(args, sizeof(args), "run --backend interp %s", path);
		expect(args, BAD_USAGE, "ringlab-broken");
		unlink(path);
	}
}

/*
 * Reads the clock, which must not need a file; then echoes its input up to a newline, and ends with status 7. Polls, with
 * interrupts off and no timer, so only the UART itself can look at the input.
 */
static const uint8_t echo_code[] = {
	0xb0, 0x00, 0xe6, 0x70, 0xe4, 0x71,                         /* mov $0,%al; out %al,$0x70; in $0x71,%al */
	0xba, 0xfd, 0x03, 0x00, 0x00,                               /* 1: mov $0x3fd,%edx */
	0xec, 0xa8, 0x01, 0x74, 0xfb,                               /* 2: in (%dx),%al; test $1,%al; jz 2b */
	0xba, 0xf8, 0x03, 0x00, 0x00, 0xec, 0xee,                   /* mov $0x3f8,%edx; in (%dx),%al; out %al,(%dx) */
	0x3c, 0x0a, 0x75, 0xeb,                                     /* cmp $10,%al; jne 1b */
	0x31, 0xc0, 0xb0, 0x07, 0xba, 0xf4, 0x00, 0x00, 0x00, 0xef, /* xor %eax,%eax; mov $7,%al; mov $0xf4,%edx; out %eax,(%dx) */
	0xeb, 0xfe,
};

static const char *const engines[] = { "--backend interp", "--backend bt", "--backend pv --interface trap" };
#define ENGINES 3

/* A plain ELF file with this code at its entry point, in path, a template of mkstemp. */
static void code_file(char *path, const void *code, size_t n)
{
	static struct bytes image;
	int fd = mkstemp(path);

	image_elf32(&image, &(struct recipe){ 0 });
	memcpy(image.b + TEXT_OFFSET + ENTRY_OFFSET, code, n);
	cr_assert_eq(write(fd, image.b, image.n), (ssize_t)image.n);
	close(fd);
}

/* True, with a reason printed, when this engine cannot run here at all. */
static bool cannot_run(const char *test, const char *engine, const struct outcome *o)
{
	if (o->status != HOST_FAILED && o->status != BAD_USAGE)
		return false;
	fprintf(stderr, "[SKIP] robust/%s: %s: %s\n", test, engine, o->text);
	return true;
}

Test(robust, input_reaches_a_jailed_guest)
{
	char path[] = "/tmp/ringlab-echo-XXXXXX", command[600];

	code_file(path, echo_code, sizeof(echo_code));
	for (unsigned i = 0; i < ENGINES; i++) {
		snprintf(command, sizeof(command), "printf 'hello, input\\nnot this' | timeout 20 %s run %s %s 2>&1", RINGLAB_BINARY, engines[i], path);
		struct outcome o = shell(command);
		if (cannot_run("input_reaches_a_jailed_guest", engines[i], &o))
			continue;
		cr_expect_eq(o.status, 7, "%s: %d: %s", engines[i], o.status, o.text);
		cr_expect_not_null(strstr(o.text, "hello, input\n"), "%s: %s", engines[i], o.text);
		cr_expect_null(strstr(o.text, "not this"), "%s: %s", engines[i], o.text);
	}
	unlink(path);
}

/* jmp . and a loop of IN: compute that nothing leaves, and exits without end. */
Test(robust, a_signal_or_the_time_out_ends_a_guest_that_spins)
{
	static const uint8_t code[2][8] = { { 0xeb, 0xfe }, { 0xba, 0xfd, 0x03, 0x00, 0x00, 0xec, 0xeb, 0xfd } };

	for (unsigned i = 0; i < 2 * ENGINES; i++) {
		const char *engine = engines[i / 2];
		char path[] = "/tmp/ringlab-spin-XXXXXX", command[600];

		code_file(path, code[i % 2], sizeof(code[0]));
		snprintf(command, sizeof(command), "timeout --preserve-status -k 20 -s INT 0.5 %s run %s %s 2>&1 </dev/null", RINGLAB_BINARY, engine, path);
		struct outcome o = shell(command);
		if (!cannot_run("a_signal_or_the_time_out_ends_a_guest_that_spins", engine, &o)) {
			cr_expect_eq(o.status, INTERRUPTED, "%s: %d: %s", engine, o.status, o.text);
			snprintf(command, sizeof(command), "timeout 20 %s run --timeout 0.3 %s %s 2>&1 </dev/null", RINGLAB_BINARY, engine, path);
			o = shell(command);
			cr_expect_eq(o.status, TIMED_OUT, "%s: %d: %s", engine, o.status, o.text);
			cr_expect(strstr(o.text, "--timeout"), "%s: %s", engine, o.text);
		}
		unlink(path);
	}
}

/* In a mount namespace where /dev/kvm is not there. */
Test(robust, a_machine_without_kvm)
{
	static const char hide[] = "unshare -rm sh -c 'mount -t tmpfs none /dev && exec \"$@\"' hide";
	struct outcome o = ringlab(hide, "doctor --json");

	if (!strstr(o.text, "backends")) {
		fprintf(stderr, "[SKIP] robust/a_machine_without_kvm: no unprivileged mount namespace here: %s\n", o.text);
		return;
	}
	if (!strstr(o.text, "\"vtx\"")) {
		fprintf(stderr, "[SKIP] robust/a_machine_without_kvm: this build has no vtx backend\n");
		return;
	}
	o = ringlab(hide, "run --backend vtx hello");
	cr_expect_eq(o.status, HOST_FAILED, "%d: %s", o.status, o.text);
	cr_expect(strstr(o.text, "/dev/kvm"), "%s", o.text);
	o = ringlab(hide, "doctor");
	cr_expect_eq(o.status, 0, "doctor is for such machines: %s", o.text);
	cr_expect(strstr(o.text, "/dev/kvm"), "%s", o.text);
}
