/*
 * `previrt` as a user sees it: one ELF on every engine, none of the sensitive unprivileged instructions goes wrong, and a file
 * that was damaged ends with a sentence.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "command.h"

/* Its exit status, output of both streams in out. */
static int run(char *out, size_t n, const char *backend, const char *guest, const char *options)
{
	char command[1024];

	snprintf(command, sizeof(command), RINGLAB_BINARY " run --backend %s --timeout 60 %s %s 2>&1 </dev/null", backend, options, guest);
	return command_run(out, n, command);
}

#define G RINGLAB_GUESTS "/"

Test(previrt_run, one_file_on_every_engine, .timeout = 120)
{
	static const struct { const char *guest, *options; } cases[] = { { G "hello-previrt.elf", "" }, { G "nano-previrt.elf", "--append 'n=40 det'" },
		{ G "insn/int-previrt.elf", "" }, { G "insn/iret-previrt.elf", "" }, { G "insn/mov-cr3-previrt.elf", "" }, { G "insn/ins-previrt.elf", "" },
		{ G "insn/page-fault-previrt.elf", "" }, { G "insn/trap-flag-previrt.elf", "" }, { G "previrt/flags-previrt.elf", "--append 'n=60000 timer'" } };
	static char interp[32768], other[32768];

	if (!pv_available())
		return;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(run(interp, sizeof(interp), "interp", cases[i].guest, cases[i].options), 0, "%s:\n%s", cases[i].guest, interp);
		cr_expect_eq(run(other, sizeof(other), "bt", cases[i].guest, cases[i].options), 0, "%s:\n%s", cases[i].guest, other);
		cr_expect_str_eq(interp, other, "bt and interp differ on %s", cases[i].guest);
		cr_expect_eq(run(other, sizeof(other), "pv", cases[i].guest, cases[i].options), 0, "%s:\n%s", cases[i].guest, other);
		cr_expect_str_eq(interp, other, "pv and interp differ on %s:\n%s", cases[i].guest, other);
	}
}

/* Robin and Irvine's, as guests/insn has them. */
Test(previrt_run, none_of_the_sensitive_unprivileged_instructions_goes_wrong, .timeout = 120)
{
	static const char *const guests[] = { "sgdt", "sidt", "sldt", "smsw", "str", "pushf", "popf", "lar", "lsl", "verr", "verw", "mov-from-cs", "push-cs",
		"pop-ss", "mov-to-ss", "far-call", "far-jmp", "far-ret", "int", "iret", "cli", "sti", "hlt" };
	char path[256], out[16384];

	if (!pv_available())
		return;
	for (unsigned i = 0; i < sizeof(guests) / sizeof(guests[0]); i++) {
		snprintf(path, sizeof(path), G "insn/%s-previrt.elf", guests[i]);
		cr_expect_eq(run(out, sizeof(out), "pv", path, "--interface previrt"), 0, "%s:\n%s", path, out);
		cr_expect_null(strstr(out, "previrt:"), "%s has sites that are not patched:\n%s", path, out);
	}
	/* The same files under `trap`: the test can tell. */
	cr_expect_eq(run(out, sizeof(out), "pv", G "insn/sgdt-previrt.elf", "--interface trap"), 1, "%s", out);
}

Test(previrt_run, nano_has_no_hole_with_and_without_counting, .timeout = 60)
{
	char out[16384];

	if (!pv_available())
		return;
	cr_expect_eq(run(out, sizeof(out), "pv", "nano", "--interface previrt --append n=100"), 0, "%s", out);
	cr_expect(strstr(out, "NANO cli-sti") && !strstr(out, "HOLE"), "%s", out);
	cr_expect_eq(run(out, sizeof(out), "pv", "nano", "--interface previrt --append n=100 --count-inline"), 0, "%s", out);
	cr_expect(!strstr(out, "HOLE"), "%s", out);
}

/* how: a command that changes the records in the file $r. */
static void damaged(const char *how, const char *says)
{
	char cmd[1024], out[4096], name[] = "/tmp/ringlab-previrt-XXXXXX";
	int fd = mkstemp(name);

	close(fd);
	snprintf(cmd, sizeof(cmd), "f=%s r=%s.r; objcopy -O binary -j .ringlab.afterburn --set-section-flags .ringlab.afterburn=alloc "
		G "hello-previrt.elf $r && %s && objcopy --update-section .ringlab.afterburn=$r " G "hello-previrt.elf $f; e=$?; rm -f $r; exit $e", name, name, how);
	cr_assert_eq(system(cmd), 0, "%s", cmd);
	cr_expect_eq(run(out, sizeof(out), "pv", name, ""), 220, "%s:\n%s", how, out);
	cr_expect(strstr(out, says), "%s:\n%s", how, out);
	cr_expect_eq(run(out, sizeof(out), "pv", name, "--interface trap"), 0, "as a plain kernel it runs:\n%s", out);
	unlink(name);
}
#define POKE(at, bytes) "printf '" bytes "' | dd of=$r bs=1 seek=" #at " conv=notrunc status=none"

Test(previrt_run, a_damaged_file_ends_with_a_sentence, .timeout = 60)
{
	char out[4096];

	if (!pv_available())
		return;
	damaged(POKE(0, "\\377\\377\\377\\377"), "outside the code");
	damaged(POKE(7, "\\310"), "of no known kind");
	damaged(POKE(10, "\\011"), "another version");
	damaged("dd if=$r of=$r bs=1 count=12 seek=12 conv=notrunc status=none", "overlap");
	damaged("truncate -s -5 $r", "no multiple");
	cr_expect_eq(run(out, sizeof(out), "pv", G "hello.elf", "--interface previrt"), 220, "%s", out);
	cr_expect(strstr(out, "carries no annotations"), "%s", out);
}
