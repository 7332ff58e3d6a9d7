/*
 * bt_shadow.c - shadow pages: the guest's page tables, as host mappings of its RAM in a window.
 *
 * A host page fault in a window is answered from the guest's own tables (walk.c): a present page is mapped, with its
 * neighbours where they are physically contiguous; read-only until the guest has set its dirty bit, and as long as
 * the physical page is protected because code was translated from it or because it is a live page table (a trace).
 * INVLPG and MOV to CR3 compare entries with the tables again and drop what has changed; with traces, a CR3 load after
 * which no table was written costs nothing. Called by bt_fault.c, bt_smc.c and bt.c. Read next: walk.h, bt_window.c.
 */
#include "bt_private.h"
#include <stdlib.h>
#include <sys/mman.h>

#define REGION_PAGES 1024u
#define PTE_P 1u
#define PTE_PS 0x80u
#define PTE_A 0x20u
#define PTE_D 0x40u

static bool paging(const struct bt *b) { return b->v->state.cr0 & CR0_PG; }

/* --- which (view, linear page) pairs map a physical page --- */

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
		return;
	}
}

static void region_mark(struct view *w, uint32_t linpage)
{
	uint32_t r = linpage / REGION_PAGES;

	w->filled[r / 64] |= 1ull << (r % 64);
}

void shadow_large(struct view *w, uint32_t lin, const struct walk *k)
{
	if (k->page_size > PAGE_SIZE)
		w->large[lin >> 28] |= 1ull << (lin >> 22 & 63);
}

/* Removes an entry; the caller sees to the host mapping. */
static void entry_clear(struct bt *b, struct view *w, uint32_t linpage)
{
	uint32_t e = w->shadow[linpage];

	if (e & SH_MAPPED)
		rmap_remove(b, w, linpage, e >> SH_SHIFT);
	if (e & SH_CODE)
		block_kill_linear(b, w, e >> SH_SHIFT, linpage);
	w->shadow[linpage] = 0;
}

void shadow_forget(struct bt *b, struct view *w)
{
	for (uint32_t r = 0; r < LIN_PAGES / REGION_PAGES; r++) {
		if (!(w->filled[r / 64] & 1ull << (r % 64)))
			continue;
		for (uint32_t i = 0; i < REGION_PAGES; i++) {
			uint32_t lp = r * REGION_PAGES + i, e = w->shadow[lp];
			if (e & SH_MAPPED)
				rmap_remove(b, w, lp, e >> SH_SHIFT);
		}
	}
	madvise(w->shadow, LIN_PAGES * sizeof(*w->shadow), MADV_DONTNEED);
	memset(w->filled, 0, sizeof(w->filled));
	memset(w->large, 0, sizeof(w->large));
}

/* --- mapping --- */

static uint8_t *host_page(const struct view *w, uint32_t linpage) { return w->win + ((uint64_t)linpage << PAGE_SHIFT); }

static void host_unmap(struct bt *b, struct view *w, uint32_t linpage, uint32_t n)
{
	mmap(host_page(w, linpage), (size_t)n << PAGE_SHIFT, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	w->maps++;
	b->maps++;
}

static bool host_map(struct bt *b, struct view *w, uint32_t linpage, uint32_t pfn, uint32_t n, bool writable)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0), flags = MAP_SHARED | MAP_FIXED | (n <= 16 ? MAP_POPULATE : 0);

	w->maps++;
	b->maps++;
	return mmap(host_page(w, linpage), (size_t)n << PAGE_SHIFT, prot, flags, b->vm->mem.fd,
		(off_t)pfn << PAGE_SHIFT) != MAP_FAILED;
}

static bool page_writable(const struct bt *b, uint32_t pfn, bool writable)
{
	return writable && !(b->pages[pfn].flags & PG_PROTECTED);
}

/* Maps n pages, in runs of equal protection, leaving out those that are mapped as wanted already. */
static bool map_range(struct bt *b, struct view *w, uint32_t linpage, uint32_t pfn, uint32_t n, bool writable)
{
	for (uint32_t i = 0, run; i < n; i += run) {
		bool wr = page_writable(b, pfn + i, writable);
		uint32_t want = SH_MAPPED | (wr ? SH_WRITE : 0);

		run = 1;
		if ((w->shadow[linpage + i] & ~SH_CODE) == (((pfn + i) << SH_SHIFT) | want))
			continue;
		for (run = 0; i + run < n && page_writable(b, pfn + i + run, writable) == wr; run++) {
			uint32_t lp = linpage + i + run, e = w->shadow[lp], p = pfn + i + run;
			if ((e & SH_MAPPED) && e >> SH_SHIFT == p) {
				w->shadow[lp] = (e & SH_CODE) | p << SH_SHIFT | want;
				continue;
			}
			uint32_t code = e && e >> SH_SHIFT == p ? e & SH_CODE : 0;
			if (e && !code)
				entry_clear(b, w, lp);
			w->shadow[lp] = code | p << SH_SHIFT | want;
			rmap_add(b, w, lp, p);
		}
		region_mark(w, linpage + i);
		if (!host_map(b, w, linpage + i, pfn + i, run, wr))
			return false;
	}
	return true;
}

static uint64_t table_entry(const struct bt *b, gpa_t gpa, unsigned size)
{
	const void *p = mem_ptr(&b->vm->mem, gpa, size);
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, size);
	return v;
}

/* Fault-around for 4 KiB pages: neighbours in the same 64 KiB whose entries continue this one, flags and all. */
static void extend(const struct bt *b, const struct walk *k, uint32_t *linpage, uint32_t *pfn, uint32_t *n)
{
	const uint64_t avl = 0xe00;
	gpa_t at = k->entry[k->levels - 1];
	uint64_t pte = table_entry(b, at, k->entry_size);
	uint32_t lo = *linpage & ~15u, hi = lo + 16, lp = *linpage;

	while (*linpage > lo && *pfn) {
		uint32_t d = lp - *linpage + 1;
		if (((table_entry(b, GPA(at.a - d * k->entry_size), k->entry_size) ^ (pte - ((uint64_t)d << PAGE_SHIFT))) & ~avl))
			break;
		(*linpage)--;
		(*pfn)--;
		(*n)++;
	}
	while (*pfn + *n < b->npages) {
		uint32_t d = *linpage + *n - lp;
		if (lp + d >= hi || ((table_entry(b, GPA(at.a + d * k->entry_size), k->entry_size) ^
				(pte + ((uint64_t)d << PAGE_SHIFT))) & ~avl))
			break;
		(*n)++;
	}
}

static void range_of(const struct bt *b, const struct walk *k, uint32_t lin, uint32_t *linpage, uint32_t *pfn, uint32_t *n)
{
	uint32_t pages = paging(b) ? k->page_size / PAGE_SIZE : REGION_PAGES, off;

	*linpage = lin >> PAGE_SHIFT;
	*pfn = (uint32_t)(k->gpa.a >> PAGE_SHIFT);
	*n = 1;
	if (pages == 1) {
		extend(b, k, linpage, pfn, n);
		return;
	}
	off = *linpage & (pages - 1);
	if (off > *pfn)
		return;
	*linpage -= off;
	*pfn -= off;
	*n = pages < b->npages - *pfn ? pages : b->npages - *pfn;
}

/* The walk marked entries accessed or dirty: our picture of traced tables follows. */
void shadow_walked(struct bt *b, const struct walk *w)
{
	for (unsigned l = 0; l < w->levels; l++) {
		uint32_t pfn = (uint32_t)(w->entry[l].a >> PAGE_SHIFT), off = (uint32_t)(w->entry[l].a & (PAGE_SIZE - 1));

		if (pfn < b->npages && b->pages[pfn].snap)
			memcpy(b->pages[pfn].snap + off, b->vm->mem.host + w->entry[l].a, w->entry_size);
	}
}

/*
 * Answers a fault at lin in the current view. FILL_FAULT: the guest's own page fault, with its error code; FILL_MMIO: not
 * RAM; FILL_PROTECTED: a write to a page that must stay read-only.
 */
enum fill shadow_fill(struct bt *b, uint32_t lin, bool write, uint32_t *error)
{
	struct view *w = b->view;
	bool wp = !w->user && !(b->v->state.cr0 & CR0_WP), writable;
	uint32_t linpage, pfn, n, err;
	struct walk k;

	err = walk_page(&b->v->state, &b->vm->mem, GVA(lin), (write ? ACCESS_W : 0) | (w->user ? ACCESS_USER : 0), true, &k);
	if (err) {
		*error = err & ~WALK_FAULT;
		return FILL_FAULT;
	}
	shadow_walked(b, &k);
	shadow_large(w, lin, &k);
	pfn = (uint32_t)(k.gpa.a >> PAGE_SHIFT);
	if (pfn >= b->npages)
		return FILL_MMIO;
	if (write && (b->pages[pfn].flags & PG_PROTECTED) == PG_CODE && !b->pages[pfn].blocks)
		b->pages[pfn].flags &= ~PG_CODE;
	if (write && (b->pages[pfn].flags & PG_PROTECTED))
		return FILL_PROTECTED;
	writable = !paging(b) || ((k.writable || wp) && (write || k.dirty));
	range_of(b, &k, lin, &linpage, &pfn, &n);
	if (b->maps > BT_MAPS_MAX)
		view_drop_all(b);
	if (!map_range(b, w, linpage, pfn, n, writable)) {
		view_drop_all(b);
		if (!map_range(b, w, linpage, pfn, n, writable))
			vm_stop(b->vm, END_HOST, 0, "the host refused to map guest memory; see vm.max_map_count and ulimit -v");
	}
	return FILL_OK;
}

/* Writes to a physical page shall be noticed from now on. */
void shadow_protect(struct bt *b, uint32_t pfn, uint32_t flag)
{
	struct page_info *p = &b->pages[pfn];

	if (!(p->flags & PG_PROTECTED)) {
		for (uint32_t i = p->rmap; i; i = b->rmaps[i - 1].next) {
			struct view *w = &b->views[b->rmaps[i - 1].lin_view & 0xff];
			uint32_t lp = b->rmaps[i - 1].lin_view >> 8;

			if (!(w->shadow[lp] & SH_WRITE))
				continue;
			mprotect(host_page(w, lp), PAGE_SIZE, PROT_READ);
			w->shadow[lp] &= ~SH_WRITE;
			w->maps += 2;
			b->maps += 2;
		}
	}
	p->flags |= flag;
}

void shadow_code(struct bt *b, uint32_t lin, uint32_t pfn)
{
	uint32_t lp = lin >> PAGE_SHIFT, *e = &b->view->shadow[lp];

	if (*e && *e >> SH_SHIFT != pfn)
		shadow_drop_page(b, b->view, lp);
	*e = pfn << SH_SHIFT | (*e & 15u) | SH_CODE;
	region_mark(b->view, lp);
}

/* --- traces on page tables --- */

static void trace_page(struct bt *b, uint64_t gpa)
{
	uint32_t pfn = (uint32_t)(gpa >> PAGE_SHIFT);
	struct page_info *p = &b->pages[pfn];

	if (gpa >= b->vm->mem.size || (p->flags & PG_TABLE))
		return;
	if (b->ntables == b->max_tables) {
		uint32_t *t = realloc(b->tables, (b->max_tables + 64) * 2 * sizeof(*t));
		if (!t)
			return;
		b->tables = t;
		b->max_tables = (b->max_tables + 64) * 2;
	}
	p->snap = malloc(PAGE_SIZE);
	if (!p->snap)
		return;
	b->tables[b->ntables++] = pfn;
	memcpy(p->snap, b->vm->mem.host + ((uint64_t)pfn << PAGE_SHIFT), PAGE_SIZE);
	shadow_protect(b, pfn, PG_TABLE);
}

/* A directory entry came to life: the table it names is traced. */
void shadow_trace_entry(struct bt *b, uint64_t entry)
{
	if ((entry & PTE_P) && !((entry & PTE_PS) && (b->v->state.cr4 & (CR4_PSE | CR4_PAE))))
		trace_page(b, entry & 0xffffff000ull);
}

static void trace_directory(struct bt *b, uint64_t gpa, unsigned size)
{
	trace_page(b, gpa);
	for (unsigned i = 0; i < PAGE_SIZE / size; i++)
		shadow_trace_entry(b, table_entry(b, GPA((gpa & PAGE_MASK) + i * size), size));
}

void shadow_trace_tables(struct bt *b, uint64_t cr3)
{
	if (b->vm->cfg.bt.no_traces)
		return;
	if (!(b->v->state.cr4 & CR4_PAE)) {
		trace_directory(b, cr3 & 0xfffff000u, 4);
		return;
	}
	trace_page(b, cr3 & 0xffffffe0u);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t e = table_entry(b, GPA((cr3 & 0xffffffe0u) + i * 8), 8);
		if (e & PTE_P)
			trace_directory(b, e & 0xffffff000ull, 8);
	}
}

/* Whether a traced page is a page directory of the current address space. */
bool shadow_is_directory(struct bt *b, uint32_t pfn)
{
	uint64_t cr3 = b->v->state.cr3;

	if (!(b->v->state.cr4 & CR4_PAE))
		return pfn == cr3 >> PAGE_SHIFT;
	for (unsigned i = 0; i < 4; i++)
		if (table_entry(b, GPA((cr3 & 0xffffffe0u) + i * 8), 8) >> PAGE_SHIFT == pfn)
			return true;
	return false;
}

/* --- invalidation --- */

void shadow_drop_page(struct bt *b, struct view *w, uint32_t linpage)
{
	bool mapped = w->shadow[linpage] & SH_MAPPED;

	entry_clear(b, w, linpage);
	if (mapped)
		host_unmap(b, w, linpage, 1);
}

/* Does an entry still say what the guest's tables say? */
static bool entry_valid(const struct bt *b, const struct view *w, uint32_t linpage)
{
	uint32_t e = w->shadow[linpage];
	bool wp = !w->user && !(b->v->state.cr0 & CR0_WP);
	struct walk k;

	if (walk_page(&b->v->state, &b->vm->mem, GVA((uint64_t)linpage << PAGE_SHIFT),
			(w->user ? ACCESS_USER : 0) | (e & SH_CODE ? ACCESS_X : 0), false, &k))
		return false;
	if (k.gpa.a >> PAGE_SHIFT != e >> SH_SHIFT)
		return false;
	if (k.levels && !(table_entry(b, k.entry[k.levels - 1], k.entry_size) & PTE_A))
		return false;
	return !(e & SH_WRITE) || (k.dirty && (k.writable || wp));
}

/* A page whose mapping comes and goes. */
static void note_drop(struct bt *b, uint32_t linpage)
{
	uint8_t *n = &b->drops[linpage % DROPS];

	if (++b->ndrops % 16384 == 0)
		memset(b->drops, 0, sizeof(b->drops));
	if (*n < 255)
		(*n)++;
}

static void validate_region(struct bt *b, struct view *w, uint32_t region)
{
	uint32_t first = region * REGION_PAGES, run = 0;

	for (uint32_t i = 0; i <= REGION_PAGES; i++) {
		uint32_t lp = first + i;
		bool bad = i < REGION_PAGES && w->shadow[lp] && !entry_valid(b, w, lp);

		if (bad && (w->shadow[lp] & SH_MAPPED))
			run++;
		if (bad) {
			bool mapped = w->shadow[lp] & SH_MAPPED;
			entry_clear(b, w, lp);
			note_drop(b, lp);
			if (mapped)
				continue;
		}
		if (run)
			host_unmap(b, w, lp - run, run);
		run = 0;
	}
}

void shadow_validate(struct bt *b, struct view *w)
{
	for (uint32_t r = 0; r < LIN_PAGES / REGION_PAGES; r++)
		if (w->filled[r / 64] & 1ull << (r % 64))
			validate_region(b, w, r);
	w->pt_epoch = b->pt_epoch;
}

/* Any address in a large page stands for all of it (SDM vol. 3, 4.10.4.1). */
void shadow_invlpg(struct bt *b, uint32_t lin)
{
	uint32_t lp = lin >> PAGE_SHIFT, r = lp / REGION_PAGES;

	for (unsigned i = 0; i < BT_VIEWS; i++) {
		struct view *w = &b->views[i];

		if (w->used && b->view && w->cr3 == b->view->cr3 &&
		    ((w->large[r / 64] & 1ull << (r % 64)) || (w->shadow[lp] && !entry_valid(b, w, lp))))
			validate_region(b, w, r);
	}
}
