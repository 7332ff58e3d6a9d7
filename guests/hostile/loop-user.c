/*
 * loop-user.c - user mode that loops for ever.
 */
#include "hostile.h"

RING3_CODE(forever, "1: jmp 1b")

int guest_main(void)
{
	printf("ATTACK user mode loops: now\n");
	user_run(forever, 0);
	return 0;
}
