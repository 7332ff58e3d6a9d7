/*
 * code16.c - runs a 16-bit code segment.
 */
#include "hostile.h"

KERNEL_CODE(code16, "lcall $0xb0, $1f - 0x100000; jmp 2f; 1: .code16; mov $0x1234, %%ax; lretl; .code32; 2:")
KERNEL_CODE(code16_beyond, "lcall $0xb0, $0xfff0")

int guest_main(void)
{
	gdt_set(SEL_SPARE, gdt_entry(0x100000, 0xffff, 0x9b, 0));
	attack("16-bit-code", code16, 0);
	gdt_set(SEL_SPARE, gdt_entry(0xf6800000, 0xffff, 0x9b, 0));
	attack("16-bit-code-nowhere", code16_beyond, 0);
	return hostile_end();
}
