/*
 * options_test.c - each of bt's mechanisms switched off, and a code cache that hardly holds a block: the guests must not notice.
 *
 * In lock step with the interpreter, so that "the same result" means every register and byte of memory on the way.
 */
#include <criterion/criterion.h>
#include "guests.h"

static void with(const char *const *options)
{
	static const char *const insn[] = { "insn/", "nano", "space/", NULL }, *const hostile[] = { "hostile/", NULL };
	const char *limited[10] = { "--insns", "300k" };
	unsigned bad, n = lock_all(insn, options, &bad), k = 2;

	cr_assert_geq(n, 50, "only %u guests: are they built?", n);
	cr_expect_eq(bad, 0, "%u of %u guests", bad, n);
	while (*options && k < 9)
		limited[k++] = *options++;
	n = lock_all(hostile, limited, &bad);
	cr_assert_geq(n, 40, "only %u guests: are they built?", n);
	cr_expect_eq(bad, 0, "%u of %u hostile guests", bad, n);
}

/* One mechanism at a time is for the release preset: the others are slower, and test something else. */
static void alone(const char *const *options)
{
#if defined(__SANITIZE_ADDRESS__) || defined(RINGLAB_HOSTILE)
	(void)options;
	cr_skip_test("one option at a time: the release preset runs it");
#else
	with(options);
#endif
}

Test(options, tiny_code_cache, .timeout = 600) { alone((const char *const[]){ "--code-cache", "4k", NULL }); }
Test(options, one_instruction_blocks, .timeout = 600) { alone((const char *const[]){ "--one-insn-blocks", NULL }); }
Test(options, no_chain, .timeout = 600) { alone((const char *const[]){ "--no-chain", NULL }); }
Test(options, no_adapt, .timeout = 600) { alone((const char *const[]){ "--no-adapt", NULL }); }
Test(options, no_traces, .timeout = 600) { alone((const char *const[]){ "--no-traces", NULL }); }
Test(options, no_retpred, .timeout = 600) { alone((const char *const[]){ "--no-retpred", NULL }); }
Test(options, tiny_cache_of_one_instruction_blocks, .timeout = 600) { with((const char *const[]){ "--code-cache", "4k", "--one-insn-blocks", NULL }); }
Test(options, all_off, .timeout = 600)
{
	with((const char *const[]){ "--no-chain", "--no-adapt", "--no-traces", "--no-retpred", "--one-insn-blocks", NULL });
}
