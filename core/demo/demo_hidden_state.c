/*
 * demo_hidden_state.c - a segment register has a part that no instruction reads, and the guest depends on it.
 *
 * guests/demo/hidden.c is the guest. Read next: demo_address_space_compression.c.
 */
#include <string.h>
#include "cells.h"

#define GUEST "demo/hidden"
/* Of demo_techniques. */
#define VTX 5

static const struct {
	const char *line, *label, *want;
} rows[] = {
	{ "loaded", "FS loaded", "1" },
	{ "after-change", "table changed in memory", "1" },
	{ "after-port", "after IN", "1" },
	{ "after-cpuid", "after CPUID", "1" },
	{ "after-exception", "after an exception", "1" },
	{ "after-page-fault", "after a page fault", "1" },
	{ "after-cr3", "after MOV to CR3", "1" },
	{ "after-interrupt", "after an interrupt", "1" },
	{ "after-user", "after a visit to user mode", "1" },
	{ "not-present", "descriptor not present", "1" },
	{ "load-not-present", "MOV to FS of that", "#NP" },
	{ "after-refusal", "after that", "1" },
	{ "reloaded", "present, FS loaded again", "2" },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void readings(struct stage *s, const json_t *oracle, const json_t *const column[])
{
	const char *const heads[] = { "when", "interp", "bt", "trap", "patch", "previrt", "xen", cell_vtx(column[VTX]), NULL };
	struct demo_table *t = demo_table(s, heads);
	unsigned other = 0;

	for (unsigned i = 0; i < ROWS; i++) {
		demo_cell(t, "%s", rows[i].label);
		cell_console(s, t, oracle, rows[i].line);
		for (unsigned c = 0; c < DEMO_TECHNIQUES; c++) {
			const char *v = column[c] ? demo_console(column[c], rows[i].line) : NULL;
			cell_console(s, t, column[c], rows[i].line);
			other += v && strcmp(v, rows[i].want);
		}
	}
	demo_table_end(t);
	demo_say(s, "1: the segment that was loaded. 2: the one that the table says now. Readings that are not as on hardware: %lld.",
		demo_fact(s, "derived.other", other));
}

/* Through which doors the VMM was entered between the readings. */
static void doors(struct stage *s, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "seg-load", "port-in", "exception", "page-fault", "irq-delivered", "user-return", NULL };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		if (!column[i])
			continue;
		demo_cell(t, "%s", demo_name(column[i]));
		for (unsigned k = 1; heads[k]; k++)
			cell_count(s, t, column[i], heads[k]);
	}
	demo_table_end(t);
}

static int show(struct stage *s)
{
	const json_t *column[DEMO_TECHNIQUES], *oracle;
	struct demo_guest g = { .guest = GUEST, .backend = "interp" };

	demo_step(s, "The part that cannot be read");
	demo_say(s, "MOV to a segment register copies a descriptor out of the table in memory: base, limit, rights. From then on the CPU uses its copy, and "
		"what happens to the table is nothing to it, until the next load. No instruction of the 32-bit architecture stores the copy: MOV from FS gives back the "
		"selector, and that is all.");
	if (demo_code(s, GUEST ".elf", "load_fs", 6) || demo_code(s, GUEST ".elf", "table_change", 8) || demo_code(s, GUEST ".elf", "read_fs", 4))
		return 222;
	demo_say(s, "The guest loads FS; its segment holds a 1. Then it changes the descriptor in the table to a segment that holds a 2, and reads FS:0 after each kind "
		"of event that may enter a VMM. A program never notices; \"big real mode\" and some systems' task switches live by it.");

	demo_step(s, "Does it survive?");
	oracle = demo_run(s, &g);
	demo_techniques(s, GUEST, NULL, NULL, column);
	if (!demo_ran(s, oracle))
		return 222;
	readings(s, oracle, column);
	doors(s, column);

	demo_step(s, "Why it survives");
	demo_say(s, "Because each of these VMMs keeps what it cannot read. It sees every load of a segment register - that is the seg-load column, or translated code - and "
		"writes down base, limit and rights beside the selector (struct segment in core/include/core/vm.h). When it gives the CPU back to the guest it "
		"loads descriptors made from its notes, in the host's LDT (pv_ldt_select() in backend-pv/pv_low.c); bt adds the noted base itself. A VMM "
		"that saved selectors only, and loaded them again from the guest's table after an interrupt, would read a 2 here, and would fault at "
		"\"descriptor not present\": with an exception in code that has none.");
	demo_say(s, "The notes can be wrong only where a load is not seen: under trap, a selector that the host happens to have loads silently, and nobody writes anything "
		"down (nonfaulting-state, the row MOV GS).");

	demo_step(s, "What VT-x does");
	demo_say(s, "A VM exit may come between any two instructions, and what runs then uses all segment registers. So the hardware saves the hidden parts: the "
		"guest-state area of the VMCS has for each of CS, SS, DS, ES, FS, GS, LDTR and TR a selector, a base, a limit and access rights - and a bit "
		"\"unusable\" that not even a descriptor has. VM entry loads them from there, without a look at any table.");
	demo_point(s, "What software cannot save it must never lose: a VMM keeps its own copy of every segment's hidden part, or the hardware must save it.",
		"Uhlig et al., Intel Virtualization Technology, IEEE Computer 38(5), May 2005 (access to hidden state); Bugnion et al., Bringing Virtualization to "
		"the x86 Architecture with the Original VMware Workstation, ACM TOCS 30(4), 2012 (nonreversible segments); Intel SDM vol. 3, "
		"segment registers, and the VMCS's guest-state area.");
	return 0;
}

const struct demo demo_hidden_state = { "hidden-state", "the part of a segment register that no instruction reads", show };
