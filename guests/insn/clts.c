/*
 * clts.c - CLTS clears CR0.TS, so that the FPU may be used again; in user mode it faults.
 */
#include "insn.h"

KERNEL_CODE(fpu, "fnop")
RING3_CODE(user_fpu, "fnop")
RING3_CODE(user_clts, "clts")

int guest_main(void)
{
	write_cr0(read_cr0() | 8);
	expect_fault("fpu-with-ts", fpu, 0, NM, 0);
	expect_user_fault("user-fpu-with-ts", user_fpu, 0, NM, 0);
	truth_add(CR_WRITE, 1);
	__asm__ volatile("clts");
	expect("ts", read_cr0() & 8, 0);
	expect_fine("fpu", fpu, 0);
	expect_user("user-fpu", user_fpu, 1, 1);
	expect_user_fault("user", user_clts, 0, GP, 0);
	return insn_end();
}
