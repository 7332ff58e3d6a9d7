/*
 * lockstep.h - what lockstep.c and lockstep_diff.c share.
 */
#pragma once
#include "core/lockstep.h"

#define LOCK_WATCH 8

struct lockstep {
	struct lockstep_config cfg;
	struct vm *vm[2];
	uint64_t every;
	uint64_t done;        /* instructions executed by both */
	uint64_t same;        /* after so many, registers and all of memory were known to be alike */
	uint64_t full_next;   /* when all of memory is compared again */
	uint64_t deadline_ns; /* host time */
	uint32_t rounds;
	bool differ;
	uint64_t diff_insns[2]; /* executed by each when they differed */

	uint8_t *dirty_bit;  /* for each page: written since the last comparison, as far as an interpreter knows */
	uint32_t *dirty, dirties, pages;
	uint32_t watch[LOCK_WATCH], watches; /* pages to compare every time */

	struct cpu_state before; /* at the last comparison */
	char why[300];
};

/* lockstep_diff.c */
bool lockstep_regs_differ(const struct cpu_state *a, const struct cpu_state *b);
bool lockstep_page_differs(const struct lockstep *l, uint32_t pfn);
/* Compares pages written since the last time, or all: the first that differs, or -1. */
int64_t lockstep_memory_differs(struct lockstep *l, bool all);
