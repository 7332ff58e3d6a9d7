/*
 * phase.h - what happened between two lines of the guest's console: `run --phase TEXT`.
 *
 * A guest says where it is by what it prints ("Linux version ...", a line of a test program), so that costs of the first
 * time and of the steady state can be told apart without a paravirtual device. The counters are noted at the end of each
 * console line that begins with one of the texts asked for.
 */
#pragma once
#include "core/stats.h"

#define PHASE_LINE 96
#define PHASES_MAX 512 /* notes kept; later ones are counted only */

struct phase_note {
	char line[PHASE_LINE]; /* its beginning; what is not printable ASCII is '?' */
	uint64_t cycles;       /* TSC since phases_create */
	uint64_t count[EV_COUNT][MECH_COUNT]; /* since the run began */
	uint32_t median[EV_COUNT][MECH_COUNT]; /* TSC cycles of those since the note before; 0: none was timed */
	uint64_t string_elements;
};

struct phases;

int phases_create(struct phases **out, const char *const *text, unsigned n); /* 0 or -ENOMEM; text[] must stay */
void phases_free(struct phases *p);
void phases_console(struct phases *p, const struct stats *s, char c); /* the guest printed c */
/* The i-th note, NULL past the last; a note's counts are sums from the beginning, for differences. */
const struct phase_note *phases_note(const struct phases *p, unsigned i);
uint64_t phases_dropped(const struct phases *p);
