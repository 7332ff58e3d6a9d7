/*
 * real-mode.c - goes back to real mode.
 */
#include "hostile.h"

int guest_main(void)
{
	uint16_t *volatile low = (uint16_t *)0x500;
	*low = 0x80cd; /* INT 0x80 */
	printf("ATTACK real-mode: now\n");
	__asm__ volatile("mov %%cr0, %%eax; and $0x7ffffffe, %%eax; mov %%eax, %%cr0; ljmp $0, $0x500" : : : "eax", "memory");
	return hostile_end();
}
