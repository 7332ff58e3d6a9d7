/*
 * xen-iret.c - the iret hypercall with garbage frames: selectors, flags, stacks.
 */
#include "hostile.h"

static void iret_to(uint32_t arg)
{
	const uint32_t *f = (const uint32_t *)arg;
	__asm__ volatile("pushl 16(%0); pushl 12(%0); pushl 8(%0); pushl 4(%0); pushl (%0); jmp hypercall_page + 23 * 32" : : "r"(f));
}

KERNEL_CODE(iret_no_stack, "mov $0xf6900000, %%esp; jmp hypercall_page + 23 * 32")

int guest_main(void)
{
	static const uint32_t selectors[] = { 0, 3, 0x23, 0x2b, 0x33, 7, 0xf, 0xe019, 0xe021, 0xe02b, 0xe033, 0xffff, 0x10 };
	static const uint32_t flags[] = { 0, 0x202, 0x3202, 0x20202, 0x4102, 0xffffffff };
	static const uint32_t eips[] = { 0, 0xf5800000, 0xf6800000, 0xfffffff0, 0xffffffff };
	uint32_t faults = 0, n = 0;
	for (unsigned s = 0; s < ARRAY_LEN(selectors); s++)
		for (unsigned f = 0; f < ARRAY_LEN(flags); f++)
			for (unsigned e = 0; e < ARRAY_LEN(eips); e++) {
				uint32_t frame[5] = { eips[e], selectors[s], flags[f], 0xf6900000, selectors[(s + e) % ARRAY_LEN(selectors)] };
				n++;
				faults += attack_quiet(iret_to, (uint32_t)frame);
			}
	attack_tally("frames", faults, n);
	attack("no-stack", iret_no_stack, 0);
	return hostile_end();
}
