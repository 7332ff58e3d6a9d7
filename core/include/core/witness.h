/*
 * witness.h - `run --witness`: at the first entry into the VMM of each kind of event, what the CPU really held, and what the guest believes.
 *
 * A backend calls witness_entry when guest code has just been left and v->state is up to date, before it counts anything. Which kinds an
 * entry was for is found out at the next one, by the counters that have moved since. Off, it is a test of a pointer at each entry.
 * docs/exits.md has the JSON. Read next: witness.c.
 */
#pragma once
#include "core/vm.h"

/* The CPU's own registers at an entry. A flag for each, for some entries show only part: what is not seen is not told. */
#define WITNESS_CS 1u
#define WITNESS_SS 2u
#define WITNESS_FLAGS 4u
#define WITNESS_CPL 8u
#define WITNESS_ALL 15u
struct witness_real {
	uint32_t seen; /* WITNESS_* */
	uint16_t cs, ss;
	uint32_t eflags, cpl;
	bool nonroot; /* VMX non-root operation (SVM: guest mode) */
};

struct witness_guest {
	uint16_t cs, ss;
	uint32_t eflags, cpl;
};

struct witness_note {
	bool taken;
	uint32_t eip;
	struct witness_real real;
	struct witness_guest guest;
};

struct witness {
	bool pending; /* `now` is an entry whose kinds are not known yet */
	struct witness_note now;
	struct witness_note note[EV_COUNT][MECH_COUNT];
	uint64_t count[EV_COUNT][MECH_COUNT]; /* the counters at the last entry */
};

int witness_create(struct witness **w); /* 0 or -ENOMEM */
/* Notes an entry. For general registers only: bt calls it with the guest's XMM in place. */
void witness_note(struct stats *s, uint32_t eip, const struct witness_real *real, const struct witness_guest *guest);
/* At the end of the run: the last entry's kinds. */
void witness_end(struct stats *s);

/* The same where v->state is what the guest believes in, but for EFLAGS, which may be kept elsewhere. */
static inline void witness_entry(struct vcpu *v, uint32_t eip, uint32_t eflags, const struct witness_real *real)
{
	const struct cpu_state *s = &v->state;

	if (v->stats.witness)
		witness_note(&v->stats, eip, real, &(struct witness_guest){ s->seg[S_CS].sel, s->seg[S_SS].sel, eflags, CPL(s) });
}
