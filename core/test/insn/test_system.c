/*
 * test_system.c - paging and privilege: bt against the interpreter, with odd pages, in every paging mode, at both levels.
 *
 * ITEST_SEED repeats a run; ITEST_COUNT (instructions at each level) makes it longer: a million and more is the long mode.
 * Both engines are ours, so an error that both make is not seen here; guests/space is held against QEMU too.
 */
#include <criterion/criterion.h>
#include "engines.h"

static void level(const char *what, unsigned features, uint64_t seed)
{
	uint64_t start = engines_env("ITEST_SEED", seed);
	struct it_rng rng = { .s = start };
	struct it_exec oracle, engine;
	const struct it_report *p;
	struct it_runner *r;
	char why[128] = "";

	cr_assert(engines_find("bt/interp", &oracle, &engine));
	r = runner_open(&oracle, &engine, why);
	cr_assert(r, "%s", why);
	p = runner_report(r);
	engines_random(r, &rng, engines_env("ITEST_COUNT", 100000), GEN_ALL | GEN_SYSTEM | features);
	fprintf(stderr, "%s: seed %lu: %lu tests, %lu instructions, %lu compared, %lu page faults, %lu differ\n", what, start, p->tests, p->insns,
		p->compared, p->by_vector[14], p->failed);
	cr_expect_eq(p->failed, 0);
	cr_expect_gt(p->by_vector[14] * 20, p->tests, "too few page faults");
	cr_expect_gt(p->compared * 100, p->tests * 98, "too few tests were compared");
	runner_close(r);
}

Test(system, user, .timeout = 86400) { level("user", 0, 11); }
Test(system, ring0, .timeout = 86400) { level("ring 0", GEN_RING0, 13); }
