/* The parts of the FPU that are not the host's: pending exceptions, unmasked SIMD exceptions, pointers, availability. */
#include <criterion/criterion.h>
#include <string.h>
#include "harness.h"

Test(fpu, an_environment_with_unmasked_flags_is_a_pending_exception)
{
	struct rig r = rig_open();

	rig_put32(&r, 0x50000, 0x0d56);
	rig_put32(&r, 0x50004, 0xa7a1);
	CODE(&r, 0xd9, 0x25, 0, 0, 5, 0, 0xdf, 0xed); /* fldenv [0x50000]; fucomip */
	cr_assert_eq(interp_step(r.v), INTERP_DONE);
	cr_assert_eq(r.s->rip, AT_CODE + 6);
	cr_assert_eq(interp_step(r.v), INTERP_DONE);
	cr_assert_eq(r.s->rip, AT_HANDLER(VEC_MF));
	cr_assert_eq(rig_get32(&r, (uint32_t)r.s->gpr[R_ESP]), AT_CODE + 6);
	rig_close(&r);
}

/* {CR0 bits, CR4.OSFXSR, code, what arrives; 0: it executes} */
static const struct { uint32_t cr0; bool osfxsr; uint8_t code[4]; unsigned len; uint8_t vector; } available[] = {
	{ 0, true, { 0xd9, 0xe8 }, 2, 0 },                        /* fld1 */
	{ CR0_TS, true, { 0xd9, 0xe8 }, 2, VEC_NM },
	{ CR0_EM, true, { 0xd9, 0xe8 }, 2, VEC_NM },
	{ CR0_TS, true, { 0x9b }, 1, 0 },                         /* fwait: TS alone does not matter */
	{ CR0_TS | CR0_MP, true, { 0x9b }, 1, VEC_NM },
	{ 0, true, { 0x0f, 0xef, 0xc0 }, 3, 0 },                  /* pxor mm */
	{ CR0_EM, true, { 0x0f, 0xef, 0xc0 }, 3, VEC_UD },
	{ CR0_TS, true, { 0x0f, 0xef, 0xc0 }, 3, VEC_NM },
	{ 0, true, { 0x0f, 0x57, 0xc0 }, 3, 0 },                  /* xorps */
	{ 0, false, { 0x0f, 0x57, 0xc0 }, 3, VEC_UD },
	{ CR0_TS, true, { 0x0f, 0x57, 0xc0 }, 3, VEC_NM },
};

Test(fpu, availability_follows_cr0_and_cr4)
{
	for (unsigned i = 0; i < ARRAY_LEN(available); i++) {
		struct rig r = rig_open();

		r.s->cr0 |= available[i].cr0;
		r.s->cr4 |= available[i].osfxsr ? CR4_OSFXSR : 0;
		rig_code(&r, available[i].code, available[i].len);
		cr_expect_eq(interp_step(r.v), INTERP_DONE);
		cr_expect_eq(r.s->rip, available[i].vector ? AT_HANDLER(available[i].vector) : AT_CODE + available[i].len, "row %u", i);
		rig_close(&r);
	}
}

Test(fpu, an_unmasked_simd_exception_changes_only_its_flag)
{
	struct rig r = rig_open();
	uint32_t mxcsr = 0x1f80 & ~0x200u, one = 0x3f800000; /* divide by zero unmasked */

	r.s->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;
	memcpy(r.s->fx + 24, &mxcsr, 4);
	memcpy(r.s->fx + 160, &one, 4);
	CODE(&r, 0xf3, 0x0f, 0x5e, 0xc1); /* divss xmm0, xmm1 */
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_HANDLER(VEC_XM));
	cr_assert(!memcmp(r.s->fx + 160, &one, 4));
	memcpy(&mxcsr, r.s->fx + 24, 4);
	cr_assert_eq(mxcsr, (0x1f80 & ~0x200u) | 4);
	rig_close(&r);
}

Test(fpu, the_environment_holds_the_guests_pointers)
{
	struct rig r = rig_open();

	CODE(&r, 0xd9, 0x05, 0, 0, 5, 0, 0xd9, 0x35, 0, 1, 5, 0); /* fld dword [0x50000]; fnstenv [0x50100] */
	interp_step(r.v);
	interp_step(r.v);
	cr_assert_eq(rig_get32(&r, 0x5010c), AT_CODE);
	cr_assert_eq(rig_get32(&r, 0x50110), 0x0105u << 16 | RIG_CODE0);
	cr_assert_eq(rig_get32(&r, 0x50114), 0x50000);
	cr_assert_eq(rig_get32(&r, 0x50118) & 0xffff, RIG_DATA0);
	rig_close(&r);
}

Test(fpu, sse_memory_operands_must_be_aligned)
{
	struct rig r = rig_open();

	r.s->cr4 |= CR4_OSFXSR;
	CODE(&r, 0x0f, 0x28, 0x05, 8, 0, 5, 0); /* movaps xmm0, [0x50008] */
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_HANDLER(VEC_GP));
	CODE(&r, 0x0f, 0x10, 0x05, 8, 0, 5, 0); /* movups */
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_CODE + 7);
	rig_close(&r);
}
