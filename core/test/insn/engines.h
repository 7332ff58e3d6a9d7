/*
 * engines.h - the engines that test programs can be built with, and the loops that they share.
 *
 * The build defines ITEST_HAVE_BT where backend-bt exists.
 */
#pragma once
#include "itest.h"

extern const struct backend_ops interp_backend;
#ifdef ITEST_HAVE_BT
extern const struct backend_ops bt_backend;
#endif

/* "native", "interp", "bt": against the native oracle; "bt/interp": against the interpreter. */
bool engines_find(const char *name, struct it_exec *oracle, struct it_exec *engine);
/* count instructions; every step-th enumerated test from first on. */
void engines_random(struct it_runner *run, struct it_rng *r, uint64_t count, unsigned features);
void engines_enumerate(struct it_runner *run, unsigned first, unsigned end, unsigned step);
/* Environment: ITEST_SEED, ITEST_COUNT. */
uint64_t engines_env(const char *name, uint64_t otherwise);
