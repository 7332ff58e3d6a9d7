/*
 * demo_pre_virtualization.c - one file for bare hardware and for the VMM: the assembler leaves room, and the loader fills it.
 */
#include <stdio.h>
#include "demo.h"
#include "stage.h"

#define GUEST "demo/rewrite"
#define FUNCTION "demo_round"

static void technique_row(struct stage *s, struct demo_table *t, const char *what, const json_t *c)
{
	demo_cell(t, "%s", what);
	demo_cell(t, "%lld", demo_fact_count(s, c, "int-flag", NULL));
	demo_cell(t, "%lld", demo_fact_count(s, c, "flags-image", NULL));
	demo_cell(t, "%lld", demo_fact_count(s, c, "port-in", NULL));
	demo_cell(t, "%s", demo_fact_console(s, c, "wrong-answers"));
	demo_cell(t, "%s", demo_fact_console(s, c, "cycles-a-round"));
}

static void techniques_show(struct stage *s)
{
	static const char *const heads[] = { "", "CLI, STI", "PUSHF", "IN", "wrong", "cycles a round", NULL };
	static const struct { const char *what, *backend, *interface; bool annotated; } each[] = {
		{ "bt, plain file", "bt", NULL, false }, { "bt, annotated file", "bt", NULL, true }, { "pv:trap, plain", "pv", "trap", false },
		{ "pv:patch, plain", "pv", "patch", false }, { "pv:previrt, annotated", "pv", "previrt", true },
	};
	const json_t *column[sizeof(each) / sizeof(each[0])];
	char annotated[4200];

	snprintf(annotated, sizeof(annotated), "%s/" GUEST "-previrt.elf", s->setup->guests);
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		struct demo_guest g = { .guest = each[i].annotated && !each[i].interface ? annotated : GUEST, .backend = each[i].backend,
			.interface = each[i].interface, .append = "n=1000" };

		column[i] = demo_run(s, &g);
		if (!demo_ran(s, column[i]))
			column[i] = NULL;
	}
	struct demo_table *t = demo_table(s, heads);
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++)
		if (column[i])
			technique_row(s, t, each[i].what, column[i]);
	demo_table_end(t);
}

static int show(struct stage *s)
{
	const json_t *c;

	demo_step(s, "The source is not changed");
	demo_say(s, "A stage between the compiler and the assembler reads the assembly text of an ordinary kernel, whoever wrote it. Beside each sensitive instruction it "
		"leaves NOPs, and notes the place in a section that is not loaded. First the function as it was, then as the stage made it:");
	if (demo_code(s, GUEST ".elf", FUNCTION, 14) || demo_code(s, GUEST "-previrt.elf", FUNCTION, 48))
		return 1;

	demo_step(s, "Loaded by a VMM that knows");
	demo_say(s, "On bare hardware, and on every other engine, NOPs are NOPs. Direct execution finds the notes, checks each against the code, and overwrites the "
		"places: CLI becomes a store to a page that the guest shares with the VMM; PUSHF a few instructions beside; what needs the VMM becomes "
		"a far jump into it, which is a call and not a trap.");
	c = demo_run(s, &(struct demo_guest){ .guest = GUEST, .backend = "pv", .interface = "previrt", .options = "--listing " FUNCTION });
	demo_listing(s, "ringlab run --backend pv --interface previrt --listing " FUNCTION " " GUEST, c, NULL, 70);

	demo_step(s, "One source, two files, five ways");
	demo_say(s, "Events are what reached the VMM, of a thousand rounds; wrong answers are interrupt flags that PUSHF showed falsely. The "
		"console asks its port, too: these reads are among those of IN.");
	techniques_show(s);
	demo_say(s, "The annotated file costs nothing where nobody uses its notes. Where they are used, the interrupt flag costs a few cycles, as in a kernel that was "
		"ported by hand; a port read still leaves the guest, but by a call.");
	demo_point(s, "What a port to a hypervisor does by hand at every sensitive instruction, a tool can do at every build, and the same file still runs on bare hardware.",
		"J. LeVasseur et al., Pre-virtualization: Soft Layering for Virtual Machines, ACSAC 2008");
	return 0;
}

const struct demo demo_pre_virtualization = { "pre-virtualization", "one file for bare hardware and for the VMM", show };
