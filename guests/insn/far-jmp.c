/*
 * far-jmp.c - far JMP: direct, through memory and a call gate, to conforming code, and its faults.
 */
#include "insn.h"

struct __attribute__((packed)) far { uint32_t offset; uint16_t selector; };
struct far pointer;

KERNEL_CODE(indirect, "ljmp *pointer")
KERNEL_CODE(to_data, "ljmp $0x88, $1f; 1:")

static USER_CODE void user_conforming(uint32_t arg)
{
	truth_add(FAR_BRANCH, 2);
	truth_add(SEG_READ, 1);
	__asm__ volatile("ljmp $0xb3, $1f; 1: mov %%cs, %0; ljmp $0x93, $2f; 2:" : "=r"(arg));
	user_exit(arg & 0xffff);
}

static USER_CODE void user_kernel(uint32_t arg)
{
	__asm__ volatile("ljmp $0x80, $1f; 1:");
	user_exit(arg);
}

static uint32_t here(void)
{
	uint32_t v;
	truth_add(SEG_READ, 1);
	__asm__ volatile("mov %%cs, %0" : "=r"(v));
	return v & 0xffff;
}

int guest_main(void)
{
	uint32_t v = 0;
	gdt_set(SEL_SPARE, gdt_entry(0, 0xfffff, 0x9f, 0xc)); /* conforming */
	truth_add(FAR_BRANCH, 3);
	__asm__ volatile("ljmp $0x80, $1f; 1: mov $1, %0" : "=r"(v));
	expect("direct", v, 1);
	__asm__ volatile("ljmp $0xb0, $1f; 1:");
	expect("conforming-cs", here(), SEL_SPARE);
	__asm__ volatile("ljmp $0x80, $1f; 1:");
	truth_add(FAR_BRANCH, 1);
	__asm__ volatile("movl $1f, pointer; movw $0x80, pointer + 4; ljmp *pointer; ud2; 1: mov $2, %0" : "=r"(v) : : "memory");
	expect("indirect", v, 2);
	expect_fault("to-data", to_data, 0, GP, SEL_KDATA);
	pointer.selector = 0;
	expect_fault("to-null", indirect, 0, GP, 0);
	pointer.selector = GDT_SLOTS * 8;
	expect_fault("beyond-the-limit", indirect, 0, GP, GDT_SLOTS * 8);
	expect_user("user-conforming-cs", user_conforming, 0, SEL_SPARE | 3);
	expect_user_fault("user-to-kernel-code", user_kernel, 0, GP, SEL_KCODE);
	return insn_end();
}
