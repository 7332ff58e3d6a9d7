/* DR0 to DR7: what fires when, what DR6 and RF say, and what holds a debug exception back (SDM vol. 3, chapter 17). */
#include <criterion/criterion.h>
#include <string.h>
#include "harness.h"

#define WORD 0x50000u
#define RW(n, rw, len) ((uint32_t)((rw) | (len) << 2) << (16 + 4 * (n)))
#define WRITES 1u
#define IO 2u
#define ACCESSES 3u
#define FOUR 3u

static uint32_t stack(struct rig *r, unsigned n) { return rig_get32(r, (uint32_t)r->s->gpr[R_ESP] + 4 * n); }

static bool in_db(struct rig *r, uint32_t eip, uint32_t dr6)
{
	return r->s->rip == AT_HANDLER(VEC_DB) && stack(r, 0) == eip && (r->s->dr[6] & 0xe00f) == dr6;
}

Test(debug, instruction_breakpoint_is_a_fault_that_rf_suppresses)
{
	struct rig r = rig_open();

	CODE(&r, 0x40, 0x40); /* inc eax; inc eax */
	r.s->dr[2] = AT_CODE + 1;
	r.s->dr[7] = 0x400 | 1 << 4;
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_CODE + 1);
	interp_step(r.v);
	cr_assert(in_db(&r, AT_CODE + 1, 4));
	cr_assert_not(stack(&r, 2) & FL_RF, "software sets RF, the CPU does not");
	cr_assert_eq(r.s->gpr[R_EAX], 1);
	r.s->rip = AT_CODE + 1;
	r.s->rflags |= FL_RF;
	interp_step(r.v);
	cr_assert(r.s->rip == AT_CODE + 2 && r.s->gpr[R_EAX] == 2 && !(r.s->rflags & FL_RF));
	rig_close(&r);
}

Test(debug, data_breakpoint_is_a_trap)
{
	struct rig r = rig_open();

	CODE(&r, 0x89, 0x03, 0x8b, 0x03, 0xff, 0x03); /* mov [ebx], eax; mov eax, [ebx]; inc dword [ebx] */
	r.s->gpr[R_EBX] = WORD - 2;
	r.s->gpr[R_EAX] = 0x11223344;
	r.s->dr[0] = WORD + 3; /* the low bits do not count */
	r.s->dr[7] = 0x400 | 1 | RW(0, WRITES, FOUR);
	interp_step(r.v);
	cr_assert(in_db(&r, AT_CODE + 2, 1));
	cr_assert_eq(rig_get32(&r, WORD - 2), 0x11223344);
	r.s->rip = AT_CODE + 2;
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_CODE + 4, "a read is no write");
	interp_step(r.v);
	cr_assert(in_db(&r, AT_CODE + 6, 1));
	rig_close(&r);
}

Test(debug, hits_of_a_faulting_instruction_are_dropped)
{
	struct rig r = rig_open();

	CODE(&r, 0xa5); /* movsd: the read hits, the write faults */
	r.s->gpr[R_ESI] = WORD;
	r.s->gpr[R_EDI] = 0x2000;
	r.s->dr[0] = WORD;
	r.s->dr[7] = 0x400 | 1 | RW(0, ACCESSES, FOUR);
	r.s->seg[S_ES].limit = 0xfff;
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_HANDLER(VEC_GP));
	interp_step(r.v);
	cr_assert_neq(r.s->rip, AT_HANDLER(VEC_DB));
	rig_close(&r);
}

Test(debug, mov_ss_holds_it_back_past_a_software_interrupt)
{
	struct rig r = rig_open();

	CODE(&r, 0x8e, 0x13, 0xcd, 0x30); /* mov ss, [ebx]; int 0x30 */
	rig_put32(&r, WORD, RIG_DATA0);
	rig_gate(&r, 0x30, RIG_CODE0, AT_HANDLER(0x30), 0xe, 3, true);
	r.s->gpr[R_EBX] = WORD;
	r.s->dr[1] = WORD;
	r.s->dr[7] = 0x400 | 1 << 2 | RW(1, ACCESSES, 1);
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_CODE + 2);
	interp_step(r.v);
	cr_assert(in_db(&r, AT_HANDLER(0x30), 2), "eip %#llx", (unsigned long long)r.s->rip);
	rig_close(&r);
}

Test(debug, pushes_of_an_event_hit_too)
{
	struct rig r = rig_open();

	CODE(&r, 0x0f, 0x0b); /* ud2 */
	r.s->dr[0] = r.s->gpr[R_ESP] - 4;
	r.s->dr[7] = 0x400 | 1 | RW(0, WRITES, FOUR);
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_HANDLER(VEC_UD));
	interp_step(r.v);
	cr_assert(in_db(&r, AT_HANDLER(VEC_UD), 1));
	rig_close(&r);
}

Test(debug, between_two_iterations_rf_is_pushed)
{
	struct rig r = rig_open();

	CODE(&r, 0xf3, 0xaa); /* rep stosb */
	r.s->gpr[R_EDI] = WORD;
	r.s->gpr[R_ECX] = 8;
	r.s->dr[0] = WORD + 4;
	r.s->dr[1] = AT_CODE; /* and RF keeps it from firing again */
	r.s->dr[7] = 0x400 | 1 | RW(0, WRITES, 0) | 1 << 2;
	r.s->rflags |= FL_RF;
	interp_step(r.v);
	cr_assert(in_db(&r, AT_CODE, 1));
	cr_assert(stack(&r, 2) & FL_RF);
	cr_assert_eq(r.s->gpr[R_ECX], 3);
	r.s->rip = AT_CODE;
	r.s->rflags |= FL_RF;
	interp_step(r.v);
	cr_assert(r.s->rip == AT_CODE + 2 && r.s->gpr[R_ECX] == 0);
	rig_close(&r);
}

Test(debug, io_needs_cr4_de)
{
	struct rig r = rig_open();

	CODE(&r, 0xe6, 0x80, 0xe6, 0x80); /* out 0x80, al, twice */
	r.s->dr[3] = 0x80;
	r.s->dr[7] = 0x400 | 1 << 6 | RW(3, IO, 0);
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_CODE + 2);
	r.s->cr4 |= CR4_DE;
	interp_step(r.v);
	cr_assert(in_db(&r, AT_CODE + 4, 8));
	rig_close(&r);
}

Test(debug, general_detect)
{
	struct rig r = rig_open();

	CODE(&r, 0x0f, 0x21, 0xc0); /* mov eax, dr0 */
	r.s->dr[7] = 0x2400;
	interp_step(r.v);
	cr_assert(in_db(&r, AT_CODE, 0x2000));
	cr_assert(stack(&r, 2) & FL_RF);
	cr_assert_eq(r.s->dr[7], 0x400);
	rig_close(&r);
}

Test(debug, a_breakpoint_that_is_gone_stays_silent)
{
	struct rig r = rig_open();

	CODE(&r, 0x0f, 0x23, 0xf9, 0x89, 0x03, 0x89, 0x03); /* mov dr7, ecx; mov [ebx], eax */
	r.s->gpr[R_EBX] = WORD;
	r.s->gpr[R_ECX] = 0x400;
	r.s->dr[0] = WORD;
	r.s->dr[7] = 0x400 | 1 | RW(0, WRITES, FOUR);
	interp_step(r.v);
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_CODE + 5);
	cr_assert_not(interp_debug_needed(r.v));
	rig_close(&r);
}

Test(debug, task_switch_clears_local_enables_and_obeys_t)
{
	struct rig r = rig_open();
	uint32_t tss = 0x6000;

	rig_put64(&r, AT_GDT + (RIG_TSS2 & ~7), rig_descriptor(tss, 103, 0x89, 0));
	rig_put32(&r, tss + 32, AT_CODE + 0x100);
	rig_put32(&r, tss + 36, 2);
	rig_put32(&r, tss + 56, AT_STACK0 - 0x1000);
	for (unsigned i = 0; i < 6; i++)
		rig_put32(&r, tss + 72 + 4 * i, i == 1 ? RIG_CODE0 : i == 4 || i == 5 ? 0 : RIG_DATA0);
	rig_put32(&r, tss + 100, 1);
	CODE(&r, 0xea, 0, 0, 0, 0, RIG_TSS2, 0); /* ljmp RIG_TSS2:0 */
	r.s->dr[0] = r.s->dr[1] = 0x12345678;
	r.s->dr[7] = 0x400 | 1 | 2 << 2 | 0x100;
	interp_step(r.v);
	if (r.s->rip == AT_CODE + 0x100)
		interp_step(r.v);
	cr_assert(in_db(&r, AT_CODE + 0x100, 0x8000), "rip %#llx dr6 %#llx", (unsigned long long)r.s->rip, (unsigned long long)r.s->dr[6]);
	cr_assert_eq(r.s->dr[7], 0x408, "%#llx", (unsigned long long)r.s->dr[7]);
	rig_close(&r);
}

/* --- the trap flag --- */

Test(debug, popf_that_sets_tf_traps_after_the_next_instruction)
{
	struct rig r = rig_open();

	CODE(&r, 0x9d, 0x90); /* popf; nop */
	rig_put32(&r, (uint32_t)r.s->gpr[R_ESP], FL_TF | 2);
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_CODE + 1);
	interp_step(r.v);
	cr_assert(in_db(&r, AT_CODE + 2, 0x4000));
	rig_close(&r);
}

Test(debug, popf_that_clears_tf_still_traps)
{
	struct rig r = rig_open();

	CODE(&r, 0x9d, 0x90);
	rig_put32(&r, (uint32_t)r.s->gpr[R_ESP], 2);
	r.s->rflags |= FL_TF;
	interp_step(r.v);
	cr_assert(in_db(&r, AT_CODE + 1, 0x4000));
	cr_assert_not(stack(&r, 2) & FL_TF);
	rig_close(&r);
}

Test(debug, iret_that_sets_tf_traps_after_the_next_instruction)
{
	struct rig r = rig_open();
	uint32_t sp = (uint32_t)r.s->gpr[R_ESP];

	CODE(&r, 0xcf, 0x90, 0x40); /* iret; nop; inc eax */
	rig_put32(&r, sp, AT_CODE + 2);
	rig_put32(&r, sp + 4, RIG_CODE0);
	rig_put32(&r, sp + 8, FL_TF | FL_RF | 2);
	r.s->dr[0] = AT_CODE + 2;
	r.s->dr[7] = 0x401; /* the RF that IRET loads holds for that one instruction */
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_CODE + 2);
	interp_step(r.v);
	cr_assert(in_db(&r, AT_CODE + 3, 0x4000));
	rig_close(&r);
}

Test(debug, software_interrupts_do_not_trap)
{
	struct rig r = rig_open();

	CODE(&r, 0xcd, 0x30);
	rig_gate(&r, 0x30, RIG_CODE0, AT_HANDLER(0x30), 0xf, 3, true);
	r.s->rflags |= FL_TF;
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_HANDLER(0x30));
	cr_assert(stack(&r, 2) & FL_TF);
	cr_assert_not(r.s->rflags & FL_TF);
	rig_close(&r);
}

Test(debug, a_fault_comes_without_the_step)
{
	struct rig r = rig_open();

	CODE(&r, 0x0f, 0x0b);
	r.s->rflags |= FL_TF;
	interp_step(r.v);
	cr_assert_eq(r.s->rip, AT_HANDLER(VEC_UD));
	cr_assert_not(r.s->dr[6] & 0x4000);
	rig_close(&r);
}
