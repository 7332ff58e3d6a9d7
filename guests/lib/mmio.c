/*
 * mmio.c - device memory for native guests: page tables of 4 MiB of addresses above RAM, filled as they are asked for.
 *
 * native.c maps RAM only, at its own addresses; device memory is mapped at its own, too. Read next: pci.h.
 */
#include "native.h"
#include "pci.h"

#define TABLES 8
#define PTE_UNCACHED 0x18u /* PWT, PCD */

static uint32_t table[TABLES][1024] __attribute__((aligned(4096)));
static uint32_t used;

volatile void *mmio_map(uint32_t pa, uint32_t n)
{
	uint32_t first = pa & ~(PAGE - 1), last = pa + n - 1;

	if (!n || last < pa || pa < MAP_MAX)
		return NULL;
	for (uint32_t a = first; a - first <= last - first; a += PAGE) {
		uint32_t *dir = &page_dir[a >> 22];
		if (!(*dir & PTE_P)) {
			if (used == TABLES)
				return NULL;
			*dir = page_pa(table[used++]) | PTE_KERNEL;
			truth_add(PT_WRITE, 1);
		}
		volatile uint32_t *e = (uint32_t *)(*dir & ~(PAGE - 1)) + (a >> 12 & 1023);
		*e = a | PTE_KERNEL | PTE_UNCACHED;
		truth_add(PT_WRITE, 1);
	}
	page_root_reload();
	return (volatile void *)pa;
}
