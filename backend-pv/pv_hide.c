/*
 * pv_hide.c - --user-isolation unmap: guest kernel pages are inaccessible while guest user mode runs.
 *
 * One mprotect costs about 4,500 cycles however small, and some 130 more for each page present (docs/isolation.md): hiding a
 * whole kernel at each switch would cost more than all else. So the kernel is shown as a working set. What is shown gets
 * hidden on the way to user mode; on the way back only what recent entries used is shown again, as few runs of pages,
 * and the rest on the first touch. Nothing tells which shown pages go unused, so the set is learned anew now and then.
 * Called by pv_shadow.c and pv_run.c. Read next: pv_run.c.
 */
#include "pv.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define GAP 24u /* pages that may lie between two runs that become one: a call costs as much as so many pages present */
#define HOT_RUNS 8u /* in the working set: each costs a call at each crossing, a page that is not in it a fault and a call */
#define EPOCH 256u /* user entries after which the working set is forgotten */
#define SUPER(f) (((f) & (SP_MAPPED | SP_USER)) == SP_MAPPED)

static void span_remove(struct spans *l, unsigned i)
{
	memmove(&l->s[i], &l->s[i + 1], (--l->n - i) * sizeof(l->s[0]));
}

/* How many pages lie between two spans; 0 when they touch. */
static uint32_t span_distance(const struct span *a, const struct span *b)
{
	return a->from > b->to ? a->from - b->to : b->from > a->to ? b->from - a->to : 0;
}

/* Adds pages [from, to), and returns the span that holds them now: neighbours nearer than GAP become part of it. */
static struct span span_add(struct spans *l, uint32_t from, uint32_t to)
{
	struct span new = { from, to };
	unsigned nearest = 0;

	for (unsigned i = 0; i < l->n;) {
		struct span *s = &l->s[i];
		if (span_distance(s, &new) > GAP) {
			i++;
			continue;
		}
		new.from = s->from < new.from ? s->from : new.from;
		new.to = s->to > new.to ? s->to : new.to;
		span_remove(l, i);
		i = 0;
	}
	if (l->n == ARRAY_LEN(l->s)) { /* full: the nearest grows, over pages that it need not have held */
		for (unsigned i = 1; i < l->n; i++)
			if (span_distance(&l->s[i], &new) < span_distance(&l->s[nearest], &new))
				nearest = i;
		new.from = l->s[nearest].from < new.from ? l->s[nearest].from : new.from;
		new.to = l->s[nearest].to > new.to ? l->s[nearest].to : new.to;
		span_remove(l, nearest);
	}
	return l->s[l->n++] = new;
}

/* Would pages [from, to) be shown by one call? Unmapped ones break a run, too. */
static bool pages_alike(const struct pv *pv, uint32_t from, uint32_t to)
{
	const uint8_t *f = pv->shadow.page;

	for (uint32_t page = from; page < to; page++)
		if ((f[page] ^ f[from]) & ~SP_HIDDEN)
			return false;
	return true;
}

/* Adds a page to the working set: to a neighbour that one call shows with it, or else as a run of its own in place of the oldest. */
static struct span hot_add(struct pv *pv, uint32_t page)
{
	struct spans *l = &pv->shadow.hot;
	struct span new = { page, page + 1 };

	for (unsigned i = 0; i < l->n; i++) {
		struct span s = l->s[i];
		struct span u = { s.from < page ? s.from : page, s.to > page + 1 ? s.to : page + 1 };
		if (span_distance(&s, &new) > GAP || !pages_alike(pv, u.from, u.to))
			continue;
		l->s[i] = u;
		return u;
	}
	if (l->n == HOT_RUNS)
		span_remove(l, 0);
	return l->s[l->n++] = new;
}

static int span_protect(struct pv *pv, uint32_t from, uint32_t to, int prot)
{
	if (pv->shadow.model)
		return 0;
	return mprotect(pv_shadow_host(pv, from), (size_t)(to - from) << PAGE_SHIFT, prot) ? -errno : 0;
}

/* Supervisor pages of a span, one call for each run between user pages. What is not mapped is inaccessible anyway. */
static int span_hide(struct pv *pv, const struct span *s)
{
	uint8_t *f = pv->shadow.page;
	uint32_t page = s->from;
	int r = 0;

	while (page < s->to && !r) {
		uint32_t from = page, to = page;
		if (!SUPER(f[page++]))
			continue;
		for (to = page; page < s->to && (f[page] & (SP_MAPPED | SP_USER)) != (SP_MAPPED | SP_USER); page++)
			if (SUPER(f[page]))
				to = page + 1;
		r = span_protect(pv, from, to, PROT_NONE);
		for (uint32_t p = from; p < to; p++)
			f[p] |= SUPER(f[p]) ? SP_HIDDEN : 0;
	}
	return r;
}

/*
 * mprotect takes 6,000 cycles more where it must split a mapping and join it again. Advice that differs from the
 * neighbours' keeps what is shown together a mapping of its own, hidden or not; the advice itself does nothing here.
 */
static void run_keep_apart(struct pv *pv, uint32_t from, uint32_t to)
{
	struct spans *l = &pv->shadow.apart;

	for (unsigned i = 0; i < l->n; i++)
		if (l->s[i].from == from && l->s[i].to == to)
			return;
	if (l->n == ARRAY_LEN(l->s) || pv->shadow.model)
		return;
	madvise(pv_shadow_host(pv, from), (size_t)(to - from) << PAGE_SHIFT, l->n & 1 ? MADV_SEQUENTIAL : MADV_RANDOM);
	l->s[l->n++] = (struct span){ from, to };
}

static void runs_join(struct pv *pv)
{
	struct spans *l = &pv->shadow.apart;

	for (unsigned i = 0; i < l->n && !pv->shadow.model; i++)
		madvise(pv_shadow_host(pv, l->s[i].from), (size_t)(l->s[i].to - l->s[i].from) << PAGE_SHIFT, MADV_NORMAL);
	l->n = 0;
}

/* Hidden pages of a span become what they were, one call for each run of equal rights. */
static int span_show(struct pv *pv, const struct span *s)
{
	uint8_t *f = pv->shadow.page;
	uint32_t page = s->from;
	int r = 0;

	while (page < s->to && !r) {
		uint32_t from = page;
		unsigned flags = f[page++];
		if (!(flags & SP_HIDDEN))
			continue;
		while (page < s->to && f[page] == flags)
			page++;
		memset(f + from, (int)(flags & ~SP_HIDDEN), page - from);
		span_add(&pv->shadow.shown, from, page);
		r = span_protect(pv, from, page, pv_shadow_prot(flags));
		run_keep_apart(pv, from, page);
	}
	return r;
}

/* Before guest code is entered. 0 or -errno. */
int pv_hide_switch(struct pv *pv, bool user)
{
	struct shadow *s = &pv->shadow;
	int r = 0;

	if (pv->iso != ISO_UNMAP || (!user && !s->hidden))
		return 0;
	if (!user) {
		s->hidden = false;
		for (unsigned i = 0; i < s->hot.n && !r; i++)
			r = span_show(pv, &s->hot.s[i]);
		return r;
	}
	for (unsigned i = 0; i < s->shown.n && !r; i++)
		r = span_hide(pv, &s->shown.s[i]);
	s->shown.n = 0;
	if (!s->hidden && ++s->entries % EPOCH == 0) {
		s->hot.n = 0;
		runs_join(pv);
	}
	s->hidden = true;
	return r;
}

/* Supervisor pages were mapped, and can be reached. */
void pv_hide_mapped(struct pv *pv, uint32_t page, unsigned n)
{
	if (pv->iso == ISO_UNMAP)
		span_add(&pv->shadow.shown, page, page + n);
}

/* The kernel touched this page: it belongs to the working set. What that holds and is hidden is shown. 0 or -errno. */
int pv_hide_touch(struct pv *pv, uint32_t page)
{
	if (pv->iso != ISO_UNMAP || pv->shadow.hidden)
		return 0;
	struct span s = hot_add(pv, page);

	return span_show(pv, &s);
}

/* No page is mapped any more. */
void pv_hide_forget(struct pv *pv)
{
	pv->shadow.shown.n = 0;
}
