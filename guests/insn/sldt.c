/*
 * sldt.c - SLDT tells the LDT selector that the guest loaded, in register and memory form, at both levels.
 */
#include "insn.h"

static uint64_t ldt[2];
static uint16_t cell;

static uint32_t sldt(void)
{
	uint32_t v;
	truth_add(DT_STORE, 1);
	__asm__ volatile("sldt %0" : "=r"(v));
	return v & 0xffff;
}

static USER_CODE void user_sldt(uint32_t arg)
{
	truth_add(DT_STORE, 1);
	__asm__ volatile("sldt %w0" : "+r"(arg));
	user_exit(arg & 0xffff);
}

static void lldt(uint32_t selector)
{
	truth_add(DT_LOAD, 1);
	__asm__ volatile("lldt %w0" : : "r"(selector));
}

int guest_main(void)
{
	expect("at-start", sldt(), 0);
	gdt_set(SEL_LDT, gdt_entry((uint32_t)ldt, sizeof ldt - 1, 0x82, 0));
	lldt(SEL_LDT);
	expect("after-lldt", sldt(), SEL_LDT);
	truth_add(DT_STORE, 1);
	__asm__ volatile("sldt %0" : "=m"(cell));
	expect("memory-form", cell, SEL_LDT);
	expect_user("user", user_sldt, 0, SEL_LDT);
	lldt(0);
	expect("after-null", sldt(), 0);
	return insn_end();
}
