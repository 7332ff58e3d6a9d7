/*
 * out.c - OUT of every width and form; in user mode by IOPL.
 */
#include "insn.h"

#define SCRATCH 0x3ff /* 16550 offset 7 */
#define NOBODY 0x2f0

static USER_CODE void user_out(uint32_t value)
{
	__asm__ volatile("outb %b0, %1" : : "a"(value), "d"((uint16_t)SCRATCH));
	user_exit(value);
}

int guest_main(void)
{
	outb(SCRATCH, 0x5a);
	expect("byte", inb(SCRATCH), 0x5a);
	truth_add(PORT_OUT, 3);
	__asm__ volatile("outb %b0, $0x80" : : "a"(1));
	__asm__ volatile("outw %w0, %1" : : "a"(0x1234), "d"((uint16_t)NOBODY));
	__asm__ volatile("outl %0, %1" : : "a"(0x12345678), "d"((uint16_t)NOBODY));
	expect("unchanged", inb(SCRATCH), 0x5a);
	expect_user_fault("user", user_out, 0x11, GP, 0);
	expect("user-had-no-effect", inb(SCRATCH), 0x5a);
	truth_add(PORT_OUT, 1);
	expect_user_flags("user-iopl3", user_out, 0x22, 0x3202, 0x22);
	expect("user-effect", inb(SCRATCH), 0x22);
	return insn_end();
}
