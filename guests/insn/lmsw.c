/*
 * lmsw.c - LMSW sets TS, and cannot leave protected mode; in user mode it faults.
 */
#include "insn.h"

RING3_CODE(user_lmsw, "lmsw %%ax")

static void lmsw(uint32_t v)
{
	truth_add(CR_WRITE, 1);
	__asm__ volatile("lmsw %w0" : : "r"(v));
}

int guest_main(void)
{
	lmsw(0x3b);
	expect("sets-ts", read_cr0(), 0x8001003b);
	lmsw(0x32);
	expect("cannot-clear-pe", read_cr0(), 0x80010033);
	expect_user_fault("user", user_lmsw, 0x33, GP, 0);
	return insn_end();
}
