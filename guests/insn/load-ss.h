/*
 * load-ss.h - a load of SS checks type and privilege, and takes effect: the guest of mov-to-ss.c and pop-ss.c, which say
 * by LOAD_SS how SS is loaded from EAX.
 */
#include "insn.h"

KERNEL_CODE(load, LOAD_SS)
RING3_CODE(user_load, LOAD_SS)

static uint32_t seen(uint32_t selector)
{
	uint32_t v;
	truth_add(SEG_READ, 2);
	truth_add(SEG_LOAD, 2);
	__asm__ volatile("mov %%ss, %%ecx; " LOAD_SS "; mov %%ss, %%edx; mov %%ecx, %%ss" : "=d"(v) : "a"(selector) : "ecx", "memory");
	return v & 0xffff;
}

int guest_main(void)
{
	gdt_set(SEL_SPARE, gdt_entry(0, 0xfffff, 0x93, 0xc));
	gdt_set(SEL_SPARE + 8, gdt_entry(0, 0xfffff, 0x13, 0xc)); /* not present */
	gdt_set(SEL_SPARE + 16, gdt_entry(0, 0xfffff, 0x91, 0xc)); /* not writable */
	expect("another-flat-segment", seen(SEL_SPARE), SEL_SPARE);
	expect_fault("null", load, 0, GP, 0);
	expect_fault("user-data", load, SEL_UDATA, GP, SEL_UDATA & ~3);
	expect_fault("code", load, SEL_KCODE, GP, SEL_KCODE);
	expect_fault("not-present", load, SEL_SPARE + 8, SS, SEL_SPARE + 8);
	expect_fault("read-only", load, SEL_SPARE + 16, GP, SEL_SPARE + 16);
	expect_fault("beyond-the-limit", load, GDT_SLOTS * 8, GP, GDT_SLOTS * 8);
	expect_user_fault("user-null", user_load, 0, GP, 0);
	expect_user_fault("user-kernel-data", user_load, SEL_KDATA, GP, SEL_KDATA);
	truth_add(SEG_LOAD, 1);
	expect_user("user-own", user_load, SEL_UDATA, SEL_UDATA);
	return insn_end();
}
