/*
 * bt_shadow.c - shadow pages: the guest's page tables, as host mappings of its RAM in a window.
 *
 * A host page fault in a window is answered from the guest's own tables (walk.c): a present page is mapped, with its
 * neighbours where they are physically contiguous; read-only until the guest has set its dirty bit, and as long as
 * code that was translated from the physical page lives. The guest's tables themselves are not protected: what an entry was
 * made from is kept beside it, and compared when the guest flushes its TLB (bt_validate.c). Called by bt_fault.c and
 * bt_translate.c. Read next: walk.h, bt_validate.c.
 */
#include "bt_private.h"
#include <sys/mman.h>

#define FLAT_PAGES 1024u

static bool paging(const struct bt *b) { return b->v->state.cr0 & CR0_PG; }

/* --- which (view, linear page) pairs name a physical page --- */

static void rmap_add(struct bt *b, const struct view *w, uint32_t linpage, uint32_t pfn)
{
	uint32_t i;

	if (b->rmap_free) {
		i = b->rmap_free - 1;
		b->rmap_free = b->rmaps[i].next;
	} else {
		i = b->nrmaps++;
		assert(i < b->max_rmaps);
	}
	b->rmaps[i] = (struct rmap){ linpage << 8 | (uint32_t)(w - b->views), b->pages[pfn].rmap };
	b->pages[pfn].rmap = i + 1;
	b->rmaps_used++;
}

static void rmap_remove(struct bt *b, const struct view *w, uint32_t linpage, uint32_t pfn)
{
	uint32_t key = linpage << 8 | (uint32_t)(w - b->views), *at = &b->pages[pfn].rmap;

	for (; *at; at = &b->rmaps[*at - 1].next) {
		uint32_t i = *at - 1;
		if (b->rmaps[i].lin_view != key)
			continue;
		*at = b->rmaps[i].next;
		b->rmaps[i].next = b->rmap_free;
		b->rmap_free = i + 1;
		b->rmaps_used--;
		return;
	}
}

/* --- entries --- */

static void span_mark(struct view *w, uint32_t linpage, bool global)
{
	uint32_t s = linpage / SPAN_PAGES, i = linpage % SPAN_PAGES;

	w->span[s].have[i / 64] |= 1ull << (i % 64);
	w->spans[s / 64] |= 1ull << (s % 64);
	if (global) {
		w->span[s].local[i / 64] &= ~(1ull << (i % 64));
	} else {
		w->span[s].local[i / 64] |= 1ull << (i % 64);
		w->local_spans[s / 64] |= 1ull << (s % 64);
	}
}

/* Makes or changes an entry; flags and code of one for another physical page are gone. */
static void entry_set(struct bt *b, struct view *w, uint32_t linpage, uint32_t pfn, uint32_t flags, uint64_t pte)
{
	uint32_t e = w->shadow[linpage];

	if (e && e >> SH_SHIFT != pfn) {
		shadow_entry_clear(b, w, linpage);
		e = 0;
	}
	if (!e)
		rmap_add(b, w, linpage, pfn);
	if ((flags & SH_MAPPED) && !(e & SH_MAPPED))
		w->mapped++;
	flags |= e & (SH_CODE | SH_TAIL);
	w->shadow[linpage] = pfn << SH_SHIFT | flags;
	w->pte[linpage] = pte;
	span_mark(w, linpage, flags & SH_GLOBAL);
}

void shadow_entry_clear(struct bt *b, struct view *w, uint32_t linpage)
{
	uint32_t e = w->shadow[linpage], s = linpage / SPAN_PAGES, i = linpage % SPAN_PAGES;

	if (!e)
		return;
	if (e & (SH_CODE | SH_TAIL)) {
		b->gen++;
		if (w->user)
			share_clear(b, w, linpage, e);
		else
			block_kill_linear(b, w, e >> SH_SHIFT, linpage);
	}
	rmap_remove(b, w, linpage, e >> SH_SHIFT);
	w->mapped -= e & SH_MAPPED;
	w->shadow[linpage] = 0;
	w->span[s].have[i / 64] &= ~(1ull << (i % 64));
	w->span[s].local[i / 64] &= ~(1ull << (i % 64));
}

void shadow_forget(struct bt *b, struct view *w)
{
	for (uint32_t s = 0; s < SPANS; s++) {
		struct span *p = &w->span[s];

		if (!(w->spans[s / 64] & 1ull << (s % 64)))
			continue;
		for (uint32_t i = 0; i < SPAN_PAGES / 64; i++) {
			for (uint64_t m = p->have[i]; m; m &= m - 1) {
				uint32_t lp = s * SPAN_PAGES + i * 64 + (uint32_t)__builtin_ctzll(m);

				rmap_remove(b, w, lp, w->shadow[lp] >> SH_SHIFT);
				w->shadow[lp] = 0;
			}
		}
		memset(p, 0, sizeof(*p));
	}
	memset(w->spans, 0, sizeof(w->spans));
	memset(w->local_spans, 0, sizeof(w->local_spans));
	w->mapped = 0;
}

/* --- host mappings --- */

static uint8_t *host_page(const struct view *w, uint32_t linpage) { return w->win + ((uint64_t)linpage << PAGE_SHIFT); }

static void maps_add(struct bt *b, struct view *w, uint32_t n)
{
	w->maps += n;
	b->maps += n;
}

void shadow_unmap(struct bt *b, struct view *w, uint32_t linpage, uint32_t n)
{
	mmap(host_page(w, linpage), (size_t)n << PAGE_SHIFT, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	b->stat[BS_UNMAPS]++;
	maps_add(b, w, 1);
}

static bool host_protect(struct bt *b, struct view *w, uint32_t linpage, uint32_t n, bool writable)
{
	b->stat[BS_PROTECTS]++;
	maps_add(b, w, 2);
	return !mprotect(host_page(w, linpage), (size_t)n << PAGE_SHIFT, PROT_READ | (writable ? PROT_WRITE : 0));
}

void shadow_readonly(struct bt *b, struct view *w, uint32_t linpage, uint32_t n)
{
	host_protect(b, w, linpage, n, false);
}

static bool host_map(struct bt *b, struct view *w, uint32_t linpage, uint32_t pfn, uint32_t n, bool writable)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0), flags = MAP_SHARED | MAP_FIXED | (n <= 16 ? MAP_POPULATE : 0), fd;
	uint64_t off;

	b->stat[BS_MAPS]++;
	maps_add(b, w, 2);
	fd = mem_backing(&b->vm->mem, GPA((uint64_t)pfn << PAGE_SHIFT), &off);
	return mmap(host_page(w, linpage), (size_t)n << PAGE_SHIFT, prot, flags, fd, (off_t)off) != MAP_FAILED;
}

/* --- filling --- */

/* What a fault is answered with: n pages, all under one directory entry or without paging. */
struct range {
	uint32_t linpage, pfn, n;
	uint64_t pte[16]; /* for 4 KiB pages; else the directory entry, in pte[0] */
	bool large, writable, global;
};

static bool page_writable(const struct bt *b, uint32_t pfn, bool writable)
{
	return writable && !(b->pages[pfn].flags & PG_PROTECTED);
}

/* Maps the range, in runs of equal protection, leaving out what is mapped as wanted already. */
static bool map_range(struct bt *b, struct view *w, const struct range *r)
{
	for (uint32_t i = 0, run; i < r->n; i += run) {
		bool wr = page_writable(b, r->pfn + i, r->writable);
		uint32_t flags = SH_MAPPED | (wr ? SH_WRITE : 0) | (r->global ? SH_GLOBAL : 0);
		uint32_t first = w->shadow[r->linpage + i];

		if (first >> SH_SHIFT == r->pfn + i && (first & (SH_MAPPED | SH_WRITE)) == (flags & (SH_MAPPED | SH_WRITE))) {
			run = 1;
			continue;
		}
		if ((first & SH_MAPPED) && first >> SH_SHIFT == r->pfn + i) { /* another protection */
			entry_set(b, w, r->linpage + i, r->pfn + i, flags, r->pte[r->large ? 0 : i]);
			run = 1;
			if (!host_protect(b, w, r->linpage + i, 1, wr))
				return false;
			continue;
		}
		for (run = 0; i + run < r->n && page_writable(b, r->pfn + i + run, r->writable) == wr; run++) {
			uint32_t lp = r->linpage + i + run, e = w->shadow[lp], p = r->pfn + i + run;

			if (run && e >> SH_SHIFT == p && (e & SH_MAPPED) && !(e & SH_WRITE) != !wr)
				break;
			entry_set(b, w, lp, p, flags, r->pte[r->large ? 0 : i + run]);
		}
		b->stat[BS_FILLED_PAGES] += run;
		if (!host_map(b, w, r->linpage + i, r->pfn + i, run, wr))
			return false;
	}
	return true;
}

uint64_t shadow_table_entry(const struct bt *b, gpa_t gpa, unsigned size)
{
	const void *p = mem_ptr(&b->vm->mem, gpa, size);
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, size);
	return v;
}

/* Fault-around for 4 KiB pages: neighbours in the same 64 KiB whose entries continue this one, flags and all. */
static void extend(const struct bt *b, const struct walk *k, uint32_t lp, struct range *r)
{
	const uint64_t avl = 0xe00;
	gpa_t at = k->entry[k->levels - 1];
	uint64_t pte = shadow_table_entry(b, at, k->entry_size), all[32];
	uint32_t lo = lp & 15u, first = 16, last = 16;

	all[16] = pte;
	while (first > 16 - lo && is_ram(b, r->pfn - (16 - first) - 1)) {
		uint32_t d = 16 - first + 1;

		all[first - 1] = shadow_table_entry(b, GPA(at.a - d * k->entry_size), k->entry_size);
		if ((all[first - 1] ^ (pte - ((uint64_t)d << PAGE_SHIFT))) & ~avl)
			break;
		first--;
	}
	while (last < 31 - lo && is_ram(b, r->pfn + (last + 1 - 16))) {
		uint32_t d = last + 1 - 16;

		all[last + 1] = shadow_table_entry(b, GPA(at.a + d * k->entry_size), k->entry_size);
		if ((all[last + 1] ^ (pte + ((uint64_t)d << PAGE_SHIFT))) & ~avl)
			break;
		last++;
	}
	r->linpage = lp - (16 - first);
	r->pfn -= 16 - first;
	r->n = last - first + 1;
	memcpy(r->pte, all + first, r->n * sizeof(all[0]));
}

/* A large page, or 4 MiB of the flat address space; just one page of it that is there already. */
static void range_large(const struct bt *b, const struct view *w, uint32_t lp, uint32_t pages, struct range *r)
{
	uint32_t off = lp & (pages - 1), e = w->shadow[lp], end;

	r->large = true;
	if (off > r->pfn || ((e & SH_MAPPED) && e >> SH_SHIFT == r->pfn))
		return;
	r->linpage = lp - off;
	r->pfn -= off;
	end = r->pfn < b->npages ? b->npages : b->all_pages;
	r->n = pages < end - r->pfn ? pages : end - r->pfn;
}

/* Entries of a span are all made under one directory entry: when that has changed, they are compared first. */
static void span_prepare(struct bt *b, struct view *w, uint32_t lp, const struct walk *k)
{
	unsigned level = k->page_size == PAGE_SIZE ? k->levels - 2u : k->levels - 1u;
	uint64_t pde = shadow_table_entry(b, k->entry[level], k->entry_size);
	uint32_t s = lp / SPAN_PAGES;

	if (w->span[s].pde == pde)
		return;
	if (w->spans[s / 64] & 1ull << (s % 64))
		validate_span(b, w, s, pde);
	w->span[s].pde = pde;
}

static void span_prepare_all(struct bt *b, struct view *w, uint32_t lp, const struct walk *k)
{
	if (!k->levels)
		return;
	span_prepare(b, w, lp, k);
	if (k->page_size > SPAN_PAGES * PAGE_SIZE)
		span_prepare(b, w, lp ^ SPAN_PAGES, k);
}

/*
 * Answers a fault at lin in view w. FILL_FAULT: the guest's own page fault, with its error code, if w's privilege is the
 * access's; FILL_MMIO: not RAM; FILL_PROTECTED: a write to a page that must stay read-only; FILL_USER: a page of the user's,
 * which is not mapped in the kernel's window unless force says so.
 */
enum fill shadow_fill(struct bt *b, struct view *w, uint32_t lin, bool write, bool force, uint32_t *error)
{
	bool wp = !w->user && !(b->v->state.cr0 & CR0_WP);
	uint32_t lp = lin >> PAGE_SHIFT, err, pfn;
	struct range r = { .linpage = lp, .n = 1 };
	struct walk k;

	err = walk_page(&b->v->state, &b->vm->mem, GVA(lin), (write ? ACCESS_W : 0) | (w->user ? ACCESS_USER : 0), true, &k);
	if (err) {
		*error = err & ~WALK_FAULT;
		return FILL_FAULT;
	}
	r.pfn = pfn = (uint32_t)(k.gpa.a >> PAGE_SHIFT);
	if (!is_ram(b, pfn))
		return FILL_MMIO;
	if (!w->user && k.user && k.levels && !k.global && b->many_spaces && !force)
		return FILL_USER;
	if (write && (b->pages[pfn].flags & PG_TABLE))
		validate_table_written(b, pfn);
	if (write && (b->pages[pfn].flags & PG_CODE) && !smc_page_write(b, pfn))
		return FILL_PROTECTED;
	r.writable = !paging(b) || ((k.writable || wp) && (write || k.dirty));
	r.global = k.global && !w->user;
	view_maps_bound(b);
	span_prepare_all(b, w, lp, &k);
	if (!paging(b))
		range_large(b, w, lp, FLAT_PAGES, &r);
	else if (k.page_size != PAGE_SIZE)
		range_large(b, w, lp, k.page_size / PAGE_SIZE, &r);
	else
		extend(b, &k, lp, &r);
	if (r.large)
		r.pte[0] = k.levels ? shadow_table_entry(b, k.entry[k.levels - 1], k.entry_size) : 0;
	b->stat[BS_FILLS]++;
	if (!map_range(b, w, &r)) {
		view_drop_all(b);
		span_prepare_all(b, w, lp, &k);
		if (!map_range(b, w, &r))
			vm_stop(b->vm, END_HOST, 0, "the host refused to map guest memory; see vm.max_map_count and ulimit -v");
	}
	return FILL_OK;
}

void shadow_protect(struct bt *b, uint32_t pfn, uint8_t flag)
{
	struct page_info *p = &b->pages[pfn];
	bool already = p->flags & PG_PROTECTED;

	p->flags |= flag;
	if (already)
		return;
	for (uint32_t i = p->rmap; i; i = b->rmaps[i - 1].next) {
		struct view *w = &b->views[b->rmaps[i - 1].lin_view & 0xff];
		uint32_t lp = b->rmaps[i - 1].lin_view >> 8;

		if (!(w->shadow[lp] & SH_WRITE))
			continue;
		w->shadow[lp] &= ~SH_WRITE;
		host_protect(b, w, lp, 1, false);
	}
	soft_tlb_protect(b, pfn);
}

void shadow_code(struct bt *b, struct view *w, uint32_t lin, const struct walk *k, uint32_t flags)
{
	uint32_t lp = lin >> PAGE_SHIFT, pfn = (uint32_t)(k->gpa.a >> PAGE_SHIFT), e;

	span_prepare_all(b, w, lp, k);
	e = w->shadow[lp];
	if (e && e >> SH_SHIFT != pfn) {
		shadow_drop_page(b, w, lp);
		e = 0;
	}
	if (e) {
		w->shadow[lp] = e | flags;
		return;
	}
	entry_set(b, w, lp, pfn, k->global && !w->user ? SH_GLOBAL : 0,
		k->levels ? shadow_table_entry(b, k->entry[k->levels - 1], k->entry_size) : 0);
	w->shadow[lp] |= flags;
}

void shadow_drop_page(struct bt *b, struct view *w, uint32_t linpage)
{
	bool mapped = w->shadow[linpage] & SH_MAPPED;

	shadow_entry_clear(b, w, linpage);
	if (mapped)
		shadow_unmap(b, w, linpage, 1);
}
