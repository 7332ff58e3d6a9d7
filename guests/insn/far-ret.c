/*
 * far-ret.c - far RET to the same level, to an outer one (with stack and parameter bytes), and its faults.
 */
#include "insn.h"

KERNEL_CODE(to_data, "push $0x88; push $1f; lret; 1:")
KERNEL_CODE(to_null, "push $0; push $1f; lret; 1:")

static uint32_t landed USER_DATA;
static uint32_t far_stack[64] USER_DATA;

static USER_CODE void user_landing(uint32_t arg)
{
	uint32_t cs;
	truth_add(SEG_READ, 1);
	__asm__ volatile("mov %%cs, %0" : "=r"(cs));
	landed = cs & 0xffff;
	user_exit(0);
}

static USER_CODE void user_inner(uint32_t arg)
{
	__asm__ volatile("push $0x80; push $1f; lret; 1:");
	user_exit(arg);
}

static void leave(void)
{
	truth_add(USER_RETURN, 1);
	__asm__ volatile("push $0x9b; push %0; push $0x93; push %1; lret" : : "r"(far_stack + 60), "r"(user_landing));
}

int guest_main(void)
{
	uint32_t v, esp0, esp1;
	truth_add(FAR_BRANCH, 2);
	__asm__ volatile("push $0x80; push $1f; lret; 1: mov $1, %0" : "=r"(v));
	expect("same-level", v, 1);
	__asm__ volatile("mov %%esp, %0; push $7; push $7; push $0x80; push $1f; lret $8; 1: mov %%esp, %1" : "=&r"(esp0), "=r"(esp1));
	expect("parameter-bytes", esp0 - esp1, 0);
	expect_fault("to-data", to_data, 0, GP, SEL_KDATA);
	expect_fault("to-null", to_null, 0, GP, 0);
	if (!context_save(&user_context))
		leave();
	expect("outer-level-cs", landed, SEL_UCODE);
	expect_user_fault("user-to-inner", user_inner, 0, GP, SEL_KCODE);
	return insn_end();
}
