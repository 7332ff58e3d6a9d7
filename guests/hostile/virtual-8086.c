/*
 * virtual-8086.c - enters virtual-8086 mode.
 */
#include "hostile.h"

static void vm86(uint32_t arg)
{
	__asm__ volatile("push $0; push $0; push $0; push $0; push $0; push $0xfff0; push $0x20202; push $0; push $0x500; iret");
}

int guest_main(void)
{
	uint16_t *volatile low = (uint16_t *)0x500; /* volatile: the compiler trusts no pointer below a page */
	*low = 0x80cd; /* INT 0x80 */
	attack("virtual-8086", vm86, 0);
	return hostile_end();
}
