/*
 * lldt.c - LLDT makes local descriptors usable; null takes them away; faults for other types and in user mode.
 */
#include "insn.h"

static const uint32_t word = 0x1d7;
static uint64_t ldt[2];

KERNEL_CODE(lldt, "lldt %%ax")
KERNEL_CODE(load_gs, "mov %%eax, %%gs")
KERNEL_VALUE(read_gs, "mov %%gs:(%%eax), %%eax")
RING3_CODE(user_lldt, "lldt %%ax")

static void lldt_fine(const char *key, uint32_t selector)
{
	truth_add(DT_LOAD, 1);
	expect_fine(key, lldt, selector);
}

int guest_main(void)
{
	ldt[1] = gdt_entry((uint32_t)&word, 3, 0x93, 4);
	gdt_set(SEL_LDT, gdt_entry((uint32_t)ldt, sizeof ldt - 1, 0x82, 0));
	gdt_set(SEL_SPARE, gdt_entry((uint32_t)ldt, sizeof ldt - 1, 0x02, 0));
	lldt_fine("no-table", 0);
	expect_fault("no-table-yet", load_gs, 8 | 4, GP, 8 | 4);
	lldt_fine("load", SEL_LDT);
	truth_add(SEG_LOAD, 1);
	expect_fine("local-selector", load_gs, 8 | 4);
	expect_value("word", read_gs, 0, word);
	expect_fault("beyond-its-limit", load_gs, 16 | 4, GP, 16 | 4);
	truth_add(SEG_LOAD, 1);
	expect_fine("null-segment", load_gs, 0);
	expect_fault("wrong-type", lldt, SEL_KDATA, GP, SEL_KDATA);
	expect_fault("not-present", lldt, SEL_SPARE, NP, SEL_SPARE);
	expect_user_fault("user", user_lldt, SEL_LDT, GP, 0);
	lldt_fine("null", 0);
	expect_fault("taken-away", load_gs, 8 | 4, GP, 8 | 4);
	return insn_end();
}
