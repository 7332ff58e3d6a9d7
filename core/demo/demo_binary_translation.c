/*
 * demo_binary_translation.c - a block before and after, chained, and adapted after it trapped.
 */
#include <stdio.h>
#include <stdlib.h>
#include "demo.h"

#define GUEST "demo/translate"

static const json_t *translated_run(struct stage *s, const char *options)
{
	return demo_run(s, &(struct demo_guest){ .guest = GUEST, .backend = "bt", .options = options });
}

static void chain_row(struct stage *s, struct demo_table *t, const char *name, const json_t *c)
{
	demo_cell(t, "%s", name);
	demo_cell(t, "%lld", demo_fact_count(s, c, "translation", NULL));
	demo_cell(t, "%lld", demo_fact_count(s, c, "chain-miss", NULL));
	demo_cell(t, "%lld", demo_fact_count(s, c, "indirect-miss", NULL));
	demo_cell(t, "%s", demo_fact_console(s, c, "sum-cycles-each"));
}

static void adapt_row(struct stage *s, struct demo_table *t, const char *name, const json_t *c)
{
	demo_cell(t, "%s", name);
	demo_cell(t, "%lld", demo_fact_count(s, c, "mmio", "host trap"));
	demo_cell(t, "%lld", demo_fact_count(s, c, "mmio", "callout"));
	demo_cell(t, "%s", demo_fact_console(s, c, "first-read-cycles"));
	demo_cell(t, "%s", demo_fact_console(s, c, "later-reads-cycles"));
}

static void chains_show(struct stage *s, const json_t *plain)
{
	static const char *const heads[] = { "", "blocks", "not chained", "not predicted", "cycles a turn", NULL };
	const json_t *no_chain = translated_run(s, "--no-chain"), *no_ret = translated_run(s, "--no-retpred");
	bool ran = demo_ran(s, no_chain) & demo_ran(s, no_ret);
	struct demo_table *t = demo_table(s, heads);

	chain_row(s, t, "bt", plain);
	if (ran) {
		chain_row(s, t, "bt --no-chain", no_chain);
		chain_row(s, t, "bt --no-retpred", no_ret);
	}
	demo_table_end(t);
}

static void adaptation_show(struct stage *s, const json_t *plain)
{
	static const char *const heads[] = { "", "host traps", "callouts", "first read", "later, each", NULL };
	const json_t *no_adapt = translated_run(s, "--no-adapt"), *trap = demo_run(s, &(struct demo_guest){ .guest = GUEST, .backend = "pv", .interface = "trap" });
	bool ran = demo_ran(s, no_adapt), direct = demo_ran(s, trap);
	struct demo_table *t = demo_table(s, heads);

	adapt_row(s, t, "bt", plain);
	if (ran)
		adapt_row(s, t, "bt --no-adapt", no_adapt);
	if (direct)
		adapt_row(s, t, "pv:trap", trap);
	demo_table_end(t);
}

static int show(struct stage *s)
{
	const json_t *c;

	demo_step(s, "A loop that calls a function");
	demo_say(s, "Plain code of a guest's kernel: nothing in it is privileged, and yet none of it runs as it stands. The translator takes a block, up to a "
		"branch, decodes it, and writes what does the same into its code cache.");
	if (demo_code(s, GUEST ".elf", "demo_sum", 20))
		return 1;

	demo_step(s, "The same block, translated");
	demo_say(s, "On the left the guest's instruction, on the right the host's, 64-bit code. Guest registers live in host registers, most instructions "
		"are themselves, and an access to memory gets a base register: the window in which the guest's 4 GiB lie. A branch to code that is not yet "
		"translated leads to a stub, which has it translated, and then writes the address of the translation into the branch: the blocks are chained.");
	c = translated_run(s, "--listing demo_sum");
	demo_listing(s, "ringlab run --listing demo_sum " GUEST, c, "demo_sum,", 44);
	if (!demo_ran(s, c))
		return 0;

	demo_step(s, "What chaining is worth");
	demo_say(s, "Without chains every branch asks the translator's table again; without the prediction of returns every RET looks its target up.");
	chains_show(s, c);

	demo_step(s, "An instruction that turns out to touch a device");
	demo_say(s, "One load reads a variable a thousand times, and then an address where no memory is. The translation was a plain load, and it faults: a host "
		"trap, dear as all of them. The translator learns from it. It retranslates the block with a call in the place of that load.");
	demo_code(s, GUEST ".elf", "demo_device", 6);
	c = translated_run(s, "--listing demo_device");
	demo_listing(s, "ringlab run --listing demo_device " GUEST, c, "demo_device,", 30);
	adaptation_show(s, c);
	demo_say(s, "The first read pays for the trap and for the new translation. Under direct execution (pv:trap) the CPU has nothing to learn with: "
		"each read traps.");
	demo_point(s, "A translator can do what trapping hardware cannot: remove the causes of its own exits, one by one, where they turn out to be.",
		"K. Adams and O. Agesen, A Comparison of Software and Hardware Techniques for x86 Virtualization, ASPLOS 2006 (adaptive binary translation)");
	return 0;
}

const struct demo demo_binary_translation = { "binary-translation", "a block before and after, chained, and adapted after a trap", show };
