/*
 * campaign.c - long random runs by hand: insn-campaign ENGINE [COUNT [SEED [FEATURES]]].
 *
 * ENGINE is native (the oracle against itself), interp or bt; `bt/interp` compares bt with interp, in ring 0 where
 * FEATURES has GEN_RING0. COUNT is in instructions. Prints the seed, so that a run can be repeated.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "engines.h"

static void print_report(const struct it_report *p, double s)
{
	printf("%lu tests, %lu instructions, %lu compared, %lu skipped, %lu expected #UD, %lu differ; %.1f s\n", p->tests, p->insns,
		p->compared, p->skipped, p->missing, p->failed, s);
	for (unsigned i = 0; i < 256; i++) {
		if (p->by_vector[i])
			printf("  ended by %u: %lu\n", i, p->by_vector[i]);
	}
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "interp";
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : 100000;
	struct it_rng r = { .s = argc > 3 ? strtoull(argv[3], NULL, 0) : (uint64_t)time(NULL) };
	unsigned features = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 0) : GEN_ALL;
	struct it_exec oracle, engine;
	struct it_runner *run;
	struct timespec a, b;
	char why[128] = "";

	if (!engines_find(name, &oracle, &engine)) {
		fprintf(stderr, "insn-campaign: no engine %s (native, interp, bt, bt/interp)\n", name);
		return 2;
	}
	printf("%s: seed %#lx, features %#x\n", name, r.s, features);
	clock_gettime(CLOCK_MONOTONIC, &a);
	engine.repeat = (unsigned)engines_env("ITEST_REPEAT", 1);
	run = runner_open(&oracle, &engine, why);
	if (!run) {
		fprintf(stderr, "insn-campaign: %s\n", why);
		return 1;
	}
	if (argc > 5 && !strcmp(argv[5], "enum"))
		engines_enumerate(run, 0, enumerate_count(), 1);
	else
		engines_random(run, &r, count, features);
	clock_gettime(CLOCK_MONOTONIC, &b);
	print_report(runner_report(run), (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9);
	count = runner_report(run)->failed;
	runner_close(run);
	return count != 0;
}
