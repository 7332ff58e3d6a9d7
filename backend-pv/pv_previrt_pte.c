/*
 * pv_previrt_pte.c - page-table writes that a site tells us of: the host's mapping follows the entry at once.
 *
 * Without them a changed entry costs a trap for INVLPG, an unmapping, and a fault at the next access. Here the page that the entry maps is
 * found in the current tables and mapped anew by one system call; the INVLPG that follows finds nothing to do. An entry that is in no
 * table of the current address space changes nothing that is mapped. Only a hint: unmarked stores are as right as under `trap`.
 */
#include "pv_previrt.h"
#include <string.h>
#include "core/walk.h"

#define WRITTEN (1ull << 63)
#define FRAME_MASK 0xffffff000ull

void previrt_store(void *ctx, gpa_t gpa, unsigned len)
{
	((struct pv *)ctx)->previrt->written = gpa.a | WRITTEN; /* the last one is the store itself: A and D bits come before it */
}

static uint64_t entry_read(const struct mem *m, uint64_t gpa, unsigned size)
{
	const void *p = mem_ptr(m, GPA(gpa), size);
	uint64_t e = 0;

	if (p)
		memcpy(&e, p, size);
	return e;
}

/* The directory entries of one page: does one of them point to frame? Then the first address that it maps. */
static bool directory_find(const struct mem *m, uint64_t dir, unsigned size, uint64_t frame, uint32_t base, uint32_t *la)
{
	unsigned n = PAGE_SIZE / size;
	uint32_t span = size == 4 ? 1u << 22 : 1u << 21;

	for (unsigned i = 0; i < n; i++) {
		uint64_t e = entry_read(m, dir + i * size, size);
		if ((e & 1) && !(e & 0x80) && (e & FRAME_MASK) == frame) {
			*la = base + i * span;
			return true;
		}
	}
	return false;
}

/* The linear address that the entry at gpa maps in the current address space. */
static bool entry_maps(const struct vcpu *v, uint64_t gpa, uint32_t *la)
{
	const struct cpu_state *s = &v->state;
	const struct mem *m = &v->vm->mem;
	uint64_t frame = gpa & FRAME_MASK;
	bool pae = s->cr4 & CR4_PAE, found = false;
	unsigned size = pae ? 8 : 4;

	*la = 0;
	if (!(s->cr0 & CR0_PG))
		return false;
	if (!pae)
		found = directory_find(m, s->cr3 & 0xfffff000u, 4, frame, 0, la);
	for (unsigned i = 0; pae && i < 4 && !found; i++) {
		uint64_t e = entry_read(m, (s->cr3 & 0xffffffe0u) + 8 * i, 8);
		found = (e & 1) && directory_find(m, e & FRAME_MASK, 8, frame, i << 30, la);
	}
	if (found)
		*la += (uint32_t)((gpa & (PAGE_SIZE - 1)) / size) << PAGE_SHIFT;
	return found;
}

/* The raw entry that maps la now; 0 when nothing small and present does. */
static uint64_t entry_of(const struct vcpu *v, uint32_t la)
{
	struct walk w;

	if (walk_page(&v->state, &v->vm->mem, GVA(la), 0, false, &w) || !w.levels || w.page_size != PAGE_SIZE)
		return 0;
	return entry_read(&v->vm->mem, w.entry[w.levels - 1].a, w.entry_size);
}

int previrt_table_written(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;
	struct previrt *p = pv->previrt;
	uint32_t la, page;
	int r = 0;

	if (!(p->written & WRITTEN))
		return 0;
	stat_count_at(&v->stats, EV_PT_WRITE, MECH_HYPERCALL, GVA((uint32_t)(v->state.seg[S_CS].base + v->state.rip)));
	if (!entry_maps(v, p->written & ~WRITTEN, &la))
		return 0;
	page = la >> PAGE_SHIFT;
	if (!(pv->shadow.page[page] & SP_MAPPED) || (pv->shadow.page[page] & SP_LARGE))
		return 0;
	if (!(entry_of(v, la) & 1)) { /* a TLB may keep it until it is flushed, and the next store may bring another */
		p->fresh[page % 64].valid = false;
		return 0;
	}
	r = pv_shadow_fill(pv, la, 0);
	p->fresh[page % 64].valid = r == FILL_OK;
	p->fresh[page % 64].page = page;
	p->fresh[page % 64].entry = entry_of(v, la); /* now with its accessed bit */
	if (r != FILL_OK)
		pv_shadow_flush(pv, la);
	return r < 0 ? r : 0;
}

/* A flush of the guest's: true when the mapping of la is known to be right already. */
bool pv_previrt_flush(struct pv *pv, uint32_t la, bool all)
{
	struct previrt *p = pv->previrt;
	uint32_t page = la >> PAGE_SHIFT;

	if (all) {
		memset(p->fresh, 0, sizeof(p->fresh));
		return false;
	}
	if (!p->fresh[page % 64].valid || p->fresh[page % 64].page != page)
		return false;
	if ((pv->shadow.page[page] & SP_MAPPED) && entry_of(&pv->vm->vcpu, la) == p->fresh[page % 64].entry)
		return true;
	p->fresh[page % 64].valid = false;
	return false;
}
