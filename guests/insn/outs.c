/*
 * outs.c - OUTS with and without REP: text to the console, pointers, counts, a segment override.
 */
#include "insn.h"

#define SCRATCH 0x3ff

static const char text[] = "written by REP OUTSB\n";

RING3_CODE(user_outsb, "mov $0x3ff, %%edx; push %%esi; outsb; pop %%esi")

int guest_main(void)
{
	const char *p = text;
	uint32_t n = sizeof text - 1;
	truth_add(PORT_OUT, sizeof text - 1);
	__asm__ volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(0x3f8) : "memory");
	expect("pointer", (uint32_t)(p - text), sizeof text - 1);
	expect("count", n, 0);
	static const uint8_t bytes[4] = { 0x11, 0x22, 0x33, 0x44 };
	const uint8_t *b = bytes;
	truth_add(PORT_OUT, 3);
	__asm__ volatile("outsb" : "+S"(b) : "d"(SCRATCH) : "memory");
	expect("first-byte", inb(SCRATCH), 0x11);
	__asm__ volatile("es outsb" : "+S"(b) : "d"(SCRATCH) : "memory");
	expect("override", inb(SCRATCH), 0x22);
	b = bytes + 3;
	__asm__ volatile("std; outsb; cld" : "+S"(b) : "d"(SCRATCH) : "memory");
	expect("down-byte", inb(SCRATCH), 0x44);
	expect("down-pointer", (uint32_t)(b - bytes), 2);
	expect_user_fault("user", user_outsb, 0, GP, 0);
	return insn_end();
}
