/*
 * halt.c - halts with interrupts closed, so that nothing can wake it.
 */
#include "hostile.h"

int guest_main(void)
{
	printf("ATTACK cli and hlt: now\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}
