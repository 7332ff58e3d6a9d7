/*
 * loop-masked.c - closes interrupts and loops for ever.
 */
#include "hostile.h"

int guest_main(void)
{
	printf("ATTACK cli and jmp to itself: now\n");
	__asm__ volatile("cli; 1: jmp 1b");
	return 0;
}
