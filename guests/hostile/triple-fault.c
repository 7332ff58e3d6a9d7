/*
 * triple-fault.c - ends itself at once.
 */
#include "hostile.h"

int guest_main(void)
{
	return hostile_end();
}
