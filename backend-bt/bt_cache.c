/*
 * bt_cache.c - the code cache and its indexes: host address to instruction, page to blocks, and the links between blocks.
 *
 * Code is laid down in order and never moved; blocks are therefore sorted by host address. A dead block's entries leave
 * the flat table and the jumps that were chained to it go back to their stubs; its bytes stay until the cache is full,
 * when everything is flushed at once. Called by bt_translate.c, bt_smc.c and bt_shadow.c.
 */
#include "bt_emit.h"
#include <errno.h>
#include <sys/mman.h>

static void *reserve(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Offset 0 is where the flat table's empty entries lead: r9d holds the guest target. */
static void emit_miss_stub(struct bt *b)
{
	struct tr t = { .b = b, .p = b->code, .start = b->code };

	emit_mov32(&t, H_R10, H_R9);
	emit_call_hot(&t, HOT_THUNK(TH_MISS));
	b->code_first = b->code_used = (uint32_t)(t.p - t.start + 15) & ~15u;
}

int cache_init(struct bt *b, uint64_t size)
{
	if (size < BT_CODE_MIN)
		size = BT_CODE_MIN;
	if (size > 1ull << 30)
		size = 1ull << 30;
	b->code_size = (uint32_t)((size + PAGE_SIZE - 1) & PAGE_MASK);
	b->max_blocks = b->code_size / 32;
	b->max_imap = b->code_size / 4 + BT_BLOCK_INSNS;
	b->max_links = b->code_size / 8 + TR_JUMPS;
	b->area_size = PAGE_SIZE + b->code_size;
	b->area = mmap(NULL, b->area_size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->area == MAP_FAILED) {
		b->area = NULL;
		return -errno;
	}
	if (mprotect(b->area, PAGE_SIZE, PROT_READ | PROT_WRITE))
		return -errno;
	b->code = b->area + PAGE_SIZE;
	b->hot = (struct bt_hot *)(b->code - HOT_SIZE);
	b->blocks = reserve(b->max_blocks * sizeof(*b->blocks));
	b->imap = reserve(b->max_imap * sizeof(*b->imap));
	b->links = reserve(b->max_links * sizeof(*b->links));
	if (!b->blocks || !b->imap || !b->links)
		return -ENOMEM;
	emit_miss_stub(b);
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

/* Forgets all code. Pages stay write-protected until their next soft write finds them without blocks. */
void cache_flush(struct bt *b)
{
	for (unsigned i = 0; i < BT_VIEWS; i++)
		if (b->views[i].used)
			madvise(b->views[i].table, TABLE_BYTES, MADV_DONTNEED);
	for (uint32_t i = 0; i < b->nblocks; i++)
		for (int p = 0; p < 2; p++)
			b->pages[b->blocks[i].pfn[p]].blocks = 0;
	b->nblocks = b->nimap = b->nlinks = 0;
	b->code_used = b->code_first;
	b->gen++;
	b->flushes++;
	b->fp_seen = false;
}

struct block *block_of_host(struct bt *b, uint64_t rip)
{
	uint32_t off = (uint32_t)(rip - (uint64_t)(uintptr_t)b->code), lo = 0, hi = b->nblocks;

	if (rip < (uint64_t)(uintptr_t)b->code || rip >= (uint64_t)(uintptr_t)b->code + b->code_used)
		return NULL;
	while (hi - lo > 1) {
		uint32_t mid = (lo + hi) / 2;
		if (b->blocks[mid].host <= off)
			lo = mid;
		else
			hi = mid;
	}
	if (lo >= b->nblocks || off < b->blocks[lo].host || off >= b->blocks[lo].host + b->blocks[lo].host_len)
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
	for (uint32_t i = 0; i < k->insns; i++) {
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
	for (uint32_t i = 0; i < b->nblocks; i++)
		if (!b->blocks[i].dead && eip - b->blocks[i].start < b->blocks[i].len)
			block_kill(b, i);
}

/* Kills the blocks translated from bytes [off, off+len) of a physical page. */
void block_kill_range(struct bt *b, uint32_t pfn, uint32_t off, uint32_t len)
{
	uint32_t next;

	for (uint32_t i = b->pages[pfn].blocks; i; i = next) {
		struct block *k = &b->blocks[i - 1];
		uint32_t from = k->start & (PAGE_SIZE - 1), to = from + k->len; /* offsets from its first page */
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
		if (k->view == view && (k->start >> PAGE_SHIFT == linpage || (k->start + k->len - 1) >> PAGE_SHIFT == linpage))
			block_kill(b, i - 1);
	}
}
