/*
 * truth.h - what a guest says it executed: the table that the backends' counts are held against.
 *
 * Shared by guests and VMM. A guest defines `struct truth ringlab_truth` (an ELF symbol) and increments
 * ringlab_truth.count[EV_...] itself, just before each such instruction. The VMM reads it from guest memory after the
 * guest has ended; no trap is needed to tell it. Counters are indexed by enum event_kind.
 */
#pragma once
#include <stdint.h>
#include "abi/events.h"

#define TRUTH_SYMBOL "ringlab_truth"
#define TRUTH_MAGIC 0x48545552u /* "RUTH", little-endian */
#define TRUTH_KINDS 64

/* One nano cell, for the VMM's table; the guest prints the same on its console. */
struct truth_cell {
	char name[24];      /* NUL-terminated, as printed */
	uint32_t n;         /* repetitions */
	uint32_t first;     /* TSC cycles of the first execution */
	uint32_t steady;    /* median TSC cycles of the steady state */
	uint32_t flags;     /* TRUTH_HOLE ... */
};
#define TRUTH_HOLE 1u /* the technique gives a wrong answer here: the number means nothing */
#define TRUTH_CELLS 64

struct truth {
	uint32_t magic;
	uint32_t kinds; /* TRUTH_KINDS */
	uint32_t cells; /* how many of cell[] are valid */
	uint32_t reserved;
	uint64_t known; /* bit k set: the guest vouches for count[k] */
	uint32_t count[TRUTH_KINDS];
	struct truth_cell cell[TRUTH_CELLS];
};

_Static_assert(EV_COUNT <= TRUTH_KINDS, "truth.h: a counter for each kind");
_Static_assert(sizeof(struct truth_cell) == 40, "ABI");
_Static_assert(sizeof(struct truth) == 24 + 4 * TRUTH_KINDS + 40 * TRUTH_CELLS, "ABI");
