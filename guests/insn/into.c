/*
 * into.c - INTO traps when OF is set, with EIP behind it, and only then.
 */
#include "insn.h"

static uint32_t eip, count;

static bool on_of(struct trap_frame *f)
{
	eip = f->eip;
	count++;
	return true;
}

int guest_main(void)
{
	uint32_t after;
	trap_set(OF, on_of);
	__asm__ volatile("xor %%eax, %%eax; into" : : : "eax", "cc");
	expect("without-of", count, 0);
	__asm__ volatile("mov $0x7fffffff, %%eax; inc %%eax; into; 1: mov $1b, %0" : "=r"(after) : : "eax", "cc", "memory");
	expect("with-of", count, 1);
	expect("eip-behind", eip - after, 0);
	trap_set(OF, NULL);
	return insn_end();
}
