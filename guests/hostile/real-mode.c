/*
 * real-mode.c - goes back to real mode.
 *
 * Where an engine runs real mode, the code there ends the guest by a triple fault too: LIDT of a table without entries,
 * and INT3.
 */
#include "hostile.h"

#define CODE 0x500

int guest_main(void)
{
	static const uint8_t code[] = { 0x0f, 0x01, 0x1f, 0xcc }; /* lidt [bx], or [edi] where CS is still 32-bit; int3 */
	uint8_t *volatile low = (uint8_t *)CODE; /* volatile: the compiler trusts no pointer below a page */
	memset(low, 0, 32);
	memcpy(low, code, sizeof code);
	printf("ATTACK real-mode: now\n");
	/* DS keeps its protected-mode base and limit, 0 and 4 GiB. */
	__asm__ volatile("mov %%cr0, %%eax; and $0x7ffffffe, %%eax; mov %%eax, %%cr0; ljmp $0, $0x500"
		: : "b"(CODE + 16), "D"(CODE + 16) : "eax", "memory");
	return hostile_end();
}
