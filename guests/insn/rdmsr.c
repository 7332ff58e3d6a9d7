/*
 * rdmsr.c - RDMSR reads what the guest wrote, faults on an unknown register and in user mode.
 */
#include "insn.h"

static void unknown(uint32_t msr)
{
	uint32_t lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
}

static USER_CODE void user_rdmsr(uint32_t msr)
{
	uint32_t lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	user_exit(lo | hi);
}

int guest_main(void)
{
	expect("sysenter-cs", (uint32_t)rdmsr(MSR_SYSENTER_CS), 0);
	wrmsr(MSR_SYSENTER_ESP, 0xcafe0000);
	expect("sysenter-esp", (uint32_t)rdmsr(MSR_SYSENTER_ESP), 0xcafe0000);
	expect("upper-half", (uint32_t)(rdmsr(MSR_SYSENTER_ESP) >> 32), 0);
	wrmsr(MSR_SYSENTER_ESP, 0);
	if (insn_our_machine()) /* QEMU reads zero */
		expect_fault("unknown", unknown, 0x12345678, GP, 0);
	expect_user_fault("user", user_rdmsr, MSR_SYSENTER_CS, GP, 0);
	return insn_end();
}
