/*
 * int3.c - INT3 arrives at vector 3 with EIP behind it, from both levels.
 */
#include "insn.h"

static uint32_t eip, count;

static bool on_bp(struct trap_frame *f)
{
	eip = f->eip;
	count++;
	return true;
}

static USER_CODE void user_int3(uint32_t arg)
{
	__asm__ volatile("int3");
	user_exit(5);
}

int guest_main(void)
{
	uint32_t after;
	trap_set(BP, on_bp);
	__asm__ volatile("int3; 1: mov $1b, %0" : "=r"(after) : : "memory");
	expect("eip-behind", eip - after, 0);
	expect_user("user", user_int3, 0, 5);
	expect("count", count, 2);
	trap_set(BP, NULL);
	return insn_end();
}
