/*
 * test_ring0.c - what only ring 0 can do: bt against the interpreter, for the host cannot be asked.
 *
 * The same bytes at CPL 0: privileged instructions, control and debug registers, descriptor tables, segment loads. Both
 * engines are ours, so an error that both make is not seen here; the interpreter's own tests are core/x86/test.
 */
#include <criterion/criterion.h>
#include "engines.h"

static struct it_runner *open_pair(void)
{
	struct it_exec oracle, engine;
	struct it_runner *r;
	char why[128] = "";

	cr_assert(engines_find("bt/interp", &oracle, &engine));
	r = runner_open(&oracle, &engine, why);
	cr_assert(r, "%s", why);
	return r;
}

Test(ring0, random, .timeout = 86400)
{
	struct it_rng rng = { .s = engines_env("ITEST_SEED", 7) };
	struct it_runner *r = open_pair();
	const struct it_report *p = runner_report(r);

	fprintf(stderr, "ring 0: ITEST_SEED=%lu\n", rng.s);
	engines_random(r, &rng, engines_env("ITEST_COUNT", 60000), GEN_ALL | GEN_RING0);
	fprintf(stderr, "ring 0: %lu tests, %lu instructions, %lu compared, %lu differ\n", p->tests, p->insns, p->compared, p->failed);
	cr_expect_eq(p->failed, 0);
	runner_close(r);
}

Test(ring0, regressions)
{
	struct it_runner *r = open_pair();
	struct itest t;

	for (unsigned i = 0; i < it_case_count; i++) {
		case_test(&it_cases[i], &t);
		cr_expect_eq(runner_one(r, &t, NULL, NULL), 0, "%s (%s): %s", it_cases[i].name, it_cases[i].code, it_cases[i].note);
	}
	runner_close(r);
}
