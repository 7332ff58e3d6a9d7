/*
 * wrmsr.c - WRMSR is kept, faults on an unknown register and in user mode.
 */
#include "insn.h"

static void unknown(uint32_t msr)
{
	__asm__ volatile("wrmsr" : : "a"(0), "d"(0), "c"(msr));
}

static USER_CODE void user_wrmsr(uint32_t msr)
{
	__asm__ volatile("wrmsr" : : "a"(0), "d"(0), "c"(msr));
	user_exit(0);
}

int guest_main(void)
{
	wrmsr(MSR_SYSENTER_EIP, 0xc0ffee);
	wrmsr(MSR_SYSENTER_CS, SEL_KCODE);
	expect("sysenter-eip", (uint32_t)rdmsr(MSR_SYSENTER_EIP), 0xc0ffee);
	expect("sysenter-cs", (uint32_t)rdmsr(MSR_SYSENTER_CS), SEL_KCODE);
	wrmsr(MSR_SYSENTER_EIP, 0);
	wrmsr(MSR_SYSENTER_CS, 0);
	if (insn_our_machine()) /* QEMU ignores it */
		expect_fault("unknown", unknown, 0x12345678, GP, 0);
	expect_user_fault("user", user_wrmsr, MSR_SYSENTER_CS, GP, 0);
	return insn_end();
}
