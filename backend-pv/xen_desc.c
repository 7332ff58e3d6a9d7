/*
 * xen_desc.c - the guest's own descriptors: GDT frames, LDT, and what a selector of the guest's means.
 *
 * A page of descriptors has a type of its own: it is never mapped writable, and each descriptor in it has been checked, as
 * Xen does. The host's GDT and LDT never hold them: a selector of the guest's faults on the host when it is loaded, and
 * becomes an LDT twin with DPL 3 (pv_low.c). Sources: xen/arch-x86/xen-x86_32.h, SDM vol. 3, 3.4.5. Called by
 * xen_traps.c and xen_emul.c for selectors, by xen_type.c to validate. Built with general registers only.
 */
#include "xen.h"
#include "xen_pte.h"

#define D_P (1ull << 47)
#define D_S (1ull << 44)
#define D_DPL(d) ((d) >> 45 & 3)
#define PER_FRAME 512u
#define RESERVED_FIRST (14u * PER_FRAME) /* FIRST_RESERVED_GDT_ENTRY: Xen's own from there on */

/* Fixes what Xen fixes (DPL 0 becomes 1). False for what Xen refuses, and for call gates, which we refuse too. */
static bool descriptor_valid(uint64_t *d)
{
	if (!(*d & D_P) || !(*d >> 40 & 0x1f)) /* type 0 is harmless */
		return true;
	if (!(*d & D_S))
		return false;
	if (!D_DPL(*d))
		*d |= 1ull << 45;
	return true;
}

bool xen_descriptors_valid(struct vcpu *v, uint32_t mfn)
{
	uint64_t *d = xen_table(v, mfn);

	for (unsigned i = 0; i < PER_FRAME; i++)
		if (!descriptor_valid(&d[i]))
			return false;
	return true;
}

/* ---- the LDT: its frames are found and checked when a selector first needs them ---- */

void xen_ldt_forget(struct vcpu *v)
{
	struct xen *x = xen_of(v);

	for (unsigned i = 0; x->ldt_found && i < ARRAY_LEN(x->ldt_frame); i++)
		if (x->ldt_found >> i & 1) {
			x->ldt_found &= (uint16_t)~(1u << i);
			xen_frame_put(v, x->ldt_frame[i]);
		}
}

static bool ldt_frame(struct vcpu *v, struct xen *x, unsigned i)
{
	const uint8_t *p;
	uint32_t mfn;

	if (x->ldt_found >> i & 1)
		return true;
	p = xen_va(v, x->ldt_base + i * PAGE_SIZE, false);
	mfn = p ? (uint32_t)((uint64_t)(p - v->vm->mem.host) >> PAGE_SHIFT) : 0;
	if (!p || !xen_frame_get(v, mfn, FT_SEGDESC))
		return false;
	x->ldt_frame[i] = mfn;
	x->ldt_found |= (uint16_t)(1u << i);
	return true;
}

/* set_ldt(base, entries): page aligned, up to 8192 (mmuext_op). */
int32_t xen_set_ldt(struct vcpu *v, uint32_t base, uint32_t entries)
{
	struct xen *x = xen_of(v);

	if (entries > 8192 || (base & (PAGE_SIZE - 1)) || base >= XEN_M2P)
		return -XEN_EINVAL;
	xen_ldt_forget(v);
	x->ldt_base = base;
	x->ldt_entries = entries;
	return 0;
}

/* ---- what a selector means ---- */

static bool descriptor_read(struct vcpu *v, struct xen *x, uint16_t sel, uint64_t *d)
{
	uint32_t i = sel >> 3;

	if (sel & 4) {
		if (i >= x->ldt_entries || !ldt_frame(v, x, i / PER_FRAME))
			return false;
		*d = xen_table(v, x->ldt_frame[i / PER_FRAME])[i % PER_FRAME];
		return true;
	}
	if (i >= x->gdt_entries)
		return false;
	*d = xen_table(v, x->gdt_frame[i / PER_FRAME])[i % PER_FRAME];
	return true;
}

static struct segment flat(uint16_t sel, unsigned type, unsigned dpl)
{
	return (struct segment){ .sel = sel, .limit = 0xffffffff, .attr = (uint16_t)(type | dpl << 5 | SEG_S | SEG_P | SEG_DB | SEG_G) };
}

bool xen_descriptor(struct vcpu *v, uint16_t sel, struct segment *out)
{
	uint64_t d;

	switch (sel | 3) {
	case KERNEL_CS | 3: *out = flat(KERNEL_CS, 0xb, 1); return true;
	case KERNEL_DS | 3: *out = flat(KERNEL_DS, 3, 1); return true;
	case USER_CS32: *out = flat(USER_CS32, 0xb, 3); return true;
	case USER_DS32: *out = flat(USER_DS32, 3, 3); return true;
	}
	if (!(sel & ~3)) {
		*out = (struct segment){ .sel = sel };
		return true;
	}
	if (!descriptor_read(v, xen_of(v), sel, &d) || !(d & D_S))
		return false;
	*out = (struct segment){ .sel = sel, .base = (d >> 16 & 0xffffff) | (d >> 56 & 0xff) << 24,
		.limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000)), .attr = (uint16_t)(d >> 40 & 0xf0ff) };
	if (out->attr & SEG_G)
		out->limit = out->limit << 12 | 0xfff;
	return true;
}

bool xen_segment(struct vcpu *v, uint16_t sel, struct segment *out)
{
	return xen_descriptor(v, sel, out) && (out->attr & SEG_P || !(sel & ~3));
}

/* ---- hypercalls ---- */

static void gdt_put(struct vcpu *v, const uint32_t *frames, uint32_t n)
{
	while (n--)
		xen_frame_put(v, frames[n]);
}

/* set_gdt(frames, entries). */
int32_t xen_set_gdt(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint32_t frames[16], n, old = (x->gdt_entries + PER_FRAME - 1) / PER_FRAME;

	xen_count(v, EV_DT_LOAD);
	if (a[1] > RESERVED_FIRST)
		return -XEN_EINVAL;
	n = (a[1] + PER_FRAME - 1) / PER_FRAME;
	if (!xen_guest_read(v, a[0], frames, n * 4))
		return -XEN_EFAULT;
	for (uint32_t i = 0; i < n; i++)
		if (!xen_frame_get(v, frames[i], FT_SEGDESC)) {
			gdt_put(v, frames, i);
			return -XEN_EINVAL;
		}
	gdt_put(v, x->gdt_frame, old);
	for (uint32_t i = 0; i < n; i++)
		x->gdt_frame[i] = frames[i];
	x->gdt_entries = a[1];
	return 0;
}

/* update_descriptor(machine address low, high, descriptor low, high): into a page of descriptors, or one that is no table. */
int32_t xen_update_descriptor(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint64_t at = (uint64_t)a[1] << 32 | a[0], mfn = at >> PAGE_SHIFT, d = (uint64_t)a[3] << 32 | a[2];

	xen_count(v, EV_DT_LOAD);
	if (mfn >= x->frames || (at & 7) || !descriptor_valid(&d))
		return -XEN_EINVAL;
	if (!xen_frame_get(v, (uint32_t)mfn, x->frame[mfn].type == FT_SEGDESC ? FT_SEGDESC : FT_WRITABLE))
		return -XEN_EINVAL;
	xen_table(v, (uint32_t)mfn)[(at & (PAGE_SIZE - 1)) / 8] = d;
	xen_frame_put(v, (uint32_t)mfn);
	return 0;
}
