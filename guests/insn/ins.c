/*
 * ins.c - INS with and without REP, in both directions; pointers, counts, and a page fault in the middle.
 */
#include "insn.h"

#define SCRATCH 0x3ff

static uint8_t buffer[3 * PAGE] __attribute__((aligned(4096)));
static uint32_t seen_edi, seen_ecx;

RING3_CODE(user_insb, "mov $0x3ff, %%edx; push %%edi; insb; pop %%edi")

static bool on_fault(struct trap_frame *f)
{
	seen_edi = f->edi;
	seen_ecx = f->ecx;
	page_set(buffer + PAGE, page_pa(buffer + PAGE), PTE_KERNEL, true);
	return true;
}

int guest_main(void)
{
	uint8_t *p = buffer;
	uint32_t n = 4;
	outb(SCRATCH, 0x3c);
	truth_add(PORT_IN, 9);
	__asm__ volatile("insb" : "+D"(p) : "d"(SCRATCH) : "memory");
	expect("insb-pointer", (uint32_t)(p - buffer), 1);
	expect("insb-value", buffer[0], 0x3c);
	__asm__ volatile("rep insb" : "+D"(p), "+c"(n) : "d"(SCRATCH) : "memory");
	expect("rep-pointer", (uint32_t)(p - buffer), 5);
	expect("rep-count", n, 0);
	expect("rep-last", buffer[4], 0x3c);
	n = 4;
	__asm__ volatile("std; rep insb; cld" : "+D"(p), "+c"(n) : "d"(SCRATCH) : "memory");
	expect("down-pointer", (uint32_t)(p - buffer), 1);
	n = 0;
	__asm__ volatile("rep insb" : "+D"(p), "+c"(n) : "d"(SCRATCH) : "memory");
	expect("zero-count-pointer", (uint32_t)(p - buffer), 1);
	truth_add(PORT_IN, 4);
	page_set(buffer + PAGE, 0, 0, true);
	trap_set(PF, on_fault);
	p = buffer + PAGE - 2;
	n = 4;
	__asm__ volatile("rep insb" : "+D"(p), "+c"(n) : "d"(SCRATCH) : "memory");
	trap_set(PF, NULL);
	expect("fault-pointer", seen_edi - (uint32_t)buffer, PAGE);
	expect("fault-count", seen_ecx, 2);
	expect("across-pages", (uint32_t)(p - buffer), PAGE + 2);
	expect("across-value", buffer[PAGE + 1], 0x3c);
	expect_user_fault("user", user_insb, 0, GP, 0);
	return insn_end();
}
