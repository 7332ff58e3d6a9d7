/*
 * loop-exceptions.c - an exception handler that returns to the instruction that faulted, for ever.
 */
#include "hostile.h"

static bool again(struct trap_frame *f)
{
	return true;
}

int guest_main(void)
{
	printf("ATTACK the same undefined instruction for ever: now\n");
	trap_set(6, again);
	__asm__ volatile("ud2");
	return 0;
}
