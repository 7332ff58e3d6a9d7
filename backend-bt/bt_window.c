/*
 * bt_window.c - windows: 4 GiB of host address space for each guest address space, between guard zones, and which is current.
 *
 * A window's base is a multiple of 4 GiB. Translated code adds a zero-extended 32-bit register and a displacement to it,
 * which cannot reach past the guards, so whatever the guest computes it names its own memory or nothing. Switching
 * address space or privilege is the choice of another base. The guest's kernel has one window for all its address
 * spaces; user mode has one for each CR3, recycled, least recently used first. Called by bt.c when system state changes.
 * Read next: bt_shadow.c, which puts pages into windows, and bt_validate.c, which takes them out.
 */
#include "bt_private.h"
#include <errno.h>
#include <sys/mman.h>

#define KERNEL_MISFIT 30 /* per cent */
#define FILL_PAGES 1024u /* entries that one fill can make */
#define REGION_BYTES (GUARD + WINDOW + GUARD_HI + WINDOW)

static void *map_none(void *at, size_t n, int prot, int extra)
{
	void *p = mmap(at, n, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | extra, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void *map_rw(size_t n) { return map_none(NULL, n, PROT_READ | PROT_WRITE, 0); }

int view_reserve(struct view *w)
{
	if (w->region)
		return 0;
	w->region = map_none(NULL, REGION_BYTES, PROT_NONE, 0);
	w->table = map_rw(TABLE_BYTES);
	w->shadow = map_rw(LIN_PAGES * sizeof(*w->shadow));
	w->pte = map_rw(LIN_PAGES * sizeof(*w->pte));
	w->span = map_rw(SPANS * sizeof(*w->span));
	w->table_used = map_rw(LIN_PAGES / 8);
	if (!w->region || !w->table || !w->shadow || !w->pte || !w->span || !w->table_used)
		return -ENOMEM;
	w->win = (uint8_t *)(((uintptr_t)w->region + GUARD + WINDOW - 1) & ~(uintptr_t)(WINDOW - 1));
	return 0;
}

void view_release(struct bt *b, struct view *w)
{
	(void)b;
	if (w->region)
		munmap(w->region, REGION_BYTES);
	if (w->table)
		munmap(w->table, TABLE_BYTES);
	if (w->shadow)
		munmap(w->shadow, LIN_PAGES * sizeof(*w->shadow));
	if (w->pte)
		munmap(w->pte, LIN_PAGES * sizeof(*w->pte));
	if (w->span)
		munmap(w->span, SPANS * sizeof(*w->span));
	if (w->table_used)
		munmap(w->table_used, LIN_PAGES / 8);
	memset(w, 0, sizeof(*w));
}

/* All host mappings of a window, in one call; its entries are the caller's affair. */
void view_unmap_all(struct bt *b, struct view *w)
{
	if (w->maps)
		map_none(w->win, WINDOW, PROT_NONE, MAP_FIXED);
	b->stat[BS_UNMAPS]++;
	b->maps -= w->maps;
	w->maps = 0;
	w->mapped = 0;
	w->epoch++;
}

void view_drop(struct bt *b, struct view *w)
{
	uint16_t self = (uint16_t)(w - b->views);

	b->stat[BS_VIEW_DROPS]++;
	if (w->user)
		share_forget(b, w);
	else
		cache_kill_view(b, self);
	shadow_forget(b, w);
	view_unmap_all(b, w);
	b->gen++;
}

void view_drop_all(struct bt *b)
{
	soft_tlb_flush(b, 0, true);
	cache_flush(b);
	for (unsigned i = 0; i < BT_VIEWS; i++) {
		struct view *w = &b->views[i];

		if (!w->used)
			continue;
		view_drop(b, w);
		if (w != b->kview && w != b->uview)
			w->used = false;
	}
	memset(b->mixed, 0, sizeof(b->mixed));
	memset(b->hot->side, 0, sizeof(b->hot->side));
}

/* --- the number of host mappings --- */

/* What is really there: runs of pages that are contiguous here and in RAM, and have one protection. */
static uint32_t maps_count(const struct view *w)
{
	uint32_t n = 1, last = 0, last_lp = 0;

	for (uint32_t s = 0; s < SPANS; s++) {
		if (!(w->spans[s / 64] & 1ull << (s % 64)))
			continue;
		for (uint32_t lp = s * SPAN_PAGES; lp < (s + 1) * SPAN_PAGES; lp++) {
			uint32_t e = w->shadow[lp];

			if (!(e & SH_MAPPED))
				continue;
			if (!last || lp != last_lp + 1 || e >> SH_SHIFT != (last >> SH_SHIFT) + 1 || ((e ^ last) & SH_WRITE))
				n += lp == last_lp + 1 ? 1 : 2;
			last = e;
			last_lp = lp;
		}
	}
	return n;
}

/* Before one more: counts anew, and drops whole views while there are too many. */
void view_maps_bound(struct bt *b)
{
	if (b->rmaps_used + 2 * FILL_PAGES > b->max_rmaps)
		view_drop_all(b);
	if (b->maps <= BT_MAPS_MAX)
		return;
	b->maps = 0;
	for (unsigned i = 0; i < BT_VIEWS; i++)
		if (b->views[i].used && b->views[i].maps)
			b->maps += b->views[i].maps = maps_count(&b->views[i]);
	if (b->maps <= BT_MAPS_MAX * 3 / 4)
		return;
	for (unsigned i = 0; i < BT_VIEWS; i++)
		if (b->views[i].used && &b->views[i] != b->kview && &b->views[i] != b->uview)
			view_drop(b, &b->views[i]);
	if (b->maps > BT_MAPS_MAX / 2)
		view_drop_all(b);
}

/* --- which view --- */

/* A fresh view, or the least recently used one, emptied. NULL: no memory. */
static struct view *view_new(struct bt *b, uint64_t cr3, bool user)
{
	struct view *pick = NULL;

	for (unsigned i = 0; i < BT_VIEWS; i++) {
		struct view *w = &b->views[i];

		if (w == b->kview || w == b->uview || (w->used && w->cr3 == VIEW_KERNEL))
			continue;
		if (!pick || (pick->used && (!w->used || w->last_use < pick->last_use)))
			pick = w;
	}
	if (pick->used) {
		b->stat[BS_VIEW_RECYCLES]++;
		view_drop(b, pick);
	}
	if (view_reserve(pick))
		return NULL;
	pick->used = true;
	pick->user = user;
	pick->cr3 = cr3;
	pick->kernel = NULL;
	pick->stale = false;
	pick->last_use = ++b->use_clock;
	return pick;
}

static struct view *view_find(struct bt *b, uint64_t cr3, bool user)
{
	for (unsigned i = 0; i < BT_VIEWS; i++) {
		struct view *w = &b->views[i];

		if (w->used && w->cr3 == cr3 && w->user == user) {
			w->last_use = ++b->use_clock;
			return w;
		}
	}
	return view_new(b, cr3, user);
}

/* The kernel's view for an address space that is new: the one that fits best, or a new one where none fits well. */
static struct view *kernel_fit(struct bt *b)
{
	struct view *best = NULL, *w;
	unsigned n = 0, misfit, least = 101;

	for (unsigned i = 0; i < BT_VIEWS; i++) {
		w = &b->views[i];
		if (!w->used || w->cr3 != VIEW_KERNEL)
			continue;
		n++;
		misfit = validate_misfit(b, w);
		if (misfit < least) {
			least = misfit;
			best = w;
		}
	}
	if (best && (least <= KERNEL_MISFIT || n >= KERNEL_VIEWS))
		return best;
	w = view_new(b, VIEW_KERNEL, false);
	return w ? w : best;
}

void view_load(struct bt *b)
{
	struct bt_hot *h = b->hot;

	h->win = (uint64_t)(uintptr_t)b->view->win;
	h->win_hi = h->win + WINDOW;
	if (view_gs(b->view))
		h->gs_win = h->win;
	h->table = (uint64_t)(uintptr_t)b->view->table;
	h->side_win[0] = (uint64_t)(uintptr_t)b->kview->win;
	h->side_win[1] = (uint64_t)(uintptr_t)b->uview->win;
}

/* Flat tables take memory: the least recently used views go while there is too much of it. */
static void tables_bound(struct bt *b)
{
	while (b->table_pages > TABLE_PAGES_MAX) {
		struct view *old = NULL;

		for (unsigned i = 0; i < BT_VIEWS; i++) {
			struct view *w = &b->views[i];

			if (w->user && w->table_pages && w != b->uview && w != b->kview && (!old || w->last_use < old->last_use))
				old = w;
		}
		if (!old)
			return;
		view_drop(b, old);
		old->used = false;
	}
}

static void space_switch(struct bt *b, uint64_t cr3)
{
	struct view *old = b->uview, *w;

	b->stat[BS_VIEW_SWITCHES]++;
	if (old && cr3 != VIEW_FLAT && old->cr3 != VIEW_FLAT)
		b->many_spaces = true;
	b->uview = NULL; /* may be recycled */
	b->uview = view_find(b, cr3, true);
	b->flush_pending = true;
	if (!b->uview || cr3 == VIEW_FLAT)
		return;
	tables_bound(b);
	w = b->uview->kernel;
	if (!w || !w->used || w->cr3 != VIEW_KERNEL)
		w = b->uview->kernel = kernel_fit(b);
	b->kview = w;
}

static void flush(struct bt *b)
{
	bool global = b->flush_global;

	b->flush_pending = b->flush_global = false;
	b->stat[BS_FLUSHES]++;
	if (!(b->v->state.cr0 & CR0_PG))
		return;
	for (unsigned i = 0; global && i < BT_VIEWS; i++)
		b->views[i].stale = true;
	validate_view(b, b->kview, b->kview->stale || !(b->v->state.cr4 & CR4_PGE));
	b->kview->stale = false;
	validate_view(b, b->uview, true);
}

void view_sync(struct bt *b)
{
	const struct cpu_state *s = &b->v->state;
	bool paged = s->cr0 & CR0_PG;
	uint64_t cr3 = !paged ? VIEW_FLAT : s->cr4 & CR4_PAE ? s->cr3 & 0xffffffe0u : s->cr3 & 0xfffff000u;

	if (!b->kview || b->kview->cr3 != (paged ? VIEW_KERNEL : VIEW_FLAT)) {
		b->kview = view_find(b, paged ? VIEW_KERNEL : VIEW_FLAT, false);
		b->flush_pending = b->flush_global = true;
	}
	if (b->kview && (!b->uview || b->uview->cr3 != cr3))
		space_switch(b, cr3);
	if (!b->kview || !b->uview) {
		b->view = NULL;
		vm_stop(b->vm, END_HOST, 0, "the host refused 70 GiB of address space for a guest window; see ulimit -v");
		return;
	}
	if (b->flush_pending)
		flush(b);
	b->view = CPL(s) == 3 ? b->uview : b->kview;
	view_load(b);
}
