/*
 * gen_state.c - random registers, flags, selectors and FPU images to start a test from.
 *
 * Called by gen.c and enumerate.c. Values lean towards those that instructions treat specially: pointers into, across
 * and just beyond the test pages; NaN, infinities, denormals and invalid x87 encodings; every MXCSR and FCW field.
 */
#include <string.h>
#include "gen.h"

uint32_t gen_target(struct it_rng *r, uint32_t size)
{
	uint32_t k = rng_below(r, 100), near = rng_below(r, 2 * size + 1);
	uint32_t in = rng_below(r, 2 * PAGE_SIZE - 64);

	if (k < 55)
		return IT_DATA + (rng_chance(r, 60) ? in & ~15u : in);
	if (k < 65)
		return IT_DATA + PAGE_SIZE - near;
	if (k < 69)
		return IT_DATA_RO - near;
	if (k < 73)
		return IT_DATA_RO + rng_below(r, PAGE_SIZE - 64);
	if (k < 77)
		return IT_HOLE - near;
	if (k < 79)
		return IT_HOLE + rng_below(r, PAGE_SIZE - 64);
	if (k < 83)
		return IT_ISLAND - near;
	if (k < 86)
		return IT_ISLAND + PAGE_SIZE - near;
	if (k < 92)
		return IT_TOP + rng_below(r, PAGE_SIZE - 64);
	if (k < 94)
		return IT_TOP - near;
	if (k < 95)
		return IT_DATA - near;
	if (k < 97)
		return IT_STACK + rng_below(r, PAGE_SIZE - 64);
	if (k < 98)
		return IT_CODE + rng_below(r, IT_CODE_SIZE);
	return (uint32_t)rng_next(r) & 0xbfffffff;
}

static uint32_t gen_integer(struct it_rng *r)
{
	static const uint32_t edge[] = { 0, 1, 2, 7, 8, 31, 32, 33, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000,
		0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0x99, 0x9999, 0x0a0f };
	uint32_t k = rng_below(r, 100);

	if (k < 35)
		return edge[rng_below(r, ARRAY_LEN(edge))];
	if (k < 55)
		return rng_below(r, 64);
	if (k < 70)
		return gen_target(r, 4);
	return (uint32_t)rng_next(r);
}

/* An 80-bit value: sign and exponent, then significand. Unnormals and pseudo-denormals are among them. */
static void gen_st(struct it_rng *r, uint8_t *p)
{
	static const uint16_t exps[] = { 0, 0, 1, 0x3fff, 0x3ffe, 0x4000, 0x3fff - 63, 0x3fff + 63, 0x403e, 0x7ffe, 0x7fff, 0x7fff,
		0x3f80, 0x3c00, 0x43fe, 0x407f };
	static const uint64_t sigs[] = { 0, 1, 1ull << 63, 3ull << 62, ~0ull, (1ull << 63) | 1, 1ull << 62, 0xc90fdaa22168c235 };
	uint16_t e = rng_chance(r, 70) ? exps[rng_below(r, ARRAY_LEN(exps))] : (uint16_t)(rng_next(r) & 0x7fff);
	uint64_t s = rng_chance(r, 50) ? sigs[rng_below(r, ARRAY_LEN(sigs))] : rng_next(r) | 1ull << 63;

	if (rng_chance(r, 40)) {
		e = (uint16_t)(0x3fff - 20 + rng_below(r, 60));
		s |= 1ull << 63;
	}
	e |= rng_chance(r, 50) ? 0x8000 : 0;
	memcpy(p, &s, 8);
	memcpy(p + 8, &e, 2);
}

static void gen_xmm(struct it_rng *r, uint8_t *p)
{
	static const uint32_t f[] = { 0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 1, 0x807fffff,
		0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000, 0x4effffff, 0x40490fdb };
	static const uint64_t g[] = { 0, 1ull << 63, 0x3ff0000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000,
		0x7ff0000000000001, 1, 0x800fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff, 0x41dfffffffc00000, 0x41e0000000000000,
		0xc1e0000000000000, 0x400921fb54442d18, 0x47efffffe0000000 };
	uint32_t k = rng_below(r, 3);

	for (unsigned i = 0; i < 4 && k == 0; i++) {
		uint32_t v = rng_chance(r, 70) ? f[rng_below(r, ARRAY_LEN(f))] : (uint32_t)rng_next(r);

		memcpy(p + i * 4, &v, 4);
	}
	for (unsigned i = 0; i < 2 && k != 0; i++) {
		uint64_t v = k == 1 && rng_chance(r, 70) ? g[rng_below(r, ARRAY_LEN(g))] : rng_next(r);

		memcpy(p + i * 8, &v, 8);
	}
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

void fx_default(uint8_t fx[512])
{
	memset(fx, 0, 512);
	put16(fx, 0x37f);
	put16(fx + 24, 0x1f80);
	put16(fx + 28, 0xffff);
}

void gen_fx(struct it_rng *r, uint8_t fx[512])
{
	unsigned fcw = 0x37f, mxcsr = 0x1f80;

	fx_default(fx);
	if (rng_chance(r, 40))
		fcw = 0x40 | 0x3f | rng_below(r, 4) << 8 | rng_below(r, 4) << 10;
	if (rng_chance(r, 8))
		fcw &= ~(1u << rng_below(r, 6));
	if (rng_chance(r, 40))
		mxcsr = 0x1f80 | rng_below(r, 4) << 13 | rng_below(r, 2) << 15 | rng_below(r, 2) << 6 | rng_below(r, 64);
	if (rng_chance(r, 8))
		mxcsr = (mxcsr & ~0x3fu) & ~(0x80u << rng_below(r, 6));
	put16(fx, fcw);
	put16(fx + 2, rng_chance(r, 50) ? rng_below(r, 8) << 11 | (rng_next(r) & 0x4700) : 0);
	fx[4] = rng_chance(r, 30) ? 0 : rng_chance(r, 50) ? 0xff : (uint8_t)rng_next(r);
	put16(fx + 24, mxcsr);
	for (unsigned i = 0; i < 8; i++) {
		gen_st(r, fx + 32 + i * 16);
		gen_xmm(r, fx + 160 + i * 16);
	}
}

/* Data segments that are not flat, now and then: limits, read-only, expand-down, null, code; a stack with a base. */
static void gen_segments(struct it_rng *r, struct itest *t)
{
	static const uint16_t sels[] = { SEL_LDT(LDT_FS), SEL_LDT(LDT_GS), SEL_LDT(LDT_SMALL), SEL_LDT(LDT_RO), SEL_LDT(LDT_DOWN), SEL_CODE, 0 };

	t->sel[S_FS] = rng_chance(r, 85) ? SEL_LDT(LDT_FS) : sels[rng_below(r, ARRAY_LEN(sels))];
	t->sel[S_GS] = rng_chance(r, 85) ? SEL_LDT(LDT_GS) : sels[rng_below(r, ARRAY_LEN(sels))];
	if (rng_chance(r, 5))
		t->sel[S_DS] = sels[rng_below(r, ARRAY_LEN(sels))];
	if (rng_chance(r, 5))
		t->sel[S_ES] = sels[rng_below(r, ARRAY_LEN(sels))];
	if (rng_chance(r, 4)) {
		t->sel[S_SS] = SEL_LDT(LDT_GS);
		t->gpr[R_ESP] -= it_ldt[LDT_GS].base;
	}
}

void gen_state(struct it_rng *r, struct itest *t, unsigned features)
{
	for (unsigned i = 0; i < 8; i++)
		t->gpr[i] = gen_integer(r);
	t->gpr[R_EBX] = gen_target(r, 8);
	t->gpr[R_ESI] = gen_target(r, 8);
	t->gpr[R_EDI] = gen_target(r, 8);
	t->gpr[R_ESP] = IT_STACK + 0x800 + (rng_below(r, 64) & (rng_chance(r, 80) ? ~3u : ~0u));
	if (rng_chance(r, 8))
		t->gpr[R_ESP] = rng_chance(r, 50) ? IT_STACK + rng_below(r, 40) : IT_STACK + PAGE_SIZE - rng_below(r, 40);
	t->eflags = FL_FIXED | FL_IF | ((uint32_t)rng_next(r) & FL_ARITH);
	if (rng_chance(r, 25))
		t->eflags |= FL_DF;
	if (rng_chance(r, 10))
		t->eflags |= FL_ID;
	t->cpl = features & GEN_RING0 ? 0 : 3;
	t->sel[S_CS] = t->cpl ? SEL_CODE : SEL_CODE0;
	t->sel[S_SS] = t->sel[S_DS] = t->sel[S_ES] = t->cpl ? SEL_DATA : SEL_DATA0;
	t->sel[S_FS] = SEL_DATA;
	if ((features & GEN_SEGS) && t->cpl)
		gen_segments(r, t);
	else if (features & GEN_SEGS)
		t->sel[S_FS] = SEL_LDT(LDT_FS);
	if (rng_chance(r, 1))
		t->eflags |= FL_TF;
	if (features & GEN_SYSTEM)
		system_state(r, t);
	fx_default(t->fx);
	if (features & GEN_FPU)
		gen_fx(r, t->fx);
}
