/* Events through the IDT: frames, privilege, error codes, faults in delivery (SDM vol. 3, 6.12 to 6.15), tasks, IRET. */
#include <criterion/criterion.h>
#include "harness.h"

static uint32_t stack(struct rig *r, unsigned n) { return rig_get32(r, (uint32_t)r->s->gpr[R_ESP] + 4 * n); }

Test(deliver, an_interrupt_gate_at_the_same_level_pushes_three_words)
{
	struct rig r = rig_open();

	r.s->rflags |= FL_IF | FL_TF;
	cr_assert_eq(interp_deliver(r.v, 0x40, DELIVER_HW, false, 0), INTERP_DONE);
	cr_assert_eq(r.s->rip, AT_HANDLER(0x40));
	cr_assert_eq(r.s->gpr[R_ESP], AT_STACK0 - 12);
	cr_assert(stack(&r, 0) == AT_CODE && stack(&r, 1) == RIG_CODE0 && stack(&r, 2) == (FL_IF | FL_TF | FL_FIXED));
	cr_assert_eq(r.s->rflags & (FL_IF | FL_TF), 0);
	rig_close(&r);
}

Test(deliver, a_trap_gate_leaves_if_alone)
{
	struct rig r = rig_open();

	rig_gate(&r, 0x41, RIG_CODE0, AT_HANDLER(0x41), 0xf, 0, true);
	r.s->rflags |= FL_IF;
	cr_assert_eq(interp_deliver(r.v, 0x41, DELIVER_HW, false, 0), INTERP_DONE);
	cr_assert(r.s->rflags & FL_IF);
	rig_close(&r);
}

Test(deliver, from_ring_3_the_stack_is_that_of_the_tss)
{
	struct rig r = rig_open();

	rig_user(&r);
	rig_put32(&r, AT_TSS + 4, 0x70000);
	cr_assert_eq(interp_deliver(r.v, VEC_GP, DELIVER_EXC, true, 0x18), INTERP_DONE);
	cr_assert_eq(CPL(r.s), 0);
	cr_assert_eq(r.s->gpr[R_ESP], 0x70000 - 24);
	cr_assert(stack(&r, 0) == 0x18 && stack(&r, 1) == AT_CODE && stack(&r, 2) == RIG_CODE3);
	cr_assert(stack(&r, 3) & FL_RF, "a fault pushes RF set");
	cr_assert(stack(&r, 4) == AT_STACK3 && stack(&r, 5) == RIG_DATA3);
	rig_close(&r);
}

Test(deliver, a_software_interrupt_needs_the_gate_s_dpl_and_faults_at_itself)
{
	struct rig r = rig_open();

	rig_user(&r);
	CODE(&r, 0xcd, 0x50);
	cr_assert_eq(interp_step(r.v), INTERP_DONE);
	cr_assert_eq(r.s->rip, AT_HANDLER(VEC_GP));
	cr_assert(stack(&r, 0) == 0x50 * 8 + 2 && stack(&r, 1) == AT_CODE);
	rig_close(&r);
}

Test(deliver, a_software_interrupt_through_a_user_gate_pushes_the_next_instruction)
{
	struct rig r = rig_open();

	rig_user(&r);
	rig_gate(&r, 0x80, RIG_CODE0, AT_HANDLER(0x80), 0xf, 3, true);
	CODE(&r, 0xcd, 0x80);
	cr_assert_eq(interp_step(r.v), INTERP_DONE);
	cr_assert(r.s->rip == AT_HANDLER(0x80) && stack(&r, 0) == AT_CODE + 2);
	cr_assert_eq(r.v->stats.cell[EV_SYSCALL_ENTRY][MECH_INTERP].count, 1);
	cr_assert_eq(r.v->stats.cell[EV_EXCEPTION][MECH_INTERP].count, 0);
	rig_close(&r);
}

/* {first event, how, what is wrong with its gate, what arrives} */
enum wrong { ABSENT_GATE, BAD_TYPE, NULL_CODE, DATA_CODE, ABSENT_CODE, LIMIT };
static const struct { uint8_t vector; unsigned how; enum wrong wrong; uint8_t want; uint32_t error; } bad[] = {
	{ 0x40, DELIVER_HW, ABSENT_GATE, VEC_NP, 0x40 * 8 + 3 },
	{ 0x40, DELIVER_SOFT, ABSENT_GATE, VEC_NP, 0x40 * 8 + 2 },
	{ 0x40, DELIVER_HW, BAD_TYPE, VEC_GP, 0x40 * 8 + 3 },
	{ 0x40, DELIVER_HW, NULL_CODE, VEC_GP, 1 },
	{ 0x40, DELIVER_HW, DATA_CODE, VEC_GP, RIG_DATA0 | 1 },
	{ 0x40, DELIVER_HW, ABSENT_CODE, VEC_NP, RIG_ABSENT | 1 },
	{ 0xf0, DELIVER_HW, LIMIT, VEC_GP, 0xf0 * 8 + 3 },
	{ VEC_UD, DELIVER_EXC, ABSENT_GATE, VEC_NP, VEC_UD * 8 + 3 }, /* benign, then contributory: serially */
	{ VEC_DE, DELIVER_EXC, ABSENT_GATE, VEC_DF, 0 },              /* contributory twice */
	{ VEC_PF, DELIVER_EXC, ABSENT_GATE, VEC_DF, 0 },              /* page fault, then contributory */
};

Test(deliver, a_fault_in_delivery_becomes_what_table_6_5_says)
{
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		struct rig r = rig_open();
		uint8_t v = bad[i].vector;

		rig_put64(&r, AT_GDT + RIG_ABSENT, rig_descriptor(0, 0xfffff, 0x1a, 0xc));
		switch (bad[i].wrong) {
		case ABSENT_GATE: rig_gate(&r, v, RIG_CODE0, 0, 0xe, 0, false); break;
		case BAD_TYPE: rig_gate(&r, v, RIG_CODE0, 0, 0xc, 0, true); break;
		case NULL_CODE: rig_gate(&r, v, 0, 0, 0xe, 0, true); break;
		case DATA_CODE: rig_gate(&r, v, RIG_DATA0, 0, 0xe, 0, true); break;
		case ABSENT_CODE: rig_gate(&r, v, RIG_ABSENT, 0, 0xe, 0, true); break;
		case LIMIT: r.s->idtr.limit = 0x77f; break;
		}
		cr_expect_eq(interp_deliver(r.v, v, bad[i].how, v == VEC_PF, 0), INTERP_DONE, "row %u", i);
		cr_expect_eq(r.s->rip, AT_HANDLER(bad[i].want), "row %u went to %#lx", i, (long)r.s->rip);
		cr_expect_eq(stack(&r, 0), bad[i].error, "row %u: error %#x", i, stack(&r, 0));
		rig_close(&r);
	}
}

Test(deliver, a_fault_in_a_double_fault_shuts_down)
{
	struct rig r = rig_open();

	rig_gate(&r, VEC_DF, RIG_CODE0, 0, 0xe, 0, false);
	rig_gate(&r, VEC_GP, RIG_CODE0, 0, 0xe, 0, false);
	cr_assert_eq(interp_deliver(r.v, VEC_GP, DELIVER_EXC, true, 0), INTERP_SHUTDOWN);
	rig_close(&r);
}

Test(deliver, a_bad_stack_in_the_tss_is_an_invalid_tss)
{
	struct rig r = rig_open();

	rig_user(&r);
	rig_put32(&r, AT_TSS + 8, RIG_DATA3); /* DPL 3 for ring 0 */
	rig_gate(&r, VEC_TS, RIG_CONF, AT_HANDLER(VEC_TS), 0xe, 0, true); /* conforming: stays in ring 3, no new stack */
	cr_assert_eq(interp_deliver(r.v, 0x40, DELIVER_HW, false, 0), INTERP_DONE);
	cr_assert(r.s->rip == AT_HANDLER(VEC_TS) && stack(&r, 0) == ((RIG_DATA3 & ~3) | 1));
	rig_close(&r);
}

Test(deliver, iret_to_ring_3_restores_and_drops_inner_segments)
{
	struct rig r = rig_open();
	uint32_t frame[] = { 0x11000, RIG_CODE3, FL_IF | FL_FIXED | FL_IOPL | FL_ZF, AT_STACK3, RIG_DATA3 };

	for (unsigned i = 0; i < 5; i++)
		rig_put32(&r, AT_STACK0 - 20 + 4 * i, frame[i]);
	r.s->gpr[R_ESP] = AT_STACK0 - 20;
	CODE(&r, 0xcf);
	cr_assert_eq(interp_step(r.v), INTERP_DONE);
	cr_assert(r.s->rip == 0x11000 && CPL(r.s) == 3 && r.s->gpr[R_ESP] == AT_STACK3);
	cr_assert_eq(r.s->rflags, FL_IF | FL_FIXED | FL_IOPL | FL_ZF);
	cr_assert_eq(r.s->seg[S_DS].sel, 0, "a ring-0 data segment must not survive");
	cr_assert_eq(r.v->stats.cell[EV_USER_RETURN][MECH_INTERP].count, 1);
	rig_close(&r);
}

Test(deliver, iret_in_ring_3_cannot_change_if_or_iopl)
{
	struct rig r = rig_open();

	rig_user(&r);
	rig_put32(&r, AT_STACK3 - 12, 0x11000);
	rig_put32(&r, AT_STACK3 - 8, RIG_CODE3);
	rig_put32(&r, AT_STACK3 - 4, FL_IF | FL_IOPL | FL_CF);
	r.s->gpr[R_ESP] = AT_STACK3 - 12;
	CODE(&r, 0xcf);
	cr_assert_eq(interp_step(r.v), INTERP_DONE);
	cr_assert_eq(r.s->rflags, FL_FIXED | FL_CF);
	cr_assert_eq(r.v->stats.cell[EV_IRET][MECH_INTERP].count, 1);
	rig_close(&r);
}

Test(deliver, iret_to_virtual_8086_mode_is_refused_with_a_sentence)
{
	struct rig r = rig_open();

	rig_put32(&r, AT_STACK0 - 4, FL_VM);
	r.s->gpr[R_ESP] = AT_STACK0 - 12;
	CODE(&r, 0xcf);
	cr_assert_eq(interp_step(r.v), INTERP_CRASH);
	cr_assert(strstr(r.v->interp.why, "virtual-8086"));
	rig_close(&r);
}

static void second_task(struct rig *r)
{
	uint32_t at = AT_TSS + 0x800;

	rig_put32(r, at + 32, 0x12000); /* EIP */
	rig_put32(r, at + 36, FL_FIXED);
	rig_put32(r, at + 56, 0x60000); /* ESP */
	for (unsigned i = 0; i < 6; i++)
		rig_put32(r, at + 72 + 4 * i, i == S_CS ? RIG_CODE0 : RIG_DATA0);
}

Test(deliver, a_task_gate_switches_and_iret_returns)
{
	struct rig r = rig_open();

	second_task(&r);
	rig_gate(&r, VEC_DF, RIG_TSS2, 0, 5, 0, true);
	r.s->gpr[R_EBX] = 0x1234;
	cr_assert_eq(interp_deliver(r.v, VEC_DF, DELIVER_EXC, true, 0), INTERP_DONE);
	cr_assert(r.s->rip == 0x12000 && r.s->gpr[R_ESP] == 0x60000 - 4 && r.s->seg[S_TR].sel == RIG_TSS2);
	cr_assert(stack(&r, 0) == 0 && (r.s->rflags & FL_NT) && (r.s->cr0 & CR0_TS));
	cr_assert_eq(rig_get32(&r, AT_TSS + 0x800) & 0xffff, RIG_TSS, "the link");
	cr_assert_eq(rig_get32(&r, AT_TSS + 32), AT_CODE, "the old task's EIP");
	cr_assert_eq(rig_get32(&r, AT_TSS + 52), 0x1234, "the old task's EBX");
	r.vm->mem.host[0x12000] = 0xcf;
	cr_assert_eq(interp_step(r.v), INTERP_DONE);
	cr_assert(r.s->rip == AT_CODE && r.s->seg[S_TR].sel == RIG_TSS && r.s->gpr[R_EBX] == 0x1234);
	cr_assert(!(r.s->rflags & FL_NT));
	cr_assert_eq(rig_get32(&r, AT_GDT + RIG_TSS2 + 4) >> 8 & 15, 9, "available again");
	rig_close(&r);
}

Test(deliver, a_far_jump_to_a_tss_switches_without_nesting)
{
	struct rig r = rig_open();

	second_task(&r);
	CODE(&r, 0xea, 0, 0, 0, 0, RIG_TSS2, 0);
	cr_assert_eq(interp_step(r.v), INTERP_DONE);
	cr_assert(r.s->rip == 0x12000 && !(r.s->rflags & FL_NT));
	cr_assert_eq(rig_get32(&r, AT_GDT + RIG_TSS + 4) >> 8 & 15, 9);
	cr_assert_eq(rig_get32(&r, AT_TSS + 32), AT_CODE + 7);
	rig_close(&r);
}

Test(deliver, a_call_gate_to_an_inner_level_copies_parameters)
{
	struct rig r = rig_open();

	rig_put64(&r, AT_GDT + RIG_GATE, (uint64_t)RIG_CODE0 << 16 | 0x3000 | (uint64_t)(0xec02 | 0x10000) << 32);
	rig_user(&r);
	rig_put32(&r, AT_STACK3 - 8, 0xaaaa);
	rig_put32(&r, AT_STACK3 - 4, 0xbbbb);
	r.s->gpr[R_ESP] = AT_STACK3 - 8;
	CODE(&r, 0x9a, 0, 0, 0, 0, RIG_GATE | 3, 0);
	cr_assert_eq(interp_step(r.v), INTERP_DONE);
	cr_assert(CPL(r.s) == 0 && r.s->rip == 0x13000);
	cr_assert(stack(&r, 0) == AT_CODE + 7 && stack(&r, 1) == RIG_CODE3 && stack(&r, 2) == 0xaaaa && stack(&r, 3) == 0xbbbb);
	cr_assert(stack(&r, 4) == AT_STACK3 - 8 && stack(&r, 5) == RIG_DATA3);
	CODE(&r, 0xca, 8, 0); /* RETF 8 drops them from both stacks */
	cr_assert_eq(interp_step(r.v), INTERP_DONE);
	cr_assert(CPL(r.s) == 3 && r.s->rip == AT_CODE + 7 && r.s->gpr[R_ESP] == AT_STACK3);
	rig_close(&r);
}
