/*
 * hello.c - the smallest guest: a greeting, the memory it was given, and status 0.
 *
 * The first thing to run on a new backend.
 */
#include "hal.h"

int guest_main(void)
{
	printf("hello from a %s guest\n", hal_name);
	printf("MEM kib=%u regions=%u\n", hal_memory.kib, hal_memory.regions);
	return (int)hal_number("status", 0);
}
