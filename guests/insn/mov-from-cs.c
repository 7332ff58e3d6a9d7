/*
 * mov-from-cs.c - MOV from CS and the other segment registers shows the selectors that the guest loaded.
 */
#include "insn.h"

RING3_CODE(user_cs, "mov %%cs, %%eax; movzwl %%ax, %%eax")
RING3_CODE(user_ss, "mov %%ss, %%eax; movzwl %%ax, %%eax")
RING3_CODE(user_ds, "mov %%ds, %%eax; movzwl %%ax, %%eax")

int guest_main(void)
{
	uint32_t cs, ss, ds, fs;
	truth_add(SEG_READ, 4);
	__asm__ volatile("mov %%cs, %0; mov %%ss, %1; mov %%ds, %2; mov %%fs, %3" : "=r"(cs), "=r"(ss), "=r"(ds), "=r"(fs));
	expect("cs", cs, SEL_KCODE);
	expect("ss", ss, SEL_KDATA);
	expect("ds", ds, SEL_UDATA);
	expect("fs", fs, 0);
	truth_add(SEG_READ, 3);
	expect_user("user-cs", user_cs, 0, SEL_UCODE);
	expect_user("user-ss", user_ss, 0, SEL_UDATA);
	expect_user("user-ds", user_ds, 0, SEL_UDATA);
	return insn_end();
}
