/*
 * demo_paravirtualization.c - a kernel that knows: the interrupt flag in memory, and page tables changed in one fell swoop.
 */
#include <stdio.h>
#include "demo.h"

#define GUEST "demo/batch"

struct each {
	const char *backend, *interface;
};

static void batch_row(struct stage *s, struct demo_table *t, const struct each *e)
{
	const json_t *single = demo_run(s, &(struct demo_guest){ GUEST, e->backend, e->interface, "how=single", NULL, 0 });
	const json_t *batched = demo_run(s, &(struct demo_guest){ GUEST, e->backend, e->interface, "how=batched", NULL, 0 });
	const char *why = json_string_value(json_object_get(single, "why"));

	demo_cell(t, "%s", demo_name(single));
	if (why) {
		demo_cell(t, "%s", why);
		for (int i = 0; i < 5; i++)
			demo_cell(t, "%s", "");
		return;
	}
	demo_cell(t, "%lld", demo_fact_count(s, single, "tlb-flush", NULL));
	demo_cell(t, "%lld", demo_fact_count(s, single, "hypercall", NULL));
	demo_cell(t, "%s", demo_fact_console(s, single, "cycles-an-update"));
	demo_cell(t, "%lld", demo_fact_count(s, batched, "tlb-flush", NULL) + demo_fact_count(s, batched, "cr3-write", NULL));
	demo_cell(t, "%lld", demo_fact_count(s, batched, "hypercall", NULL));
	demo_cell(t, "%s", demo_fact_console(s, batched, "cycles-an-update"));
}

static void batches_show(struct stage *s)
{
	static const char *const heads[] = { "", "flushes", "hypercalls", "cycles", "flushes", "hypercalls", "cycles", NULL };
	static const struct each each[] = { { "bt", NULL }, { "pv", "trap" }, { "pv", "patch" }, { "pv", "xen" } };
	struct demo_table *t = demo_table(s, heads);

	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++)
		batch_row(s, t, &each[i]);
	demo_table_end(t);
}

static void flag_row(struct stage *s, struct demo_table *t, const struct each *e)
{
	const json_t *c = demo_run(s, &(struct demo_guest){ "nano", e->backend, e->interface, "n=1000 only=cli-sti", NULL, 0 }), *cell;
	char key[80];

	if (!demo_ran(s, c))
		return;
	cell = json_array_get(json_object_get(c, "cells"), 0);
	demo_cell(t, "%s", demo_name(c));
	demo_cell(t, "%lld", demo_fact_count(s, c, "int-flag", NULL));
	demo_cell(t, "%s", demo_fact_mechanism(s, c, "int-flag"));
	snprintf(key, sizeof(key), "derived.%s.cli-sti", demo_name(c));
	demo_cell(t, "%lld", demo_fact(s, key, json_integer_value(json_object_get(cell, "steady"))));
}

static void flags_show(struct stage *s)
{
	static const char *const heads[] = { "", "events", "by", "cycles a pair", NULL };
	static const struct each each[] = { { "pv", "trap" }, { "pv", "patch" }, { "bt", NULL }, { "pv", "xen" } };
	struct demo_table *t = demo_table(s, heads);

	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++)
		flag_row(s, t, &each[i]);
	demo_table_end(t);
}

static int show(struct stage *s)
{
	demo_step(s, "Closing interrupts without a word to anybody");
	demo_say(s, "A Xen guest has no CLI. It sets a byte in a page that it shares with the VMM, and clears it; only if something came "
		"meanwhile does it call. The native kernel's CLI and STI fault at ring 3 (trap), are replaced by INT3 (patch), or translated (bt).");
	flags_show(s);

	demo_step(s, "Sixty-four page-table entries, one by one");
	demo_say(s, "A kernel that remaps a page stores an entry and flushes the page from the TLB. The VMM learns of it by the flush. A Xen kernel asks the VMM to "
		"change the entry, for its page tables are real ones, which it may read but not write.");
	demo_code(s, GUEST "-xen.elf", "demo_single", 24);

	demo_step(s, "In one fell swoop");
	demo_say(s, "The request takes a list. All sixty-four entries go to the VMM in one hypercall, which validates each as strictly as before.");
	demo_code(s, GUEST "-xen.elf", "demo_batched", 40);

	demo_step(s, "One by one (left), all at once (right)");
	demo_say(s, "Flushes and hypercalls of the whole run; cycles are those of one update, as the guest measures them, and every page is read afterwards.");
	batches_show(s);
	demo_say(s, "A native kernel can batch, too, and flush all by one load of CR3: then the VMM must look for what was changed. Where the guest says "
		"it, nobody has to look.");
	demo_point(s, "Paravirtualization changes the interface where virtualizing the old one is dear: what had to be trapped is said, and said once for many.",
		"P. Barham et al., Xen and the Art of Virtualization, SOSP 2003; A. Whitaker, M. Shaw and S. Gribble, Scale and Performance in the Denali "
		"Isolation Kernel, OSDI 2002");
	return 0;
}

const struct demo demo_paravirtualization = { "paravirtualization", "the interrupt flag in memory; page tables in one fell swoop", show };
