/*
 * iret.c - IRET to the same and to an outer level: flags, selectors, and its faults.
 */
#include "insn.h"

KERNEL_CODE(to_data, "pushf; push $0x88; push $1f; iret; 1:")
KERNEL_CODE(to_null, "pushf; push $0; push $1f; iret; 1:")

/* IRET to the next instruction with these flags; the flags that are then there. */
static uint32_t iret_flags(uint32_t flags)
{
	truth_add(IRET, 1);
	truth_add(FLAGS_IMAGE, 1);
	__asm__ volatile("push %0; push $0x80; push $1f; iret; 1: pushf; pop %0" : "+r"(flags) : : "cc", "memory");
	return flags;
}

static USER_CODE void user_iret(uint32_t flags)
{
	truth_add(IRET, 1);
	truth_add(FLAGS_IMAGE, 1);
	__asm__ volatile("push %0; push $0x93; push $1f; iret; 1: pushf; pop %0" : "+r"(flags) : : "cc", "memory");
	user_exit(flags & (FLAG_IF | FLAG_IOPL));
}

static USER_CODE void user_to_kernel(uint32_t arg)
{
	__asm__ volatile("pushf; push $0x80; push $1f; iret; 1:" : : : "memory");
	user_exit(0);
}

int guest_main(void)
{
	expect("sets-if", iret_flags(0x202) & FLAG_IF, FLAG_IF);
	expect("clears-if", iret_flags(0x002) & FLAG_IF, 0);
	expect("sets-iopl", iret_flags(0x3002) & FLAG_IOPL, FLAG_IOPL);
	expect("clears-iopl", iret_flags(0x0002) & FLAG_IOPL, 0);
	expect("arithmetic-flags", iret_flags(0x8d7) & 0x8d5, 0x8d5);
	iret_flags(2);
	truth_add(FLAGS_IMAGE, 2);
	expect_fault("to-data", to_data, 0, GP, SEL_KDATA);
	expect_fault("to-null", to_null, 0, GP, 0);
	expect_user_flags("user-if-by-iret", user_iret, 0x0002, 0x202, FLAG_IF);
	expect_user_flags("user-iopl3-clears-if", user_iret, 0x0002, 0x3202, FLAG_IOPL);
	truth_add(FLAGS_IMAGE, 1);
	expect_user_fault("user-to-kernel", user_to_kernel, 0, GP, SEL_KCODE);
	return insn_end();
}
