/*
 * xen_copy.c - guest memory as the guest's page tables show it to the guest's kernel.
 *
 * A walker of its own, shorter than core's: a domain's tables are validated, so that what is present is in order and every
 * page is 4 KiB; CR0.WP is always set. Built with general registers only, like everything that a hypercall through the page
 * reaches without saving the guest's SSE state. Called by every handler that has a pointer from the guest.
 */
#include "xen.h"
#include "pv_scan.h"
#include "xen_pte.h"

/* The VMM's pointer to the byte at va, good to the end of its page; NULL for what would be a page fault. Sets A and D. */
void *xen_va(struct vcpu *v, uint32_t va, bool write)
{
	uint64_t *p2, *p1, e = xen_table(v, xen_of(v)->root)[va >> 30], set = write ? E_A | E_D : E_A;

	if (va >= XEN_M2P || !(e & E_P))
		return NULL;
	p2 = &xen_table(v, entry_mfn(e))[va >> 21 & 511];
	if (!(*p2 & E_P))
		return NULL;
	p1 = &xen_table(v, entry_mfn(*p2))[va >> 12 & 511];
	if (!(*p1 & E_P) || (write && !(*p1 & *p2 & E_RW)))
		return NULL;
	if (!(*p2 & E_A))
		*p2 |= E_A;
	if ((*p1 & set) != set)
		*p1 |= set;
	if (write)
		pv_scan_mark(v->vm->priv, entry_mfn(*p1));
	return v->vm->mem.host + (*p1 & E_ADDR) + (va & (PAGE_SIZE - 1));
}

static void copy_bytes(void *to, const void *from, uint64_t n)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static bool guest_copy(struct vcpu *v, uint32_t va, uint8_t *p, uint32_t len, bool write)
{
	if ((uint64_t)va + len > XEN_M2P)
		return false;
	while (len) {
		uint32_t some = PAGE_SIZE - (va & (PAGE_SIZE - 1));
		uint8_t *host = xen_va(v, va, write);

		if (!host)
			return false;
		some = some < len ? some : len;
		copy_bytes(write ? host : p, write ? p : host, some);
		p += some;
		va += some;
		len -= some;
	}
	return true;
}

bool xen_guest_read(struct vcpu *v, uint32_t va, void *buf, uint32_t len)
{
	return guest_copy(v, va, buf, len, false);
}

bool xen_guest_write(struct vcpu *v, uint32_t va, const void *buf, uint32_t len)
{
	return guest_copy(v, va, (uint8_t *)(uintptr_t)buf, len, true);
}
