/*
 * demo_guest_syscalls.c - a guest program calls its kernel, by INT and by SYSENTER: who is entered first, how often, and at what cost.
 *
 * guests/demo/syscalls.c is the guest: a run for each way, so that all counts are that way's. Read next: demo_interrupt_virtualization.c.
 */
#include <string.h>
#include "cells.h"

#define GUEST "demo/syscalls"

/* A way to call: its name in the guest's lines and command line, and the instructions of both directions. */
struct way {
	const char *name, *append, *there, *back;
};
static const struct way by_int = { "int", "n=200 only=int", "int", "iret" };
static const struct way by_sysenter = { "sysenter", "n=200 only=sysenter", "sysenter", "sysexit" };

static void line_of(char *line, size_t n, const struct way *w, const char *what)
{
	snprintf(line, n, "%s-%s", w->name, what);
}

static void selectors(struct stage *s, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "user CS, virtual", "user CS, real", "real ring", "kernel reads CS", "user IF in the frame", NULL };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		if (!column[i])
			continue;
		demo_cell(t, "%s", demo_name(column[i]));
		cell_console(s, t, column[i], "int-user-cs");
		demo_cell(t, "%s", demo_fact_witness(s, column[i], "syscall-entry", "real", "cs"));
		demo_cell(t, "%s", demo_fact_witness(s, column[i], "syscall-entry", "real", "cpl"));
		cell_console(s, t, column[i], "int-kernel-cs");
		cell_console(s, t, column[i], "int-user-if");
	}
	demo_table_end(t);
}

static void table(struct stage *s, const struct way *w, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "calls that worked", "VMM entered", "by", "VMM for the return", "by", "cycles, both ways", NULL };
	struct demo_table *t = demo_table(s, heads);
	char line[40];

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		line_of(line, sizeof(line), w, "calls");
		if (!column[i] || !demo_console(column[i], line))
			continue;
		demo_cell(t, "%s", demo_name(column[i]));
		cell_console(s, t, column[i], line);
		cell_count(s, t, column[i], "syscall-entry");
		cell_mechanism(s, t, column[i], "syscall-entry");
		cell_count(s, t, column[i], "user-return");
		cell_mechanism(s, t, column[i], "user-return");
		line_of(line, sizeof(line), w, "cycles");
		cell_cycles(s, t, column[i], line);
	}
	demo_table_end(t);
}

static void rules(struct stage *s, const char *instruction, const json_t *const column[])
{
	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		const struct backend_rule *r = column[i] ? cell_rule(s, column[i], instruction) : NULL;
		if (r && r->note)
			demo_say(s, "%s: %s.", demo_name(column[i]), r->note);
	}
}

/* The same by the weakest barrier between user and kernel, and by this host's best. */
static void isolation(struct stage *s)
{
	static const char *const heads[] = { "technique", "kernel's memory while user mode runs", "cycles of a call", NULL };
	static const char *const interfaces[] = { "trap", "xen" }, *const how[] = { NULL, "--user-isolation limits" };
	struct demo_table *t;
	const json_t *column[4];
	struct demo_guest g = { .guest = GUEST, .backend = "pv", .append = "n=100 only=int" };

	demo_step(s, "What the barrier costs");
	for (unsigned i = 0; i < 4; i++) {
		g.interface = interfaces[i / 2];
		g.options = how[i % 2];
		column[i] = demo_run(s, &g);
	}
	t = demo_table(s, heads);
	for (unsigned i = 0; i < 4; i++) {
		const char *cycles = demo_console(column[i], "int-cycles");
		char key[80];
		if (!cycles)
			continue;
		demo_cell(t, "%s", demo_name(column[i]));
		demo_cell(t, "%s", i % 2 ? "beyond a segment limit" : "this host's best: protection keys, or unmapped");
		/* Two columns of one name: the key tells them apart. */
		snprintf(key, sizeof(key), "derived.isolation.%s.%s", interfaces[i / 2], i % 2 ? "limits" : "best");
		demo_cell(t, "%s", demo_fact_text(s, key, cycles));
	}
	demo_table_end(t);
	demo_say(s, "Kernel and program of the guest share ring 3, so at each crossing the VMM has to take the kernel's memory away from the program, and give it back. "
		"A segment limit does that for nothing, and any program can evade it (docs/isolation.md). Hardware that has two rings for the guest needs none of this.");
}

static int show(struct stage *s)
{
	const json_t *column[DEMO_TECHNIQUES];

	demo_step(s, "A call into the kernel");
	demo_say(s, "INT looks up a gate in the IDT, takes a stack from the TSS, pushes five words, and IRET takes them back. SYSENTER goes where three MSRs say, "
		"saves nothing, and SYSEXIT returns to where EDX and ECX say. The guest's program makes the calls like this:");
	if (demo_code(s, GUEST ".elf", "call_by_int", 4) || demo_code(s, GUEST ".elf", "call_by_sysenter", 6))
		return 222;

	demo_step(s, "Who is entered");
	demo_techniques(s, GUEST, "n=1 only=int", "--witness", column);
	selectors(s, column);
	demo_say(s, "The IDT that the CPU looks into is the host's. Outside VT-x and translation, INT 0x80 is a fault or a host system call in the making; the VMM gets it "
		"as a signal, reads the guest's own IDT and TSS in guest memory, and builds the frame there. The real ring is 3 before and after: "
		"only the segments change. Translated code needs no fault: the INT has become a call into the VMM.");

	demo_step(s, "INT: how often, and what it costs");
	demo_techniques(s, GUEST, by_int.append, NULL, column);
	table(s, &by_int, column);
	demo_say(s, "The counts include the calls by which the program starts and ends. Two visits a call is the rule: there, and back. IRET faults too where "
		"the kernel's own selectors are not the CPU's; Xen's guests return by hypercall; bt does both within the translator.");

	demo_step(s, "SYSENTER: the same");
	demo_techniques(s, GUEST, by_sysenter.append, NULL, column);
	table(s, &by_sysenter, column);
	demo_say(s, "On hardware SYSENTER is much cheaper than INT, for it looks nothing up. Here a trap costs what a trap costs. What becomes of SYSENTER, by the rules of `ringlab explain`:");
	rules(s, "sysenter", column);
	demo_say(s, "Intel's paper names it as a challenge of its own (guest transitions): SYSENTER always enters ring 0, so that a deprivileged kernel is bypassed "
		"and the VMM must emulate each call; and SYSEXIT faults outside ring 0.");
	isolation(s);
	demo_point(s, "A system call of a deprivileged guest visits the VMM on the way in and on the way out; a translator makes that a function call, and only a "
		"second set of rings avoids it.",
		"Uhlig et al., Intel Virtualization Technology, IEEE Computer 38(5), May 2005 (adverse impacts on guest transitions); Adams and Agesen, ASPLOS 2006, "
		"figure 4 (syscall); Intel SDM vol. 2, SYSENTER, SYSEXIT, INT n.");
	return 0;
}

const struct demo demo_guest_syscalls = { "guest-syscalls", "INT and SYSENTER: who is entered, how often, at what cost", show };
