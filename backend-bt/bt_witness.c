/*
 * bt_witness.c - `run --witness`: what the CPU really held whenever translated code came to the VMM.
 *
 * With --witness, bt_start puts these functions between translated code and every callout (bt_entry.S, bt_light.S); without, nothing of
 * this runs. A callout is a jump within the process: CS and SS are still those that translated code ran with. General registers only,
 * for the guest's XMM are in place in light callouts. Read next: core/witness.c.
 */
#include <string.h>
#include "bt_private.h"
#include "bt_light.h"
#include "core/witness.h"

static void called(struct bt *b, uint32_t eip)
{
	uint32_t cs, ss;

	__asm__ volatile("mov %%cs, %0; mov %%ss, %1" : "=r"(cs), "=r"(ss));
	witness_entry(b->v, eip, light_flags(b), &(struct witness_real){ .seen = WITNESS_ALL, .cs = (uint16_t)cs, .ss = (uint16_t)ss,
		.eflags = (uint32_t)b->hot->hflags, .cpl = cs & 3 });
}

void bt_witness_fault(struct bt *b)
{
	const struct bt_fault *f = &b->fault;

	witness_entry(b->v, (uint32_t)b->v->state.rip, light_flags(b), &(struct witness_real){ .seen = WITNESS_ALL, .cs = f->cs, .ss = f->ss,
		.eflags = f->eflags, .cpl = f->cs & 3 });
}

/* A direct branch's callout has no EIP with it: the link behind the call says where the guest is now. */
static uint32_t chain_eip(const struct bt *b)
{
	uint32_t link;

	memcpy(&link, (const void *)(uintptr_t)b->hot->ret, 4);
	return b->links[link].target;
}

/* Called by assembly only. at: the guest's EIP then. */
#define CALLOUT_AT(name, at) \
	void *bt_co_##name(struct bt *b, uint32_t eip, uint32_t arg); \
	void *bt_wi_##name(struct bt *b, uint32_t eip, uint32_t arg); \
	void *bt_wi_##name(struct bt *b, uint32_t eip, uint32_t arg) \
	{ \
		called(b, at); \
		return bt_co_##name(b, eip, arg); \
	}
#define CALLOUT(name) CALLOUT_AT(name, eip)
CALLOUT_AT(miss, arg)
CALLOUT_AT(chain, chain_eip(b))
CALLOUT(interp)
CALLOUT(sti_window)
CALLOUT(in)
CALLOUT(out)
CALLOUT(cpuid)
CALLOUT(popf)
CALLOUT(stop)
CALLOUT(soft)

#define LIGHT_CALLOUT(name) \
	void *bt_lt_##name(struct bt *b, uint32_t eip, uint32_t arg, uint32_t operand); \
	void *bt_wl_##name(struct bt *b, uint32_t eip, uint32_t arg, uint32_t operand); \
	void *bt_wl_##name(struct bt *b, uint32_t eip, uint32_t arg, uint32_t operand) \
	{ \
		called(b, eip); \
		return bt_lt_##name(b, eip, arg, operand); \
	}
LIGHT_CALLOUT(int)
LIGHT_CALLOUT(iret)
LIGHT_CALLOUT(sysenter)
LIGHT_CALLOUT(sysexit)
LIGHT_CALLOUT(seg_load)
LIGHT_CALLOUT(verify)
