/*
 * pv_keep.c - which mappings survive MOV to CR3: those that the new page tables give as well.
 *
 * Where page tables are ordinary memory (`trap`, `patch`) nobody knows what changed. To drop everything is right, but a page
 * costs some 20,000 cycles to come back (signal, mmap, minor fault) and about 100 to be looked up again. That is too much for a
 * kernel that has all RAM mapped, so a copy of each table is kept as it was when its pages were last looked up: entries that
 * still are as in the copy need no look. A page that is mapped anew has its entry in the copy spoilt. Runs to drop go on over
 * pages that are not mapped anyway, for it is the number of calls that costs. Called by pv_shadow.c.
 */
#include "pv.h"
#include <string.h>
#include <sys/mman.h>
#include "core/walk.h"

#define REGION_PAGES (1u << SHADOW_REGION_SHIFT)
#define ENTRY_A 0x20u
#define TABLES 2048u /* of 4 GiB with PAE; half as many without */
#define CHUNK 64u    /* bytes compared at a time */

/* What the tables held when their pages were last looked up. */
struct keep {
	uint64_t pde[TABLES]; /* the entry that named the table, without its accessed bit; 0: nothing known */
	uint8_t table[TABLES][PAGE_SIZE];
};

/* Pages found wanting, in ascending order, dropped as few runs. */
struct run {
	uint32_t from, last;
	bool any;
};

/* The entry's accessed bit: where it is clear, the CPU would set it at the next access, and somebody may wait for that. */
static bool accessed(const struct mem *m, const struct walk *w)
{
	const uint8_t *e = w->levels ? mem_ptr(m, w->entry[w->levels - 1], 1) : NULL;

	return e && (*e & ENTRY_A);
}

/* Do the guest's tables still give what is mapped at the page, with at least these rights? */
static bool page_holds(struct pv *pv, uint32_t page, struct walk *w)
{
	const struct cpu_state *s = &pv->vm->vcpu.state;
	unsigned old = pv->shadow.page[page], now;

	if (walk_page(s, &pv->vm->mem, GVA(page << PAGE_SHIFT), old & SP_USER ? ACCESS_USER : 0, false, w) || !accessed(&pv->vm->mem, w))
		return false;
	now = pv_shadow_flags(pv, s, w);
	return w->gpa.a >> PAGE_SHIFT == pv->shadow.frame[page] && !((old ^ now) & (SP_USER | SP_LARGE | SP_GLOBAL)) &&
		!(old & ~now & (SP_WRITE | SP_EXEC));
}

/* The pages behind one that holds and is part of a large page: their entry is the same. The first page that is not like that. */
static uint32_t large_end(const struct pv *pv, uint32_t page, const struct walk *w)
{
	uint32_t end = (page | ((w->page_size >> PAGE_SHIFT) - 1)) + 1, at = page + 1;
	const struct shadow *s = &pv->shadow;

	while (at < end && (s->page[at] & (SP_MAPPED | SP_LARGE)) == (SP_MAPPED | SP_LARGE) && s->frame[at] == s->frame[page] + (at - page) &&
			!((s->page[at] ^ s->page[page]) & (SP_USER | SP_GLOBAL)) && !(s->page[at] & ~s->page[page] & (SP_WRITE | SP_EXEC)))
		at++;
	return at;
}

static void run_add(struct run *r, uint32_t page)
{
	r->from = r->any ? r->from : page;
	r->last = page;
	r->any = true;
}

/* Before a mapped page that stays, and at the end. */
static void run_end(struct pv *pv, struct run *r)
{
	if (r->any)
		pv_shadow_drop(pv, r->from, r->last - r->from + 1);
	r->any = false;
}

/* Pages from `page` on, one by one. */
static void look(struct pv *pv, uint32_t page, uint32_t end, bool keep_global, struct run *r)
{
	const struct shadow *s = &pv->shadow;
	struct walk w;

	while (page < end) {
		unsigned f = s->page[page];
		uint32_t next = page + 1;
		if ((f & SP_MAPPED) && keep_global && (f & SP_GLOBAL)) {
			run_end(pv, r);
		} else if ((f & SP_MAPPED) && page_holds(pv, page, &w)) {
			run_end(pv, r);
			next = f & SP_LARGE ? large_end(pv, page, &w) : next;
		} else if (f & SP_MAPPED) {
			run_add(r, page);
		}
		page = next;
	}
}

static bool any_mapped(const struct shadow *s, uint32_t page, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (s->page[page + i] & SP_MAPPED)
			return true;
	return false;
}

/* The table that maps the page, and the entry that names it; NULL where there is none (absent, or a large page). */
static const uint8_t *table_of(struct pv *pv, uint32_t page, uint64_t *pde)
{
	const struct mem *m = &pv->vm->mem;
	const struct cpu_state *s = &pv->vm->vcpu.state;
	struct walk w;

	walk_page(s, m, GVA(page << PAGE_SHIFT), 0, false, &w);
	if (w.levels != (s->cr4 & CR4_PAE ? 3 : 2))
		return NULL;
	const uint8_t *e = mem_ptr(m, w.entry[w.levels - 2], w.entry_size);
	*pde = 0;
	if (e)
		memcpy(pde, e, w.entry_size);
	*pde &= ~(uint64_t)ENTRY_A;
	return e && *pde ? mem_ptr(m, GPA(w.entry[w.levels - 1].a & PAGE_MASK), PAGE_SIZE) : NULL;
}

/* The n pages of one table. */
static void look_table(struct pv *pv, uint32_t first, unsigned n, bool keep_global, struct run *r)
{
	struct keep *k = pv->shadow.keep;
	unsigned t = first / n, step = n * CHUNK / PAGE_SIZE;
	uint64_t pde = 0;
	const uint8_t *table = k ? table_of(pv, first, &pde) : NULL;

	if (!table || k->pde[t] != pde) {
		look(pv, first, first + n, keep_global, r);
		if (table) {
			k->pde[t] = pde;
			memcpy(k->table[t], table, PAGE_SIZE);
		}
		return;
	}
	for (unsigned i = 0; i < n; i += step) {
		unsigned off = i * (PAGE_SIZE / n);
		if (!memcmp(k->table[t] + off, table + off, CHUNK)) {
			if (any_mapped(&pv->shadow, first + i, step))
				run_end(pv, r);
			continue;
		}
		look(pv, first + i, first + i + step, keep_global, r);
		memcpy(k->table[t] + off, table + off, CHUNK);
	}
}

void pv_keep_region(struct pv *pv, unsigned region, bool keep_global)
{
	unsigned n = pv->vm->vcpu.state.cr4 & CR4_PAE ? REGION_PAGES / 2 : REGION_PAGES;
	uint32_t page = region << SHADOW_REGION_SHIFT, end = page + REGION_PAGES;
	struct run r = { .any = false };

	if (!pv->shadow.keep) {
		void *p = mmap(NULL, sizeof(struct keep), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		pv->shadow.keep = p == MAP_FAILED ? NULL : p;
	}
	for (; page < end; page += n)
		if (any_mapped(&pv->shadow, page, n))
			look_table(pv, page, n, keep_global, &r);
	run_end(pv, &r);
}

void pv_keep_mapped(struct pv *pv, uint32_t page, unsigned n)
{
	struct keep *k = pv->shadow.keep;
	unsigned pages = pv->vm->vcpu.state.cr4 & CR4_PAE ? REGION_PAGES / 2 : REGION_PAGES, size = PAGE_SIZE / pages;

	for (unsigned i = 0; k && i < n; i++)
		memset(k->table[(page + i) / pages] + (page + i) % pages * size, 0xff, size);
}

void pv_keep_forget(struct pv *pv)
{
	if (pv->shadow.keep)
		memset(pv->shadow.keep->pde, 0, sizeof(pv->shadow.keep->pde));
}

void pv_keep_fini(struct pv *pv)
{
	if (pv->shadow.keep)
		munmap(pv->shadow.keep, sizeof(struct keep));
	pv->shadow.keep = NULL;
}
