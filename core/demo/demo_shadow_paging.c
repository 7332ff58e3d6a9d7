/*
 * demo_shadow_paging.c - who translates a guest's addresses: shadow tables, EPT, or the guest's own by hypercall; the same faults under each.
 *
 * Cells of guests/nano: a page fault with its mapping, a changed entry with INVLPG, a load of CR3. VT-x is from the nested machine or its
 * recorded runs: counts, no times. Read next: demo_vt_x.c.
 */
#include <stdio.h>
#include "cells.h"
#include "demo.h"

#define IMAGE "nano.elf"

struct each {
	const char *backend, *interface, *options;
};

static const struct each each[] = {
	{ "vtx", NULL, NULL }, { "vtx", NULL, "--ept 0" }, { "bt", NULL, NULL }, { "pv", "trap", NULL }, { "pv", "xen", NULL },
};
#define EACH (sizeof(each) / sizeof(each[0]))

/* What the guest timed, of the cell that ran; only where times are this machine's. */
static void steady_put(struct stage *s, struct demo_table *t, const json_t *column, const char *cell, const char *name)
{
	const json_t *v = json_object_get(json_array_get(json_object_get(column, "cells"), 0), "steady");
	char key[120];

	snprintf(key, sizeof(key), "derived.%s.%s", name, cell);
	if (cell_times(column) && json_is_integer(v))
		demo_cell(t, "%lld", demo_fact(s, key, json_integer_value(v)));
	else
		demo_cell(t, "-");
}

static void storm_show(struct stage *s, const char *cell)
{
	static const char *const heads[] = { "", "paging", "faults seen", "fills", "flushes", "CR3", "hypercalls", "cycles", NULL };
	struct demo_table *t = demo_table(s, heads);
	char append[60];

	snprintf(append, sizeof(append), "only=%s n=1000", cell);
	for (size_t i = 0; i < EACH; i++) {
		const json_t *c = demo_run(s, &(struct demo_guest){ "nano", each[i].backend, each[i].interface, append, each[i].options, 0 });
		const char *paging = each[i].options ? "shadow" : each[i].interface && each[i].interface[0] == 'x' ? "direct" : *each[i].backend == 'v' ?
			"EPT" : "shadow";
		char name[60];

		if (!demo_ran(s, c))
			continue;
		snprintf(name, sizeof(name), "%s %s", demo_name(c), paging);
		demo_cell(t, "%s", demo_name(c));
		demo_cell(t, "%s", paging);
		static const char *const kinds[] = { "page-fault", "shadow-fill", "tlb-flush", "cr3-write", "hypercall" };
		for (int k = 0; k < 5; k++)
			demo_cell(t, "%lld", demo_fact_count(s, c, kinds[k], NULL));
		steady_put(s, t, c, cell, name);
	}
	demo_table_end(t);
}

static int show(struct stage *s)
{
	demo_step(s, "Two translations, one table walk");
	demo_say(s, "A guest's page tables turn its addresses into what it takes for physical ones; those must be turned into the machine's. A CPU "
		"without EPT walks one set of tables, so the VMM makes a second set of both steps, the shadow, and keeps it true to the guest's. With EPT the "
		"CPU walks both. A Xen guest writes the real tables, by hypercall.");
	demo_step(s, "A storm of page faults: a page is absent, the guest's handler maps it, the access is repeated");
	demo_say(s, "The handler maps the page by this function, with flush false; the next step calls it with flush true.");
	if (demo_code(s, IMAGE, "page_set", 32))
		return 222;
	storm_show(s, "page-fault");
	demo_say(s, "With EPT the fault is the guest's own business: nobody sees it. With a shadow each fault is the VMM's first: it looks whether the "
		"guest has such a page, and reflects the fault; after the handler the access faults again, for the shadow is still empty.");
	demo_step(s, "An entry changed, and flushed");
	storm_show(s, "pte-invlpg");
	demo_step(s, "Another address space: CR3");
	demo_code(s, IMAGE, "page_root_reload", 4);
	storm_show(s, "cr3-write");
	demo_say(s, "Counts are of the whole run of 1000 operations. Cycles are of one, as the guest measured it, on this machine only; a nested or "
		"recorded run has no times.");
	demo_point(s, "Shadow paging buys native table walks with an exit for each change of a table; EPT buys changes without exits with longer walks.",
		"K. Adams, O. Agesen, ASPLOS 2006, sections 2.4 and 6.2; R. Bhargava et al., Accelerating Two-Dimensional Page Walks, ASPLOS 2008");
	return 0;
}

const struct demo demo_shadow_paging = { "shadow-paging", "shadow tables, EPT and hypercalls under the same page faults", show };
