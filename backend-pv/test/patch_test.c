/*
 * `patch` and `trap --holes` as a user sees them: which guests are right under `patch`, which of trap's instructions the audit
 * names, and that the audit itself changes nothing.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "command.h"

#define RUN RINGLAB_BINARY " run --backend pv --timeout 60 "

/* Robin and Irvine's seventeen, by the guest that tests each; all must be right under `patch`. */
static const char *const seventeen[] = { "sgdt", "sidt", "sldt", "smsw", "pushf", "popf", "lar", "lsl", "verr", "verw", "pop-ss", "push-cs",
	"far-call", "far-jmp", "int", "far-ret", "str", "mov-from-cs", "mov-to-ss" };
static const char *const others[] = { "cli", "sti", "iret", "int3", "into", "bound", "hlt", "lgdt", "lidt", "lldt", "ltr", "mov-cr", "mov-dr",
	"invlpg", "lmsw", "rdmsr", "wrmsr", "in", "out", "ins", "outs", "cpuid", "sysenter", "ud2", "page-fault", "trap-flag", "smc", "mov-cr3",
	"rep", "lds", "mov-to-ds", "wbinvd", "arpl" };

static void expect_right(const char *name)
{
	char command[256], out[8192];

	snprintf(command, sizeof(command), RUN "--interface patch insn/%s 2>&1 </dev/null", name);
	int status = command_run(out, sizeof(out), command);
	cr_expect(!status && !strstr(out, "WRONG"), "insn/%s under patch: status %d\n%s", name, status, out);
}

Test(patch, none_of_the_seventeen_goes_wrong, .timeout = 120)
{
	if (!pv_available())
		return;
	for (unsigned i = 0; i < sizeof(seventeen) / sizeof(seventeen[0]); i++)
		expect_right(seventeen[i]);
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		expect_right(others[i]);
}

/* What stays wrong has a row in rules.c that says so. */
Test(patch, ts_tsd_and_breakpoints_stay_wrong, .timeout = 60)
{
	static const char *const wrong[] = { "clts", "rdtsc", "debug-registers" };
	char command[256], out[8192];

	if (!pv_available())
		return;
	for (unsigned i = 0; i < 3; i++) {
		snprintf(command, sizeof(command), RUN "--interface patch insn/%s 2>&1 </dev/null", wrong[i]);
		cr_expect(command_run(out, sizeof(out), command) && strstr(out, "WRONG"), "insn/%s is right under patch: change rules.c", wrong[i]);
	}
}

Test(patch, nano_runs_and_its_coverage_is_told, .timeout = 90)
{
	char out[32768];

	if (!pv_available())
		return;
	cr_assert_eq(command_run(out, sizeof(out), RUN "--interface patch --coverage --append n=20 nano 2>&1 </dev/null"), 0, "%s", out);
	cr_expect(strstr(out, "sensitive and replaced"), "%s", out);
	cr_expect_null(strstr(out, "HOLE"), "%s", out);
}

/* The audit names what the guest does wrong, and the guest prints the same with it as without. */
Test(holes, are_listed_and_the_audit_changes_nothing, .timeout = 120)
{
	static const struct { const char *guest, *row, *wrong; } audited[] = {
		{ "popf", "popf ", "should be 000200" }, { "sgdt", "sgdt ", "should be" }, { "mov-from-cs", "mov from seg ", "should be 00000080" },
		{ "lar", "lar ", "should be" }, { "smsw", "smsw ", "should be 8001003b" }, { "trap-flag", NULL, NULL },
	};
	static char with[65536], without[65536], table[65536];
	char command[300];

	if (!pv_available())
		return;
	for (unsigned i = 0; i < sizeof(audited) / sizeof(audited[0]); i++) {
		snprintf(command, sizeof(command), RUN "--mem 2M --interface trap insn/%s 2>/dev/null </dev/null", audited[i].guest);
		int status = command_run(without, sizeof(without), command);
		snprintf(command, sizeof(command), RUN "--mem 2M --interface trap --holes insn/%s 2>/dev/null </dev/null", audited[i].guest);
		cr_expect_eq(command_run(with, sizeof(with), command), status, "insn/%s ends otherwise under the audit", audited[i].guest);
		cr_expect_str_eq(with, without, "insn/%s", audited[i].guest);
		snprintf(command, sizeof(command), RUN "--mem 2M --interface trap --holes insn/%s 2>&1 >/dev/null </dev/null", audited[i].guest);
		command_run(table, sizeof(table), command);
		cr_expect(strstr(table, "watched"), "%s", table);
		if (audited[i].row)
			cr_expect(strstr(table, audited[i].row) && strstr(table, audited[i].wrong), "insn/%s: %s", audited[i].guest, table);
		else
			cr_expect(strstr(table, " 0 of these wrong"), "insn/%s: %s", audited[i].guest, table);
	}
}

Test(holes, a_limit_ends_the_stepping_and_not_the_guest, .timeout = 60)
{
	char out[16384];

	if (!pv_available())
		return;
	cr_assert_eq(command_run(out, sizeof(out), RUN "--interface trap --holes=1000 hello 2>&1 </dev/null"), 0, "%s", out);
	cr_expect(strstr(out, "(1000 instructions watched, then the limit was reached)"), "%s", out);
	cr_assert_neq(command_run(out, sizeof(out), RUN "--interface patch --holes hello 2>&1 </dev/null"), 0);
	cr_expect(strstr(out, "--holes is for --interface trap"), "%s", out);
}

/* The guest's own bytes on the left under every interface; on the right what the CPU meets instead. */
Test(patch, the_listing_shows_what_stands_in_the_place_of_code, .timeout = 90)
{
	static const struct { const char *interface, *left, *right; } cases[] = {
		{ "patch", "  cli  ", "int3 " }, { "previrt", "  cli  ", "movb $0, %ss:" }, { "previrt", "  sti  ", "to a stub" },
		{ "trap", "  cli", NULL }, { "xen", "  movb ", NULL },
	};
	char command[256], out[32768];

	if (!pv_available())
		return;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(command, sizeof(command), RUN "--interface %s --listing cli_sti --append 'n=10 only=cli-sti' nano 2>&1 </dev/null",
			cases[i].interface);
		cr_assert_eq(command_run(out, sizeof(out), command), 0, "%s", out);
		const char *at = strstr(out, cases[i].left), *bar = at ? strchr(at, '|') : NULL, *end = at ? strchr(at, '\n') : NULL;
		cr_assert_not_null(at, "%s: no%s in\n%s", cases[i].interface, cases[i].left, out);
		if (cases[i].right)
			cr_expect(bar && bar < end && strstr(bar, cases[i].right) && strstr(bar, cases[i].right) < end, "%s: no %s beside%s in\n%s",
				cases[i].interface, cases[i].right, cases[i].left, out);
		else
			cr_expect(!strchr(at, '|'), "%s changes no code, but something stands beside it:\n%s", cases[i].interface, out);
	}
}
