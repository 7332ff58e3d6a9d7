/* xen_insn.h - one instruction that faulted, as far as it has been decoded: what xen_emul.c and xen_seg.c share. */
#pragma once
#include <string.h>
#include "xen.h"

struct insn {
	uint8_t b[15];
	uint32_t at, len; /* len: bytes decoded so far */
	uint64_t t0;      /* when its fault arrived here */
	bool opsize16, rep;
	uint8_t seg; /* S_* + 1 of an override, or 0 */
};

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t x;

	memcpy(&x, p, 4);
	return x;
}

static inline enum step done(struct vcpu *v, const struct insn *i, enum event_kind k)
{
	stat_count_at(&v->stats, EV_INTERPRET, MECH_TRAP, GVA(i->at));
	if (stat_begin(&v->stats, k, MECH_TRAP))
		stat_sample(&v->stats, k, MECH_TRAP, GVA(i->at), i->t0, __rdtsc());
	v->state.rip = (uint32_t)(i->at + i->len);
	return STEP_GO;
}

/*
 * MOV, POP and far loads of segment registers, IRET, far jump and return, in kernel and user mode (xen_seg.c). False: it is
 * none of these, and *i is as it was.
 */
bool xen_selector_load(struct vcpu *v, struct exit *e, struct insn *i, uint32_t error, enum step *r);
