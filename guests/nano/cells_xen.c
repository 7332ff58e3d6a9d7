/*
 * cells_xen.c - cells that only a Xen guest has: the null hypercall, page-table updates one by one and batched.
 */
#include "nano.h"
#include "xen.h"

#define INLINE static inline __attribute__((always_inline))
#define BATCH 64

static char window[BATCH][PAGE] __attribute__((aligned(4096)));
static char frames[2][PAGE] __attribute__((aligned(4096)));
static uint32_t window_pa[BATCH];
static struct mmu_update updates[BATCH];
static uint64_t entry_address[BATCH];
static uint32_t turn;

INLINE void pre_nothing(uint32_t k)
{
}

/* XENVER_version with no argument: as little as a hypercall can be. */
INLINE void null_one(void) { hypercall(__HYPERVISOR_xen_version, 0, 0, 0, 0, 0); }

static const char *hypercall_cell(void)
{
	nano_measure(1, pre_nothing, null_one, null_one, NULL);
	nano.hole = hypercall(__HYPERVISOR_xen_version, 0, 0, 0, 0, 0) < 0x30000;
	return NULL;
}

/* One that the monitor does with the guest's x87 and SSE state saved: vcpu_op, is_up. */
INLINE void state_one(void) { hypercall(__HYPERVISOR_vcpu_op, 3, 0, 0, 0, 0); }

static const char *hypercall_state_cell(void)
{
	nano_measure(1, pre_nothing, state_one, state_one, NULL);
	nano.hole = hypercall(__HYPERVISOR_vcpu_op, 3, 0, 0, 0, 0) != 1;
	return NULL;
}

/* Fills the next k requests: page i gets frame 0 and frame 1 in turn. */
INLINE void update_pre(uint32_t k)
{
	for (uint32_t i = 0; i < k; i++, turn++) {
		updates[i].ptr = entry_address[turn % BATCH] | MMU_NORMAL_PT_UPDATE;
		updates[i].val = page_pa(frames[turn / BATCH % 2]) | PTE_KERNEL;
	}
}

INLINE void update_one(void)
{
	if (xen_mmu_update(updates, 1))
		nano.hole = true;
}

INLINE void update_many(void)
{
	if (xen_mmu_update(updates, BATCH))
		nano.hole = true;
}

static bool window_init(void)
{
	turn = 0;
	for (unsigned i = 0; i < 2; i++)
		*(volatile uint32_t *)frames[i] = 0xf0f0 + i;
	for (unsigned i = 0; i < BATCH; i++) {
		window_pa[i] = page_pa(window[i]);
		entry_address[i] = xen_entry_address(window[i]);
		if (!entry_address[i])
			return false;
	}
	return true;
}

/* What the last update of each page says must be what reads find, after one flush. */
static void window_check(void)
{
	xen_flush_all();
	for (uint32_t i = 0; i < BATCH && i < turn; i++) {
		uint32_t last = (turn - 1 - i) / BATCH * BATCH + i; /* the last turn that was page i's */
		if (*(volatile uint32_t *)window[i] != 0xf0f0 + last / BATCH % 2)
			nano.hole = true;
	}
	for (uint32_t i = 0; i < BATCH; i++)
		page_set(window[i], window_pa[i], PTE_KERNEL, true);
}

static const char *update_single(void)
{
	if (!window_init())
		return "no page-table entry found for the window";
	nano_measure(1, update_pre, update_one, update_one, NULL);
	window_check();
	return NULL;
}

static const char *update_batched(void)
{
	if (!window_init())
		return "no page-table entry found for the window";
	nano_measure(BATCH, update_pre, update_one, update_many, NULL);
	window_check();
	return NULL;
}

const struct cell cells_xen[] = {
	{ .name = "hypercall", .run = hypercall_cell },
	{ .name = "hypercall-state", .run = hypercall_state_cell },
	{ .name = "pt-update-single", .run = update_single },
	{ .name = "pt-update-batched", .run = update_batched },
	{ .name = NULL },
};
