/*
 * debug.h - what a debugger outside the guest asks of a vCPU: breakpoints, watchpoints, one step.
 *
 * core/gdb.c fills struct debug and pushes REGS_DEBUG; the backend then leaves its run with EXIT_DEBUG as soon as one of
 * them is met. Nothing of it can be seen by the guest: no byte of its memory changes, and its debug registers stay its own.
 */
#pragma once
#include "core/types.h"

#define DEBUG_BREAKS 64
#define DEBUG_WATCHES 8

#define DEBUG_WRITE 1u
#define DEBUG_READ 2u

enum debug_why { DEBUG_NONE, DEBUG_STEP, DEBUG_BREAK, DEBUG_WATCH };

struct debug_watch {
	uint64_t lin;
	uint32_t len;    /* 1 to 4096 bytes */
	uint8_t access;  /* DEBUG_WRITE, DEBUG_READ or both */
};

struct debug {
	bool step;       /* leave after one instruction; breakpoints are not looked at */
	unsigned breaks, watches;
	uint64_t brk[DEBUG_BREAKS]; /* linear: leave before the instruction there */
	struct debug_watch watch[DEBUG_WATCHES]; /* leave after the instruction that made such an access */
};

static inline bool debug_break_at(const struct debug *d, uint64_t lin)
{
	for (unsigned i = 0; i < d->breaks; i++)
		if (d->brk[i] == lin)
			return true;
	return false;
}

static inline bool debug_active(const struct debug *d)
{
	return d->step || d->breaks || d->watches;
}
