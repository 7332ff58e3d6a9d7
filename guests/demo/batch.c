/*
 * batch.c - sixty-four page-table entries changed, one by one or in one fell swoop, and every page read afterwards.
 *
 * For the demonstration paravirtualization. One by one: a store and an INVLPG each; a Xen guest makes a hypercall each. At once: all stores, then one
 * load of CR3; a Xen guest makes one hypercall for all. Command line: n=50 how=single|batched.
 * Builds: XEN PREVIRT
 */
#include "hal.h"
#ifdef HAL_XEN
#include "xen.h"
#endif

#define BATCH 64

static char window[BATCH][PAGE] __attribute__((aligned(4096)));
static char frames[2][PAGE] __attribute__((aligned(4096)));

/* All pages of the window to frame `to`, one at a time. */
static __attribute__((noinline, used)) void demo_single(uint32_t to)
{
	for (unsigned i = 0; i < BATCH; i++)
		page_set(window[i], page_pa(frames[to]), PTE_KERNEL, true);
}

#ifdef HAL_XEN
static struct mmu_update updates[BATCH];
static uint64_t entry[BATCH];

static __attribute__((noinline, used)) void demo_batched(uint32_t to)
{
	uint64_t value = page_pa(frames[to]) | PTE_KERNEL;

	for (unsigned i = 0; i < BATCH; i++)
		updates[i] = (struct mmu_update){ .ptr = entry[i] | MMU_NORMAL_PT_UPDATE, .val = value };
	xen_mmu_update(updates, BATCH);
	xen_flush_all();
}

static void batch_init(void)
{
	for (unsigned i = 0; i < BATCH; i++)
		entry[i] = xen_entry_address(window[i]);
}
#else
static __attribute__((noinline, used)) void demo_batched(uint32_t to)
{
	for (unsigned i = 0; i < BATCH; i++)
		page_set(window[i], page_pa(frames[to]), PTE_KERNEL, false);
	page_root_reload();
}

static void batch_init(void)
{
}
#endif

/* How many pages of the window do not show what the entry says. */
static uint32_t wrong(uint32_t to)
{
	uint32_t bad = 0;

	for (unsigned i = 0; i < BATCH; i++)
		bad += *(volatile uint32_t *)window[i] != 0xf0f0 + to;
	return bad;
}

int guest_main(void)
{
	uint32_t n = hal_number("n", 50), bad = 0, cycles = 0, own[BATCH];
	char how[16] = "single";

	hal_word("how", how, sizeof(how));
	batch_init();
	for (unsigned i = 0; i < 2; i++)
		*(volatile uint32_t *)frames[i] = 0xf0f0 + i;
	for (unsigned i = 0; i < BATCH; i++)
		own[i] = page_pa(window[i]);
	for (uint32_t round = 0; round < n; round++) {
		uint32_t to = round & 1, t0 = hal_tsc32();

		if (how[0] == 'b')
			demo_batched(to);
		else
			demo_single(to);
		cycles += hal_tsc32() - t0;
		bad += wrong(to);
	}
	for (unsigned i = 0; i < BATCH; i++)
		page_set(window[i], own[i], PTE_KERNEL, true);
	printf("how %s\nupdates %u\ncycles-an-update %u\nwrong-pages %u\n", how, n * BATCH, n ? cycles / (n * BATCH) : 0, bad);
	return 0;
}
