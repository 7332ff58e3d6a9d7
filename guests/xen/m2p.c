/*
 * m2p.c - the machine-to-physical table at 0xf5800000: loads give the truth, stores fault, mmu_update changes it.
 */
#include "check.h"
#include <xen/memory.h>

#define M2P ((volatile uint32_t *)0xf5800000)

struct check check;

static void store(void *arg)
{
	*(volatile uint32_t *)arg = 0x41414141;
}

static void load(void *arg)
{
	*(volatile uint32_t *)arg;
}

static int32_t machphys(uint32_t mfn, uint32_t pfn)
{
	struct mmu_update u = { .ptr = (uint64_t)mfn << 12 | MMU_MACHPHYS_UPDATE, .val = pfn };
	return hypercall(__HYPERVISOR_mmu_update, (uint32_t)&u, 1, 0, DOMID_SELF, 0);
}

int guest_main(void)
{
	const unsigned long *p2m = (const unsigned long *)xen_start->mfn_list;
	struct xen_machphys_mapping map = { 0 };
	uint32_t n = xen_start->nr_pages, bad = 0, last = p2m[n - 1];

	expect("machphys-mapping", (uint32_t)hypercall(__HYPERVISOR_memory_op, XENMEM_machphys_mapping, (uint32_t)&map, 0, 0, 0), 0);
	expect("v_start", (uint32_t)map.v_start, 0xf5800000);
	expect("v_end", (uint32_t)map.v_end, 0xf6800000);
	for (uint32_t pfn = 0; pfn < n; pfn++)
		bad += p2m[pfn] > map.max_mfn || M2P[p2m[pfn]] != pfn;
	expect("entries-that-differ", bad, 0);
	expect_fault("store", store, (void *)(M2P + last), 14, 3);
	expect_fault("store-first", store, (void *)M2P, 14, 3);
	expect_fault("load-behind", load, (void *)0xf67ff000, 14, 0);
	expect("after-store", M2P[last], n - 1);
	expect("machphys-update", (uint32_t)machphys(last, 12345), 0);
	expect("after-update", M2P[last], 12345);
	expect("put-back", (uint32_t)machphys(last, n - 1), 0);
	expect("foreign-update", (uint32_t)machphys(map.max_mfn + 100, 1), (uint32_t)-22);
	return check_end();
}
