/*
 * test_self.c - the tests of the tests: the oracle against itself and against known answers, and a comparator that sees.
 */
#include <criterion/criterion.h>
#include <string.h>
#include "engines.h"

static struct it_runner *open_native(void)
{
	char why[128] = "";
	struct it_exec a, b;
	struct it_runner *r;

	cr_assert(engines_find("native", &a, &b));
	r = runner_open(&a, &b, why);
	cr_assert(r, "%s", why);
	return r;
}

Test(self, oracle_agrees_with_itself, .timeout = 25)
{
	struct it_runner *r = open_native();
	struct it_rng rng = { .s = engines_env("ITEST_SEED", 1) };

	engines_random(r, &rng, 60000, GEN_ALL);
	cr_expect_eq(runner_report(r)->failed, 0);
	cr_expect_gt(runner_report(r)->compared * 100, runner_report(r)->tests * 99, "the oracle answers for nearly all tests");
	/* The generator reaches what it is meant to reach. */
	static const uint8_t vectors[] = { VEC_DE, VEC_DB, VEC_BP, VEC_OF, VEC_BR, VEC_UD, VEC_NP, VEC_SS, VEC_GP, VEC_PF, VEC_MF, VEC_XM };
	for (unsigned i = 0; i < ARRAY_LEN(vectors); i++)
		cr_expect_gt(runner_report(r)->by_vector[vectors[i]], 0, "no test ended by vector %u", vectors[i]);
	runner_close(r);
}

/* What the SDM says, for a handful of tests: the oracle is not believed blindly. */
static const struct {
	struct it_case c;
	uint8_t vector;
	uint32_t error, cr2, eip_off, eax;
} known[] = {
	{ { .code = "05ffffff7f", .gpr = { 1 } }, VEC_BP, 0, 0, 6, 0x80000000 },
	{ { .code = "f7f1", .gpr = { 5 } }, VEC_DE, 0, 0, 0, 5 },
	{ { .code = "8b03", .gpr = { 9, 0, 0, 0x20003000 } }, VEC_PF, PFEC_U, 0x20003000, 0, 9 },
	{ { .code = "8903", .gpr = { 9, 0, 0, 0x20002ffe } }, VEC_PF, PFEC_U | PFEC_W | PFEC_P, 0x20002ffe, 0, 9 },
	{ { .code = "8903", .gpr = { 9, 0, 0, 0x1ffffffd } }, VEC_PF, PFEC_U | PFEC_W, 0x1ffffffd, 0, 9 },
	{ { .code = "a1fcffffff", .mem = "fffffffc:78563412" }, VEC_BP, 0, 0, 6, 0x12345678 },
	{ { .code = "fa", .gpr = { 3 } }, VEC_GP, 0, 0, 0, 3 },
	{ { .code = "cd21", .gpr = { 3 } }, VEC_GP, 0x21 << 3 | 2, 0, 0, 3 },
	{ { .code = "cd80", .gpr = { 20 } }, 0x80, 0, 0, 2, 20 },
	{ { .code = "0f0b" }, VEC_UD, 0, 0, 0, 0 },
	{ { .code = "64a100010000", .fs = SEL_LDT(LDT_FS), .mem = "200000e0:efbeadde" }, VEC_BP, 0, 0, 7, 0xdeadbeef },
	{ { .code = "64a100110000", .fs = SEL_LDT(LDT_SMALL) }, VEC_GP, 0, 0, 0, 0 },
	{ { .code = "8ee0", .gpr = { SEL_LDT(LDT_ABSENT) } }, VEC_NP, SEL_LDT(LDT_ABSENT) & ~3u, 0, 0, SEL_LDT(LDT_ABSENT) },
};

Test(self, oracle_knows_the_manual)
{
	struct it_runner *r = open_native();

	for (unsigned i = 0; i < ARRAY_LEN(known); i++) {
		struct itest t;
		struct iresult a;

		case_test(&known[i].c, &t);
		runner_one(r, &t, &a, NULL);
		cr_expect(a.kind == IT_VECTOR && a.vector == known[i].vector, "%s: vector %u", known[i].c.code, a.vector);
		cr_expect_eq(a.error & ~PFEC_I, known[i].error, "%s: error %#x", known[i].c.code, a.error);
		cr_expect_eq(a.cr2, known[i].cr2, "%s: cr2 %#x", known[i].c.code, a.cr2);
		cr_expect_eq(a.eip, t.eip + known[i].eip_off, "%s: eip %#x", known[i].c.code, a.eip);
		cr_expect_eq(a.gpr[R_EAX], known[i].eax, "%s: eax %#x", known[i].c.code, a.gpr[R_EAX]);
	}
	runner_close(r);
}

/* Flags NT, AC, DF, a null DS, an LDT selector in FS: none may reach the next test or the executor. */
Test(self, oracle_survives_poison)
{
	static const char *const codes[] = { "68024204009d", "fd31c08ed8", "b8070000008ee0", "d9ee0fae16dbe2", "68000200009d90" };
	struct it_runner *r = open_native();

	for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
		struct it_case c = { .code = codes[i] }, plain = { .code = "40" };
		struct itest t;
		struct iresult a;

		case_test(&c, &t);
		runner_one(r, &t, NULL, NULL);
		case_test(&plain, &t);
		runner_one(r, &t, &a, NULL);
		cr_expect(a.kind == IT_VECTOR && a.vector == VEC_BP && a.gpr[R_EAX] == 1, "after %s: %s", codes[i], a.why);
	}
	runner_close(r);
}

Test(self, endless_test_is_reported, .timeout = 30)
{
	struct it_runner *r = open_native();
	struct it_case c = { .code = "ebfe" };
	struct itest t;
	struct iresult a;

	case_test(&c, &t);
	runner_one(r, &t, &a, NULL);
	cr_expect_eq(a.kind, IT_DIED);
	c.code = "40";
	case_test(&c, &t);
	runner_one(r, &t, &a, NULL);
	cr_expect(a.kind == IT_VECTOR && a.gpr[R_EAX] == 1, "a new child goes on");
	runner_close(r);
}

/* The comparator must see each single change, and must not see what is masked. */
Test(self, comparator_sees)
{
	struct it_case c = { .code = "40" };
	struct itest t;
	struct iresult a = { .kind = IT_VECTOR, .vector = VEC_PF }, b;

	case_test(&c, &t);
	a.eip = t.eip;
	cr_expect_eq(compare(&t, &a, &a), 0);
#define SEES(change, want) do { b = a; change; cr_expect_eq(compare(&t, &a, &b), want, "%s", #change); } while (0)
	SEES(b.kind = IT_SHUTDOWN, DIFF_KIND);
	SEES(b.vector = VEC_GP, DIFF_VECTOR);
	SEES(b.error = PFEC_W, DIFF_ERROR);
	SEES(b.error = PFEC_I, 0);
	SEES(b.cr2 = 1, DIFF_CR2);
	SEES(b.eip++, DIFF_EIP);
	for (unsigned i = 0; i < 8; i++)
		SEES(b.gpr[i] ^= 1u << i, DIFF_GPR);
	for (unsigned i = 0; i < 22; i++)
		SEES(b.eflags ^= 1u << i, DIFF_FLAGS);
	for (unsigned i = 0; i < 6; i++)
		SEES(b.sel[i] += 8, DIFF_SEL);
	SEES(b.fx[2]++, DIFF_FX);
	SEES(b.fx[1] ^= 1, DIFF_FX);
	SEES(b.fx[8]++, 0);
	SEES(b.fx[24]++, DIFF_FX);
	SEES(b.fx[32 + 7 * 16 + 9]++, DIFF_FX);
	SEES(b.fx[160 + 7 * 16 + 15]++, DIFF_FX);
	SEES(b.mem_hash++, DIFF_MEM);
	t.undef[0] = FL_AF;
	SEES(b.eflags ^= FL_AF, 0);
	SEES(b.eflags ^= FL_OF, DIFF_FLAGS);
}

/* The hash must see a change in any byte that tests can write, and no other. */
Test(self, hash_sees_every_byte)
{
	static uint8_t image[IT_IMAGE_SIZE];
	struct itest t = { 0 };
	uint64_t h = image_hash(image, &t);

	for (unsigned i = 0; i < IT_RW_SIZE; i += 7) {
		image[i] ^= 0x40;
		cr_assert_neq(image_hash(image, &t), h, "byte %u", i);
		image[i] ^= 0x40;
	}
}

/* Flags that are undefined stay masked until something defines them, and nothing that reads them is generated. */
Test(self, undefined_flags_are_tracked)
{
	struct it_case c = { .code = "f7e1" "40" };
	struct itest t;

	case_test(&c, &t); /* mul ecx; inc eax */
	cr_expect_eq(t.insns, 2);
	cr_expect_eq(t.undef[1] & (FL_CF | FL_OF), 0);
	cr_expect_eq(t.undef[1] & (FL_SF | FL_ZF | FL_PF), FL_SF | FL_ZF | FL_PF);
	cr_expect_eq(t.undef[2], 0);
	c.code = "f7e1" "0f94c0"; /* mul ecx; setz al */
	case_test(&c, &t);
	cr_expect_not(itest_analyse(&t));
}

Test(self, enumeration_is_whole)
{
	unsigned ops[4] = { 0 }, missing = 0;
	struct itest t;

	for (unsigned i = 0; i < enumerate_count(); i++) {
		if (!enumerate_test(i, &t, 1))
			continue;
		ops[i / (enumerate_count() / 4)]++;
		missing += t.expect_ud;
	}
	for (unsigned i = 0; i < 4; i++)
		cr_expect_gt(ops[i], 2 * 8 * 256, "map %u: %u tests", i, ops[i]);
	cr_expect_gt(missing, 3000);
}
