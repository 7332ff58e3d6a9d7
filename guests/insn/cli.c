/*
 * cli.c - CLI closes the guest's interrupt flag; in user mode it needs IOPL 3.
 */
#include "insn.h"

RING3_CODE(user_plain, "cli")

static USER_CODE void user_iopl3(uint32_t arg)
{
	truth_add(INT_FLAG, 1);
	truth_add(FLAGS_IMAGE, 1);
	__asm__ volatile("cli; nop; pushf; pop %0" : "=r"(arg) : : "memory");
	user_exit(arg & FLAG_IF);
}

static uint32_t taken;

static void on_irq(struct trap_frame *f)
{
	(void)f;
	taken++;
}

int guest_main(void)
{
	sti();
	expect("before", pushf() & FLAG_IF, FLAG_IF);
	cli();
	expect("after", pushf() & FLAG_IF, 0);
	cli();
	expect_user_fault("user", user_plain, 0, GP, 0);
	expect_user_flags("user-iopl3", user_iopl3, 0, 0x3202, 0);
	cli();
	/* A pending interrupt stays away as long as the flag is closed. */
	irq_raise(on_irq);
	for (volatile int i = 0; i < 1000; i++)
		;
	expect("while-closed", taken, 0);
	sti();
	cli();
	expect("after-opening", taken, 1);
	return insn_end();
}
