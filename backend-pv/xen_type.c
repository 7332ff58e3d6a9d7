/*
 * xen_type.c - frames: what each is used as, and by how many; so that a guest never maps what it may not.
 *
 * The rules are Xen's. A frame has two counts. `refs` are all references: mappings, uses as a type, the domain's own. `uses`
 * are those as its present type: writable, a page table of one level, a page of descriptors; the type changes only while
 * there are none. To become a table means that each entry is checked and takes its own reference first; a table at its last
 * use gives them back. So what is a table is never mapped writable, and tables change by hypercalls alone (xen_mmu.c).
 *
 * Host mappings are the guest's TLB, and lag behind: pv_space.c is told of every entry that goes and of every frame that
 * must be written no more. Built with general registers only: hypercalls come here with the guest's SSE state live.
 * Read next: xen_mmu.c, pv_space.c; xen_audit.c counts everything again.
 */
#include "xen.h"
#include "pv_scan.h"
#include <assert.h>
#include "xen_pte.h"

/* A PDPT has four entries; an L2 for the top GiB ends where the hypervisor's area begins. */
unsigned xen_table_entries(enum frame_type t)
{
	return t == FT_L3 ? 4 : t == FT_L2_TOP ? (XEN_M2P >> 21 & 511) : 512;
}

/* ---- the general count ---- */

bool xen_ref_get(struct vcpu *v, uint32_t mfn)
{
	struct xen *x = xen_of(v);

	if (mfn >= x->frames_all || !x->frame[mfn].refs || x->frame[mfn].refs == UINT32_MAX)
		return false;
	x->frame[mfn].refs++;
	return true;
}

void xen_ref_put(struct vcpu *v, uint32_t mfn)
{
	struct frame *f = &xen_of(v)->frame[mfn];

	assert(f->refs);
	f->refs--;
}

/* ---- entries: the reference that each holds ---- */

static enum frame_type child_type(enum frame_type t, unsigned index)
{
	if (t == FT_L3)
		return index == 3 ? FT_L2_TOP : FT_L2;
	return FT_L1;
}

static bool entry_get(struct vcpu *v, enum frame_type t, unsigned index, uint64_t e)
{
	if (!(e & E_P))
		return t != FT_L3 || index != 3; /* Xen's own mappings live in the last slot's table: there must be one */
	if (e & (t == FT_L3 ? E_REFUSED_L3 : E_REFUSED))
		return false;
	if (t != FT_L1)
		return xen_frame_get(v, entry_mfn(e), child_type(t, index));
	return e & E_RW ? xen_frame_get(v, entry_mfn(e), FT_WRITABLE) : xen_ref_get(v, entry_mfn(e));
}

/* Gives back what an L1 entry held. The guest's LDT may have been found through it. */
static void l1_put(struct vcpu *v, uint64_t e)
{
	uint32_t mfn = entry_mfn(e);

	if (e & E_RW) {
		xen_frame_put(v, mfn);
		return;
	}
	if (xen_of(v)->frame[mfn].type == FT_SEGDESC)
		xen_ldt_forget(v);
	xen_ref_put(v, mfn);
}

/* Host mappings that were made through this entry are stale from now on, until the guest flushes. */
static void entry_gone(struct vcpu *v, enum frame_type t, unsigned index, uint64_t e)
{
	struct pv *pv = v->vm->priv;

	if (t == FT_L1)
		pv_space_page(pv, entry_mfn(e), index);
	else if (t == FT_L3)
		pv_space_recheck(pv);
	else
		pv_space_region(pv, index);
}

static void entry_put(struct vcpu *v, enum frame_type t, unsigned index, uint64_t e)
{
	if (!(e & E_P))
		return;
	entry_gone(v, t, index, e);
	if (t == FT_L1)
		l1_put(v, e);
	else
		xen_frame_put(v, entry_mfn(e));
}

/* ---- the type and its count ---- */

/* Checks and counts every entry; on the first bad one, gives back what was taken. */
static bool table_validate(struct vcpu *v, uint32_t mfn, enum frame_type t)
{
	uint64_t *table = xen_table(v, mfn);
	unsigned n = xen_table_entries(t), i;

	for (i = 0; i < n; i++)
		if (!entry_get(v, t, i, table[i])) {
			while (i--)
				entry_put(v, t, i, table[i]);
			return false;
		}
	for (i = 0; t == FT_L3 && i < n; i++)
		table[i] &= ~E_OURS_L3;
	if (t == FT_L2_TOP) /* Xen puts its own entries there; we have none */
		for (i = n; i < 512; i++)
			table[i] = 0;
	return true;
}

static bool frame_validate(struct vcpu *v, uint32_t mfn, enum frame_type t)
{
	if (t == FT_WRITABLE)
		return true;
	pv_space_protect(v->vm->priv, mfn); /* no stale writable mapping may outlive the change */
	return t == FT_SEGDESC ? xen_descriptors_valid(v, mfn) : table_validate(v, mfn, t);
}

static bool type_get(struct vcpu *v, uint32_t mfn, enum frame_type t)
{
	struct frame *f = &xen_of(v)->frame[mfn];

	if (f->uses) {
		if (f->type != t || t == FT_L2_TOP) /* the last slot's table serves one L3 alone */
			return false;
		f->uses++;
		return true;
	}
	f->type = (uint8_t)t;
	f->uses = 1;
	if (frame_validate(v, mfn, t))
		return true;
	f->uses = 0;
	f->type = FT_NONE;
	return false;
}

static void type_put(struct vcpu *v, uint32_t mfn)
{
	struct frame *f = &xen_of(v)->frame[mfn];
	enum frame_type t = (enum frame_type)f->type;

	assert(f->uses);
	if (f->uses > 1) {
		f->uses--;
		return;
	}
	if (t >= FT_L1) {
		uint64_t *table = xen_table(v, mfn);
		for (unsigned i = 0; i < xen_table_entries(t); i++)
			entry_put(v, t, i, table[i]);
	}
	f->uses = 0;
	f->type = FT_NONE;
}

bool xen_frame_get(struct vcpu *v, uint32_t mfn, enum frame_type t)
{
	if (!xen_ref_get(v, mfn))
		return false;
	if (type_get(v, mfn, t))
		return true;
	xen_ref_put(v, mfn);
	return false;
}

void xen_frame_put(struct vcpu *v, uint32_t mfn)
{
	type_put(v, mfn);
	xen_ref_put(v, mfn);
}

/* A use as writable that we keep ourselves: for a ring, or for a granted frame while it is mapped or copied. */
bool xen_frame_hold(struct vcpu *v, uint32_t mfn)
{
	struct frame *f;

	if (!xen_frame_get(v, mfn, FT_WRITABLE))
		return false;
	f = &xen_of(v)->frame[mfn];
	if (f->held == UINT16_MAX) {
		xen_frame_put(v, mfn);
		return false;
	}
	f->held++;
	return true;
}

void xen_frame_release(struct vcpu *v, uint32_t mfn)
{
	xen_of(v)->frame[mfn].held--;
	xen_frame_put(v, mfn);
}

/* A frame of the VMM's own that the guest may map: Xen holds one use of it for good, so that it never becomes a table. */
void xen_frame_share(struct xen *x, uint32_t mfn, bool writable)
{
	x->frame[mfn] = (struct frame){ .refs = 1, .uses = 1, .type = writable ? FT_WRITABLE : FT_NONE };
}

/* ---- changing an entry of a table in use ---- */

/* Must host mappings that were made through the old entry go? An entry that only allows more needs no flush. */
static bool entry_narrows(uint64_t old, uint64_t val)
{
	return (old & E_P) && (((old ^ val) & (E_ADDR | E_P | E_US)) || (old & ~val & (E_RW | E_A | E_D)) || (~old & val & E_NX));
}

static int32_t l1_set(struct vcpu *v, uint64_t *entry, unsigned index, uint64_t val)
{
	uint64_t old = *entry;

	/* The same frame with the same right to write: the counts stay as they are. */
	if ((old & val & E_P) && !((old ^ val) & (E_ADDR | E_RW)) && !(val & E_REFUSED)) {
		*entry = val;
		if (entry_narrows(old, val))
			pv_space_page(v->vm->priv, entry_mfn(old), index);
		return 0;
	}
	if (!entry_get(v, FT_L1, index, val))
		return -XEN_EINVAL;
	*entry = val;
	if (old & E_P) {
		if (entry_narrows(old, val))
			pv_space_page(v->vm->priv, entry_mfn(old), index);
		l1_put(v, old);
	}
	return 0;
}

/* The new reference first, then the entry, then the old reference. */
int32_t xen_entry_set(struct vcpu *v, uint32_t mfn, unsigned index, uint64_t val, bool keep_ad)
{
	enum frame_type t = (enum frame_type)xen_of(v)->frame[mfn].type;
	uint64_t *entry = &xen_table(v, mfn)[index], old = *entry;

	pv_scan_mark(v->vm->priv, mfn);

	if (keep_ad)
		val |= old & (E_A | E_D);
	if (t == FT_L1)
		return l1_set(v, entry, index, val);
	/* Slot 3 of an L3 holds Xen's own mappings, and so does the top of its L2: neither changes while in use. */
	if (index >= xen_table_entries(t) || (t == FT_L3 && index == 3) || !entry_get(v, t, index, val))
		return -XEN_EINVAL;
	*entry = t == FT_L3 ? val & ~E_OURS_L3 : val;
	entry_put(v, t, index, old);
	return 0;
}
