/*
 * bt_cache.c - the code cache and its indexes: host address to instruction, page to blocks, and the links between blocks.
 *
 * The cache is filled unit by unit; when it is full, the oldest unit is emptied, an eighth of it. Within a unit code is laid
 * down in order and never moved, so its blocks are sorted by host address. A dead block's entries leave the flat tables and
 * the jumps that were chained to it go back to their stubs; its bytes stay until its unit is emptied. Called by
 * bt_translate.c, bt_smc.c, bt_shadow.c and bt_window.c. Read next: bt_share.c.
 */
#include "bt_emit.h"
#include <errno.h>
#include <sys/mman.h>

static void *reserve(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/*
 * Offset 0 is where the flat table's empty entries lead: r9d holds the guest target. Next to it, for no_retpred, the one
 * indirect jump that all returns then share.
 */
static void emit_stubs(struct bt *b)
{
	struct tr t = { .b = b, .p = b->code, .start = b->code };

	emit_mov32(&t, H_R10, H_R9);
	emit_callout(&t, TH_MISS);
	b->lookup = (uint32_t)(t.p - t.start);
	flow_lookup(&t);
	b->code_first = (uint32_t)(t.p - t.start + 15) & ~15u;
}

/* Divides the cache and its indexes; all units are empty. */
static void units_init(struct bt *b)
{
	uint32_t n = b->code_size / (2 * BT_BLOCK_BYTES), blocks, imap, links;

	b->units = n < 1 ? 1 : n > CACHE_UNITS ? CACHE_UNITS : n;
	b->unit_size = b->code_size / b->units;
	b->unit_now = 0;
	blocks = b->max_blocks / b->units;
	imap = b->max_imap / b->units;
	links = b->max_links / b->units;
	for (uint32_t i = 0; i < b->units; i++)
		b->unit[i] = (struct unit){ .code = i ? i * b->unit_size : b->code_first, .code_end = (i + 1) * b->unit_size,
			.blocks = i * blocks, .block_end = (i + 1) * blocks, .imap = i * imap, .imap_end = (i + 1) * imap,
			.links = i * links, .link_end = (i + 1) * links };
}

static uint32_t unit_blocks(const struct bt *b, uint32_t u) { return u * (b->max_blocks / b->units); }

int cache_init(struct bt *b, uint64_t size)
{
	if (size < BT_CODE_MIN)
		size = BT_CODE_MIN;
	if (size > 1ull << 30)
		size = 1ull << 30;
	b->code_size = (uint32_t)((size + PAGE_SIZE - 1) & PAGE_MASK);
	b->max_blocks = b->code_size / 32;
	b->max_imap = b->code_size / 4 + BT_BLOCK_INSNS * CACHE_UNITS;
	b->max_links = b->code_size / 8 + TR_JUMPS * CACHE_UNITS;
	b->area_size = SOFT_BYTES + PAGE_SIZE + b->code_size;
	b->area = mmap(NULL, b->area_size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->area == MAP_FAILED) {
		b->area = NULL;
		return -errno;
	}
	if (mprotect(b->area, SOFT_BYTES + PAGE_SIZE, PROT_READ | PROT_WRITE))
		return -errno;
	b->code = b->area + SOFT_BYTES + PAGE_SIZE;
	b->hot = (struct bt_hot *)(b->code - HOT_SIZE);
	b->blocks = reserve(b->max_blocks * sizeof(*b->blocks));
	b->imap = reserve(b->max_imap * sizeof(*b->imap));
	b->links = reserve(b->max_links * sizeof(*b->links));
	if (!b->blocks || !b->imap || !b->links)
		return -ENOMEM;
	emit_stubs(b);
	units_init(b);
	return 0;
}

void cache_fini(struct bt *b)
{
	if (b->area)
		munmap(b->area, b->area_size);
	if (b->blocks)
		munmap(b->blocks, b->max_blocks * sizeof(*b->blocks));
	if (b->imap)
		munmap(b->imap, b->max_imap * sizeof(*b->imap));
	if (b->links)
		munmap(b->links, b->max_links * sizeof(*b->links));
}

/* Forgets all code. Pages stay write-protected until their next write finds them without blocks. */
void cache_flush(struct bt *b)
{
	for (unsigned i = 0; i < BT_VIEWS; i++) {
		struct view *w = &b->views[i];

		if (!w->table)
			continue;
		madvise(w->table, TABLE_BYTES, MADV_DONTNEED);
		madvise(w->table_used, LIN_PAGES / 8, MADV_DONTNEED);
		w->table_pages = 0;
	}
	b->table_pages = 0;
	for (uint32_t u = 0; u < b->units; u++)
		for (uint32_t i = unit_blocks(b, u); i < b->unit[u].blocks; i++)
			for (int p = 0; p < 2; p++)
				b->pages[b->blocks[i].pfn[p]].blocks = 0;
	units_init(b);
	b->gen++;
	b->flushes++;
	b->fp_seen = false;
}

/* Takes the jumps of a unit, which is going to be emptied, out of the lists of blocks that stay. */
static void links_leave(struct bt *b, uint32_t unit)
{
	uint32_t n = b->max_links / b->units, lo = unit * n, hi = lo + n;

	for (uint32_t u = 0; u < b->units; u++)
		for (uint32_t i = unit_blocks(b, u); u != unit && i < b->unit[u].blocks; i++)
			for (uint32_t *at = &b->blocks[i].links; *at; ) {
				uint32_t l = *at - 1;

				if (l >= lo && l < hi)
					*at = b->links[l].next;
				else
					at = &b->links[l].next;
			}
}

static void unit_empty(struct bt *b, uint32_t unit)
{
	struct unit *u = &b->unit[unit];
	uint32_t n = b->max_blocks / b->units, k = b->max_links / b->units;

	for (uint32_t i = unit * n; i < u->blocks; i++)
		block_kill(b, i);
	links_leave(b, unit);
	u->code = unit ? unit * b->unit_size : b->code_first;
	u->blocks = unit * n;
	u->imap = unit * (b->max_imap / b->units);
	u->links = unit * k;
	b->stat[BS_EVICTIONS]++;
	b->gen++;
	b->flushes++;
}

void cache_room(struct bt *b, uint32_t bytes)
{
	struct unit *u = cache_unit(b);

	if (u->code + bytes <= u->code_end && u->blocks < u->block_end && u->imap + BT_BLOCK_INSNS <= u->imap_end &&
	    u->links + TR_JUMPS <= u->link_end)
		return;
	b->unit_now = (b->unit_now + 1) % b->units;
	if (cache_unit(b)->blocks != unit_blocks(b, b->unit_now))
		unit_empty(b, b->unit_now);
}

void cache_kill_view(struct bt *b, uint32_t view)
{
	for (uint32_t u = 0; u < b->units; u++)
		for (uint32_t i = unit_blocks(b, u); i < b->unit[u].blocks; i++)
			if (!b->blocks[i].user && b->blocks[i].view == view)
				block_kill(b, i);
}

struct block *block_of_host(struct bt *b, uint64_t rip)
{
	uint64_t off = rip - (uint64_t)(uintptr_t)b->code;
	uint32_t u, lo, hi, first;

	if (off >= (uint64_t)b->units * b->unit_size)
		return NULL;
	u = (uint32_t)off / b->unit_size;
	lo = first = unit_blocks(b, u);
	hi = b->unit[u].blocks;
	while (hi > lo + 1) {
		uint32_t mid = (lo + hi) / 2;
		if (b->blocks[mid].host <= off)
			lo = mid;
		else
			hi = mid;
	}
	if (hi <= first || off < b->blocks[lo].host || off >= b->blocks[lo].host + b->blocks[lo].host_len)
		return NULL;
	return &b->blocks[lo];
}

/* The guest instruction whose host code holds rip. Stubs after the last instruction count as part of it. */
const struct imap *block_insn(struct bt *b, const struct block *k, uint64_t rip)
{
	uint32_t off = (uint32_t)(rip - (uint64_t)(uintptr_t)b->code) - k->host;
	const struct imap *m = b->imap + k->imap;
	uint32_t lo = 0, hi = k->insns;

	while (hi - lo > 1) {
		uint32_t mid = (lo + hi) / 2;
		if (m[mid].host <= off)
			lo = mid;
		else
			hi = mid;
	}
	return &m[lo];
}

static void patch(struct bt *b, uint32_t site, uint32_t to)
{
	int32_t rel = (int32_t)(to - (site + 4));

	memcpy(b->code + site, &rel, 4);
}

void link_set(struct bt *b, uint32_t link, uint32_t block, uint32_t host)
{
	struct link *l = &b->links[link];
	const struct block *k = &b->blocks[block];

	/* User code: only within the page, as another process may have another one next to it. */
	if (l->pfn != LINK_ANY && (!k->user || k->pfn[0] != l->pfn || (k->start ^ (k->start + k->len - 1)) >> PAGE_SHIFT))
		return;
	l->next = b->blocks[block].links;
	b->blocks[block].links = link + 1;
	patch(b, l->site, host);
}

static void page_unlist(struct bt *b, uint32_t index, uint32_t pfn)
{
	uint32_t *at = &b->pages[pfn].blocks;

	while (*at && *at != index + 1) {
		struct block *k = &b->blocks[*at - 1];
		at = &k->next[k->pfn[0] == pfn ? 0 : 1];
	}
	if (*at) {
		struct block *k = &b->blocks[index];
		*at = k->next[k->pfn[0] == pfn ? 0 : 1];
	}
}

void block_kill(struct bt *b, uint32_t index)
{
	struct block *k = &b->blocks[index];
	uint32_t *table = b->views[k->view].table;

	if (k->dead)
		return;
	k->dead = true;
	b->gen++;
	if (k->user)
		share_remove(b, k);
	for (uint32_t i = 0; !k->user && i < k->insns; i++) {
		const struct imap *m = &b->imap[k->imap + i];
		uint32_t eip = k->start + imap_guest(m);
		if (table[eip] == k->host + m->host)
			table[eip] = 0;
	}
	for (uint32_t l = k->links; l; l = b->links[l - 1].next)
		patch(b, b->links[l - 1].site, b->links[l - 1].stub);
	k->links = 0;
	page_unlist(b, index, k->pfn[0]);
	if (k->pfn[1] != k->pfn[0])
		page_unlist(b, index, k->pfn[1]);
}

void block_kill_at(struct bt *b, uint32_t eip)
{
	for (uint32_t u = 0; u < b->units; u++)
		for (uint32_t i = unit_blocks(b, u); i < b->unit[u].blocks; i++)
			if (!b->blocks[i].dead && eip - b->blocks[i].start < b->blocks[i].len)
				block_kill(b, i);
}

/* Kills the blocks translated from bytes [off, off+len) of a physical page. */
void block_kill_range(struct bt *b, uint32_t pfn, uint32_t off, uint32_t len)
{
	uint32_t next;

	for (uint32_t i = b->pages[pfn].blocks; i; i = next) {
		struct block *k = &b->blocks[i - 1];
		/* Offsets from its first page; one more, as the translator may look at the next instruction's first byte. */
		uint32_t from = k->start & (PAGE_SIZE - 1), to = from + k->len + 1;
		bool first = k->pfn[0] == pfn;

		next = k->next[first ? 0 : 1];
		if ((first && from < off + len && off < to) ||
		    (k->pfn[1] == pfn && to > PAGE_SIZE && off < to - PAGE_SIZE))
			block_kill(b, i - 1);
	}
}

/* Kills the blocks of one linear page in one view: its translation has changed. */
void block_kill_linear(struct bt *b, const struct view *w, uint32_t pfn, uint32_t linpage)
{
	uint32_t next, view = (uint32_t)(w - b->views);

	for (uint32_t i = b->pages[pfn].blocks; i; i = next) {
		struct block *k = &b->blocks[i - 1];

		next = k->next[k->pfn[0] == pfn ? 0 : 1];
		if (!k->user && k->view == view && (k->start >> PAGE_SHIFT == linpage || (k->start + k->len - 1) >> PAGE_SHIFT == linpage))
			block_kill(b, i - 1);
	}
}
