/*
 * demo_guests_test.c - the guests of the demonstrations on every engine: what must be right is right, and where a technique is wrong by its
 * nature, it is wrong in the way that the lecture says.
 *
 * Lines of the console are "NAME VALUE". Direct execution cannot run under ASan, whose shadow lies where guest pages go.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const struct engine {
	const char *name, *options;
	bool pv;
} engines[] = {
	{ "interp", "--backend interp", false },
	{ "bt", "--backend bt", false },
	{ "pv:trap", "--backend pv --interface trap", true },
	{ "pv:patch", "--backend pv --interface patch", true },
	{ "pv:previrt", "--backend pv --interface previrt", true },
};
#define ENGINES (sizeof(engines) / sizeof(engines[0]))

static bool can_run(const struct engine *e)
{
	char command[600];

#ifdef __SANITIZE_ADDRESS__
	if (e->pv) {
		fprintf(stderr, "SKIPPED: %s: direct execution cannot run under AddressSanitizer\n", e->name);
		return false;
	}
#endif
	snprintf(command, sizeof(command), "%s doctor --json | grep -q '\"backend\": \"%.*s\"'", RINGLAB_BINARY, (int)strcspn(e->name, ":"), e->name);
	if (system(command)) {
		fprintf(stderr, "SKIPPED: this build has no backend for %s\n", e->name);
		return false;
	}
	return true;
}

/* The console of a run; it must end with status 0. To be freed. */
static char *console(const struct engine *e, const char *guest)
{
	char command[1000], *text = NULL;
	size_t size = 0;

	snprintf(command, sizeof(command), "%s run %s --timeout 60 %s </dev/null", RINGLAB_BINARY, e->options, guest);
	FILE *p = popen(command, "r");
	cr_assert(p);
	ssize_t n = getdelim(&text, &size, 0, p);
	int status = pclose(p);
	cr_assert(n > 0, "%s on %s printed nothing", guest, e->name);
	cr_assert(WIFEXITED(status) && !WEXITSTATUS(status), "%s on %s: wait status %#x", guest, e->name, status);
	return text;
}

/* The value on the line "name VALUE"; in a buffer of the caller's. */
static bool value_of(const char *text, const char *name, char *v, size_t size)
{
	size_t n = strlen(name);

	for (const char *l = text; l && *l; l = strchr(l, '\n'), l += !!l)
		if (!strncmp(l, name, n) && l[n] == ' ') {
			snprintf(v, size, "%.*s", (int)strcspn(l + n + 1, "\n"), l + n + 1);
			return true;
		}
	return false;
}

static void expect(const struct engine *e, const char *text, const char *name, const char *want)
{
	char v[80] = "(no such line)";

	value_of(text, name, v, sizeof(v));
	cr_expect_str_eq(v, want, "%s: %s is %s, expected %s", e->name, name, v, want);
}

static bool is_trap(const struct engine *e)
{
	return !strcmp(e->name, "pv:trap");
}

Test(demo_guests, nonfaulting_answers_are_right_but_under_trap, .timeout = 60)
{
	static const char *const names[] = { "sgdt", "sidt", "sldt", "smsw", "str", "pushf", "popf", "lar", "lsl", "verr", "verw", "pop", "push", "call",
		"jmp", "int", "ret", "mov", "mov-to" };
	/* Wrong under trap on any host, with UMIP and without. */
	static const char *const wrong[] = { "sgdt", "pushf", "popf", "lar", "lsl", "verr", "verw", "push", "mov" };

	for (unsigned i = 0; i < ENGINES; i++) {
		if (!can_run(&engines[i]))
			continue;
		char *text = console(&engines[i], "demo/nonfaulting"), right[80], saw[80], name[40];
		for (unsigned n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
			snprintf(name, sizeof(name), "%s-right", names[n]);
			cr_assert(value_of(text, name, right, sizeof(right)), "%s: no line %s", engines[i].name, name);
			cr_assert(value_of(text, names[n], saw, sizeof(saw)), "%s: no line %s", engines[i].name, names[n]);
			cr_expect(is_trap(&engines[i]) || !strcmp(saw, right), "%s: %s saw %s, right is %s", engines[i].name, names[n], saw, right);
		}
		for (unsigned n = 0; is_trap(&engines[i]) && n < sizeof(wrong) / sizeof(wrong[0]); n++) {
			snprintf(name, sizeof(name), "%s-right", wrong[n]);
			value_of(text, name, right, sizeof(right));
			value_of(text, wrong[n], saw, sizeof(saw));
			cr_expect_str_neq(saw, right, "%s is right under trap: the lecture says otherwise", wrong[n]);
		}
		if (is_trap(&engines[i]))
			expect(&engines[i], text, "int", "0x80");
		free(text);
	}
}

Test(demo_guests, hidden_state_survives, .timeout = 60)
{
	static const char *const kept[] = { "loaded", "after-change", "after-port", "after-cpuid", "after-exception", "after-page-fault", "after-cr3",
		"after-interrupt", "after-user", "not-present", "after-refusal" };

	for (unsigned i = 0; i < ENGINES; i++) {
		if (!can_run(&engines[i]))
			continue;
		char *text = console(&engines[i], "demo/hidden");
		for (unsigned n = 0; n < sizeof(kept) / sizeof(kept[0]); n++)
			expect(&engines[i], text, kept[n], "1");
		expect(&engines[i], text, "load-not-present", "#NP");
		expect(&engines[i], text, "reloaded", "2");
		free(text);
	}
}

/* The whole linear space is the guest's, but for previrt's one shared page and the beginning of its stubs. */
Test(demo_guests, space_is_the_guests, .timeout = 60)
{
	for (unsigned i = 0; i < ENGINES; i++) {
		if (!can_run(&engines[i]))
			continue;
		char *text = console(&engines[i], "demo/space");
		bool previrt = !strcmp(engines[i].name, "pv:previrt");
		expect(&engines[i], text, "read-foreign", previrt ? "1" : "0");
		expect(&engines[i], text, "write-foreign", previrt ? "1" : "0");
		expect(&engines[i], text, "read-faulted", "0");
		expect(&engines[i], text, "write-faulted", "0");
		expect(&engines[i], text, "run-faulted", previrt ? "1" : "0");
		expect(&engines[i], text, "run-foreign", "0");
		free(text);
	}
}

Test(demo_guests, closed_interrupts_stay_away, .timeout = 120)
{
	for (unsigned i = 0; i < ENGINES; i++) {
		if (!can_run(&engines[i]))
			continue;
		char *text = console(&engines[i], "demo/masking");
		expect(&engines[i], text, "came-while-closed", "0");
		expect(&engines[i], text, "came-after-opening", "15");
		expect(&engines[i], text, "restore-opens", is_trap(&engines[i]) ? "0" : "1");
		expect(&engines[i], text, "restore-keeps-closed", "1");
		free(text);
	}
}

Test(demo_guests, system_calls_arrive, .timeout = 60)
{
	for (unsigned i = 0; i < ENGINES; i++) {
		if (!can_run(&engines[i]))
			continue;
		char *text = console(&engines[i], "demo/syscalls");
		expect(&engines[i], text, "int-user-cs", "0x93");
		expect(&engines[i], text, "int-calls", "200");
		expect(&engines[i], text, "sysenter-calls", "200");
		free(text);
	}
}

Test(demo_guests, privileged_instructions_are_emulated_and_popf_is_not, .timeout = 60)
{
	for (unsigned i = 0; i < ENGINES; i++) {
		char right[80] = "";

		if (!can_run(&engines[i]))
			continue;
		char *text = console(&engines[i], "demo/trap");
		value_of(text, "cr3-right", right, sizeof(right));
		expect(&engines[i], text, "cr3-after", right);
		expect(&engines[i], text, "popf-closed", is_trap(&engines[i]) ? "0" : "1");
		free(text);
	}
}
