/*
 * sysenter.c - SYSENTER and SYSEXIT: selectors, stack, IF, and their faults.
 */
#include "insn.h"

extern char sysenter_probe[];
static USER_DATA uint32_t seen[6];
uint32_t sysenter_seen[4];
__asm__(".text; sysenter_probe: mov %cs, %eax; mov %eax, sysenter_seen; mov %ss, %eax; mov %eax, sysenter_seen + 4;"
	"mov %esp, sysenter_seen + 8; pushf; pop sysenter_seen + 12; sysexit");

static USER_CODE void user_round(uint32_t arg)
{
	uint32_t cs, ss;
	__asm__ volatile("mov %%esp, %%ecx; mov $1f, %%edx; sysenter; 1: mov %%cs, %0; mov %%ss, %1"
		: "=r"(cs), "=r"(ss) : : "eax", "ecx", "edx", "memory", "cc");
	seen[0] = cs & 0xffff;
	seen[1] = ss & 0xffff;
	user_exit(arg);
}

static USER_CODE void user_sysexit(uint32_t arg)
{
	__asm__ volatile("sysexit");
	user_exit(arg);
}

int guest_main(void)
{
	expect_user_fault("no-msr-set", user_round, 0, GP, 0);
	wrmsr(MSR_SYSENTER_CS, SEL_KCODE);
	wrmsr(MSR_SYSENTER_ESP, (uint32_t)trap_stack_top);
	wrmsr(MSR_SYSENTER_EIP, (uint32_t)sysenter_probe);
	truth_add(SYSCALL_ENTRY, 1);
	truth_add(USER_RETURN, 1);
	truth_add(SEG_READ, 4);
	truth_add(FLAGS_IMAGE, 1);
	expect_user("round-trip", user_round, 3, 3);
	expect("kernel-cs", sysenter_seen[0] & 0xffff, SEL_KCODE);
	expect("kernel-ss", sysenter_seen[1] & 0xffff, SEL_KDATA);
	expect("kernel-esp", sysenter_seen[2] - (uint32_t)trap_stack_top, 0);
	expect("kernel-if", sysenter_seen[3] & FLAG_IF, 0);
	expect("user-cs", seen[0], SEL_UCODE);
	expect("user-ss", seen[1], SEL_UDATA);
	expect_user_fault("user-sysexit", user_sysexit, 0, GP, 0);
	memset(sysenter_seen, 0, sizeof sysenter_seen);
	wrmsr(MSR_SYSENTER_CS, 0);
	return insn_end();
}
