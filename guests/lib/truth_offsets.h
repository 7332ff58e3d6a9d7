/*
 * truth_offsets.h - COUNT(KIND, n) for assembly, with the kinds' numbers out of the list that C uses (abi/events.h).
 */
#pragma once
#include "abi/events.h"

	.set	truth_next, 0
	.macro	TRUTH_KIND id
	.set	truth_EV_\id, truth_next
	.set	truth_next, truth_next + 1
	.endm
#define X(id, name, text) TRUTH_KIND id;
	EVENT_KINDS(X)
#undef X

#define TRUTH_COUNT_OFFSET 24 /* offsetof(struct truth, count): checked in trap.c */
#define COUNT(kind, n) addl $n, ringlab_truth + TRUTH_COUNT_OFFSET + 4 * truth_EV_##kind
#define COUNT_SS(kind, n) addl $n, %ss:(ringlab_truth + TRUTH_COUNT_OFFSET + 4 * truth_EV_##kind)
