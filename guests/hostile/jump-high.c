/*
 * jump-high.c - jumps, calls, returns and interrupt-returns to where the VMM might live.
 */
#include "hostile.h"

KERNEL_CODE(jump, "jmp *%%eax")
KERNEL_CODE(ret, "push %%eax; ret")
RING3_CODE(user_jump, "jmp *%%eax")
RING3_CODE(user_ret, "push %%eax; ret")

int guest_main(void)
{
	uint32_t faults[4] = { 0 }, n = 0;
	for (uint32_t a = 0xf5000000; a >= 0xf5000000; a += 0x11000) {
		n++;
		faults[0] += attack_quiet(jump, a);
		faults[1] += attack_quiet(ret, a);
		faults[2] += attack_user_quiet(user_jump, a);
		faults[3] += attack_user_quiet(user_ret, a);
	}
	attack_tally("jump", faults[0], n);
	attack_tally("ret", faults[1], n);
	attack_tally("user-jump", faults[2], n);
	attack_tally("user-ret", faults[3], n);
	return hostile_end();
}
