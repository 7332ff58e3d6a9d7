/*
 * lidt.c - LIDT switches to another table; SIDT and interrupts follow; in user mode it faults.
 */
#include "insn.h"

static uint64_t other[256] __attribute__((aligned(8)));
struct dtable pointer USER_DATA = { 2047, 0 };
uint32_t lidt_seen;

RING3_CODE(user_lidt, "lidt pointer")
__asm__(".text; lidt_probe: addl $1, lidt_seen; iret");
extern void lidt_probe(void);
KERNEL_CODE(int_0x85, "int $0x85")

static void lidt(void *table, uint16_t limit)
{
	pointer = (struct dtable){ limit, (uint32_t)table };
	truth_add(DT_LOAD, 1);
	__asm__ volatile("lidt pointer" : : : "memory");
}

int guest_main(void)
{
	uint32_t e = (uint32_t)lidt_probe;
	memcpy(other, idt, sizeof other);
	other[0x85] = (uint64_t)((e & 0xffff0000) | 0x8e00) << 32 | (uint32_t)SEL_KCODE << 16 | (e & 0xffff);
	lidt(other, sizeof other - 1);
	expect("base", sidt().base - (uint32_t)other, 0);
	truth_add(SYSCALL_ENTRY, 1);
	truth_add(IRET, 1);
	expect_fine("vector-of-the-new-table", int_0x85, 0);
	expect("arrived", lidt_seen, 1);
	lidt(other, 0x85 * 8 - 1);
	expect("limit", sidt().limit, 0x85 * 8 - 1);
	expect_fault("beyond-the-new-limit", int_0x85, 0, GP, 0x85 * 8 + 2);
	lidt(idt, sizeof idt - 1);
	expect("back", sidt().base - (uint32_t)idt, 0);
	expect_user_fault("user", user_lidt, 0, GP, 0);
	return insn_end();
}
