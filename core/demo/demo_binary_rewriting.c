/*
 * demo_binary_rewriting.c - load-time rewriting: traps are put where the CPU would not trap, and what that costs.
 */
#include <stdio.h>
#include "demo.h"

#define GUEST "demo/rewrite"
#define FUNCTION "demo_round"

static void technique_row(struct stage *s, struct demo_table *t, const json_t *c)
{
	demo_cell(t, "%s", demo_name(c));
	demo_cell(t, "%s", demo_fact_mechanism(s, c, "int-flag"));
	demo_cell(t, "%lld", demo_fact_count(s, c, "int-flag", NULL));
	demo_cell(t, "%s", demo_fact_mechanism(s, c, "flags-image"));
	demo_cell(t, "%lld", demo_fact_count(s, c, "flags-image", NULL));
	demo_cell(t, "%s", demo_fact_console(s, c, "wrong-answers"));
	demo_cell(t, "%s", demo_fact_console(s, c, "cycles-a-round"));
}

static void techniques_show(struct stage *s)
{
	static const char *const heads[] = { "technique", "CLI, STI by", "count", "PUSHF by", "count", "wrong", "cycles", NULL };
	static const struct { const char *backend, *interface; } each[] = { { "pv", "trap" }, { "pv", "patch" }, { "bt", NULL }, { "interp", NULL } };
	const json_t *column[sizeof(each) / sizeof(each[0])];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		column[n] = demo_run(s, &(struct demo_guest){ .guest = GUEST, .backend = each[i].backend, .interface = each[i].interface });
		n += demo_ran(s, column[n]);
	}
	struct demo_table *t = demo_table(s, heads);
	for (size_t i = 0; i < n; i++)
		technique_row(s, t, column[i]);
	demo_table_end(t);
}

/* What the rewriter says of itself. */
static void scan_show(struct stage *s, const json_t *column)
{
	static const char *const heads[] = { "what the scan knows of this image", "", NULL };
	static const struct { const char *note, *words; } notes[] = {
		{ "patch.code-bytes", "bytes that the file calls code" }, { "patch.reached-bytes", "of these, proved to be instructions" },
		{ "patch.padding-bytes", "of these, padding between functions" },
		{ "patch.unresolved-bytes", "of these, neither: reached by pointers only, or never" },
		{ "patch.sensitive", "sensitive instructions that got a trap" },
		{ "patch.late-instructions", "instructions that only the run revealed" }, { "patch.traps", "traps taken in the run" },
		{ "patch.follows", "sites done behind another one, without a trap of their own" },
	};
	const json_t *all = json_object_get(column, "notes");
	struct demo_table *t = demo_table(s, heads);

	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		const json_t *v = json_object_get(all, notes[i].note);
		char key[64];

		if (!v)
			continue;
		snprintf(key, sizeof(key), "derived.%s", notes[i].note);
		demo_cell(t, "%s", notes[i].words);
		demo_cell(t, "%lld", demo_fact(s, key, json_integer_value(v)));
	}
	demo_table_end(t);
}

static int show(struct stage *s)
{
	const json_t *c;

	demo_step(s, "A kernel's few words about interrupts");
	demo_say(s, "This function closes interrupts and asks the flags whether they are closed; it reads a port; it opens them and asks again. At ring "
		"3, where direct execution runs it, CLI, STI and IN fault, so that the VMM learns of them. PUSHF does not fault: it shows the flag "
		"of the host, in which interrupts are always open.");
	if (demo_code(s, GUEST ".elf", FUNCTION, 20))
		return 1;

	demo_step(s, "The same code as the CPU meets it");
	demo_say(s, "Before the guest runs, the VMM follows its code from the entry points along every branch, and puts INT3, one byte, in the place of each "
		"sensitive instruction. It does so in a copy, which only the fetching of code sees: whoever reads the page through the VMM finds the guest's own bytes.");
	c = demo_run(s, &(struct demo_guest){ .guest = GUEST, .backend = "pv", .interface = "patch", .options = "--listing " FUNCTION });
	demo_listing(s, "ringlab run --backend pv --interface patch --listing " FUNCTION " " GUEST, c, NULL, 40);

	demo_step(s, "What that changes");
	demo_say(s, "The same file by each technique. A wrong answer is a PUSHF that showed the wrong interrupt flag; cycles are of one round, as the guest "
		"measures them.");
	techniques_show(s);
	demo_say(s, "INT3 is the cheaper trap, too: a general protection fault costs the host's kernel more, and one trap serves the sites that follow one "
		"another. The translator (bt) does these instructions in its own code, and needs no trap at all.");

	demo_step(s, "What a scan can know");
	demo_say(s, "Code and data look alike. The scan takes for code only what a branch proves. What it has not proved cannot be executed: its first "
		"fetch faults, and is scanned then.");
	if (demo_ran(s, c))
		scan_show(s, c);
	demo_point(s, "Rewriting makes every sensitive instruction trap, so that none can lie; the price is to find them all before they run.",
		"M. Rosenblum and T. Garfinkel, Virtual Machine Monitors: Current Technology and Future Trends, IEEE Computer 38(5), 2005; "
		"Oracle VM VirtualBox User Manual, Details About Software Virtualization (its patch manager)");
	return 0;
}

const struct demo demo_binary_rewriting = { "binary-rewriting", "traps put where the CPU would not trap, at load time", show };
