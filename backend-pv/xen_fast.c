/*
 * xen_fast.c - the hypercalls short enough to be done with the guest's x87 and SSE registers in place.
 *
 * Called by pv_entry.S for every hypercall through the page. Built with general registers only, and it calls nothing:
 * what is not handled here leaves to xen_hypercall.c, with everything saved. 0: done, go back to the guest.
 */
#include "xen.h"
#include "core/witness.h"

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

	if (n < STAT_ALWAYS || n % STAT_EVERY == 0) {
		c->sample[c->samples].t0 = t0;
		c->sample[c->samples].t1 = __rdtsc();
		c->samples++;
	}
	return c->samples == ARRAY_LEN(c->sample);
}

/* multicall, as far as its entries are light ones; false: the rest needs more (xen_hypercall.c). */
static bool multicall(struct vcpu *v, struct xen *x, const uint32_t *a, int32_t *r)
{
	uint32_t call[8];

	if (a[1] > XEN_MAX_BATCH)
		return false;
	for (uint32_t i = 0; i < a[1]; i++) {
		uint32_t at = a[0] + i * (uint32_t)sizeof(call);
		x->multicall_from = i;
		if (!xen_guest_read(v, at, call, sizeof(call)) || call[0] >= XEN_MAX_CALL || !xen_calls[call[0]].light)
			return false;
		call[1] = (uint32_t)xen_calls[call[0]].fn(v, x, call + 2);
		if (!xen_guest_write(v, at + 4, &call[1], 4)) {
			*r = -XEN_EFAULT;
			break;
		}
	}
	x->multicall_from = 0;
	return true;
}

/* The hypercalls that need no more than general registers. False: it is another one. */
static bool light(struct pv_cpu *c, struct xen *x, uint32_t nr)
{
	struct cpu_state *s = c->st;
	uint32_t a[6] = { (uint32_t)s->gpr[R_EBX], (uint32_t)s->gpr[R_ECX], (uint32_t)s->gpr[R_EDX], (uint32_t)s->gpr[R_ESI],
		(uint32_t)s->gpr[R_EDI], (uint32_t)s->gpr[R_EBP] };
	int32_t r = 0;

	if (nr == 13) {
		if (!multicall(c->v, x, a, &r))
			return false;
	} else if (nr < XEN_MAX_CALL && xen_calls[nr].light) {
		r = xen_calls[nr].fn(c->v, x, a);
	} else {
		return false;
	}
	s->gpr[R_EAX] = (uint32_t)r;
	return true;
}

/*
 * --witness: the far jump that brought the guest here has loaded our CS already; EFLAGS and SS are as the guest left them.
 */
static void witness_hypercall(struct pv_cpu *c)
{
	uint32_t cs;

	__asm__ volatile("mov %%cs, %0" : "=r"(cs));
	witness_entry(c->v, (uint32_t)c->st->rip,
		(uint32_t)((c->st->rflags & ~(uint64_t)FL_REAL) | (c->raw_flags & FL_REAL)), &(struct witness_real){ .seen = WITNESS_ALL, .cs = (uint16_t)cs, .ss = c->far_ss,
		.eflags = (uint32_t)c->raw_flags, .cpl = cs & 3 });
}

int pv_hypercall_fast(struct pv_cpu *c)
{
	struct cpu_state *s = c->st;
	struct xen *x = c->pv->xen;
	uint32_t nr = (uint32_t)s->gpr[R_EAX];
	uint64_t n = c->v->stats.cell[EV_HYPERCALL][MECH_HYPERCALL].count;
	uint64_t t0 = n < STAT_ALWAYS || n % STAT_EVERY == 0 ? __rdtsc() : 0;

	if (x) {
		c->far_eip = return_address(x, nr);
		s->rip = c->far_eip;
	}
	if (c->v->stats.witness)
		witness_hypercall(c);
	if (!x) /* a site of `previrt`: xen_hypercall.c sends it on */
		return PVX_HYPERCALL;
	if (c->user || c->tf_seen || (c->raw_flags & FL_TF) || c->v->stats.every) /* noting every event takes calls */
		return PVX_HYPERCALL;
	if (nr == 17 && s->gpr[R_EBX] == 0) /* xen_version(XENVER_version): the null hypercall */
		s->gpr[R_EAX] = XEN_VERSION;
	else if (!light(c, x, nr))
		return PVX_HYPERCALL;
	x->last_mech = MECH_HYPERCALL;
	return count_call(c, t0) || xen_must_leave(c) ? PVX_FLUSH : 0;
}
