/*
 * bt_window.c - windows: 4 GiB of host address space for each guest address space and privilege, between guard zones.
 *
 * A window's base is a multiple of 4 GiB. Translated code adds a zero-extended 32-bit register and a displacement to it,
 * which cannot reach past the guards, so whatever the guest computes it names its own memory or nothing. Switching
 * address space or privilege is the choice of another base. Windows are recycled, least recently used first. Read next:
 * bt_shadow.c, which puts pages into them.
 */
#include "bt_private.h"
#include <errno.h>
#include <sys/mman.h>

static void *map_none(void *at, size_t n, int prot, int extra)
{
	void *p = mmap(at, n, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | extra, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int view_reserve(struct view *w)
{
	if (w->region)
		return 0;
	w->region = map_none(NULL, GUARD + WINDOW + GUARD + WINDOW, PROT_NONE, 0);
	w->table = map_none(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, 0);
	w->shadow = map_none(NULL, LIN_PAGES * sizeof(*w->shadow), PROT_READ | PROT_WRITE, 0);
	if (!w->region || !w->table || !w->shadow)
		return -ENOMEM;
	w->win = (uint8_t *)(((uintptr_t)w->region + GUARD + WINDOW - 1) & ~(uintptr_t)(WINDOW - 1));
	return 0;
}

void view_release(struct bt *b, struct view *w)
{
	(void)b;
	if (w->region)
		munmap(w->region, GUARD + WINDOW + GUARD + WINDOW);
	if (w->table)
		munmap(w->table, TABLE_BYTES);
	if (w->shadow)
		munmap(w->shadow, LIN_PAGES * sizeof(*w->shadow));
	memset(w, 0, sizeof(*w));
}

void view_drop(struct bt *b, struct view *w)
{
	uint16_t self = (uint16_t)(w - b->views);

	if (w->other)
		w->other->other = NULL;
	w->other = NULL;
	shadow_forget(b, w);
	for (uint32_t i = 0; i < b->nblocks; i++)
		if (b->blocks[i].view == self)
			block_kill(b, i);
	map_none(w->win, WINDOW, PROT_NONE, MAP_FIXED);
	b->maps -= w->maps;
	w->maps = 0;
}

void view_drop_all(struct bt *b)
{
	cache_flush(b);
	for (unsigned i = 0; i < BT_VIEWS; i++) {
		if (!b->views[i].used)
			continue;
		view_drop(b, &b->views[i]);
		if (&b->views[i] != b->view)
			b->views[i].used = false;
	}
}

/* A view for an address space: an existing one, a fresh one, or the least recently used, emptied. NULL: no memory. */
struct view *view_find(struct bt *b, uint64_t cr3, bool user)
{
	struct view *pick = NULL;

	for (unsigned i = 0; i < BT_VIEWS; i++) {
		struct view *w = &b->views[i];

		if (w->used && w->cr3 == cr3 && w->user == user) {
			w->last_use = ++b->use_clock;
			return w;
		}
		if (!pick || (pick->used && (!w->used || w->last_use < pick->last_use)))
			pick = w;
	}
	if (pick->used)
		view_drop(b, pick);
	if (view_reserve(pick))
		return NULL;
	pick->used = true;
	pick->user = user;
	pick->cr3 = cr3;
	pick->pt_epoch = b->pt_epoch;
	pick->last_use = ++b->use_clock;
	if (cr3 != VIEW_FLAT)
		shadow_trace_tables(b, cr3);
	return pick;
}
