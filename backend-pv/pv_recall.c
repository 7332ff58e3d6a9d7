/*
 * pv_recall.c - what an address space had mapped when the guest left it is mapped again when it comes back.
 *
 * A page that is missing costs a host signal and a mapping, about 20,000 cycles; mapped ahead, with its neighbours and populated, a
 * fraction. So when pages are dropped because the root has changed, they are noted under the root that they belonged to, as
 * runs; when that root returns, they are filled again from its tables as they are by then. Which of them the guest really uses
 * cannot be seen: every RECALL_TIMES-th time a run is left out, and only a fault brings it back. Called by pv_sync.c.
 *
 * Likewise a page fault that the guest was given: when it comes back to the instruction, its page is filled ahead (pv_run.c).
 */
#include "pv_space.h"
#include "core/walk.h"
#include "xen.h"
#include "xen_pte.h"

#define FILLS 24u /* system calls at one switch: what is beyond comes by faults */

static struct recall *recall_find(struct space *s, uint32_t root)
{
	for (unsigned i = 0; i < RECALL_ROOTS; i++)
		if (s->recall[i].root == root && s->recall[i].n)
			return &s->recall[i];
	return NULL;
}

/* The root is being left: its pages will be noted. */
void pv_recall_begin(struct pv *pv, uint32_t root)
{
	struct space *s = pv->space;
	struct recall *r = recall_find(s, root);

	if (!r)
		r = &s->recall[s->recall_next++ % RECALL_ROOTS];
	r->root = root;
	r->n = 0;
	s->leaving = r;
}

/* A page of the root that is left is dropped. They come in ascending order. */
void pv_recall_note(struct pv *pv, uint32_t page)
{
	struct space *s = pv->space;
	struct recall *r = s->leaving;
	struct recall_run *last;

	if (!r || !(pv->shadow.page[page] & SP_USER))
		return;
	last = r->n ? &r->run[r->n - 1] : NULL;
	if (last && last->page + last->len == page && last->age == s->age[page] && last->len < UINT16_MAX) {
		last->len++;
		return;
	}
	if (r->n < RECALL_RUNS)
		r->run[r->n++] = (struct recall_run){ page, 1, s->age[page] };
}

/* Filled before the guest asks: only what it has accessed before. 0 or -errno. */
static int page_recall(struct pv *pv, uint32_t page, unsigned *fills)
{
	struct vcpu *v = &pv->vm->vcpu;
	struct walk w;
	int r;

	if ((pv->shadow.page[page] & SP_MAPPED) || walk_page(&v->state, &v->vm->mem, GVA((uint64_t)page << PAGE_SHIFT), ACCESS_USER, false, &w))
		return 0;
	if (!(xen_table(v, (uint32_t)(w.entry[2].a >> PAGE_SHIFT))[w.entry[2].a / 8 % 512] & E_A))
		return 0;
	(*fills)++;
	r = pv_shadow_fill(pv, page << PAGE_SHIFT, ACCESS_USER);
	return r < 0 ? r : 0;
}

/* The root has come back. 0 or -errno. */
int pv_recall(struct pv *pv, uint32_t root)
{
	struct space *s = pv->space;
	struct recall *r = recall_find(s, root);
	unsigned fills = 0;
	int e = 0;

	s->leaving = NULL;
	if (!r)
		return 0;
	pv->shadow.populate = true;
	for (unsigned i = 0; i < r->n && !e; i++) {
		const struct recall_run *run = &r->run[i];
		if (run->age + 1u >= RECALL_TIMES)
			continue;
		s->eager = (uint8_t)(run->age + 1);
		for (uint32_t p = run->page; p < run->page + (uint32_t)run->len && fills < FILLS && !e; p++)
			e = page_recall(pv, p, &fills);
	}
	s->eager = 0;
	s->recalled += fills;
	pv->shadow.populate = false;
	return e;
}

void pv_refault_note(struct pv *pv, uint32_t la, unsigned access)
{
	struct space *s = pv->space;

	s->refault.la = la;
	s->refault.eip = (uint32_t)pv->vm->vcpu.state.rip;
	s->refault.access = access;
	s->refault.armed = true;
}

int pv_refault(struct pv *pv)
{
	const struct cpu_state *st = &pv->vm->vcpu.state;
	struct space *s = pv->space;
	int r;

	if (!s->refault.armed || (uint32_t)st->rip != s->refault.eip || (CPL(st) == 3) != !!(s->refault.access & ACCESS_USER))
		return 0;
	s->refault.armed = false;
	/* Regions that have changed first: a fill takes their new L2 entry for what the rest of the region was mapped under. */
	if ((s->recheck || s->all) && (r = pv_space_sync(pv)))
		return r;
	s->refaults++;
	r = pv_shadow_fill(pv, s->refault.la, s->refault.access);
	return r < 0 ? r : 0;
}
