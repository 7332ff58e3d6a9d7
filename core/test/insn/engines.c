/*
 * engines.c - which engines there are, and the loops over random and enumerated tests.
 *
 * Called by the test programs and campaign.c.
 */
#include <stdlib.h>
#include <string.h>
#include "engines.h"

static bool exec_find(const char *name, size_t n, struct it_exec *x)
{
	if (n == 6 && !strncmp(name, "native", n)) {
		*x = (struct it_exec){ .name = "native", .program = ITEST_ORACLE };
		return true;
	}
	if (n == 6 && !strncmp(name, "interp", n)) {
		*x = engine_exec(&interp_backend);
		return true;
	}
#ifdef ITEST_HAVE_BT
	if (n == 2 && !strncmp(name, "bt", n)) {
		*x = engine_exec(&bt_backend);
		return true;
	}
#endif
	return false;
}

bool engines_find(const char *name, struct it_exec *oracle, struct it_exec *engine)
{
	const char *slash = strchr(name, '/');

	if (!slash) {
		return exec_find("native", 6, oracle) && exec_find(name, strlen(name), engine);
	}
	return exec_find(name, (size_t)(slash - name), engine) && exec_find(slash + 1, strlen(slash + 1), oracle);
}

void engines_random(struct it_runner *run, struct it_rng *r, uint64_t count, unsigned features)
{
	struct it_machine machine = { 0 };
	uint32_t seed = 0;

	while (runner_report(run)->insns < count) {
		unsigned slot = runner_fill(run) % IT_BATCH;
		struct itest *t = runner_slot(run);

		if (!slot)
			seed = (uint32_t)rng_next(r) | 1;
		if (!slot && (features & GEN_SYSTEM))
			system_machine(r, &machine); /* changing it costs an engine all that it knows: once for each batch */
		t->image_seed = seed;
		t->machine = machine;
		gen_random(r, t, slot, features);
	}
	runner_flush(run);
}

void engines_enumerate(struct it_runner *run, unsigned first, unsigned end, unsigned step)
{
	struct itest t;

	for (unsigned i = first; i < end; i += step) {
		if (enumerate_test(i, &t, runner_fill(run) % IT_BATCH))
			*runner_slot(run) = t;
	}
	runner_flush(run);
}

uint64_t engines_env(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s && *s ? strtoull(s, NULL, 0) : otherwise;
}
