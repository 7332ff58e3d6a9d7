/*
 * wild-cr3.c - loads CR3 with an address where no RAM is.
 */
#include "hostile.h"

int guest_main(void)
{
	uint32_t frame = hal_number("frame", 0x7ff00000);
	printf("ATTACK cr3 0x%08x: now\n", frame);
	__asm__ volatile("mov %0, %%cr3; int3" : : "r"(frame) : "memory");
	return hostile_end();
}
