/*
 * trap-flag.c - TF: one #DB after each instruction, cleared in the handler's frame, in kernel and user mode.
 */
#include "insn.h"

static uint32_t steps, last_eip;

static bool on_db(struct trap_frame *f)
{
	last_eip = f->eip;
	if (++steps == 4)
		f->eflags &= ~FLAG_TF;
	truth_add(DR_ACCESS, 1);
	__asm__ volatile("mov %0, %%dr6" : : "r"(0xffff0ff0));
	return true;
}

static USER_CODE void user_step(uint32_t arg)
{
	truth_add(FLAGS_IMAGE, 1);
	__asm__ volatile("push $0x302; popf; nop; nop; nop; nop; nop; nop" : : : "cc", "memory");
	user_exit(1);
}

int guest_main(void)
{
	uint32_t fourth;
	trap_set(DB, on_db);
	truth_add(FLAGS_IMAGE, 1);
	__asm__ volatile("push $0x102; popf; nop; nop; nop; nop; 1: nop; mov $1b, %0" : "=r"(fourth) : : "cc", "memory");
	expect("kernel-steps", steps, 4);
	expect("kernel-last", last_eip - fourth, 0);
	steps = 0;
	expect_user("user", user_step, 0, 1);
	expect("user-steps", steps, 4);
	trap_set(DB, NULL);
	return insn_end();
}
