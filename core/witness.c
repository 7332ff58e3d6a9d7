/*
 * witness.c - who is asked at each entry into the VMM, and the notes for --witness. witness.h tells how; cli_stats.c prints them.
 *
 * Built for general registers only: see witness_note.
 */
#include "core/witness.h"
#include <errno.h>
#include <stdlib.h>

int witness_create(struct witness **w)
{
	*w = calloc(1, sizeof(**w));
	return *w ? 0 : -ENOMEM;
}

/* By every mechanism; of a VM exit's rows only those that reached us, for what KVM did alone nobody saw. */
static uint64_t count_now(const struct stats *s, unsigned k, unsigned m)
{
	uint64_t n = s->cell[k][m].count;

	for (unsigned i = 0; m == MECH_VMEXIT && i < s->hw_n; i++)
		if (s->hw[i].kind == k && s->hw[i].by == BY_VMM)
			n += s->hw[i].cell.count;
	return n;
}

/* Whatever was counted since the last entry came by that entry. Before the first one nobody had left guest code. */
static void settle(struct stats *s)
{
	struct witness *w = s->witness;

	for (unsigned k = 0; k < EV_COUNT; k++)
		for (unsigned m = 0; m < MECH_COUNT; m++) {
			uint64_t n = count_now(s, k, m);

			if (n > w->count[k][m] && w->pending && !w->note[k][m].taken) {
				w->note[k][m] = w->now;
				w->note[k][m].taken = true;
			}
			w->count[k][m] = n;
		}
	w->pending = false;
}

void witness_note(struct stats *s, uint32_t eip, const struct witness_real *real, const struct witness_guest *guest)
{
	struct witness *w = s->witness;

	settle(s);
	w->now = (struct witness_note){ .eip = eip, .real = *real, .guest = *guest };
	w->pending = true;
}

void witness_end(struct stats *s)
{
	if (s->witness)
		settle(s);
}
