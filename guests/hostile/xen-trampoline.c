/*
 * xen-trampoline.c - jumps into the VMM's hypercall entry at odd places.
 */
#include "hostile.h"

/* The far jump of a hypercall-page entry, `EA offset selector`, names it. */
static struct __attribute__((packed)) far { uint32_t offset; uint16_t selector; } entry;

static void jump(uint32_t offset)
{
	entry.offset += offset;
	__asm__ volatile("ljmp *%0" : : "m"(entry), "a"(17), "b"(0) : "memory");
}

int guest_main(void)
{
	const uint8_t *page = (const uint8_t *)hypercall_page + 17 * 32;
	for (unsigned i = 0; i < 26; i++)
		if (page[i] == 0xea)
			memcpy(&entry, page + i + 1, sizeof entry);
	if (entry.offset)
		printf("entry 0x%x:0x%08x\n", entry.selector, entry.offset);
	else
		entry = (struct far){ 0xf6800000, 0x33 };
	attack("jump-behind-the-entry", jump, hal_number("offset", 1));
	return hostile_end();
}
