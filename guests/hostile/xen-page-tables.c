/*
 * xen-page-tables.c - page-table requests that no guest may make: foreign frames, writable tables, wild addresses,
 * live tables unpinned.
 */
#include "hostile.h"

static char page[PAGE] __attribute__((aligned(4096)));

static void update(uint64_t ptr, uint64_t val, const char *what)
{
	struct mmu_update u = { ptr, val };
	printf("ATTACK %s: %d\n", what, xen_mmu_update(&u, 1));
}

static int32_t map(uint32_t va, uint32_t lo, uint32_t hi)
{
	return hypercall(__HYPERVISOR_update_va_mapping, va, lo, hi, UVMF_INVLPG, 0);
}

static void ext(uint32_t cmd, uint32_t mfn, const char *what)
{
	struct mmuext_op op = { .cmd = cmd, .arg1.mfn = mfn };
	printf("ATTACK %s: %d\n", what, hypercall(__HYPERVISOR_mmuext_op, (uint32_t)&op, 1, 0, DOMID_SELF, 0));
}

static void write(uint32_t a) { *(volatile uint32_t *)a = 0x41414141; }

int guest_main(void)
{
	uint64_t entry = xen_entry_address(page);
	uint32_t root = ((const unsigned long *)xen_start->mfn_list)[(xen_start->pt_base - XEN_VIRT_BASE) >> 12];
	update(entry, 0x123456000ull | PTE_KERNEL, "map-beyond-ram");
	update(entry, 0xffffffff000ull | PTE_KERNEL, "map-far-beyond-ram");
	update(entry, ((uint64_t)root << 12) | PTE_KERNEL, "map-root-writable");
	attack("write-through-it", write, (uint32_t)page);
	update(entry, (entry & ~0xfffull) | PTE_KERNEL, "map-own-table-writable");
	attack("write-through-it", write, (uint32_t)page);
	update(entry | 3, 0, "bad-command");
	update(entry + 1, 0, "unaligned");
	update(0xfffffffffff8ull, 0, "table-nowhere");
	update((uint64_t)root << 12, 0, "clear-root-entry-0");
	update(((uint64_t)root << 12) + 24, 0x1000 | 1, "root-entry-3-to-data");
	printf("ATTACK map-vmm-address: %d\n", map(0xf6800000, page_pa(page) | PTE_KERNEL, 0));
	printf("ATTACK map-machine-to-phys: %d\n", map(0xf5800000, page_pa(page) | PTE_KERNEL, 0));
	printf("ATTACK map-top: %d\n", map(0xfffff000, page_pa(page) | PTE_KERNEL, 0));
	printf("ATTACK map-reserved-bits: %d\n", map((uint32_t)page, page_pa(page) | PTE_KERNEL, 0x7ffffff0));
	printf("ATTACK map-table-by-address: %d\n", map(xen_start->pt_base, (root << 12) | PTE_KERNEL, 0));
	attack("write-table", write, xen_start->pt_base);
	attack("write-machine-to-phys", write, 0xf5800000);
	ext(MMUEXT_PIN_L3_TABLE, page_pa(page) >> 12, "pin-data-as-root");
	ext(MMUEXT_PIN_L1_TABLE, 0xffffffff, "pin-nowhere");
	ext(MMUEXT_UNPIN_TABLE, root, "unpin-live-root");
	ext(MMUEXT_NEW_BASEPTR, 0xfffffff, "root-nowhere");
	ext(MMUEXT_NEW_BASEPTR, page_pa(page) >> 12, "root-of-data");
	ext(77, 0, "bad-extended-command");
	return hostile_end();
}
