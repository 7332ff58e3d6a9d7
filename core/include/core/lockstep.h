/*
 * lockstep.h - two VMs with one image, run side by side and compared: which engine is wrong, and at which instruction.
 *
 * Both count instructions (vm_config.count_insns), so time is virtual, and all that devices do happens at the same
 * instruction in both. The leader runs a stretch; the follower executes as many instructions; then registers and memory
 * must be the same. Used by `ringlab lockstep` (core/cli_lockstep.c) and by tests.
 */
#pragma once
#include <stdio.h>
#include "core/vm.h"

struct lockstep;

enum lockstep_end {
	LOCKSTEP_GOES_ON, /* never returned by lockstep_run */
	LOCKSTEP_ENOUGH,  /* as many instructions as were asked for, all alike */
	LOCKSTEP_ENDED,   /* the guest ended, in both alike */
	LOCKSTEP_DIFFER,
	LOCKSTEP_TIMEOUT,
	LOCKSTEP_HOST,    /* a host failure: lockstep_why */
};

struct lockstep_config {
	struct vm_config vm;                /* of both; ops is ignored, count_insns set, and there is no input */
	const struct backend_ops *ops[2];   /* leader, follower */
	uint64_t every;                     /* instructions between comparisons, at most */
	uint64_t skip;                      /* so many instructions first with the leader's engine on both sides */
	uint64_t timeout_ns;                /* of host time; 0: none */
};

/* Creates both VMs: 0, or -errno. */
int lockstep_create(struct lockstep **out, const struct lockstep_config *cfg);
void lockstep_destroy(struct lockstep *l);
/* Loads the image into both and starts them: 0, or -errno with a sentence in lockstep_why. */
int lockstep_load(struct lockstep *l, const struct load_request *req);
/* Runs until `insns` instructions have been executed in all, or something ends it. */
enum lockstep_end lockstep_run(struct lockstep *l, uint64_t insns);
/*
 * After `coarse` found a difference: `l`, fresh and loaded, runs to where the two were last known to be alike, and from there
 * one instruction at a time. LOCKSTEP_DIFFER with the exact instruction, or something else where it does not show again.
 */
enum lockstep_end lockstep_refine(struct lockstep *l, const struct lockstep *coarse);
/* Both states, what differs, and the code with its translation. */
void lockstep_report(struct lockstep *l, FILE *out);

struct vm *lockstep_vm(struct lockstep *l, unsigned side);
uint64_t lockstep_insns(const struct lockstep *l);
const char *lockstep_why(const struct lockstep *l); /* a sentence on how it ended */
