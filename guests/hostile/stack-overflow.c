/*
 * stack-overflow.c - an exception whose handler faults on its stack, until nothing is left.
 */
#include "hostile.h"

int guest_main(void)
{
	printf("ATTACK stack 0: now\n");
	__asm__ volatile("mov $4, %esp; push %eax; push %eax; push %eax");
	return hostile_end();
}
