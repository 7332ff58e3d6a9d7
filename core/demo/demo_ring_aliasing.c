/*
 * demo_ring_aliasing.c - a kernel can read in CS which ring it is in; what each technique lets it read.
 *
 * PUSH CS and MOV from CS need no privilege, so that nothing traps when they show what they should not. guests/demo/ring-aliasing.c is the
 * guest. Read next: demo_ring_compression.c.
 */
#include <stdlib.h>
#include <string.h>
#include "demo.h"

#define GUEST "demo/ring-aliasing"

static void saw(struct stage *s, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "PUSH CS", "MOV CS", "MOV SS", "CS in its trap frame", "so it runs in", NULL };
	static const char *const line[] = { "push-cs", "mov-cs", "mov-ss", "frame-cs", "conclusion" };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		if (!column[i])
			continue;
		demo_cell(t, "%s", demo_name(column[i]));
		for (unsigned l = 0; l < 5; l++) {
			const char *v = demo_fact_console(s, column[i], line[l]);
			demo_cell(t, l == 4 ? "%s mode" : "%s", v ? v : "-");
		}
	}
	demo_table_end(t);
}

static void real(struct stage *s, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "first entry by", "real CS", "real ring", "mode", "CS it believes in", NULL };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		const char *kind = "exception";

		if (!column[i])
			continue;
		if (!demo_witness(column[i], kind))
			kind = "port-out"; /* VT-x delivers exceptions unseen */
		demo_cell(t, "%s", demo_name(column[i]));
		demo_cell(t, "%s", kind);
		demo_cell(t, "%s", demo_fact_witness(s, column[i], kind, "real", "cs"));
		demo_cell(t, "%s", demo_fact_witness(s, column[i], kind, "real", "cpl"));
		demo_cell(t, "%s", demo_fact_witness(s, column[i], kind, "real", "mode"));
		demo_cell(t, "%s", demo_fact_witness(s, column[i], kind, "guest", "cs"));
	}
	demo_table_end(t);
}

static void cost_cell(struct stage *s, struct demo_table *t, const json_t *column)
{
	const char *v = demo_fact_console(s, column, "cost-push-cs");
	const char *origin = json_string_value(json_object_get(column, "origin"));

	if (!v || !origin || strcmp(origin, "measured"))
		demo_cell(t, "not measured");
	else if (atoi(v) <= 1)
		demo_cell(t, "1 or less");
	else
		demo_cell(t, "%s", v);
}

static void counts(struct stage *s, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "executed", "seen by the VMM", "by", "cycles each, in the guest", NULL };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		if (!column[i])
			continue;
		demo_cell(t, "%s", demo_name(column[i]));
		demo_cell(t, "%lld", demo_fact_truth(s, column[i], "seg-read"));
		demo_cell(t, "%lld", demo_fact_count(s, column[i], "seg-read", NULL));
		demo_cell(t, "%s", demo_fact_mechanism(s, column[i], "seg-read"));
		cost_cell(s, t, column[i]);
	}
	demo_table_end(t);
}

static int show(struct stage *s)
{
	const json_t *column[DEMO_TECHNIQUES];

	demo_step(s, "A kernel looks at itself");
	demo_say(s, "The low two bits of the selector in CS are the current ring. Anybody may read them, by PUSH CS or MOV from CS; the instructions "
		"are sensitive, for they show the ring, but not privileged, for they never trap. A kernel that was moved to another ring can find out. "
		"Ours asks in four ways, and draws the conclusion that real kernels draw in their trap handlers.");
	if (demo_code(s, GUEST ".elf", "push_cs", 6) || demo_code(s, GUEST ".elf", "mov_cs", 6) || demo_code(s, GUEST ".elf", "where_am_i", 12))
		return 222;
	demo_step(s, "What it sees");
	demo_techniques(s, GUEST, NULL, "--witness", column);
	saw(s, column);
	demo_say(s, "Under trap-and-emulate the kernel contradicts itself: its own PUSH CS shows the selector that the CPU really uses, while the CS that the "
		"VMM wrote into its trap frame is the one it once loaded. It concludes that it is a user program. A Xen guest sees two values "
		"too, but it knows, and does not ask for ring 0: Linux kept its kernel's ring in a variable for that (pv_info.kernel_rpl).");
	demo_step(s, "What the hardware does");
	real(s, column);
	demo_say(s, "The real CS is the same where the illusion holds and where it breaks: ring 3, in root mode, but for VT-x. What differs is whether "
		"somebody stands between the instruction and the register.");
	demo_step(s, "How often, and at what cost");
	counts(s, column);
	demo_say(s, "Binary translation stores the virtual selector in place of PUSH CS, and so does code that an assembler stage made room for (previrt): "
		"right, and as good as free. Load-time rewriting (patch) is right too and pays a trap, for INT3 is all that fits where one byte was. "
		"Left alone (trap, xen) the instruction costs nothing and tells the truth, which is the wrong answer. VT-x leaves it alone as well, and "
		"there the truth is right: CS says ring 0 because the guest is in ring 0.");
	if (column[3] && demo_witness(column[3], "seg-read"))
		demo_say(s, "Under previrt somebody did trap by PUSH CS: the guest was in ring %s then. It is the user program, which looks at CS as well.",
			demo_fact_witness(s, column[3], "seg-read", "guest", "cpl"));
	demo_point(s, "Ring aliasing: software that runs in another ring than it was written for can see that, by instructions that do not trap; so it "
		"must be translated, rewritten, told, or given its own ring 0.",
		"Uhlig et al., Intel Virtualization Technology, IEEE Computer 38(5), May 2005, \"Ring aliasing\" (PUSH CS); Robin and Irvine, Analysis of "
		"the Intel Pentium's Ability to Support a Secure Virtual Machine Monitor, USENIX Security 2000 (PUSH among the 17); the criterion is "
		"Popek and Goldberg's, Communications of the ACM 17(7), 1974.");
	return 0;
}

const struct demo demo_ring_aliasing = { "ring-aliasing", "a kernel can read which ring it is in, and nothing traps", show };
