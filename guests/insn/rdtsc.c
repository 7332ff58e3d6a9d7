/*
 * rdtsc.c - RDTSC goes forward; CR4.TSD forbids it to user mode.
 */
#include "insn.h"

static USER_CODE void user_rdtsc(uint32_t arg)
{
	__asm__ volatile("rdtsc" : : : "eax", "edx");
	user_exit(arg);
}

int guest_main(void)
{
	uint64_t a = hal_rdtsc(), b = hal_rdtsc();
	expect("forward", b >= a, 1);
	truth_add(RDTSC, 1);
	expect_user("user", user_rdtsc, 1, 1);
	write_cr4(read_cr4() | 4);
	expect_user_fault("user-with-tsd", user_rdtsc, 1, GP, 0);
	a = hal_rdtsc();
	expect("kernel-with-tsd", hal_rdtsc() >= a, 1);
	write_cr4(read_cr4() & ~4u);
	return insn_end();
}
