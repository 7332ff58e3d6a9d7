/*
 * The interpreter against guests that are noise: random code, tables and registers, ring 0 and 3, paging on and off. Whatever
 * happens to the guest, it ends in one of the four results, and nothing of ours is touched: run it under the dev preset
 * for the sanitizers' opinion. FUZZ_COUNT and FUZZ_SEED change how much and which.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "harness.h"

static uint64_t next(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static uint64_t from_env(const char *name, uint64_t otherwise)
{
	const char *v = getenv(name);

	return v ? strtoull(v, NULL, 0) : otherwise;
}

static void noise(struct rig *r, uint32_t at, unsigned n, uint64_t *s)
{
	for (unsigned i = 0; i < n; i++)
		r->vm->mem.host[at + i] = (uint8_t)(next(s) >> 24);
}

/* Bytes of the maps' interesting parts, more often than chance would give. */
static void code_noise(struct rig *r, uint64_t *s)
{
	static const uint8_t often[] = { 0x0f, 0x0f, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x65, 0xd9, 0xdd, 0xcf, 0xcb, 0xcd, 0x8e, 0xff, 0x00, 0x01 };

	noise(r, AT_CODE, 4096, s);
	for (unsigned i = 0; i < 4096; i++)
		if (next(s) % 4 == 0)
			r->vm->mem.host[AT_CODE + i] = often[next(s) % sizeof(often)];
}

static void page_tables(struct rig *r, uint64_t *s)
{
	for (unsigned p = 0; p < 1024; p++)
		rig_put32(r, 0x101000 + 4 * p, next(s) % 16 ? p << 12 | 7 : (uint32_t)next(s));
	for (unsigned p = 1; p < 1024; p++)
		rig_put32(r, 0x100000 + 4 * p, next(s) % 4 ? 0 : (uint32_t)next(s));
	rig_put32(r, 0x100000, 0x101007);
	r->s->cr3 = 0x100000;
	r->s->cr4 |= next(s) & (CR4_PSE | CR4_PGE | CR4_DE | CR4_TSD);
	r->s->cr0 |= CR0_PG | (next(s) & CR0_WP);
}

static void one_machine(uint64_t *s)
{
	struct rig r = rig_open();

	code_noise(&r, s);
	noise(&r, 0x20000, 4096, s); /* handlers */
	noise(&r, AT_GDT + 0x80, 0x100, s);
	if (next(s) % 4 == 0)
		noise(&r, AT_IDT + (next(s) & 0x7f8), 16, s);
	if (next(s) % 4 == 0)
		noise(&r, AT_TSS + (next(s) & 0x3c), 8, s);
	if (next(s) & 1)
		rig_user(&r);
	if (next(s) & 1)
		page_tables(&r, s);
	r.s->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;
	for (unsigned i = 0; i < 8; i++)
		if (i != R_ESP)
			r.s->gpr[i] = next(s) % 2 ? (uint32_t)next(s) : next(s) % 0x100000;
	for (unsigned n = 0; n < 400; n++) {
		enum interp_result x;

		r.v->attention = 1; /* a repeated instruction does one run a step, or ECX could keep us here */
		x = interp_step(r.v);
		cr_assert(x <= INTERP_CRASH);
		if (x == INTERP_SHUTDOWN || x == INTERP_CRASH)
			break;
		cr_assert(!(r.s->gpr[R_EAX] >> 32) && !(r.s->gpr[R_ESP] >> 32) && !(r.s->rip >> 32), "registers are 32 bits wide");
	}
	rig_close(&r);
}

Test(fuzz, noise_harms_nobody)
{
	uint64_t s = from_env("FUZZ_SEED", 0x9e3779b97f4a7c15ull);

	for (uint64_t n = from_env("FUZZ_COUNT", 2000); n; n--)
		one_machine(&s);
}
