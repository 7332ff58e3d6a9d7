/*
 * int80.c - INT 0x80 with every i386 Linux system call number, from both levels.
 */
#include "hostile.h"

static char text[] USER_DATA = "escaped\n";

static void kernel_int(uint32_t nr)
{
	__asm__ volatile("int $0x80" : "+a"(nr) : "b"(1), "c"(text), "d"(8), "S"(0), "D"(0) : "memory");
}

static USER_CODE void user_int(uint32_t nr)
{
	__asm__ volatile("int $0x80" : "+a"(nr) : "b"(1), "c"(text), "d"(8), "S"(0), "D"(0) : "memory");
	user_exit(nr);
}

int guest_main(void)
{
	uint32_t faults[2] = { 0 };
	for (uint32_t nr = 1; nr <= 460; nr++) { /* 0 is the library's own null call */
		faults[0] += attack_quiet(kernel_int, nr);
		faults[1] += attack_user_quiet(user_int, nr);
	}
	faults[0] += attack_quiet(kernel_int, 0xffffffff);
	faults[1] += attack_user_quiet(user_int, 0xffffffff);
	attack_tally("kernel-int80-arrives-at-the-guest", faults[0], 461);
	attack_tally("user-int80-arrives-at-the-guest (but exit, the library's own)", faults[1], 461);
	return hostile_end();
}
