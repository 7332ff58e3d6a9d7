/*
 * demo_trap_and_emulate.c - Popek and Goldberg's monitor on x86: one trap in slow motion, the price of each, and where it fails.
 *
 * guests/demo/trap.c is the guest; the handler's name comes from the rules behind `ringlab explain`. Read next: demo_nonfaulting_state.c.
 */
#include <string.h>
#include "cells.h"

#define GUEST "demo/trap"

enum { BT, TRAP, PATCH, PREVIRT, VTX, COLUMNS };

/* The registers at the trap, real beside virtual. */
static void registers(struct stage *s, const json_t *one)
{
	static const char *const heads[] = { "at the trap", "the CPU's own", "the guest's belief", NULL };
	static const char *const rows[][2] = { { "CS", "cs" }, { "SS", "ss" }, { "ring", "cpl" }, { "EFLAGS", "eflags" }, { "mode", "mode" } };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		demo_cell(t, "%s", rows[i][0]);
		demo_cell(t, "%s", demo_fact_witness(s, one, "cr-read", "real", rows[i][1]));
		demo_cell(t, "%s", demo_fact_witness(s, one, "cr-read", "guest", rows[i][1]));
	}
	demo_table_end(t);
}

static void slow_motion(struct stage *s, const json_t *one)
{
	const struct backend_rule *r = cell_rule(s, one, "mov cr");
	static const char *const heads[] = { "step", "what happens", NULL };
	struct demo_table *t;

	registers(s, one);
	t = demo_table(s, heads);
	demo_cell(t, "1");
	demo_cell(t, "the guest's kernel runs MOV EAX, CR3; EAX is %s", demo_fact_console(s, one, "cr3-before"));
	demo_cell(t, "2");
	demo_cell(t, "the CPU is in ring 3: #GP(0), into the host's kernel, which sends its process SIGSEGV (%s)", demo_fact_mechanism(s, one, "cr-read"));
	demo_cell(t, "3");
	demo_cell(t, "the VMM's handler finds the instruction at the faulting EIP and hands it to %s() in %s", r && r->handler ? r->handler : "?",
		r && r->file ? r->file : "?");
	demo_cell(t, "4");
	demo_cell(t, "it is executed on the virtual CPU: EAX becomes %s, the guest's page directory is at %s, and the host's CR3 was not looked at",
		demo_fact_console(s, one, "cr3-after"), demo_fact_console(s, one, "cr3-right"));
	demo_cell(t, "5");
	demo_cell(t, "EIP moves behind the instruction, and the guest goes on, directly on the CPU");
	demo_table_end(t);
	demo_say(s, "Times that a control register was read in this run: %lld; of these by a trap: %lld.", demo_fact_count(s, one, "cr-read", NULL),
		demo_fact_count(s, one, "cr-read", "host trap"));
}

static void prices(struct stage *s, const json_t *const column[])
{
	const char *const heads[] = { "instruction", "seen by trap", cell_vtx(column[VTX]), "trap", "patch", "previrt", "bt", NULL };
	static const struct { const char *name, *line, *kind; } rows[] = {
		{ "none (a NOP)", "nothing-cycles", NULL },
		{ "CLI", "cli-cycles", "int-flag" },
		{ "IN", "in-cycles", "port-in" },
		{ "MOV r, CR0", "mov-from-cr0-cycles", "cr-read" },
		{ "MOV CR0, r", "mov-to-cr0-cycles", "cr-write" },
		{ "MOV CR3, r", "mov-to-cr3-cycles", "cr3-write" },
		{ "INVLPG", "invlpg-cycles", "tlb-flush" },
		{ "PUSHF", "pushf-cycles", "flags-image" },
		{ "POPF", "popf-cycles", "flags-image" },
	};
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		demo_cell(t, "%s", rows[i].name);
		if (rows[i].kind)
			cell_count(s, t, column[TRAP], rows[i].kind);
		else
			demo_cell(t, "-");
		if (rows[i].kind)
			cell_count(s, t, column[VTX], rows[i].kind);
		else
			demo_cell(t, "-");
		cell_cycles(s, t, column[TRAP], rows[i].line);
		cell_cycles(s, t, column[PATCH], rows[i].line);
		cell_cycles(s, t, column[PREVIRT], rows[i].line);
		cell_cycles(s, t, column[BT], rows[i].line);
	}
	demo_table_end(t);
}

static void each_run(struct stage *s, const char *append, const char *options, const json_t *column[COLUMNS])
{
	static const struct { const char *backend, *interface; } each[COLUMNS] = { { "bt", NULL }, { "pv", "trap" }, { "pv", "patch" }, { "pv", "previrt" }, { "vtx", NULL } };

	for (unsigned i = 0; i < COLUMNS; i++) {
		struct demo_guest g = { .guest = GUEST, .backend = each[i].backend, .interface = each[i].interface, .append = append, .options = options };
		column[i] = demo_run(s, &g);
		if (!demo_ran(s, column[i]))
			column[i] = NULL;
	}
}

static void popf(struct stage *s)
{
	const json_t *column[COLUMNS] = { NULL };
	static const char *const heads[] = { "technique", "POPF was done", "interrupts closed", NULL };
	struct demo_table *t;

	each_run(s, "n=1", "--count-inline", column); /* so that what never leaves translated code has a name too */
	t = demo_table(s, heads);
	for (unsigned i = 0; i < COLUMNS; i++) {
		const char *closed = column[i] ? demo_fact_console(s, column[i], "popf-closed") : NULL;

		if (!closed)
			continue;
		demo_cell(t, "%s", demo_name(column[i]));
		demo_cell(t, "%s", demo_fact_mechanism(s, column[i], "flags-image"));
		demo_cell(t, "%s", strcmp(closed, "0") ? "yes" : "NO: one came");
	}
	demo_table_end(t);
}

static int show(struct stage *s)
{
	struct demo_guest once = { .guest = GUEST, .backend = "pv", .interface = "trap", .append = "once", .options = "--witness" };
	const json_t *column[COLUMNS] = { NULL }, *one;

	demo_step(s, "The ideal");
	demo_say(s, "Popek and Goldberg, 1974: run the guest's kernel in user mode, directly. What is innocent runs at full speed and the VMM hears nothing of it. "
		"What is sensitive traps, because user mode may not do it; the VMM does it to the virtual machine instead of the real one, and goes back. "
		"No instruction is looked at before it runs.");
	if (demo_code(s, GUEST ".elf", "one_trap", 4))
		return 222;

	demo_step(s, "One trap, slowly");
	one = demo_run(s, &once);
	if (demo_ran(s, one))
		slow_motion(s, one);

	demo_step(s, "What it costs");
	each_run(s, NULL, NULL, column);
	demo_say(s, "TSC cycles as the guest measures them, medians, with the two RDTSC that measure (the first row). A trap here goes through a whole operating "
		"system: fault, host kernel, signal, handler, and back. The emulation itself is the small part. Before them, for the whole guest, how often the VMM "
		"was asked: by trap each time, for each is privileged; by VT-x only for what it does not give to the guest.");
	prices(s, column);
	if (column[TRAP])
		demo_say(s, "Of these the VMM itself spent, in the median: %lld cycles on an IN, %lld on a CLI. PUSHF and POPF cost nothing extra under trap: they do "
			"not trap. That is not good news.", demo_fact_cost(s, column[TRAP], "port-in"), demo_fact_cost(s, column[TRAP], "int-flag"));

	demo_step(s, "Where it fails");
	if (demo_code(s, GUEST ".elf", "do_popf", 6))
		return 222;
	demo_say(s, "The guest opens interrupts by STI, closes them by POPF, and raises one.");
	popf(s);
	demo_say(s, "In ring 3 POPF leaves IF as it is and says nothing. The VMM goes on believing that interrupts are open, for the last thing it heard was "
		"STI, and delivers one into code that had closed them. Patch found the instruction beforehand; previrt was told of it by the assembler; "
		"bt translates it as everything else. See nonfaulting-state for the others.");
	demo_point(s, "Trap-and-emulate needs every sensitive instruction to be privileged; on x86 most are, and the VMM is right about those at the price of a trap "
		"each, and wrong about the rest for free.",
		"Popek and Goldberg, Formal Requirements for Virtualizable Third Generation Architectures, CACM 17(7), July 1974, theorem 1; Adams and "
		"Agesen, A Comparison of Software and Hardware Techniques for x86 Virtualization, ASPLOS 2006, section 2 (classical virtualization, and POPF).");
	return 0;
}

const struct demo demo_trap_and_emulate = { "trap-and-emulate", "one trap in slow motion, and where it fails", show };
