/*
 * test_engine.c - one engine against the host's CPU: every opcode, random sequences, regressions, privilege.
 *
 * Built once for each engine, with ITEST_ENGINE its name. ITEST_SEED repeats a run, ITEST_COUNT (instructions) makes it
 * longer; differences are printed with a listing, cut down. Read next: runner.c.
 */
#include <criterion/criterion.h>
#include <string.h>
#include "core/cpuid.h"
#include "engines.h"

#define SEED_DEFAULT 20260

static struct it_runner *open_engine(void)
{
	struct it_exec oracle, engine;
	struct it_runner *r;
	char why[128] = "";

	cr_assert(engines_find(ITEST_ENGINE, &oracle, &engine));
	r = runner_open(&oracle, &engine, why);
	cr_assert(r, "%s", why);
	return r;
}

static void close_engine(struct it_runner *r, const char *what)
{
	const struct it_report *p = runner_report(r);

	fprintf(stderr, "%s %s: %lu tests, %lu instructions, %lu compared, %lu skipped, %lu must be #UD, %lu differ\n", ITEST_ENGINE, what,
		p->tests, p->insns, p->compared, p->skipped, p->missing, p->failed);
	cr_expect_eq(p->failed, 0);
	cr_expect_gt((p->compared + p->missing) * 100, p->tests * 98, "too few tests were compared");
	runner_close(r);
}

#ifdef ITEST_ENUM
/* One part in ITEST_STEP by default would leave opcodes out: the whole is run, in four tests that ctest can spread. */
static void enumerate_map(unsigned map)
{
	unsigned n = enumerate_count() / 4;
	struct it_runner *r = open_engine();
	char what[32];

	engines_enumerate(r, map * n, (map + 1) * n, 1);
	snprintf(what, sizeof(what), "opcode map %u", map);
	close_engine(r, what);
}

Test(enumerate, one_byte, .timeout = 60) { enumerate_map(0); }
Test(enumerate, map_0f, .timeout = 60) { enumerate_map(1); }
Test(enumerate, map_0f38, .timeout = 60) { enumerate_map(2); }
Test(enumerate, map_0f3a, .timeout = 60) { enumerate_map(3); }
#else

Test(random, sequences, .timeout = 86400)
{
	struct it_rng rng = { .s = engines_env("ITEST_SEED", SEED_DEFAULT) };
	uint64_t count = engines_env("ITEST_COUNT", 110000);
	struct it_runner *r = open_engine();

	fprintf(stderr, "%s: ITEST_SEED=%lu ITEST_COUNT=%lu\n", ITEST_ENGINE, rng.s, count);
	engines_random(r, &rng, count, GEN_ALL);
	cr_expect_geq(runner_report(r)->insns, count);
	close_engine(r, "random");
}

Test(cases, regressions)
{
	struct it_runner *r = open_engine();
	struct itest t;

	for (unsigned i = 0; i < it_case_count; i++) {
		if (it_cases[i].ring0)
			continue; /* test_ring0.c */
		case_test(&it_cases[i], &t);
		cr_expect_eq(runner_one(r, &t, NULL, NULL), 0, "%s (%s): %s", it_cases[i].name, it_cases[i].code, it_cases[i].note);
		*runner_slot(r) = t; /* again, for the report */
		runner_flush(r);
	}
	cr_expect_eq(runner_report(r)->failed, 0);
	runner_close(r);
}

/* SDM vol. 3, 6.9: privileged instructions, and IOPL-sensitive ones with IOPL 0: #GP(0) in ring 3. */
Test(privilege, ring3_is_gp0)
{
	static const char *const codes[] = { "fa", "fb", "f4", "e410", "e510", "66e510", "e610", "e710", "ec", "ed", "66ed", "ee", "ef",
		"6c", "6d", "6e", "6f", "f36c", "f36d", "f36e", "f36f", "0f0113", "0f011b", "0f00d0", "0f0013", "0f00d8", "0f01f0", "0f0133",
		"0f06", "0f20c0", "0f20d0", "0f20d8", "0f20e0", "0f22c0", "0f22d0", "0f22d8", "0f22e0", "0f21c0", "0f21f8", "0f23c0", "0f23f8",
		"0f013b", "0f09", "0f08", "0f32", "0f30" };
	struct it_runner *r = open_engine();

	for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
		struct it_case c = { .code = codes[i], .gpr = { 0x11, 2, 0x3f8, IT_DATA, 0, 0, IT_DATA, IT_DATA } };
		struct itest t;
		struct iresult a, b;

		case_test(&c, &t);
		cr_expect_eq(runner_one(r, &t, &a, &b), 0, "%s: vector %u(%#x), on the host %u(%#x)", codes[i], b.vector, b.error, a.vector, a.error);
		cr_expect(b.vector == VEC_GP && b.error == 0 && b.eip == t.eip, "%s: vector %u(%#x) %s", codes[i], b.vector, b.error, b.why);
	}
	runner_close(r);
}

static bool run_engine(struct it_runner *r, const char *code, const uint32_t gpr[8], struct iresult *b)
{
	struct it_case c = { .code = code };
	struct itest t;

	memcpy(c.gpr, gpr, sizeof(c.gpr));
	case_test(&c, &t);
	t.host_dependent = true;
	runner_one(r, &t, NULL, b);
	return b->kind == IT_VECTOR && b->vector == VEC_BP;
}

/* What the host would answer for itself: the engine answers for the model. */
Test(model, cpuid)
{
	static const uint32_t leaves[] = { 0, 1, 2, 4, 0x80000000, 0x80000001, 0x80000004, 0x40000000, 99 };
	struct it_runner *r = open_engine();

	for (unsigned i = 0; i < ARRAY_LEN(leaves); i++) {
		struct cpuid_regs want = cpuid_model(leaves[i], 0, false);
		struct iresult b;

		cr_assert(run_engine(r, "0fa2", (uint32_t[8]){ leaves[i] }, &b), "leaf %#x: vector %u", leaves[i], b.vector);
		cr_expect(b.gpr[R_EAX] == want.eax && b.gpr[R_EBX] == want.ebx && b.gpr[R_ECX] == want.ecx && b.gpr[R_EDX] == want.edx,
			"leaf %#x: %08x %08x %08x %08x", leaves[i], b.gpr[R_EAX], b.gpr[R_EBX], b.gpr[R_ECX], b.gpr[R_EDX]);
	}
	runner_close(r);
}

Test(model, rdtsc_goes_forward)
{
	struct it_runner *r = open_engine();
	struct iresult b;
	uint64_t first, second;

	/* rdtsc; mov esi,eax; mov edi,edx; rdtsc */
	cr_assert(run_engine(r, "0f3189c689d70f31", (uint32_t[8]){ 0 }, &b));
	first = (uint64_t)b.gpr[R_EDI] << 32 | b.gpr[R_ESI];
	second = (uint64_t)b.gpr[R_EDX] << 32 | b.gpr[R_EAX];
	cr_expect_gt(second, first);
	cr_expect_lt(second - first, 1000000000);
	runner_close(r);
}

/* UMIP is not in the model: these give ring 3 the guest's own tables (SDM vol. 2, SGDT and its kin). */
Test(model, descriptor_tables)
{
	struct it_runner *r = open_engine();
	const uint32_t gpr[8] = { 0xaaaaaaaa, 0, 0, IT_DATA };
	struct iresult b;

	/* sgdt [ebx]; mov eax,[ebx]; mov edx,[ebx+4] */
	cr_assert(run_engine(r, "0f01038b038b5304", gpr, &b));
	cr_expect_eq(b.gpr[R_EAX], (IT_SUPER + 0x1000) << 16 | (IT_GDT_ENTRIES * 8 - 1), "SGDT: %#x", b.gpr[R_EAX]);
	cr_expect_eq(b.gpr[R_EDX] & 0xffff, IT_SUPER >> 16);
	cr_assert(run_engine(r, "0f010b8b03", gpr, &b)); /* sidt */
	cr_expect_eq(b.gpr[R_EAX], (IT_SUPER & 0xffff) << 16 | 0x7ff, "SIDT: %#x", b.gpr[R_EAX]);
	cr_assert(run_engine(r, "0f00c0", gpr, &b)); /* sldt eax: zero-extended */
	cr_expect_eq(b.gpr[R_EAX], 10 << 3, "SLDT: %#x", b.gpr[R_EAX]);
	cr_assert(run_engine(r, "660f00c8", gpr, &b)); /* str ax */
	cr_expect_eq(b.gpr[R_EAX], 0xaaaa0000 | 8 << 3, "STR: %#x", b.gpr[R_EAX]);
	cr_assert(run_engine(r, "0f01e0", gpr, &b)); /* smsw eax */
	cr_expect_eq(b.gpr[R_EAX] & 0xffff, 0x33, "SMSW: %#x", b.gpr[R_EAX]);
	runner_close(r);
}

/* TZCNT and LZCNT do not exist there: the prefix is ignored (SDM vol. 2, TZCNT). */
Test(model, bsf_with_prefix)
{
	struct it_runner *r = open_engine();
	struct iresult b;

	cr_assert(run_engine(r, "f30fbcc1", (uint32_t[8]){ 0, 0x500 }, &b));
	cr_expect_eq(b.gpr[R_EAX], 8);
	cr_assert(run_engine(r, "f30fbdc1", (uint32_t[8]){ 0, 0x500 }, &b));
	cr_expect_eq(b.gpr[R_EAX], 10, "LZCNT must be BSR: %u", b.gpr[R_EAX]);
	runner_close(r);
}

/* SDM vol. 2: SYSENTER with a null SYSENTER_CS is #GP(0); SYSEXIT in ring 3 too; SYSCALL and VMCALL are not in the model. */
Test(model, fast_system_calls)
{
	static const struct { const char *code; uint8_t vector; } t[] = { { "0f34", VEC_GP }, { "0f35", VEC_GP }, { "0f05", VEC_UD },
		{ "0f07", VEC_UD }, { "0f01c1", VEC_UD }, { "0f01d9", VEC_UD }, { "0f01f9", VEC_UD }, { "0f01d0", VEC_UD } };
	struct it_runner *r = open_engine();

	for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
		struct iresult b;

		run_engine(r, t[i].code, (uint32_t[8]){ 0 }, &b);
		cr_expect(b.kind == IT_VECTOR && b.vector == t[i].vector && b.error == 0, "%s: vector %u %s", t[i].code, b.vector, b.why);
	}
	runner_close(r);
}
#endif
