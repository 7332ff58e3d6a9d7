/*
 * xen.h - what Xen guests have beyond hal.h: raw hypercalls and the machine addresses of page-table entries.
 *
 * ABI: Debian's libxen-dev, xen/xen.h and xen/arch-x86/xen-x86_32.h. Arguments go in EBX, ECX, EDX, ESI, EDI; the
 * result comes in EAX; the argument registers are lost.
 */
#pragma once
#include "hal.h"
#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/sched.h>

#define XEN_VIRT_BASE 0xc0000000u
#define XEN_HYPERCALLS 64

extern char hypercall_page[];
extern struct start_info *xen_start;
extern struct shared_info xen_shared; /* mapped over an own page at start */

/* Counts HYPERCALL and calls number nr. */
static inline int32_t hypercall(uint32_t nr, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e)
{
	uint32_t eax = (uint32_t)hypercall_page + nr * 32;
	truth_add(HYPERCALL, 1);
	__asm__ volatile("call *%0" : "+a"(eax), "+b"(a), "+c"(b), "+d"(c), "+S"(d), "+D"(e) : : "memory", "cc");
	return (int32_t)eax;
}

/* The machine address of the page-table entry that maps va, found by walking the tables that Xen built. */
uint64_t xen_entry_address(const void *va);
/* One mmu_update for n entries; counts PT_WRITE for each. The result is Xen's. */
int32_t xen_mmu_update(const struct mmu_update *u, uint32_t n);
void xen_flush_all(void); /* MMUEXT_TLB_FLUSH_LOCAL */

/* Masks and unmasks upcalls, and takes what came meanwhile: CLI and STI of this interface. Not counted: INT_FLAG, 2. */
static inline __attribute__((always_inline)) void xen_mask_unmask(void)
{
	volatile struct vcpu_info *v = &xen_shared.vcpu_info[0];
	v->evtchn_upcall_mask = 1;
	__asm__ volatile("" : : : "memory");
	v->evtchn_upcall_mask = 0;
	__asm__ volatile("" : : : "memory");
	if (v->evtchn_upcall_pending)
		hypercall(__HYPERVISOR_xen_version, 0, 0, 0, 0, 0); /* any hypercall delivers on its way out */
}
