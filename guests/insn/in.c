/*
 * in.c - IN of every width and form; in user mode by IOPL and by the I/O permission bitmap.
 */
#include "insn.h"

#define SCRATCH 0x3ff /* 16550 offset 7 */
#define NOBODY 0x2f0

static USER_CODE void user_in(uint32_t port)
{
	uint8_t v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "d"((uint16_t)port));
	user_exit(v);
}

static uint32_t in_sized(unsigned size, uint16_t port)
{
	uint32_t v = 0x77777777;
	truth_add(PORT_IN, 1);
	if (size == 1)
		__asm__ volatile("inb %1, %b0" : "+a"(v) : "d"(port));
	else if (size == 2)
		__asm__ volatile("inw %1, %w0" : "+a"(v) : "d"(port));
	else
		__asm__ volatile("inl %1, %0" : "+a"(v) : "d"(port));
	return v;
}

static struct {
	struct tss tss;
	uint8_t bitmap[0x400 / 8 + 2];
} task;

int guest_main(void)
{
	outb(SCRATCH, 0xa5);
	expect("byte", in_sized(1, SCRATCH), 0x777777a5);
	expect("nobody-byte", in_sized(1, NOBODY), 0x777777ff);
	expect("nobody-word", in_sized(2, NOBODY), 0x7777ffff);
	expect("nobody-long", in_sized(4, NOBODY), 0xffffffff);
	uint32_t v = 0;
	truth_add(PORT_IN, 1);
	__asm__ volatile("inb $0x21, %b0" : "+a"(v)); /* immediate form: the interrupt controller's mask */
	expect("immediate-upper-bytes", v >> 8, 0);
	expect_user_fault("user", user_in, SCRATCH, GP, 0);
	truth_add(PORT_IN, 2);
	expect_user_flags("user-iopl3", user_in, SCRATCH, 0x3202, 0xa5);
	task.tss = tss;
	task.tss.iomap = sizeof(struct tss);
	memset(task.bitmap, 0xff, sizeof task.bitmap);
	task.bitmap[SCRATCH / 8] &= (uint8_t)~(1u << SCRATCH % 8);
	gdt_set(SEL_SPARE, gdt_entry((uint32_t)&task, sizeof task - 1, 0x89, 0));
	truth_add(DT_LOAD, 1);
	__asm__ volatile("ltr %w0" : : "r"(SEL_SPARE));
	expect_user("user-by-bitmap", user_in, SCRATCH, 0xa5);
	expect_user_fault("user-not-in-bitmap", user_in, SCRATCH - 2, GP, 0);
	return insn_end();
}
