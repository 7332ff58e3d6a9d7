/*
 * pv_space.c - host mappings as a TLB that is told what changes: marks, made while a hypercall runs.
 *
 * A host mapping is dear to make and to drop, so a flush drops what has changed since the last one and nothing else. For
 * each frame there is a list of the pages that map it; a page-table entry that goes, or allows less, marks the pages that
 * may have been mapped through it. Nothing happens to them until the guest flushes, as on a real TLB; but a frame that
 * becomes a table must not be written again, so its writable mappings are due at once. No system call is made here: the
 * guest cannot run before pv_sync.c has acted. Built with general registers only. Read next: pv_sync.c, xen_type.c.
 */
#include "pv_space.h"
#include "xen.h"

void pv_space_link(struct pv *pv, uint32_t page, uint32_t gfn)
{
	struct space *s = pv->space;
	uint32_t first;

	if (gfn >= s->frames)
		return;
	first = s->head[gfn];
	s->gfn[page] = gfn;
	s->age[page] = s->eager;
	s->prev[page] = 0;
	s->next[page] = first;
	if (first)
		s->prev[first - 1] = page + 1;
	s->head[gfn] = page + 1;
}

void pv_space_unlink(struct pv *pv, uint32_t page)
{
	struct space *s = pv->space;
	uint32_t next = s->next[page], prev = s->prev[page];

	if (next)
		s->prev[next - 1] = prev;
	if (prev)
		s->next[prev - 1] = next;
	else if (s->head[s->gfn[page]] == page + 1)
		s->head[s->gfn[page]] = next;
	s->next[page] = s->prev[page] = 0;
}

static void mark(struct pv *pv, uint32_t page)
{
	struct space *s = pv->space;

	if (pv->shadow.page[page] & SP_STALE)
		return;
	if (s->n == SPACE_QUEUE) {
		s->all = true;
		return;
	}
	pv->shadow.page[page] |= SP_STALE;
	s->queue[s->n++] = page;
}

/* Entry `index` of some L1 mapped this frame, and does so no more, or with fewer rights. */
void pv_space_page(struct pv *pv, uint32_t gfn, unsigned index)
{
	struct space *s = pv->space;

	for (uint32_t p = s->head[gfn]; p; p = s->next[p - 1])
		if (((p - 1) & 511) == index)
			mark(pv, p - 1);
}

/* Entry `index` of some L2 has changed: it may be that of any GiB. */
void pv_space_region(struct pv *pv, unsigned index)
{
	struct space *s = pv->space;

	for (unsigned g = 0; g < 4; g++)
		if (pv->shadow.mapped[(g * 512 + index) >> 1]) {
			s->dirty[g * 512 + index] = 1;
			s->recheck = true;
		}
}

/* The root or one of its entries has changed: that is a change of address space, and takes effect at once. */
void pv_space_recheck(struct pv *pv)
{
	pv->space->recheck = pv->space->due = true;
}

/* The frame may be written no more, through whatever mapping. */
void pv_space_protect(struct pv *pv, uint32_t gfn)
{
	struct space *s = pv->space;

	for (uint32_t p = s->head[gfn]; p; p = s->next[p - 1])
		if (pv->shadow.page[p - 1] & SP_WRITE) {
			mark(pv, p - 1);
			s->due = true;
		}
}

void pv_space_flush(struct pv *pv)
{
	struct space *s = pv->space;

	if (s->n || s->recheck || s->all)
		s->due = true;
}

void pv_space_flush_page(struct pv *pv, uint32_t la)
{
	struct space *s = pv->space;

	if (s->recheck || s->all || (pv->shadow.page[la >> PAGE_SHIFT] & SP_STALE))
		s->due = true;
}
