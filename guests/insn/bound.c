/*
 * bound.c - BOUND raises #BR at the instruction when the index is outside.
 */
#include "insn.h"

int32_t range[2] USER_DATA = { -5, 10 };

KERNEL_CODE(bound, "bound %%eax, range")
RING3_CODE(user_bound, "bound %%eax, range")

int guest_main(void)
{
	expect_fine("lowest", bound, (uint32_t)-5);
	expect_fine("highest", bound, 10);
	expect_fault("below", bound, (uint32_t)-6, BR, 0);
	expect_fault("above", bound, 11, BR, 0);
	expect_user_fault("user-above", user_bound, 11, BR, 0);
	expect_user("user-inside", user_bound, 3, 3);
	return insn_end();
}
