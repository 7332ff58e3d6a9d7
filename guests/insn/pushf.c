/*
 * pushf.c - PUSHF shows the guest's IF and IOPL, in kernel and user mode.
 */
#include "insn.h"

static USER_CODE void user_pushf(uint32_t arg)
{
	truth_add(FLAGS_IMAGE, 1);
	__asm__ volatile("pushfl; popl %0" : "=r"(arg));
	user_exit(arg & (FLAG_IF | FLAG_IOPL));
}

int guest_main(void)
{
	cli();
	expect("after-cli", pushf() & FLAG_IF, 0);
	sti();
	expect("after-sti", pushf() & FLAG_IF, FLAG_IF);
	cli();
	expect("iopl", pushf() & FLAG_IOPL, 0);
	expect_user_flags("user-if-on", user_pushf, 0, 0x202, FLAG_IF);
	expect_user_flags("user-if-off", user_pushf, 0, 0x002, 0);
	expect_user_flags("user-iopl3", user_pushf, 0, 0x3202, FLAG_IF | FLAG_IOPL);
	uint32_t word = 0xffffffff;
	truth_add(FLAGS_IMAGE, 1);
	__asm__ volatile("pushfw; popw %w0" : "+r"(word));
	expect("16-bit-form-upper-half", word >> 16, 0xffff);
	expect("16-bit-form-if", word & FLAG_IF, 0);
	return insn_end();
}
