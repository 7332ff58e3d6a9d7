/*
 * demo_64_bit.c - why binary translation lost its fence: no segment limits in 64-bit mode.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "demo.h"
#include "stage.h"

#define GUEST "demo/limits"

/* A value that a program of the host's printed; "-" when it did not. */
static void value_of(const char *text, const char *name, char *out, size_t n)
{
	const char *at = strstr(text, name);

	snprintf(out, n, "-");
	if (at && (at == text || at[-1] == '\n'))
		snprintf(out, n, "%.*s", (int)strcspn(at + strlen(name) + 1, "\n"), at + strlen(name) + 1);
}

static const char *fault_words(const char *value)
{
	return !strcmp(value, "1") ? "fault" : !strcmp(value, "0") ? "read" : "-";
}

/* The processor itself, asked by a program of 32 or of 64 bits. */
static void host_row(struct stage *s, struct demo_table *t, unsigned bits)
{
	static const char *const at[] = { "fault-at-12", "fault-at-13", "fault-at-64" };
	char command[4300], text[400], value[16], key[64];
	FILE *p;
	size_t n;

	snprintf(command, sizeof(command), "'%s/demo/limits-host%u' 2>/dev/null", s->setup->guests, bits);
	p = popen(command, "r");
	n = p ? fread(text, 1, sizeof(text) - 1, p) : 0;
	text[n] = 0;
	if (p)
		pclose(p);
	demo_cell(t, "%u-bit code", bits);
	for (size_t i = 0; i < 3; i++) {
		value_of(text, at[i], value, sizeof(value));
		snprintf(key, sizeof(key), "derived.host%u.%s", bits, at[i]);
		demo_cell(t, "%s", fault_words(demo_fact_text(s, key, value)));
	}
}

static void guest_row(struct stage *s, struct demo_table *t, const json_t *c, const char *who)
{
	static const char *const at[] = { "fault-at-12", "fault-at-13", "fault-at-16" };

	demo_cell(t, "%s", demo_name(c));
	demo_cell(t, "%s", who);
	for (size_t i = 0; i < 3; i++)
		demo_cell(t, "%s", fault_words(demo_fact_console(s, c, at[i])));
	demo_cell(t, "%s", demo_fact_console(s, c, "read-cycles"));
}

static void guests_show(struct stage *s)
{
	static const char *const heads[] = { "", "who checks", "at 12", "at 13", "at 16", "cycles a read", NULL };
	static const struct { const char *backend, *interface, *who; } each[] = {
		{ "interp", NULL, "the interpreter" }, { "bt", NULL, "the VMM, by a call" }, { "pv", "trap", "the CPU" }, { "pv", "patch", "the CPU" },
	};
	const json_t *column[sizeof(each) / sizeof(each[0])];

	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		column[i] = demo_run(s, &(struct demo_guest){ .guest = GUEST, .backend = each[i].backend, .interface = each[i].interface });
		if (!demo_ran(s, column[i]))
			column[i] = NULL;
	}
	struct demo_table *t = demo_table(s, heads);
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++)
		if (column[i])
			guest_row(s, t, column[i], each[i].who);
	demo_table_end(t);
}

static int show(struct stage *s)
{
	static const char *const heads[] = { "a segment of 16 bytes", "4 bytes at 12", "at 13", "at 64", NULL };
	const json_t *c;

	demo_step(s, "The fence of the old translators");
	demo_say(s, "A translator runs guest code, rewritten, in the same address space as itself, and must keep it away from its own memory without a check at every "
		"access. The 32-bit ones cut the guest's segments short: the VMM lay above the limit, and the CPU checked every access for nothing.");
	demo_say(s, "Two programs of the host ask the processor of this machine. Both load a data segment of sixteen bytes and read four bytes through it:");
	struct demo_table *t = demo_table(s, heads);
	host_row(s, t, 32);
	host_row(s, t, 64);
	demo_table_end(t);
	demo_say(s, "In 64-bit code the limit is there, in the descriptor, and nobody looks at it. AMD put a check for data segments back into some of its later "
		"processors for this very reason; Intel never did, and early 64-bit guests of software VMMs needed VT-x there.");

	demo_step(s, "A guest that uses a limit");
	demo_say(s, "Guests of 32 bits may rely on limits, too. This one reads through a segment of sixteen bytes.");
	if (demo_code(s, GUEST ".elf", "demo_read", 6))
		return 1;
	c = demo_run(s, &(struct demo_guest){ .guest = GUEST, .backend = "bt", .options = "--listing demo_read" });
	demo_say(s, "Direct execution runs it as 32-bit code, with a segment of the same base and limit, and the CPU checks. Our translator makes 64-bit code. "
		"While a segment has a limit, what it adds for the window leads into a guard zone, so that the access faults; after that the block is made anew, "
		"with a call in that place:");
	demo_listing(s, "ringlab run --listing demo_read " GUEST, c, "demo_read,", 30);

	demo_step(s, "Who enforces the limit, and what that costs");
	guests_show(s);

	demo_step(s, "And the VMM's own memory?");
	demo_say(s, "Here bt needs no fence. A guest's address has 32 bits; translated code adds it, zero-extended, to the base of a window of 4 GiB that holds guest "
		"memory and nothing else, with guard pages behind it. Whatever the guest computes, it cannot name an address of the VMM's. A guest of 64 bits "
		"could name every one: that is what was lost. Its accesses would need a check each, or hardware help.");
	demo_point(s, "Segment limits were the cheap fence between translated code and the translator; 64-bit mode took them away, and hardware virtualization came in their place.",
		"K. Adams and O. Agesen, A Comparison of Software and Hardware Techniques for x86 Virtualization, ASPLOS 2006; AMD64 Architecture "
		"Programmer's Manual, volume 2, Data Limit Checks in 64-bit Mode");
	return 0;
}

const struct demo demo_64_bit = { "64-bit", "why binary translation lost segment limits", show };
