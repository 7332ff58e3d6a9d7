/*
 * xen_mmu.c - page types and page-table updates: a guest never maps what it may not.
 *
 * Every frame has one type at a time (writable, L1, L2, L3) and a count of its uses as that type; a frame changes type
 * only at count zero, and becoming a table means that each of its entries is checked and counted first. So a frame
 * in use as a table is never mapped writable, and tables are changed by hypercalls alone. The rules are those of
 * Xen's x86 memory management as public/xen.h describes them; a frame number beyond the domain's own is refused.
 */
#include "xen.h"
#include <string.h>
#include "core/walk.h"

#define E_P 0x1ull
#define E_RW 0x2ull
#define E_PS 0x80ull
#define E_AD 0x60ull
#define E_NX (1ull << 63)
#define E_ADDR 0x0000000ffffff000ull
#define E_RSVD 0x7ffffff000000000ull
#define L3_REFUSED 0x198ull /* PWT, PCD, PS, G: what Xen refuses in an L3 entry of a 32-bit guest */
#define L3_OURS 0x66ull     /* RW, US, A, D: Xen lets a guest set them (GRUB sets RW) and keeps its own; a CPU reserves them */

enum { OP_PIN_L1, OP_PIN_L2, OP_PIN_L3, OP_PIN_L4, OP_UNPIN, OP_NEW_BASE, OP_FLUSH_LOCAL, OP_INVLPG_LOCAL, OP_FLUSH_MULTI, OP_INVLPG_MULTI,
	OP_FLUSH_ALL, OP_INVLPG_ALL, OP_CACHE, OP_SET_LDT, OP_NEW_USER_BASE = 15, OP_CLEAR_PAGE, OP_COPY_PAGE };

static uint64_t *table_of(struct vcpu *v, uint32_t mfn)
{
	return mem_ptr(&v->vm->mem, GPA((uint64_t)mfn << PAGE_SHIFT), PAGE_SIZE);
}

static unsigned entries_of(enum frame_type t)
{
	return t == FT_L3 ? 4 : 512;
}

/* The reference that an entry of a table of type t holds. False: the entry is not allowed. */
static bool entry_get(struct vcpu *v, enum frame_type t, uint64_t e)
{
	struct xen *x = xen_of(v);
	uint64_t mfn = (e & E_ADDR) >> PAGE_SHIFT;

	if (!(e & E_P))
		return true;
	if (e & E_RSVD)
		return false;
	if (t == FT_L1)
		return xen_frame_lent(x, mfn) || (mfn < x->frames && (!(e & E_RW) || xen_frame_get(v, (uint32_t)mfn, FT_WRITABLE)));
	if (mfn >= x->frames || (e & E_PS) || (t == FT_L3 && (e & (E_NX | L3_REFUSED))))
		return false;
	return xen_frame_get(v, (uint32_t)mfn, t == FT_L2 ? FT_L1 : FT_L2);
}

static void entry_put(struct vcpu *v, enum frame_type t, uint64_t e)
{
	uint32_t mfn = (uint32_t)((e & E_ADDR) >> PAGE_SHIFT);

	if (!(e & E_P) || (t == FT_L1 && (!(e & E_RW) || xen_frame_lent(xen_of(v), mfn))))
		return;
	xen_frame_put(v, mfn);
}

/* Checks and counts every entry; on the first bad one, gives back what was taken. */
static bool table_validate(struct vcpu *v, uint32_t mfn, enum frame_type t)
{
	uint64_t *table = table_of(v, mfn);

	for (unsigned i = 0; i < entries_of(t); i++)
		if (!entry_get(v, t, table[i])) {
			while (i--)
				entry_put(v, t, table[i]);
			return false;
		}
	for (unsigned i = 0; t == FT_L3 && i < 4; i++)
		table[i] &= ~L3_OURS;
	return true;
}

bool xen_frame_get(struct vcpu *v, uint32_t mfn, enum frame_type t)
{
	struct xen *x = xen_of(v);
	struct frame *f = &x->frame[mfn];

	if (mfn >= x->frames || f->count == UINT32_MAX)
		return false;
	if (f->count) {
		if (f->type != t)
			return false;
		f->count++;
		return true;
	}
	if (f->type != t && t >= FT_L1) /* no stale writable mapping may outlive the change; DESIGN: our mappings are its TLB */
		pv_shadow_flush_all(v->vm->priv, false);
	f->type = (uint8_t)t;
	f->count = 1;
	if (t >= FT_L1 && !table_validate(v, mfn, t)) {
		f->count = 0;
		f->type = FT_NONE;
		return false;
	}
	return true;
}

void xen_frame_put(struct vcpu *v, uint32_t mfn)
{
	struct frame *f = &xen_of(v)->frame[mfn];

	if (--f->count || f->type < FT_L1)
		return;
	uint64_t *table = table_of(v, mfn);
	for (unsigned i = 0; i < entries_of((enum frame_type)f->type); i++)
		entry_put(v, (enum frame_type)f->type, table[i]);
	f->type = FT_NONE;
}

/* Changes one entry of a table in use: the new reference first, then the entry, then the old reference. */
static int32_t entry_set(struct vcpu *v, uint32_t mfn, unsigned index, uint64_t val, bool keep_ad)
{
	enum frame_type t = (enum frame_type)xen_of(v)->frame[mfn].type;
	uint64_t *table = table_of(v, mfn), old = table[index];

	if (keep_ad)
		val |= old & E_AD;
	/* The same frame with the same right to write: the count stays as it is. */
	if ((old & E_P) && (val & E_P) && !((old ^ val) & (E_ADDR | E_RW | E_PS)) && !(val & E_RSVD) && t == FT_L1) {
		table[index] = val;
		return 0;
	}
	if (t == FT_L3 && index >= 4)
		return -XEN_EINVAL;
	if (!entry_get(v, t, val))
		return -XEN_EINVAL;
	if (t == FT_L3)
		val &= ~L3_OURS;
	table[index] = val;
	entry_put(v, t, old);
	return 0;
}

static int32_t update_table(struct vcpu *v, struct xen *x, uint64_t ptr, uint64_t val, bool keep_ad)
{
	uint64_t mfn = ptr >> PAGE_SHIFT;
	unsigned index = (unsigned)(ptr & (PAGE_SIZE - 1)) / 8;

	if (mfn >= x->frames)
		return -XEN_EINVAL;
	if (x->frame[mfn].count && x->frame[mfn].type >= FT_L1)
		return entry_set(v, (uint32_t)mfn, index, val, keep_ad);
	table_of(v, (uint32_t)mfn)[index] = val; /* not a table: an ordinary write to the guest's own memory */
	return 0;
}

/* The foreign domain's half (bits 31..16) is refused; this half names us by DOMID_SELF or 0. */
static bool self(uint32_t domid)
{
	return domid == DOMID_SELF || domid == 0;
}

static int32_t update_one(struct vcpu *v, struct xen *x, const uint64_t *u)
{
	uint64_t mfn = u[0] >> PAGE_SHIFT;

	switch (u[0] & 3) {
	case 0: /* MMU_NORMAL_PT_UPDATE */
	case 2: /* MMU_PT_UPDATE_PRESERVE_AD */
		stat_count(&v->stats, EV_PT_WRITE, MECH_HYPERCALL);
		return update_table(v, x, u[0] & ~7ull, u[1], (u[0] & 3) == 2);
	case 1: /* MMU_MACHPHYS_UPDATE */
		if (mfn >= x->frames)
			return -XEN_EINVAL;
		if (x->m2p)
			x->m2p[mfn] = (uint32_t)u[1];
		return 0;
	}
	return -XEN_ENOSYS;
}

/* mmu_update(reqs, count, done, domid): xen/xen.h. *done is how many succeeded. */
int32_t xen_mmu_update(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint64_t req[16][2];
	uint32_t n = a[1] & 0x7fffffff, done = 0;
	int32_t r = 0;

	if (!self(a[3]))
		return -XEN_ESRCH;
	if (n > XEN_MAX_BATCH)
		return -XEN_E2BIG;
	while (done < n && !r) {
		uint32_t some = n - done < 16 ? n - done : 16, i;
		if (!xen_guest_read(v, a[0] + done * 16, req, some * 16)) {
			r = -XEN_EFAULT;
			break;
		}
		for (i = 0; i < some && !(r = update_one(v, x, req[i])); i++)
			;
		done += i;
	}
	if (a[2] && !xen_guest_write(v, a[2], &done, 4))
		r = -XEN_EFAULT;
	return r;
}

static void flush_page(struct vcpu *v, uint32_t va)
{
	stat_count(&v->stats, EV_TLB_FLUSH, MECH_HYPERCALL);
	pv_shadow_flush(v->vm->priv, va);
}

static void flush_all(struct vcpu *v)
{
	stat_count(&v->stats, EV_TLB_FLUSH, MECH_HYPERCALL);
	pv_shadow_flush_all(v->vm->priv, false);
}

/* The L1 entry that maps va under the current root; false when a level above is missing. */
static bool l1_slot(struct vcpu *v, struct xen *x, uint32_t va, uint32_t *mfn, unsigned *index)
{
	uint64_t e = table_of(v, x->root)[va >> 30];

	if (!(e & E_P))
		return false;
	e = table_of(v, (uint32_t)((e & E_ADDR) >> PAGE_SHIFT))[va >> 21 & 511];
	*mfn = (uint32_t)((e & E_ADDR) >> PAGE_SHIFT);
	*index = va >> 12 & 511;
	return e & E_P;
}

/* update_va_mapping(va, val low, val high, flags): UVMF_* of xen/xen.h. */
int32_t xen_update_va_mapping(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint32_t mfn;
	unsigned index;
	int32_t r;

	stat_count(&v->stats, EV_PT_WRITE, MECH_HYPERCALL);
	if (a[0] >= XEN_M2P || !l1_slot(v, x, a[0], &mfn, &index))
		return -XEN_EINVAL;
	r = entry_set(v, mfn, index, (uint64_t)a[2] << 32 | a[1], false);
	if ((a[3] & 3) == 1)
		flush_all(v);
	else if ((a[3] & 3) == 2)
		flush_page(v, a[0]);
	return r;
}

/* ---- mmuext_op ---- */

static int32_t pin(struct vcpu *v, struct xen *x, uint32_t mfn, enum frame_type t)
{
	if (mfn >= x->frames)
		return -XEN_EINVAL;
	if (!xen_frame_get(v, mfn, t))
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
	x->root = mfn;
	v->state.cr3 = (uint64_t)mfn << PAGE_SHIFT;
	xen_frame_put(v, old);
	pv_shadow_flush_all(v->vm->priv, false);
	return 0;
}

/* CLEAR_PAGE and COPY_PAGE: like the guest's own writes, so only to frames that it could map writable. */
static int32_t page_op(struct vcpu *v, struct xen *x, uint32_t to, uint32_t from, bool copy)
{
	if (to >= x->frames || (copy && from >= x->frames) || !xen_frame_get(v, to, FT_WRITABLE))
		return -XEN_EINVAL;
	if (copy)
		memmove(table_of(v, to), table_of(v, from), PAGE_SIZE);
	else
		memset(table_of(v, to), 0, PAGE_SIZE);
	xen_frame_put(v, to);
	return 0;
}

/* The guest's LDT is read when a selector of it is loaded (xen_traps.c); nothing is shadowed, so nothing is checked here. */
static int32_t set_ldt(struct xen *x, uint32_t base, uint32_t entries)
{
	if (entries > 8192)
		return -XEN_EINVAL;
	x->ldt_base = base;
	x->ldt_entries = entries;
	return 0;
}

static int32_t mmuext_one(struct vcpu *v, struct xen *x, const uint32_t *op)
{
	switch (op[0]) {
	case OP_PIN_L1:
	case OP_PIN_L2:
	case OP_PIN_L3:
		return pin(v, x, op[1], (enum frame_type)(FT_L1 + op[0] - OP_PIN_L1));
	case OP_UNPIN:
		return unpin(v, x, op[1]);
	case OP_NEW_BASE:
		stat_count(&v->stats, EV_CR3_WRITE, MECH_HYPERCALL);
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
		stat_count(&v->stats, EV_CACHE_CTL, MECH_HYPERCALL);
		return 0;
	case OP_SET_LDT:
		stat_count(&v->stats, EV_DT_LOAD, MECH_HYPERCALL);
		return set_ldt(x, op[1], op[2]);
	case OP_CLEAR_PAGE:
	case OP_COPY_PAGE:
		return page_op(v, x, op[1], op[2], op[0] == OP_COPY_PAGE);
	}
	return -XEN_ENOSYS;
}

/* mmuext_op(ops, count, done, domid). An op is { cmd, arg1, arg2 }, 12 bytes. */
int32_t xen_mmuext_op(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint32_t n = a[1] & 0x7fffffff, done = 0;
	int32_t r = 0;

	if (!self(a[3]))
		return -XEN_ESRCH;
	if (n > XEN_MAX_BATCH)
		return -XEN_E2BIG;
	for (; done < n; done++) {
		uint32_t op[3];
		if (!xen_guest_read(v, a[0] + done * 12, op, 12)) {
			r = -XEN_EFAULT;
			break;
		}
		if ((r = mmuext_one(v, x, op)))
			break;
	}
	if (a[2] && !xen_guest_write(v, a[2], &done, 4))
		r = -XEN_EFAULT;
	return r;
}

/* ---- the auditor, for tests: counts every reference again from what is pinned and the root ---- */

static void audit_add(struct vcpu *v, uint32_t *count)
{
	struct xen *x = xen_of(v);

	for (uint32_t i = 0; i < x->frames; i++) {
		const struct frame *f = &x->frame[i];
		count[i] += f->pinned;
		if (!f->count || f->type < FT_L1)
			continue;
		uint64_t *table = table_of(v, i);
		for (unsigned n = 0; n < entries_of((enum frame_type)f->type); n++) {
			uint64_t mfn = (table[n] & E_ADDR) >> PAGE_SHIFT;
			if ((table[n] & E_P) && mfn < x->frames && (f->type != FT_L1 || (table[n] & E_RW)))
				count[mfn]++;
		}
	}
	count[x->root]++;
}

/* count has room for every frame, and is zero. */
bool xen_frames_audit(struct vcpu *v, uint32_t *count)
{
	struct xen *x = xen_of(v);

	audit_add(v, count);
	for (uint32_t i = 0; i < x->frames; i++)
		if (count[i] != x->frame[i].count)
			return false;
	return true;
}
