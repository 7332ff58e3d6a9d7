/*
 * far-call.c - far CALL: direct, through memory, through call gates to the same and to an inner level, and its
 * faults.
 */
#include "insn.h"

struct __attribute__((packed)) far { uint32_t offset; uint16_t selector; };
struct far pointer;
struct far user_gate USER_DATA = { 0, SEL_SPARE | 3 };

/* Adds the caller's CS (as RET will see it) to EAX, and returns far. */
__asm__(".text; far_leaf: mov 4(%esp), %eax; lret; .globl far_leaf");
/* Entered from user mode with two parameters copied: EAX = their difference; returns to the outer level. */
__asm__("far_inner: mov 8(%esp), %eax; sub 12(%esp), %eax; lret $8; .globl far_inner");
extern void far_leaf(void), far_inner(void);

KERNEL_CODE(wrong_selector, "lcall $0x88, $far_leaf")
KERNEL_CODE(indirect, "lcall *pointer")

static USER_CODE void user_call(uint32_t arg)
{
	truth_add(FAR_BRANCH, 1);
	truth_add(USER_RETURN, 1);
	__asm__ volatile("push $5; push $47; lcall *user_gate" : "=a"(arg) : : "memory", "cc");
	user_exit(arg);
}

static USER_CODE void user_direct(uint32_t arg)
{
	__asm__ volatile("lcall $0x80, $far_leaf" : "=a"(arg));
	user_exit(arg);
}

static uint64_t call_gate(void (*entry)(void), uint8_t access, uint8_t params)
{
	uint32_t e = (uint32_t)entry;
	return (uint64_t)((e & 0xffff0000) | (uint32_t)access << 8 | params) << 32 | (uint32_t)SEL_KCODE << 16 | (e & 0xffff);
}

int guest_main(void)
{
	uint32_t v = 0;
	truth_add(FAR_BRANCH, 6);
	__asm__ volatile("lcall $0x80, $far_leaf" : "+a"(v));
	expect("direct-pushed-cs", v & 0xffff, SEL_KCODE);
	pointer = (struct far){ (uint32_t)far_leaf, SEL_KCODE };
	__asm__ volatile("lcall *pointer" : "+a"(v));
	expect("indirect-pushed-cs", v & 0xffff, SEL_KCODE);
	gdt_set(SEL_SPARE + 8, call_gate(far_leaf, 0x8c, 0));
	pointer = (struct far){ 0, SEL_SPARE + 8 };
	__asm__ volatile("lcall *pointer" : "+a"(v));
	expect("gate-pushed-cs", v & 0xffff, SEL_KCODE);
	expect_fault("to-data", wrong_selector, 0, GP, SEL_KDATA);
	pointer.selector = 0;
	expect_fault("to-null", indirect, 0, GP, 0);
	gdt_set(SEL_SPARE, call_gate(far_inner, 0xec, 2));
	expect_user("user-gate-parameters", user_call, 0, 42);
	expect_user_fault("user-to-kernel-code", user_direct, 0, GP, SEL_KCODE);
	gdt_set(SEL_SPARE, call_gate(far_inner, 0x8c, 2));
	expect_user_fault("user-to-kernel-gate", user_call, 0, GP, SEL_SPARE);
	ringlab_truth.count[EV_FAR_BRANCH] -= 1; /* the last attempt counted itself, and faulted */
	ringlab_truth.count[EV_USER_RETURN] -= 1;
	return insn_end();
}
