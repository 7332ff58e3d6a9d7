/*
 * arpl.c - ARPL raises the requested privilege level of a selector, and ZF tells.
 */
#include "insn.h"

static uint32_t arpl(uint32_t dest, uint32_t src, uint8_t *zf)
{
	truth_add(SEG_QUERY, 1);
	__asm__ volatile("arpl %w2, %w0; setz %1" : "+r"(dest), "=q"(*zf) : "r"(src) : "cc");
	return dest;
}

int guest_main(void)
{
	uint8_t zf;
	expect("raised", arpl(0x1230, 3, &zf), 0x1233);
	expect("raised-zf", zf, 1);
	expect("kept", arpl(0x1233, 1, &zf), 0x1233);
	expect("kept-zf", zf, 0);
	return insn_end();
}
