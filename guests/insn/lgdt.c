/*
 * lgdt.c - LGDT switches to another table; SGDT and segment loads follow; in user mode it faults.
 */
#include "insn.h"

static uint64_t other[GDT_SLOTS] __attribute__((aligned(8)));
struct dtable pointer USER_DATA = { GDT_SLOTS * 8 - 1, 0 };

RING3_CODE(user_lgdt, "lgdt pointer")
KERNEL_CODE(load_gs, "mov %%eax, %%gs")
KERNEL_VALUE(read_gs, "mov %%gs:(%%eax), %%eax")

static void lgdt(void *table, uint16_t limit)
{
	pointer = (struct dtable){ limit, (uint32_t)table };
	truth_add(DT_LOAD, 1);
	__asm__ volatile("lgdt pointer" : : : "memory");
}

int guest_main(void)
{
	static const uint32_t word = 0x600d;
	memcpy(other, gdt, sizeof other);
	other[SEL_SPARE / 8] = gdt_entry((uint32_t)&word, 3, 0x93, 4);
	lgdt(other, sizeof other - 1);
	expect("base", sgdt().base - (uint32_t)other, 0);
	truth_add(SEG_LOAD, 1);
	expect_fine("descriptor-of-the-new-table", load_gs, SEL_SPARE);
	expect_value("word", read_gs, 0, word);
	lgdt(other, SEL_SPARE - 1);
	expect("limit", sgdt().limit, SEL_SPARE - 1);
	expect_fault("beyond-the-new-limit", load_gs, SEL_SPARE, GP, SEL_SPARE);
	lgdt(gdt, sizeof gdt - 1);
	expect("back", sgdt().base - (uint32_t)gdt, 0);
	expect_user_fault("user", user_lgdt, 0, GP, 0);
	truth_add(SEG_LOAD, 1);
	expect_fine("null", load_gs, 0);
	return insn_end();
}
