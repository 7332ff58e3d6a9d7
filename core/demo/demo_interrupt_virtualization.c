/*
 * demo_interrupt_virtualization.c - a kernel that masks interrupts heavily: what each CLI costs, and how late the interrupt is that waited.
 *
 * guests/demo/masking.c is the guest. Read next: demo_hidden_state.c.
 */
#include <stdlib.h>
#include <string.h>
#include "cells.h"

#define GUEST "demo/masking"
#define FLAG_IF 0x200u

/* The first entry that the guest makes with interrupts closed: a port of its console, or, under Xen, its first hypercall. */
static const char *closed_kind(const json_t *column)
{
	return demo_witness(column, "port-out") ? "port-out" : "hypercall";
}

static const char *flag(const char *eflags)
{
	return *eflags == '-' ? "-" : strtoul(eflags, NULL, 16) & FLAG_IF ? "1" : "0";
}

static void two_flags(struct stage *s, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "at the first", "real EFLAGS", "real IF", "virtual EFLAGS", "virtual IF", "ring", NULL };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		if (!column[i])
			continue;
		const char *kind = closed_kind(column[i]);
		const char *real = demo_fact_witness(s, column[i], kind, "real", "eflags"), *belief = demo_fact_witness(s, column[i], kind, "guest", "eflags");
		bool xen = !strcmp(demo_name(column[i]), "pv:xen");
		demo_cell(t, "%s", demo_name(column[i]));
		demo_cell(t, "%s", kind);
		demo_cell(t, "%s", real);
		demo_cell(t, "%s", flag(real));
		demo_cell(t, "%s", belief);
		demo_cell(t, "%s", xen ? "in memory" : flag(belief));
		demo_cell(t, "%s", demo_fact_witness(s, column[i], kind, "real", "cpl"));
	}
	demo_table_end(t);
}

static void prices(struct stage *s, const json_t *oracle, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "cycles, CLI+STI", "VMM entered for it", "by", "cycles, save, CLI, restore", "entered for PUSHF, POPF", NULL };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		if (!column[i])
			continue;
		const struct backend_rule *r = cell_rule(s, column[i], "cli");
		bool xen = !strcmp(demo_name(column[i]), "pv:xen"), none = !demo_count(column[i], "int-flag", NULL);
		demo_cell(t, "%s", demo_name(column[i]));
		cell_cycles(s, t, column[i], "pair-cycles");
		cell_count(s, t, column[i], "int-flag");
		demo_cell(t, "%s", !none ? demo_fact_mechanism(s, column[i], "int-flag") : xen ? "a store" : r ? event_mech_name[r->mech] : "-");
		cell_cycles(s, t, column[i], "save-restore-cycles");
		cell_count(s, t, column[i], "flags-image");
	}
	demo_table_end(t);
	demo_say(s, "Executed by the native guest, as the reference interpreter counts: %lld of CLI and STI, %lld of PUSHF and POPF.",
		demo_fact_count(s, oracle, "int-flag", NULL), demo_fact_count(s, oracle, "flags-image", NULL));
}

static void delivery(struct stage *s, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "came while closed", "came after STI", "cycles from STI", "entered at the window", "restore opens", NULL };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		if (!column[i])
			continue;
		const char *opens = demo_fact_console(s, column[i], "restore-opens");
		demo_cell(t, "%s", demo_name(column[i]));
		cell_console(s, t, column[i], "came-while-closed");
		cell_console(s, t, column[i], "came-after-opening");
		cell_cycles(s, t, column[i], "latency-cycles");
		cell_mechanism(s, t, column[i], "irq-window");
		demo_cell(t, "%s", !opens ? "-" : strcmp(opens, "0") ? "yes" : "NO");
	}
	demo_table_end(t);
}

/* The critical section as each technique leaves it. */
static void listings(struct stage *s)
{
	static const struct { const char *interface, *caption; unsigned max; } each[] = {
		{ "patch", "patch: guest code | what stands in its place", 8 },
		{ "previrt", "previrt: padded by the assembler, filled when loaded", 14 },
		{ NULL, "bt: guest code | translation", 12 },
	};

	demo_step(s, "The same code, as each technique runs it");
	for (unsigned i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		struct demo_guest g = { .guest = GUEST, .backend = each[i].interface ? "pv" : "bt", .interface = each[i].interface, .append = "n=16 pairs",
			.options = "--listing critical" };
		const json_t *column = demo_run(s, &g);
		if (demo_ran(s, column))
			demo_listing(s, each[i].caption, column, " cli", each[i].max);
	}
	demo_say(s, "Under trap and on VT-x it runs as it stands. patch: INT3, for that trap is the cheaper one. previrt and bt: a store, and behind STI the question whether "
		"an interrupt is waiting; only if so is the VMM called.");
}

static int show(struct stage *s)
{
	const json_t *column[DEMO_TECHNIQUES], *oracle;
	struct demo_guest g = { .guest = GUEST, .backend = "interp" };

	demo_step(s, "A flag that is used all the time");
	demo_say(s, "A kernel closes interrupts around every few lines that must not be disturbed: locks, lists, the run queue. On hardware CLI costs a few cycles. "
		"In a guest it may not touch the real flag, or the guest could take the machine from the host; and it has to work, or an "
		"interrupt comes where none may.");
	if (demo_code(s, GUEST ".elf", "critical", 6))
		return 222;
	demo_say(s, "The body is a NOP. Kernels that do not know whether interrupts are open already save the flags first, and restore them:");
	if (demo_code(s, GUEST ".elf", "save_restore", 12))
		return 222;

	listings(s);

	demo_step(s, "Two flags");
	oracle = demo_run(s, &g);
	demo_techniques(s, GUEST, "n=16 pairs", "--witness", column);
	demo_say(s, "The guest has closed its interrupts, and enters the VMM for something else. The CPU's own flag, and the guest's:");
	two_flags(s, column);
	demo_say(s, "Outside VT-x the real IF is 1 as for every process: the host stays in charge, and the guest's IF is a bit that the VMM keeps. Xen's guests keep "
		"it themselves, as a byte in the page that they share with the VMM (evtchn_upcall_mask); their EFLAGS.IF means nothing. Under VT-x IF is "
		"the guest's own, and external interrupts leave the guest whatever it says.");

	demo_step(s, "What each CLI costs");
	demo_techniques(s, GUEST, NULL, NULL, column);
	if (!demo_ran(s, oracle))
		return 222;
	prices(s, oracle, column);
	demo_say(s, "trap: each CLI and each STI is a fault, a signal, and back. patch: the same with the cheaper INT3; sites that follow one another "
		"directly share a trap, but here something stands between them, as in a kernel. previrt and xen: a store to memory that guest and VMM share, and a "
		"test whether something waits; previrt is entered only as often as something did. bt: the same, in the translation. Under trap the save and restore look half as dear: POPF did nothing.");

	demo_step(s, "The interrupt that waited");
	demo_say(s, "A timer's interrupt falls due while interrupts are closed. It must wait, and come at the STI; the VMM has to notice the moment "
		"(the window). Then once with PUSHF, CLI, POPF: does POPF open interrupts again?");
	delivery(s, column);
	demo_say(s, "Nobody waits in a loop: who has an interrupt to deliver arranges to be called at the window. Where STI traps the VMM is there already; where it is a "
		"store, the code behind it looks at a byte that the VMM has set, and calls. VT-x has a control for it, interrupt-window exiting: a VM exit "
		"before the first instruction at which IF is 1.");
	demo_point(s, "Interrupt masking is too frequent to trap: a good VMM makes the virtual flag cheap to write, and pays only when an interrupt waits for it.",
		"Uhlig et al., Intel Virtualization Technology, IEEE Computer 38(5), May 2005 (interrupt virtualization); Barham et al., Xen and the Art of "
		"Virtualization, SOSP 2003 (event masks in shared memory); Intel SDM vol. 3, VM-execution controls: interrupt-window exiting.");
	return 0;
}

const struct demo demo_interrupt_virtualization = { "interrupt-virtualization", "what each CLI costs, and the interrupt that waited", show };
