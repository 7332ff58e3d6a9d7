/* What the loop around an instruction does: single-step, shadows, REP and attention, fetches, modes, self-modified code. */
#include <criterion/criterion.h>
#include <string.h>
#include "core/cpuid.h"
#include "harness.h"

static uint32_t stack(struct rig *r, unsigned n) { return rig_get32(r, (uint32_t)r->s->gpr[R_ESP] + 4 * n); }

Test(step, tf_traps_after_the_instruction_that_began_with_it)
{
	struct rig r = rig_open();

	CODE(&r, 0x90, 0x90);
	r.s->rflags |= FL_TF;
	cr_assert_eq(interp_step(r.v), INTERP_DONE);
	cr_assert(r.s->rip == AT_HANDLER(VEC_DB) && stack(&r, 0) == AT_CODE + 1 && (r.s->dr[6] & 0x4000));
	cr_assert(stack(&r, 2) & FL_TF);
	rig_close(&r);
}

Test(step, mov_ss_holds_the_trap_back_for_one_instruction)
{
	struct rig r = rig_open();

	CODE(&r, 0x8e, 0xd0, 0x90); /* mov ss, eax; nop */
	r.s->gpr[R_EAX] = RIG_DATA0;
	r.s->rflags |= FL_TF;
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_CODE + 2);
	interp_step(r.v);
	cr_assert(r.s->rip == AT_HANDLER(VEC_DB) && stack(&r, 0) == AT_CODE + 3);
	rig_close(&r);
}

Test(step, sti_shadows_exactly_one_instruction)
{
	struct rig r = rig_open();

	CODE(&r, 0xfb, 0x90, 0xfb);
	interp_step(r.v);
	cr_assert_eq(r.s->int_shadow, INT_SHADOW_STI);
	interp_step(r.v);
	cr_assert_eq(r.s->int_shadow, 0);
	interp_step(r.v);
	cr_assert_eq(r.s->int_shadow, 0, "no shadow when IF was set already");
	rig_close(&r);
}

Test(step, rep_stops_for_attention_and_resumes)
{
	struct rig r = rig_open();

	CODE(&r, 0xf3, 0xac); /* rep lodsb: always by elements */
	r.s->gpr[R_ECX] = 10;
	r.s->gpr[R_ESI] = 0x50000;
	r.v->attention = 1;
	interp_step(r.v);
	cr_assert(r.s->rip == AT_CODE && r.s->gpr[R_ECX] == 9 && r.s->gpr[R_ESI] == 0x50001);
	r.v->attention = 0;
	interp_step(r.v);
	cr_assert(r.s->rip == AT_CODE + 2 && r.s->gpr[R_ECX] == 0);
	rig_close(&r);
}

Test(step, rep_movs_that_overlaps_repeats_its_pattern)
{
	struct rig r = rig_open();

	CODE(&r, 0xf3, 0xa4);
	memcpy(r.vm->mem.host + 0x50000, "ab", 2);
	r.s->gpr[R_ESI] = 0x50000;
	r.s->gpr[R_EDI] = 0x50002;
	r.s->gpr[R_ECX] = 6;
	interp_step(r.v);
	interp_step(r.v);
	cr_assert(!memcmp(r.vm->mem.host + 0x50000, "abababab", 8));
	rig_close(&r);
}

Test(step, a_changed_instruction_is_seen_at_once)
{
	struct rig r = rig_open();

	for (unsigned n = 0; n < 3; n++) {
		CODE(&r, 0xb0, (uint8_t)n);
		interp_step(r.v);
		cr_assert_eq((uint8_t)r.s->gpr[R_EAX], n);
	}
	rig_close(&r);
}

Test(step, sixteen_bit_code_wraps_ip_and_uses_16_bit_operands)
{
	struct rig r = rig_open();

	r.s->seg[S_CS].attr &= (uint16_t)~SEG_DB;
	r.s->seg[S_CS].limit = 0xffff;
	r.s->seg[S_CS].base = AT_CODE;
	memcpy(r.vm->mem.host + AT_CODE, (uint8_t[]){ 0xb8, 0x34, 0x12, 0x8b, 0x1e, 0x00, 0x50 }, 7); /* mov ax,0x1234; mov bx,[0x5000] */
	rig_put32(&r, 0x5000, 0xdeadbeef);
	r.s->rip = 0;
	r.s->gpr[R_EAX] = r.s->gpr[R_EBX] = 0xffffffff;
	interp_step(r.v);
	interp_step(r.v);
	cr_assert_eq(r.s->gpr[R_EAX], 0xffff1234);
	cr_assert_eq(r.s->gpr[R_EBX], 0xffffbeef);
	cr_assert_eq(r.s->rip, 7);
	rig_close(&r);
}

Test(step, an_instruction_longer_than_15_bytes_is_a_general_protection_fault)
{
	struct rig r = rig_open();
	uint8_t code[16];

	memset(code, 0x66, sizeof(code));
	rig_code(&r, code, sizeof(code));
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_HANDLER(VEC_GP));
	rig_close(&r);
}

Test(step, execution_outside_ram_ends_with_a_sentence)
{
	struct rig r = rig_open();

	r.s->rip = 0x80000000;
	cr_assert_eq(interp_step(r.v), INTERP_CRASH);
	cr_assert(strstr(r.v->interp.why, "no memory"));
	rig_close(&r);
}

Test(step, io_from_ring_3_asks_the_bitmap)
{
	struct rig r = rig_open();

	r.s->seg[S_TR].limit = 104 + 32;
	rig_put32(&r, AT_TSS + 100, 104u << 16);
	rig_put32(&r, AT_TSS + 104 + 0x60 / 8, 0xfffffffe); /* port 0x60 allowed, 0x61 not */
	rig_user(&r);
	CODE(&r, 0xe4, 0x60, 0xe5, 0x60);
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_CODE + 2);
	cr_assert_eq(r.v->stats.cell[EV_PORT_IN][MECH_INTERP].count, 1);
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_HANDLER(VEC_GP), "four ports, one of them forbidden");
	cr_assert_eq(r.v->stats.cell[EV_PORT_IN][MECH_INTERP].count, 1);
	rig_close(&r);
}

Test(step, an_instruction_that_faults_is_not_counted)
{
	struct rig r = rig_open();

	rig_user(&r);
	CODE(&r, 0xfa);
	interp_step(r.v);
	cr_assert_eq(r.v->stats.cell[EV_INT_FLAG][MECH_INTERP].count, 0);
	cr_assert_eq(r.v->stats.cell[EV_EXCEPTION][MECH_INTERP].count, 1);
	rig_close(&r);
}

/* What CPUID advertises and what executes must agree. */
static const struct { uint8_t code[6]; unsigned len; bool ud; } beyond[] = {
	{ { 0x0f, 0x0b }, 2, true },                     /* ud2 */
	{ { 0x0f, 0xa2 }, 2, false },                    /* cpuid */
	{ { 0x0f, 0xc7, 0xf0 }, 3, true },               /* rdrand */
	{ { 0xf3, 0x0f, 0xb8, 0xc0 }, 4, true },         /* popcnt */
	{ { 0xf2, 0x0f, 0x7c, 0xc0 }, 4, true },         /* haddps: SSE3 */
	{ { 0x66, 0x0f, 0x38, 0x00, 0xc0 }, 5, true },   /* pshufb: SSSE3 */
	{ { 0xc5, 0xf8, 0x77 }, 3, true },               /* vzeroupper: AVX */
	{ { 0x0f, 0x01, 0xd0 }, 3, true },               /* xgetbv */
	{ { 0x0f, 0x01, 0xc1 }, 3, true },               /* vmcall */
	{ { 0x0f, 0x05 }, 2, true },                     /* syscall */
	{ { 0x0f, 0x01, 0xf9 }, 3, true },               /* rdtscp */
	{ { 0xf3, 0x0f, 0xbd, 0xc1 }, 4, false },        /* lzcnt's encoding is BSR here */
	{ { 0xf3, 0x0f, 0x1e, 0xfb }, 4, false },        /* endbr32 is a NOP */
	{ { 0xf3, 0x90 }, 2, false },                    /* pause */
	{ { 0x66, 0x0f, 0xef, 0xc0 }, 4, false },        /* pxor xmm */
};

Test(step, what_the_cpu_model_lacks_is_an_invalid_opcode)
{
	for (unsigned i = 0; i < ARRAY_LEN(beyond); i++) {
		struct rig r = rig_open();

		r.s->cr4 |= CR4_OSFXSR;
		r.s->gpr[R_ECX] = 1;
		rig_code(&r, beyond[i].code, beyond[i].len);
		cr_expect_eq(interp_step(r.v), INTERP_DONE);
		cr_expect_eq(r.s->rip, beyond[i].ud ? AT_HANDLER(VEC_UD) : AT_CODE + beyond[i].len, "row %u", i);
		rig_close(&r);
	}
}

Test(step, cpuid_is_the_fixed_model)
{
	struct cpuid_regs r = cpuid_model(0, 0, false), one = cpuid_model(1, 0, false), hv = cpuid_model(0x40000000, 0, false);

	cr_assert(r.ebx == 0x756e6547 && r.edx == 0x49656e69 && r.ecx == 0x6c65746e, "GenuineIntel");
	cr_assert_eq(one.eax, 0x6d8);
	cr_assert_eq(one.edx & (1u << 9), 0, "no APIC");
	cr_assert_eq(one.ecx, 1u << 31);
	cr_assert_eq(hv.ebx, 0x676e6952, "Ring");
	cr_assert_eq(cpuid_model(0x80000001, 0, false).edx, 1u << 20);
	cr_assert(cpuid_model(0x80000001, 0, true).edx & (1u << 29));
	cr_assert_eq(cpuid_model(7, 0, false).ebx, 0);
}

Test(step, crossing_pages_is_all_or_nothing)
{
	struct rig r = rig_open();

	/* Page 0x300 is writable, 0x301 read-only, for everybody. */
	for (unsigned p = 0; p < 1024; p++)
		rig_put32(&r, 0x101000 + 4 * p, p << 12 | (p == 0x301 ? 5 : 7));
	rig_put32(&r, 0x100000, 0x101000 | 7);
	r.s->cr3 = 0x100000;
	r.s->cr0 |= CR0_PG | CR0_WP;
	rig_put32(&r, 0x300ffe, 0x11111111);
	CODE(&r, 0xa3, 0xfe, 0x0f, 0x30, 0x00); /* mov [0x300ffe], eax */
	interp_step(r.v);
	cr_assert(r.s->rip == AT_HANDLER(VEC_PF) && r.s->cr2 == 0x301000);
	cr_assert_eq(stack(&r, 0), PFEC_P | PFEC_W);
	cr_assert_eq(rig_get32(&r, 0x300ffe), 0x11111111);
	cr_assert_eq(r.v->stats.cell[EV_PAGE_FAULT][MECH_INTERP].count, 1);
	rig_close(&r);
}
