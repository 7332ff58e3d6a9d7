/*
 * paper_adams_agesen.c - the figures of Adams & Agesen 2006: seven nanobenchmarks on native hardware, a software and a hardware VMM.
 *
 * Only what the paper's text says in numbers or lets one work out is here. Its figure 4 shows all seven on a logarithmic axis; nothing is
 * read off that. Read next: paper_table.c.
 */
#include <math.h>
#include "paper.h"

#define TEXT(v) { v, FIGURE_TEXT }
#define DERIVED(v) { v, FIGURE_DERIVED }
#define AT_LEAST(v) { v, FIGURE_AT_LEAST }
#define NO_NUMBER { NAN, FIGURE_NONE }

static const struct paper_row rows[] = {
	{
		.name = "syscall", .cell = "syscall-sysenter", .instead = "syscall-int",
		.theirs = { NO_NUMBER, AT_LEAST(2000), NO_NUMBER },
		.says = "software: about 2000 cycles more than native; hardware: at native speed",
		.kin = "SYSENTER, for a 32-bit guest; theirs is SYSCALL in 64-bit mode",
		.why_cheaper = "a system call here is a jump between two views of one address space in translated code; theirs changed the "
			"hardware's privilege level besides",
		.why_dearer = "a system call of a deprivileged guest passes through the host's kernel",
	}, {
		.name = "in", .cell = "in",
		.theirs = { TEXT(3209), DERIVED(3209.0 / 15), TEXT(15826) },
		.says = "port 80h; native goes to the chipset; software: fifteen times faster than native; hardware: one round trip and the device model",
		.kin = "a register of the UART; port 80h has no device behind it to check",
		.why_cheaper = "the instruction is a call of the device model from translated code, without a change of privilege level",
		.why_dearer = "the port is answered by a device model in another privilege level or by a slow path",
		.why_model = "the model's upper bound is this very figure",
	}, {
		.name = "cr8wr", .cell = "cli-sti",
		.theirs = { DERIVED(4 * 35.0), TEXT(35), NO_NUMBER },
		.says = "software: 35, four times faster than native; hardware: similar to native, no exit",
		.kin = "CLI and STI, a pair: there is no CR8 in 32-bit mode; this too masks interrupts, is privileged, and needs no exit on VT-x",
		.why_cheaper = "CLI and STI are a store to a byte of virtual state each; theirs had a priority to compare",
		.why_dearer = "the interrupt flag is not kept in translated code",
	}, {
		.name = "call/ret", .cell = "call-ret",
		.theirs = { TEXT(11), TEXT(51), TEXT(11) },
		.says = "software: 40 more than native, for each return looks its target up",
		.why_cheaper = "a call that is paired with its return is predicted by the host's own return stack; their returns went through a hash table, and "
			"a Pentium 4 pays over 20 cycles for a mispredicted jump",
		.why_dearer = "returns miss the translator's cache of targets",
	}, {
		.name = "pgfault", .cell = "page-fault",
		.theirs = { TEXT(1093), TEXT(3927), TEXT(11242) },
		.says = "a true page fault: both VMMs look at it before the guest does",
		.untimed = "tlb-flush", .untimed_reason = 14, /* INVLPG, so that the next access faults */
		.kin = "with the mapping of the page by the guest's handler, and the access again",
		.why_cheaper = "code that keeps faulting is translated to look pages up in software: no hardware fault happens at all",
		.why_dearer = "each fault passes through the host's kernel as a signal",
		.why_model = "KVM without EPT is entered for the fault itself and again to fill the shadow entry; two exits at the cost of IN are too much, "
			"for no device model is run",
	}, {
		.name = "divzero", .cell = "divide-error",
		.theirs = { TEXT(889), TEXT(3223), TEXT(1014) },
		.says = "a fault without the MMU: hardware takes no exit for it",
		.why_cheaper = "a division that keeps faulting is handed to the interpreter, which enters the guest's handler without a hardware fault",
		.why_dearer = "each fault passes through the host's kernel as a signal",
		.why_model = "their hardware VMM took 125 cycles more than native without an exit, which the model leaves at native speed",
	}, {
		.name = "ptemod", .cell = "pte-invlpg",
		.theirs = { TEXT(1), TEXT(391), TEXT(12733) },
		.says = "a store to a page-table entry; both VMMs write-protect page tables (traces)",
		.kin = "with the INVLPG that makes the store take effect; theirs is the store alone",
		.why_cheaper = "page tables are compared when the guest flushes, and the store itself is not intercepted",
		.why_dearer = "the INVLPG is in ours, and drops a host mapping",
		.why_model = "KVM leaves a page table unsynchronised until INVLPG, and takes one exit for that; theirs trapped each store",
	},
};

const struct paper paper_adams_agesen = {
	.name = "adams-agesen",
	.title = "K. Adams, O. Agesen: A Comparison of Software and Hardware Techniques for x86 Virtualization, ASPLOS 2006",
	.machine = "Pentium 4 672, 3.8 GHz: the first VT-x, without EPT",
	.source = "section 6.2, Nanobenchmarks",
	.figures = "numbers of the paper's text; ~: worked out of its text; >=: the text gives a lower bound; -: in figure 4 alone, not read off",
	.row = rows,
	.rows = sizeof(rows) / sizeof(rows[0]),
};
