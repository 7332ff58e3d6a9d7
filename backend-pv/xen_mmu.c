/*
 * xen_mmu.c - the hypercalls that change page tables: mmu_update, update_va_mapping, mmuext_op.
 *
 * Each is a batch of small requests; how far it came is stored where the caller asks. All checks are xen_type.c's. Built
 * with general registers only, so that a call through the hypercall page is served without leaving the guest's x87 and SSE
 * state (xen_fast.c). Sources: xen/xen.h. Read first: xen_type.c; read next: xen_desc.c.
 */
#include "xen.h"
#include "pv_scan.h"
#include "xen_pte.h"

enum { OP_PIN_L1, OP_PIN_L2, OP_PIN_L3, OP_PIN_L4, OP_UNPIN, OP_NEW_BASE, OP_FLUSH_LOCAL, OP_INVLPG_LOCAL, OP_FLUSH_MULTI, OP_INVLPG_MULTI,
	OP_FLUSH_ALL, OP_INVLPG_ALL, OP_CACHE, OP_SET_LDT, OP_NEW_USER_BASE = 15, OP_CLEAR_PAGE, OP_COPY_PAGE, OP_CACHE_GLOBAL,
	OP_MARK_SUPER, OP_UNMARK_SUPER };
#define UVMF_FLUSH 3u /* none, all, or the page */

/* DOMID_SELF, or an error: domain 0 is there, but not ours to touch; others are not. */
static int32_t owner(uint32_t domid)
{
	if (domid == DOMID_SELF)
		return 0;
	return domid == 0 || domid == 0x7ff1 /* DOMID_IO */ || domid == 0x7ff2 /* DOMID_XEN */ ? -XEN_EPERM : -XEN_ESRCH;
}

/* ---- mmu_update ---- */

static int32_t update_table(struct vcpu *v, struct xen *x, uint64_t ptr, uint64_t val, bool keep_ad)
{
	uint64_t mfn = ptr >> PAGE_SHIFT;
	unsigned index = (unsigned)(ptr & (PAGE_SIZE - 1)) / 8;

	if (mfn >= x->frames)
		return -XEN_EINVAL;
	if (x->frame[mfn].uses && x->frame[mfn].type >= FT_L1)
		return xen_entry_set(v, (uint32_t)mfn, index, val, keep_ad);
	if (!xen_frame_get(v, (uint32_t)mfn, FT_WRITABLE))
		return -XEN_EINVAL;
	pv_scan_mark(v->vm->priv, mfn);
	xen_table(v, (uint32_t)mfn)[index] = val; /* not a table: an ordinary write to the guest's own memory */
	xen_frame_put(v, (uint32_t)mfn);
	return 0;
}

static int32_t update_one(struct vcpu *v, struct xen *x, uint64_t ptr, uint64_t val)
{
	uint64_t mfn = ptr >> PAGE_SHIFT;

	switch (ptr & 3) {
	case 0: /* MMU_NORMAL_PT_UPDATE */
	case 2: /* MMU_PT_UPDATE_PRESERVE_AD */
		xen_count(v, EV_PT_WRITE);
		return update_table(v, x, ptr & ~7ull, val, ptr & 2);
	case 1: /* MMU_MACHPHYS_UPDATE */
		if (mfn >= x->frames)
			return -XEN_EINVAL;
		if (x->m2p)
			x->m2p[mfn] = (uint32_t)val;
		return 0;
	}
	return -XEN_ENOSYS;
}

/* The request at va: its page is looked up once for all requests in it. False: not readable. */
static bool request_read(struct vcpu *v, uint32_t va, const uint8_t **page, uint64_t req[2])
{
	uint32_t in = va & (PAGE_SIZE - 1);

	if (in > PAGE_SIZE - 16) { /* across two pages */
		*page = NULL;
		return xen_guest_read(v, va, req, 16);
	}
	if (!*page || in < 16) {
		const uint8_t *p = xen_va(v, va, false);
		if (!p)
			return false;
		*page = p - in;
	}
	__builtin_memcpy(&req[0], *page + in, 8); /* constant sizes: no call */
	__builtin_memcpy(&req[1], *page + in + 8, 8);
	return true;
}

/* mmu_update(reqs, count, done, domid): *done is how many succeeded. The tables' domain, if not the same, is domid's upper half. */
int32_t xen_mmu_update(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	const uint8_t *page = NULL;
	uint32_t n = a[1] & 0x7fffffff, done;
	uint64_t req[2];
	int32_t r = owner(a[3] & 0xffff);

	if (!r && a[3] >> 16)
		r = owner((a[3] >> 16) - 1);
	if (r)
		return r;
	if (n > XEN_MAX_BATCH)
		return -XEN_E2BIG;
	for (done = 0; done < n; done++)
		if (!request_read(v, a[0] + done * 16, &page, req)) {
			r = -XEN_EFAULT;
			break;
		} else if ((r = update_one(v, x, req[0], req[1]))) {
			break;
		}
	if (a[2] && !xen_guest_write(v, a[2], &done, 4))
		r = -XEN_EFAULT;
	return r;
}

/* ---- update_va_mapping ---- */

static void flush_page(struct vcpu *v, uint32_t va)
{
	xen_count(v, EV_TLB_FLUSH);
	pv_space_flush_page(v->vm->priv, va);
}

static void flush_all(struct vcpu *v)
{
	xen_count(v, EV_TLB_FLUSH);
	pv_space_flush(v->vm->priv);
}

/* The L1 that maps va under the current root; false when a level above is missing. */
static bool l1_of(struct vcpu *v, struct xen *x, uint32_t va, uint32_t *mfn)
{
	uint64_t e = xen_table(v, x->root)[va >> 30];

	if (!(e & E_P))
		return false;
	e = xen_table(v, entry_mfn(e))[va >> 21 & 511];
	*mfn = entry_mfn(e);
	return e & E_P;
}

/* update_va_mapping(va, val low, val high, flags): UVMF_* of xen/xen.h. */
int32_t xen_update_va_mapping(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint32_t mfn;
	int32_t r;

	xen_count(v, EV_PT_WRITE);
	if (a[0] >= XEN_M2P || !l1_of(v, x, a[0], &mfn))
		return -XEN_EINVAL;
	r = xen_entry_set(v, mfn, a[0] >> 12 & 511, (uint64_t)a[2] << 32 | a[1], false);
	if ((a[3] & UVMF_FLUSH) == 1)
		flush_all(v);
	else if ((a[3] & UVMF_FLUSH) == 2)
		flush_page(v, a[0]);
	return r;
}

/* The same with a domain, whose frames the entry may name: there is only this one. */
int32_t xen_update_va_mapping_otherdomain(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	int32_t r = owner(a[4]);

	return r ? r : xen_update_va_mapping(v, x, a);
}

/* ---- mmuext_op ---- */

static int32_t pin(struct vcpu *v, struct xen *x, uint32_t mfn, enum frame_type t)
{
	if (mfn >= x->frames || !xen_frame_get(v, mfn, t))
		return -XEN_EINVAL;
	if (x->frame[mfn].pinned) {
		xen_frame_put(v, mfn);
		return -XEN_EINVAL;
	}
	x->frame[mfn].pinned = 1;
	return 0;
}

static int32_t unpin(struct vcpu *v, struct xen *x, uint32_t mfn)
{
	if (mfn >= x->frames || !x->frame[mfn].pinned)
		return -XEN_EINVAL;
	x->frame[mfn].pinned = 0;
	xen_frame_put(v, mfn);
	return 0;
}

int32_t xen_new_base(struct vcpu *v, uint32_t mfn)
{
	struct xen *x = xen_of(v);
	uint32_t old = x->root;

	if (mfn >= x->frames || !xen_frame_get(v, mfn, FT_L3))
		return -XEN_EINVAL;
	xen_ldt_forget(v); /* it was found through the old tables */
	x->root = mfn;
	v->state.cr3 = (uint64_t)mfn << PAGE_SHIFT;
	xen_frame_put(v, old);
	if (mfn != old)
		pv_space_recheck(v->vm->priv);
	else
		pv_space_flush(v->vm->priv);
	return 0;
}

/* CLEAR_PAGE and COPY_PAGE: like the guest's own writes, so only to frames that it could map writable. */
static int32_t page_op(struct vcpu *v, uint32_t to, uint32_t from, bool copy)
{
	uint64_t *d, n = PAGE_SIZE / 8;
	const uint64_t *s;

	if (!xen_frame_get(v, to, FT_WRITABLE))
		return -XEN_EINVAL;
	if (copy && !xen_ref_get(v, from)) {
		xen_frame_put(v, to);
		return -XEN_EINVAL;
	}
	pv_scan_mark(v->vm->priv, to);
	d = xen_table(v, to);
	if (copy) {
		s = xen_table(v, from);
		__asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
		xen_ref_put(v, from);
	} else {
		__asm__ volatile("rep stosq" : "+D"(d), "+c"(n) : "a"(0) : "memory");
	}
	xen_frame_put(v, to);
	return 0;
}

static int32_t mmuext_one(struct vcpu *v, struct xen *x, const uint32_t *op)
{
	switch (op[0]) {
	case OP_PIN_L1:
		return pin(v, x, op[1], FT_L1);
	case OP_PIN_L2:
		return pin(v, x, op[1], FT_L2);
	case OP_PIN_L3:
		return pin(v, x, op[1], FT_L3);
	case OP_PIN_L4:
		return -XEN_EINVAL; /* a PAE domain has none */
	case OP_UNPIN:
		return unpin(v, x, op[1]);
	case OP_NEW_BASE:
		xen_count(v, EV_CR3_WRITE);
		return xen_new_base(v, op[1]);
	case OP_FLUSH_LOCAL:
	case OP_FLUSH_MULTI:
	case OP_FLUSH_ALL:
		flush_all(v);
		return 0;
	case OP_INVLPG_LOCAL:
	case OP_INVLPG_MULTI:
	case OP_INVLPG_ALL:
		flush_page(v, op[1]);
		return 0;
	case OP_CACHE:
	case OP_CACHE_GLOBAL:
		xen_count(v, EV_CACHE_CTL);
		return -XEN_EACCES; /* for domains with devices */
	case OP_SET_LDT:
		xen_count(v, EV_DT_LOAD);
		return xen_set_ldt(v, op[1], op[2]);
	case OP_CLEAR_PAGE:
	case OP_COPY_PAGE:
		return page_op(v, op[1], op[2], op[0] == OP_COPY_PAGE);
	case OP_NEW_USER_BASE: /* for 64-bit guests */
	case OP_MARK_SUPER:
	case OP_UNMARK_SUPER:
		return -XEN_EOPNOTSUPP;
	}
	return -XEN_ENOSYS;
}

/* mmuext_op(ops, count, done, domid). An op is { cmd, arg1, arg2 }, 12 bytes. */
int32_t xen_mmuext_op(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint32_t n = a[1] & 0x7fffffff, done, op[3];
	int32_t r = owner(a[3]);

	if (r)
		return r;
	if (n > XEN_MAX_BATCH)
		return -XEN_E2BIG;
	for (done = 0; done < n; done++)
		if (!xen_guest_read(v, a[0] + done * 12, op, 12)) {
			r = -XEN_EFAULT;
			break;
		} else if ((r = mmuext_one(v, x, op))) {
			break;
		}
	if (a[2] && !xen_guest_write(v, a[2], &done, 4))
		r = -XEN_EFAULT;
	return r;
}
