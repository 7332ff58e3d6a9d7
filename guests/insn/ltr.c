/*
 * ltr.c - LTR marks the descriptor busy, and its stack serves entries from user mode; faults when busy and in user
 * mode.
 */
#include "insn.h"

static struct tss second;
static char stack[4096];

KERNEL_CODE(ltr, "ltr %%ax")
RING3_CODE(user_ltr, "ltr %%ax")

static uint32_t entry_esp;

static bool on_bp(struct trap_frame *f)
{
	entry_esp = (uint32_t)&f->ss + 4;
	return true;
}

static USER_CODE void user_int3(uint32_t arg)
{
	__asm__ volatile("int3");
	user_exit(1);
}

int guest_main(void)
{
	uint32_t v;
	second = tss;
	second.esp0 = (uint32_t)(stack + sizeof stack);
	gdt_set(SEL_SPARE, gdt_entry((uint32_t)&second, sizeof second - 1, 0x89, 0));
	truth_add(DT_LOAD, 1);
	expect_fine("load", ltr, SEL_SPARE);
	truth_add(DT_STORE, 1);
	__asm__ volatile("str %0" : "=r"(v));
	expect("str", v & 0xffff, SEL_SPARE);
	expect("busy-bit", (uint32_t)(gdt[SEL_SPARE / 8] >> 40) & 0xff, 0x8b);
	trap_set(BP, on_bp);
	expect_user("user-int3", user_int3, 0, 1);
	expect("stack-of-the-new-task", entry_esp - second.esp0, 0);
	trap_set(BP, NULL);
	expect_fault("busy", ltr, SEL_SPARE, GP, SEL_SPARE);
	expect_fault("wrong-type", ltr, SEL_KDATA, GP, SEL_KDATA);
	if (insn_our_machine()) /* QEMU takes it */
		expect_fault("null", ltr, 0, GP, 0);
	expect_user_fault("user", user_ltr, SEL_SPARE, GP, 0);
	memset(stack, 0, sizeof stack);
	return insn_end();
}
