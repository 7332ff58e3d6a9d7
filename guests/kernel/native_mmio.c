/*
 * native_mmio.c - device memory for drivers: a window of 2 MiB above RAM's mapping, which every address space shares.
 *
 * The kernel has page tables of its own, so it brings its own mmio_map (guests/lib/pci.h). Nothing is ever unmapped.
 * Called by guests/lib/virtio.c.
 */
#include "proc.h"
#include "pci.h"

#define WINDOW KERNEL_LIMIT
#define PTE_UNCACHED 0x18u /* PWT, PCD */

static pte_t table[512] __attribute__((aligned(4096)));
static uint32_t used;

volatile void *mmio_map(uint32_t pa, uint32_t n)
{
	uint32_t first = page_down(pa), last = pa + n - 1, pages = ((last - first) >> 12) + 1;
	pte_t *l2 = pa_to_va((uint32_t)kernel_root[3] & ~PAGE_MASK);

	if (!n || last < pa || pa < arch_ram_end() || pages > 512 - used)
		return NULL;
	truth_add(PT_WRITE, pages);
	for (uint32_t i = 0; i < pages; i++)
		table[used + i] = (first + i * PAGE) | PTE_P | PTE_W | PTE_A | PTE_D | PTE_UNCACHED | pte_nx;
	if (!used) {
		truth_add(PT_WRITE, 1);
		l2[WINDOW >> 21 & 511] = va_to_pa(table) | PTE_P | PTE_W | PTE_A;
	}
	used += pages;
	return (volatile char *)WINDOW + (used - pages) * PAGE + (pa - first);
}
