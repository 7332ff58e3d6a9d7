/*
 * xen_audit.c - counts every reference again, and looks at every host mapping: is what xen_type.c believes true?
 *
 * Walks all frames, so it is for tests, for the fuzzer, and for builds that audit while a guest runs (RINGLAB_HOSTILE). It
 * reads the tables as they lie in memory and shares no code with what it checks. Read first: xen_type.c, pv_space.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pv_space.h"
#include "xen.h"
#include "xen_pte.h"

#define AUDIT_EVERY 256u

struct tally {
	uint32_t refs, uses;
};

struct audit {
	struct vcpu *v;
	struct xen *x;
	struct tally *tally;
	char *why;
	size_t n;
	bool ok;
};

__attribute__((format(printf, 2, 3))) static void wrong(struct audit *a, const char *fmt, ...)
{
	va_list ap;

	if (!a->ok)
		return;
	a->ok = false;
	va_start(ap, fmt);
	vsnprintf(a->why, a->n, fmt, ap);
	va_end(ap);
}

static bool is_type(const struct frame *f, enum frame_type t)
{
	return f->uses && f->type == t;
}

/* One present entry of a table of type t: what it may name, and the reference that it holds. */
static void entry_count(struct audit *a, uint32_t table, enum frame_type t, unsigned i, uint64_t e)
{
	static const enum frame_type below[] = { [FT_L2] = FT_L1, [FT_L2_TOP] = FT_L1, [FT_L3] = FT_L2 };
	uint32_t mfn = entry_mfn(e);
	bool use = t != FT_L1 || (e & E_RW);
	enum frame_type want = t == FT_L1 ? FT_WRITABLE : t == FT_L3 && i == 3 ? FT_L2_TOP : below[t];

	if (mfn >= a->x->frames_all || (e & E_RSVD)) {
		wrong(a, "entry %u of table %#x (type %u) maps %#llx, which is no frame", i, table, t, (unsigned long long)e);
		return;
	}
	if (!a->x->frame[mfn].refs)
		wrong(a, "entry %u of table %#x maps frame %#x, which is not the domain's", i, table, mfn);
	if (use && !is_type(&a->x->frame[mfn], want))
		wrong(a, "entry %u of table %#x (type %u) uses frame %#x as type %u, but it is %u", i, table, t, mfn, want, a->x->frame[mfn].type);
	a->tally[mfn].refs++;
	a->tally[mfn].uses += use;
}

static void table_count(struct audit *a, uint32_t mfn, enum frame_type t)
{
	const uint64_t *table = xen_table(a->v, mfn);

	for (unsigned i = 0; i < (t == FT_L3 ? 4 : 512); i++)
		if (table[i] & E_P)
			entry_count(a, mfn, t, i, table[i]);
	if (t == FT_L2_TOP)
		for (unsigned i = XEN_M2P >> 21 & 511; i < 512; i++)
			if (table[i])
				wrong(a, "L2 %#x maps the hypervisor's area", mfn);
	if (t == FT_L3 && !(table[3] & E_P))
		wrong(a, "L3 %#x has no last entry", mfn);
}

static void descriptors_check(struct audit *a, uint32_t mfn)
{
	const uint64_t *d = xen_table(a->v, mfn);

	for (unsigned i = 0; i < 512; i++)
		if ((d[i] >> 47 & 1) && (d[i] >> 40 & 0x1f) && (!(d[i] >> 44 & 1) || !(d[i] >> 45 & 3)))
			wrong(a, "descriptor %u of frame %#x (%#llx) is not one that a guest may have", i, mfn, (unsigned long long)d[i]);
}

static void hold(struct audit *a, uint32_t mfn, enum frame_type t)
{
	if (!is_type(&a->x->frame[mfn], t))
		wrong(a, "frame %#x is held as type %u, but is %u", mfn, t, a->x->frame[mfn].type);
	a->tally[mfn].refs++;
	a->tally[mfn].uses++;
}

/* What the monitor itself holds: pins, the root, descriptors, and what other files hold by xen_hold. */
static void held_count(struct audit *a)
{
	struct xen *x = a->x;

	hold(a, x->root, FT_L3);
	for (uint32_t i = 0; i < (x->gdt_entries + 511) / 512; i++)
		hold(a, x->gdt_frame[i], FT_SEGDESC);
	for (unsigned i = 0; i < ARRAY_LEN(x->ldt_frame); i++)
		if (x->ldt_found >> i & 1)
			hold(a, x->ldt_frame[i], FT_SEGDESC);
}

static void frames_count(struct audit *a)
{
	struct xen *x = a->x;

	for (uint32_t i = 0; i < x->frames_all; i++) {
		const struct frame *f = &x->frame[i];
		a->tally[i].refs += f->own + f->pinned + f->held;
		a->tally[i].uses += f->pinned + f->held;
		if (i >= x->frames && f->refs) /* ours: xen_frame_share */
			a->tally[i] = (struct tally){ a->tally[i].refs + 1, a->tally[i].uses + 1 };
		if (f->pinned && f->type < FT_L1)
			wrong(a, "frame %#x is pinned as type %u", i, f->type);
		if (f->uses && f->type >= FT_L1)
			table_count(a, i, (enum frame_type)f->type);
		if (is_type(f, FT_SEGDESC))
			descriptors_check(a, i);
	}
}

/* Host mappings: none of a foreign frame; none writable of what is protected, unless it goes before the guest runs. */
static void mappings_check(struct audit *a)
{
	const struct pv *pv = a->v->vm->priv;
	const struct space *s = pv->space;

	for (uint32_t page = 0; page < 1u << 20; page++) {
		unsigned f = pv->shadow.page[page];
		uint32_t mfn;
		if (!pv->shadow.mapped[page >> SHADOW_REGION_SHIFT]) {
			page |= (1u << SHADOW_REGION_SHIFT) - 1;
			continue;
		}
		if (!(f & SP_MAPPED))
			continue;
		mfn = s->gfn[page];
		if (mfn >= a->x->frames_all || !a->x->frame[mfn].refs)
			wrong(a, "page %#x000 is mapped to frame %#x, which is not the domain's", page, mfn);
		else if ((f & SP_WRITE) && a->x->frame[mfn].uses && a->x->frame[mfn].type > FT_WRITABLE && !((f & SP_STALE) && s->due) && !s->all)
			wrong(a, "page %#x000 is mapped writable to frame %#x of type %u", page, mfn, a->x->frame[mfn].type);
	}
}

/* Every mapping that is not marked stale agrees with the tables. */
static void coherence_check(struct audit *a)
{
	const struct pv *pv = a->v->vm->priv;
	const struct space *s = pv->space;

	for (uint32_t page = 0; page < XEN_M2P >> 12; page++) {
		unsigned f = pv->shadow.page[page];
		uint64_t e3 = xen_table(a->v, a->x->root)[page >> 18], e2, e1 = 0;
		if (!pv->shadow.mapped[page >> SHADOW_REGION_SHIFT]) {
			page |= (1u << SHADOW_REGION_SHIFT) - 1;
			continue;
		}
		if (!(f & SP_MAPPED) || (f & SP_STALE) || s->dirty[page >> 9] || s->recheck || s->all)
			continue;
		e2 = e3 & E_P ? xen_table(a->v, entry_mfn(e3))[page >> 9 & 511] : 0;
		e1 = e2 & E_P ? xen_table(a->v, entry_mfn(e2))[page & 511] : 0;
		if (!(e1 & E_P) || entry_mfn(e1) != s->gfn[page])
			wrong(a, "page %#x000 is mapped to frame %#x, and the tables say %#llx", page, s->gfn[page], (unsigned long long)e1);
		else if ((f & SP_WRITE) && !(e1 & e2 & E_RW))
			wrong(a, "page %#x000 is mapped writable, and the tables say %#llx under %#llx", page, (unsigned long long)e1, (unsigned long long)e2);
	}
}

bool xen_audit(struct vcpu *v, char *why, size_t n)
{
	struct audit a = { v, xen_of(v), NULL, why, n, true };

	why[0] = 0;
	a.tally = calloc(a.x->frames_all, sizeof(*a.tally));
	if (!a.tally)
		return true;
	held_count(&a);
	frames_count(&a);
	for (uint32_t i = 0; i < a.x->frames_all; i++) {
		const struct frame *f = &a.x->frame[i];
		if (a.tally[i].refs != f->refs || a.tally[i].uses != f->uses)
			wrong(&a, "frame %#x (type %u, pinned %u): %u references and %u uses counted, %u and %u believed", i, f->type, f->pinned,
				a.tally[i].refs, a.tally[i].uses, f->refs, f->uses);
		if (!f->uses && f->type != FT_NONE)
			wrong(&a, "frame %#x has type %u without a use", i, f->type);
	}
	mappings_check(&a);
	coherence_check(&a);
	free(a.tally);
	return a.ok;
}

#ifdef RINGLAB_HOSTILE
/* While a guest runs: every so often before it goes on, the state is audited, and a wrong one ends the guest. */
void xen_audit_running(struct vcpu *v)
{
	char why[256];

	if (v->vm->end == END_NONE && ++xen_of(v)->audits % AUDIT_EVERY == 0 && !xen_audit(v, why, sizeof(why)))
		vm_stop(v->vm, END_CRASH, 0, "the auditor of page types: %s", why);
}
#endif
