/*
 * demo_rings.c - where the guest's kernel really runs: in ring 0D under ring 0P, or in ring 3 with an illusion, or in ring 3 in the open.
 *
 * The first demonstration, and the pattern of the others: the code, the runs, then tables of what the guest saw, what the CPU was really
 * doing, how often the VMM was entered and what that cost. guests/demo/rings.c is the guest. Read next: demo_ring_aliasing.c.
 */
#include <stdlib.h>
#include <string.h>
#include "demo.h"

#define GUEST "demo/rings"

static void saw(struct stage *s, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "kernel's CS", "ring it says", "user's CS", "ring it says", NULL };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		static const char *const line[] = { "kernel-cs", "kernel-ring", "user-cs", "user-ring" };

		if (!column[i])
			continue;
		demo_cell(t, "%s", demo_name(column[i]));
		for (unsigned l = 0; l < 4; l++) {
			const char *v = demo_fact_console(s, column[i], line[l]);
			demo_cell(t, "%s", v ? v : "-");
		}
	}
	demo_table_end(t);
}

/* EFLAGS.IF of one side. */
static void if_cell(struct stage *s, struct demo_table *t, const json_t *column, const char *kind, const char *side)
{
	const char *flags = demo_fact_witness(s, column, kind, side, "eflags");

	demo_cell(t, "%s", *flags == '-' ? "-" : strtoul(flags, NULL, 16) & 0x200 ? "1" : "0");
}

static void side_cells(struct stage *s, struct demo_table *t, const json_t *column, const char *kind, const char *side)
{
	demo_cell(t, "%s", demo_fact_witness(s, column, kind, side, "cs"));
	demo_cell(t, "%s", demo_fact_witness(s, column, kind, side, "cpl"));
	if_cell(s, t, column, kind, side);
}

static void real(struct stage *s, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "mode", "real CS", "ring", "IF", "virtual CS", "ring", "IF", NULL };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		if (!column[i])
			continue;
		demo_cell(t, "%s", demo_name(column[i]));
		demo_cell(t, "%s", demo_fact_witness(s, column[i], "port-in", "real", "mode"));
		side_cells(s, t, column[i], "port-in", "real");
		side_cells(s, t, column[i], "port-in", "guest");
	}
	demo_table_end(t);
}

/* How often, by what, and the median of the VMM's cycles where they were measured. */
static void event_cell(struct stage *s, struct demo_table *t, const json_t *column, const char *kind)
{
	long long n = demo_fact_count(s, column, kind, NULL), cost = n ? demo_fact_cost(s, column, kind) : -1;

	if (!n)
		demo_cell(t, "none: %s", demo_fact_mechanism(s, column, kind));
	else if (cost < 0)
		demo_cell(t, "%lld %s", n, demo_fact_mechanism(s, column, kind));
	else
		demo_cell(t, "%lld %s, %lld", n, demo_fact_mechanism(s, column, kind), cost);
}

static void counts(struct stage *s, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "CLI and STI", "CR3 loads", "IN", "cycles", NULL };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		if (!column[i])
			continue;
		const char *cost = demo_fact_console(s, column[i], "cost-work"), *origin = json_string_value(json_object_get(column[i], "origin"));

		demo_cell(t, "%s", demo_name(column[i]));
		event_cell(s, t, column[i], "int-flag");
		event_cell(s, t, column[i], "cr3-write");
		event_cell(s, t, column[i], "port-in");
		demo_cell(t, "%s", cost && origin && !strcmp(origin, "measured") ? cost : "-");
	}
	demo_table_end(t);
}

static void tradition(struct stage *s)
{
	demo_step(s, "Why not ring 1, as the books have it?");
	demo_say(s, "32-bit VMMs that were part of a host's kernel had all four rings to give: themselves in ring 0, the guest's kernel in ring 1, its "
		"programs in ring 3 (0/1/3). Paging tells only ring 3 from the others, so a kernel in ring 1 is safe from its programs, and "
		"segment limits keep it away from the VMM. Xen, lguest and VirtualBox did this.");
	demo_say(s, "Here the VMM is an ordinary process. The host's kernel gives a process ring 3 and nothing else: modify_ldt makes "
		"descriptors of DPL 3 only, and a selector of a lower RPL is refused. So the guest's kernel shares ring 3 with its own "
		"programs (0/3/3, without the 0), and something other than paging has to part them: see ring-compression. On x86-64 "
		"even kernels must do it so, for long mode has no segment limits to keep ring 1 away from the VMM.");
}

static int show(struct stage *s)
{
	const json_t *column[DEMO_TECHNIQUES];
	int e;

	demo_step(s, "A kernel, and the ring it was written for");
	demo_say(s, "A kernel is written for ring 0, and x86 checks it: these instructions fault anywhere else. Our guest runs them in a loop, and "
		"before that looks into CS, whose low two bits are the ring of whoever looks; then a user program does so. (The ADD is the guest's own count of what it executes.)");
	if ((e = demo_code(s, GUEST ".elf", "privileged", 10)) || (e = demo_code(s, GUEST ".elf", "read_cs", 8)))
		return 222;
	demo_step(s, "What the guest sees");
	demo_techniques(s, GUEST, NULL, "--witness", column);
	saw(s, column);
	demo_say(s, "Binary translation answers PUSH CS with the virtual CS: the illusion holds. So it does where the monitor has replaced the "
		"instruction (patch, previrt). Under trap-and-emulate PUSH CS runs as it is, for it is not privileged, and shows the real selector: "
		"ring 3. A Xen guest sees that too, and was told.");
	demo_step(s, "What the hardware does");
	demo_say(s, "At the first IN, the VMM looks at the CPU's own registers; what the guest believes in stands beside them. Root mode is where all "
		"software runs that is no VT-x guest; a guest under VT-x has four rings of its own in non-root mode.");
	real(s, column);
	demo_say(s, "The kernel runs with interrupts closed here, or believes so: the real IF is open wherever it is the host's, for no process may close it. "
		"0x33 is the 64-bit code segment of every Linux process: translated code is 64-bit code, and a call into the VMM has loaded it already. "
		"(Xen's guests keep their mask in a page that they share with the VMM, and IF plays no part.)");
	demo_step(s, "How often, and at what cost");
	demo_say(s, "How many events the VMM saw, by which mechanism, and the median of the TSC cycles that it spent on one; at last what one round of the "
		"five instructions took, by the guest's own clock. (The guest's console is a port too: IN counts its polls.)");
	counts(s, column);
	demo_say(s, "The same work, and the ring decides who is asked. Under VT-x the kernel is in ring 0 of non-root mode (0D: deprivileged): CLI and "
		"CR3 are its own, and only the port is the VMM's, in ring 0 of root mode (0P: privileged). In ring 3 with translation, CLI is a store in the "
		"translated code. In ring 3 without, each privileged instruction is a trap, or was replaced by something cheaper.");
	tradition(s);
	demo_point(s, "A guest's kernel can keep its ring only where the hardware has a second set of rings; everywhere else the ring is taken from it, and "
		"the techniques differ in how well they hide that.",
		"Uhlig et al., Intel Virtualization Technology, IEEE Computer 38(5), May 2005 (ring deprivileging, 0/1/3 and 0/3/3); Barham et al., "
		"Xen and the Art of Virtualization, SOSP 2003 (ring 1).");
	return 0;
}

const struct demo demo_rings = { "rings", "where the guest's kernel really runs, by each technique", show };
