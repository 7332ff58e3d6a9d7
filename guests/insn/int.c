/*
 * int.c - INT n through gates of both levels: flags, frames, and its faults.
 */
#include "insn.h"

KERNEL_CODE(int_absent, "int $0x90")

static USER_CODE void user_int81(uint32_t arg)
{
	__asm__ volatile("int $0x81" : : : "memory");
	user_exit(7);
}

static USER_CODE void user_int20(uint32_t arg)
{
	__asm__ volatile("int $0x20" : : : "memory");
	user_exit(7);
}

static USER_CODE void user_null(uint32_t arg)
{
	__asm__ volatile("int $0x80" : : "a"(SYSCALL_NULL) : "memory");
	user_exit(8);
}

/* Leaves the frame's CS and the level's EFLAGS and CS in seen[]; returns. */
__asm__(".text; int_probe: push %eax; mov 8(%esp), %eax; mov %eax, int_seen; mov %cs, %eax; mov %eax, int_seen + 4;"
	"pushf; pop int_seen + 8; mov 12(%esp), %eax; mov %eax, int_seen + 12; addl $1, int_seen + 16; pop %eax; iret");
extern void int_probe(void);
uint32_t int_seen[5];

static void probe(const char *name, uint8_t access, uint32_t if_inside)
{
	printf("gate %s\n", name);
	idt_set(0x82, SEL_KCODE, int_probe, access);
	truth_add(SYSCALL_ENTRY, 1);
	truth_add(IRET, 1);
	truth_add(SEG_READ, 1);
	truth_add(FLAGS_IMAGE, 1);
	sti();
	__asm__ volatile("int $0x82" : : : "memory");
	cli();
	expect("frame-cs", int_seen[0] & 0xffff, SEL_KCODE);
	expect("cs-inside", int_seen[1] & 0xffff, SEL_KCODE);
	expect("if-inside", int_seen[2] & FLAG_IF, if_inside);
	expect("frame-if", int_seen[3] & FLAG_IF, FLAG_IF);
	memset(int_seen, 0, sizeof int_seen);
}

int guest_main(void)
{
	probe("interrupt", 0x8e, 0);
	probe("trap", 0x8f, FLAG_IF);
	expect_user("user-null-call", user_null, 0, 8);
	idt_set(0x81, SEL_KCODE, vector_other, 0x8e);
	expect_user_fault("user-kernel-gate", user_int81, 0, GP, 0x81 * 8 + 2);
	expect_user_fault("user-irq-gate", user_int20, 0, GP, 0x20 * 8 + 2);
	idt_set(0x90, SEL_KCODE, vector_other, 0x0e);
	expect_fault("not-present", int_absent, 0, NP, 0x90 * 8 + 2);
	idt_set(0x90, SEL_KCODE, vector_other, 0);
	expect_fault("not-a-gate", int_absent, 0, GP, 0x90 * 8 + 2);
	idt_set(0x90, 0, vector_other, 0x8e);
	expect_fault("null-code-selector", int_absent, 0, GP, 0);
	return insn_end();
}
