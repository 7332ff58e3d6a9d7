/*
 * hlt.c - HLT waits for the interrupt that is pending and goes on behind itself; in user mode it faults.
 */
#include "insn.h"

RING3_CODE(user_hlt, "hlt")

static uint32_t eip, count;

static void on_irq(struct trap_frame *f)
{
	eip = f->eip;
	count++;
}

int guest_main(void)
{
	uint32_t behind;
	irq_raise(on_irq);
	truth_add(INT_FLAG, 1);
	truth_add(HLT, 1);
	__asm__ volatile("sti; hlt; 1: mov $1b, %0" : "=r"(behind) : : "memory");
	cli();
	expect("woken", count, 1);
	expect("eip-behind", eip - behind, 0);
	expect_user_fault("user", user_hlt, 0, GP, 0);
	return insn_end();
}
