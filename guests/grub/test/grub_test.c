/*
 * grub_test.c - Debian's grub-i386-xen.bin, unmodified, on the Xen console: its prompt, its menu, a disk, a file on ext2.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "session.h"

static struct session s;

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f, "%s", path);
	fputs(text, f);
	fclose(f);
}

/* A disk without a configuration file: GRUB comes to its prompt. */
static const char *plain_disk(void)
{
	char big[8192], *folder = strdup(GRUB_TEST_DIR "/plain-XXXXXX");

	cr_assert_not_null(mkdtemp(folder));
	cr_assert(!chdir(folder) && !mkdir("dir", 0755));
	put("hello.txt", "Hello from ext2.\n");
	put("dir/other.txt", "one\ntwo\nthree\n");
	for (size_t i = 0; i < sizeof(big) - 1; i++)
		big[i] = (char)('a' + i % 23);
	big[sizeof(big) - 1] = 0;
	put("big", big);
	const char *image = session_disk("plain", folder);
	cr_assert(!unlink("hello.txt") && !unlink("dir/other.txt") && !unlink("big") && !rmdir("dir") && !rmdir(folder));
	free(folder);
	return image;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A directory's order is mke2fs's and the host's affair. */
static const char *sorted_words(const char *text)
{
	static char out[1024];
	char copy[1024], *word[32], *save = NULL;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, " \n", &save); w && n < 32; w = strtok_r(NULL, " \n", &save))
		word[n++] = w;
	qsort(word, n, sizeof(*word), by_name);
	out[0] = 0;
	for (size_t i = 0; i < n; i++)
		strcat(strcat(out, word[i]), " ");
	return out;
}

Test(grub, prompt, .timeout = 100)
{
	session_need();
	const char *image = plain_disk();
	session_start(&s, (const char *[]){ "--disk", image, NULL });
	cr_assert(session_expect(&s, "Welcome to GRUB!", 30));
	cr_assert(session_expect(&s, "GNU GRUB  version 2.06", 30));
	cr_assert(session_expect(&s, "\ngrub> ", 30));
	unlink(image);
	cr_expect_str_eq(session_command(&s, "set enable_progress_indicator=0"), "");
	cr_expect_str_eq(session_command(&s, "ls"), "(memdisk) (proc) (xen/xvda) \n");
	cr_expect_str_eq(sorted_words(session_command(&s, "ls (xen/xvda)/")), "big dir/ hello.txt lost+found/ ");
	cr_expect_str_eq(session_command(&s, "ls (xen/xvda)/dir"), "other.txt \n");
	cr_expect_str_eq(session_command(&s, "cat (xen/xvda)/hello.txt"), "Hello from ext2.\n\n");
	cr_expect_str_eq(session_command(&s, "cat (xen/xvda)/dir/other.txt"), "one\ntwo\nthree\n\n");
	cr_expect_str_eq(session_command(&s, "hashsum --hash sha1 (xen/xvda)/big"), "a5f7c75a33e756d0549f63c2047bf040292d6027  (xen/xvda)/big\n",
		"the SHA-1 of a file of several blocks, as sha1sum has it");
	cr_expect_str_eq(session_command(&s, "cat (xen/xvda)/missing"), "error: file `/missing' not found.\n");
	double took = session_seconds();
	cr_expect_str_eq(session_command(&s, "sleep 1"), "");
	took = session_seconds() - took;
	cr_expect(took > 0.9 && took < 10, "GRUB's second, by the time page, took %g s", took);
	session_type(&s, "halt\r");
	cr_expect_eq(session_end(&s, 20), 0);
}

/* The configuration file of guests/grub/root makes a menu; its entries work. */
Test(grub, menu, .timeout = 100)
{
	session_need();
	const char *image = session_disk("menu", RINGLAB_SOURCE "/guests/grub/root");
	session_start(&s, (const char *[]){ "--disk", image, NULL });
	cr_assert(session_expect(&s, "Use the ^ and v keys to select which entry is highlighted.", 30));
	unlink(image);
	cr_assert(session_expect(&s, "*Read a file ", 20));
	cr_assert(session_expect(&s, " Power off ", 20));
	session_type(&s, "\r");
	cr_assert(session_expect(&s, "Hello from an ext2 file system,\nread by a Xen guest that was made elsewhere.\n", 20));
	cr_assert(session_expect(&s, "press a key\n", 20));
	session_type(&s, "x\r");
	cr_assert(session_expect(&s, "*Read a file ", 20));
	session_type(&s, "\033[B\r"); /* down */
	cr_expect_eq(session_end(&s, 20), 0);
}

/* GRUB takes over a domain, and hands it on: it builds another kernel's tables, and the disk's driver there connects anew. */
static void boot(const char *kernel, const char *expect)
{
	char folder[] = GRUB_TEST_DIR "/kernel-XXXXXX", command[1000];

	session_need();
	if (access(RINGLAB_GUESTS "/devices-xen.elf", R_OK))
		cr_skip_test("the guests' Xen builds are not here (ninja)");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(command, sizeof(command), "cp " RINGLAB_GUESTS "/hello-xen.elf " RINGLAB_GUESTS "/devices-xen.elf %s", folder);
	cr_assert(!system(command));
	const char *image = session_disk("kernel", folder);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	cr_assert(!system(command));
	session_start(&s, (const char *[]){ "--disk", image, NULL });
	cr_assert(session_expect(&s, "\ngrub> ", 30));
	unlink(image);
	cr_expect_str_eq(session_command(&s, "set enable_progress_indicator=0"), "");
	snprintf(command, sizeof(command), "linux (xen/xvda)%s", kernel);
	cr_expect_str_eq(session_command(&s, command), "");
	session_type(&s, "boot\r");
	cr_expect(session_expect(&s, expect, 30));
}

Test(grub, boots_a_xen_kernel, .timeout = 100)
{
	boot("/hello-xen.elf status=7", "hello from a xen guest\nMEM kib=65516 regions=1\n");
	cr_expect_eq(session_end(&s, 20), 7, "the kernel has its command line");
}

Test(grub, the_next_kernel_has_the_disk, .timeout = 100)
{
	boot("/devices-xen.elf only=xen n=32", "DISK xen sectors=8192 ");
	cr_expect(session_expect(&s, "\nOK disks=1\n", 20));
	cr_expect_eq(session_end(&s, 20), 0);
}

/* The guest kernel of this tree, loaded by GRUB from the kernel's own disk: its shell writes to that disk and reads it back. */
Test(grub, the_unix_like_kernel_and_its_shell, .timeout = 100)
{
	static const char kernel[] = RINGLAB_GUESTS "/kernel-xen.elf", disk[] = RINGLAB_GUESTS "/kernel/disk.img";
	char image[600], command[2000];

	session_need();
	if (access(kernel, R_OK) || access(disk, R_OK) || access(DEBUGFS, X_OK))
		cr_skip_test("kernel-xen.elf, its disk or debugfs (e2fsprogs) is not here");
	snprintf(image, sizeof(image), GRUB_TEST_DIR "/unix-%d.img", (int)getpid());
	snprintf(command, sizeof(command), "cp %s %s && " DEBUGFS " -w -R 'write %s kernel-xen.elf' %s >/dev/null 2>&1", disk, image, kernel, image);
	cr_assert(!system(command), "%s", command);
	session_start(&s, (const char *[]){ "--disk", image, NULL });
	cr_assert(session_expect(&s, "previous menu.", 30), "the disk has a menu of its own");
	session_type(&s, "c");
	cr_assert(session_expect(&s, "\ngrub> ", 30));
	cr_expect_str_eq(session_command(&s, "linux (xen/xvda)/kernel-xen.elf"), "");
	session_type(&s, "boot\r");
	cr_assert(session_expect(&s, "$ ", 30));
	session_type(&s, "echo from the shell > /note\r");
	cr_assert(session_expect(&s, "$ ", 30));
	session_type(&s, "cat /note\r");
	cr_expect(session_expect(&s, "\nfrom the shell\n", 30));
	session_end(&s, 0);
	unlink(image);
}
