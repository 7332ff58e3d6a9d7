/*
 * bt_share.c - translations of user code, shared by all processes: from the physical page into a view's flat table.
 *
 * A block of user code depends on its bytes and its linear address, not on the process. It hangs off its physical page;
 * the first time a view executes from (linear page, physical page), all that page's blocks go into the view's flat table at
 * once, and SH_CODE says so: from then on new blocks are added to every such view, and dead ones removed. An
 * instruction that straddles two pages is a block of its own, installed one by one, as it depends on both (SH_TAIL).
 * Called by bt_translate.c, bt_cache.c and bt_shadow.c. Read next: bt_cache.c.
 */
#include "bt_private.h"
#include <sys/mman.h>

#define TAIL 15u /* longest instruction */

static bool straddles(const struct block *k)
{
	return (k->start ^ (k->start + k->len - 1)) >> PAGE_SHIFT;
}

void share_touch(struct bt *b, struct view *w, uint32_t linpage)
{
	uint64_t bit = 1ull << (linpage % 64);

	if (w->table_used[linpage / 64] & bit)
		return;
	w->table_used[linpage / 64] |= bit;
	w->table_pages++;
	b->table_pages++;
}

static void install_block(struct bt *b, struct view *w, const struct block *k)
{
	const struct imap *m = b->imap + k->imap;

	for (uint32_t i = 0; i < k->insns; i++)
		w->table[k->start + imap_guest(&m[i])] = k->host + m[i].host;
}

static void install_page(struct bt *b, struct view *w, uint32_t lp, uint32_t pfn)
{
	for (uint32_t i = b->pages[pfn].blocks; i; ) {
		const struct block *k = &b->blocks[i - 1];

		i = k->next[k->pfn[0] == pfn ? 0 : 1];
		if (k->user && k->start >> PAGE_SHIFT == lp && !straddles(k))
			install_block(b, w, k);
	}
	share_touch(b, w, lp);
	b->stat[BS_INSTALLS]++;
}

/* An instruction at the end of lp that goes on in the next page. */
static bool install_straddler(struct bt *b, struct view *w, uint32_t eip, uint32_t pfn)
{
	struct walk k2 = { .levels = 0 };
	bool walked = false;

	for (uint32_t i = b->pages[pfn].blocks; i; ) {
		const struct block *k = &b->blocks[i - 1];

		i = k->next[k->pfn[0] == pfn ? 0 : 1];
		if (!k->user || k->start != eip || !straddles(k) || k->pfn[0] != pfn)
			continue;
		if (!walked && !code_page(b, (eip & (uint32_t)PAGE_MASK) + PAGE_SIZE, &k2))
			return false;
		walked = true;
		if (k2.gpa.a >> PAGE_SHIFT != k->pfn[1])
			continue;
		shadow_code(b, w, eip + PAGE_SIZE, &k2, SH_TAIL);
		install_block(b, w, k);
		return true;
	}
	return false;
}

bool share_install(struct bt *b, uint32_t eip)
{
	struct view *w = b->view;
	uint32_t lp = eip >> PAGE_SHIFT, pfn;
	struct walk k;

	if (!code_page(b, eip, &k))
		return false;
	pfn = (uint32_t)(k.gpa.a >> PAGE_SHIFT);
	if (w->shadow[lp] >> SH_SHIFT != pfn || !(w->shadow[lp] & SH_CODE)) {
		shadow_code(b, w, eip, &k, SH_CODE);
		install_page(b, w, lp, pfn);
	}
	if (w->table[eip])
		return true;
	return eip % PAGE_SIZE > PAGE_SIZE - TAIL && install_straddler(b, w, eip, pfn);
}

/* The views that have a user block's page installed, one after the other: *at is an index + 1 into b->rmaps. */
static struct view *next_view(struct bt *b, uint32_t *at, uint32_t lp)
{
	while (*at) {
		const struct rmap *r = &b->rmaps[*at - 1];
		struct view *w = &b->views[r->lin_view & 0xff];

		*at = r->next;
		if (r->lin_view >> 8 == lp && w->user && (w->shadow[lp] & SH_CODE))
			return w;
	}
	return NULL;
}

void share_added(struct bt *b, uint32_t block)
{
	const struct block *k = &b->blocks[block];
	uint32_t at = b->pages[k->pfn[0]].rmap, lp = k->start >> PAGE_SHIFT;
	struct view *w;

	if (straddles(k)) {
		install_block(b, b->view, k);
		return;
	}
	while ((w = next_view(b, &at, lp)))
		install_block(b, w, k);
}

void share_remove(struct bt *b, const struct block *k)
{
	uint32_t at = b->pages[k->pfn[0]].rmap, lp = k->start >> PAGE_SHIFT;
	const struct imap *m = b->imap + k->imap;
	struct view *w;

	while ((w = next_view(b, &at, lp)))
		for (uint32_t i = 0; i < k->insns; i++) {
			uint32_t *t = &w->table[k->start + imap_guest(&m[i])];

			if (*t == k->host + m[i].host)
				*t = 0;
		}
}

void share_clear(struct bt *b, struct view *w, uint32_t linpage, uint32_t flags)
{
	uint32_t *page = w->table + ((uint64_t)linpage << PAGE_SHIFT);

	(void)b;
	if (flags & SH_CODE)
		memset(page, 0, PAGE_SIZE * sizeof(*page));
	if ((flags & SH_TAIL) && linpage)
		memset(page - TAIL, 0, TAIL * sizeof(*page));
}

void share_forget(struct bt *b, struct view *w)
{
	if (w->table_pages > TABLE_PAGES_KEPT || b->table_pages > TABLE_PAGES_MAX) {
		madvise(w->table, TABLE_BYTES, MADV_DONTNEED);
		madvise(w->table_used, LIN_PAGES / 8, MADV_DONTNEED);
		b->table_pages -= w->table_pages;
		w->table_pages = 0;
		return;
	}
	for (uint32_t s = 0; s < SPANS; s++) {
		if (!(w->spans[s / 64] & 1ull << (s % 64)))
			continue;
		for (uint32_t lp = s * SPAN_PAGES; lp < (s + 1) * SPAN_PAGES; lp++)
			if (w->shadow[lp] & (SH_CODE | SH_TAIL))
				share_clear(b, w, lp, w->shadow[lp]);
	}
}
