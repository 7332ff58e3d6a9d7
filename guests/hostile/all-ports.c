/*
 * all-ports.c - writes garbage to every port that does not end the guest, in every width, reads them all, and then
 * resets.
 */
#include "hostile.h"

/* Debug-exit would end the guest well, and three ports would reset it: the others come first. */
static bool ends(uint32_t port, uint32_t size)
{
	static const struct { uint16_t first, last; } spare[] = { { 0xf4, 0xf7 }, { 0x64, 0x64 }, { 0x92, 0x92 }, { 0xcf9, 0xcf9 } };
	for (unsigned i = 0; i < ARRAY_LEN(spare); i++)
		if (port <= spare[i].last && port + size > spare[i].first)
			return true;
	return false;
}

int guest_main(void)
{
	uint32_t sum = 0;
	printf("ATTACK every port: now\n");
	for (uint32_t p = 0; p < 0x10000; p++) {
		uint32_t v = attack_random();
		bool often = p < 0x500 || p % 64 == 0; /* wide accesses to all would take long where each is a trap */
		if (!ends(p, 1))
			__asm__ volatile("outb %b0, %w1" : : "a"(v), "d"(p));
		if (often && p < 0xffff && !ends(p, 2))
			__asm__ volatile("outw %w0, %w1" : : "a"(v), "d"(p));
		if (often && p < 0xfffd && !ends(p, 4))
			__asm__ volatile("outl %0, %w1" : : "a"(v), "d"(p));
		if (often)
			__asm__ volatile("inl %w1, %0" : "=a"(v) : "d"(p));
		sum += v;
	}
	outb(0x3fb, 3); /* the UART's line control, after what it went through */
	outb(0x3f9, 0);
	outb(0x3fc, 0);
	printf("\nATTACK ports: all written\n");
	outb(0xcf9, 6);
	return hostile_end();
}
