/*
 * ud2.c - UD2 and undefined opcodes raise #UD at the instruction.
 */
#include "insn.h"

KERNEL_CODE(ud2, "1: ud2")
KERNEL_CODE(lock_nop, ".byte 0xf0, 0x90")
RING3_CODE(user_ud2, "ud2")

int guest_main(void)
{
	expect_fault("ud2", ud2, 0, UD, 0);
	expect_fault("lock-nop", lock_nop, 0, UD, 0);
	expect_user_fault("user-ud2", user_ud2, 0, UD, 0);
	return insn_end();
}
