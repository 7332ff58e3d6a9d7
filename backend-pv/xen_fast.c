/*
 * xen_fast.c - the hypercalls short enough to be done with the guest's x87 and SSE registers in place.
 *
 * Called by pv_entry.S for every hypercall through the page. Built with general registers only, and it calls nothing:
 * what is not handled here leaves to xen_hypercall.c, with everything saved. 0: done, go back to the guest.
 */
#include "xen.h"

/* Where guest code goes on: the RET that follows the far jump in the page's entry for nr. */
static uint32_t return_address(const struct xen *x, uint32_t nr)
{
	return x->hypercall_page + (nr & 127) * 32 + 12;
}

/* Counts, and keeps a sample of the cost for later; true when the buffer is full. */
static bool count_call(struct pv_cpu *c, uint64_t t0)
{
	struct stat_cell *cell = &c->v->stats.cell[EV_HYPERCALL][MECH_HYPERCALL];
	uint64_t n = cell->count++;

	if (n < STAT_ALWAYS || n % STAT_EVERY == 0 || c->v->stats.trace) {
		c->sample[c->samples].t0 = t0;
		c->sample[c->samples].t1 = __rdtsc();
		c->samples++;
	}
	return c->samples == ARRAY_LEN(c->sample);
}

int pv_hypercall_fast(struct pv_cpu *c)
{
	struct cpu_state *s = c->st;
	struct xen *x = c->pv->xen;
	uint32_t nr = (uint32_t)s->gpr[R_EAX];
	uint64_t n = c->v->stats.cell[EV_HYPERCALL][MECH_HYPERCALL].count;
	uint64_t t0 = n < STAT_ALWAYS || n % STAT_EVERY == 0 || c->v->stats.trace ? __rdtsc() : 0;

	c->far_eip = return_address(x, nr);
	s->rip = c->far_eip;
	if (c->user || c->tf_seen || (c->raw_flags & FL_TF) || nr != 17 || s->gpr[R_EBX] != 0)
		return PVX_HYPERCALL;
	/* xen_version(XENVER_version): the null hypercall */
	s->gpr[R_EAX] = XEN_VERSION;
	x->last_mech = MECH_HYPERCALL;
	if (count_call(c, t0))
		return PVX_FLUSH;
	const struct vcpu_info_x86_32 *info = x->info;
	return info->evtchn_upcall_pending && !info->evtchn_upcall_mask ? PVX_FLUSH : 0;
}
