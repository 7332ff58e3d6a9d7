/*
 * sti.c - STI opens the guest's interrupt flag; in user mode it needs IOPL 3.
 */
#include "insn.h"

RING3_CODE(user_plain, "sti")

static USER_CODE void user_iopl3(uint32_t arg)
{
	truth_add(INT_FLAG, 1);
	truth_add(FLAGS_IMAGE, 1);
	__asm__ volatile("sti; nop; pushf; pop %0" : "=r"(arg) : : "memory");
	user_exit(arg & FLAG_IF);
}

static uint32_t before_irq, after_irq, shadowed;

static void on_irq(struct trap_frame *f)
{
	before_irq = f->eip;
	after_irq++;
}

int guest_main(void)
{
	cli();
	expect("before", pushf() & FLAG_IF, 0);
	sti();
	expect("after", pushf() & FLAG_IF, FLAG_IF);
	cli();
	expect_user_fault("user", user_plain, 0, GP, 0);
	expect_user_flags("user-iopl3", user_iopl3, 0, 0x3002, FLAG_IF);
	cli();
	/* A pending interrupt is taken after the instruction that follows STI, not before it. */
	irq_raise(on_irq);
	expect("pending-while-closed", after_irq, 0);
	uint32_t next;
	truth_add(INT_FLAG, 1);
	__asm__ volatile("xor %0, %0; sti; inc %0; 1: nop; nop; mov $1b, %1" : "=&r"(shadowed), "=r"(next) : : "memory");
	cli();
	expect("taken", after_irq, 1);
	expect("eip-after-the-shadow", before_irq - next, 0);
	return insn_end();
}
