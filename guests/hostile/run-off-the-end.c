/*
 * run-off-the-end.c - runs into the end of RAM, with paging and without.
 */
#include "hostile.h"

static void run(uint32_t a) { __asm__ volatile("call *%0" : : "r"(a) : "memory"); }

int guest_main(void)
{
	uint32_t end = hal_memory.kib << 10;
	if (end > MAP_MAX)
		end = MAP_MAX;
	memset((void *)(end - 64), 0x90, 64);
	attack("with-paging", run, end - 64);
	memset((void *)(end - 64), 0x90, 64);
	*(uint16_t *)(end - 2) = 0xb890; /* the first byte of a MOV whose rest is not there */
	attack("half-an-instruction", run, end - 2);
	printf("ATTACK without-paging: now\n");
	end = hal_memory.kib << 10;
	__asm__ volatile("mov %%cr0, %%eax; and $0x7fffffff, %%eax; mov %%eax, %%cr0; jmp *%0" : : "b"(end) : "eax", "memory");
	return hostile_end();
}
