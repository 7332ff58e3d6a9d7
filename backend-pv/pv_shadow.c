/*
 * pv_shadow.c - guest pages at their own linear addresses: mmaps of the guest-RAM memfd, made on demand.
 *
 * The host's mappings are used as a TLB: filled from the guest's page tables when a host page fault says that one is missing,
 * dropped where the guest flushes its own TLB. Writable only once the guest's dirty bit is set; neighbours that are
 * contiguous in guest-physical memory are mapped along, because a mapping costs far more than its size. Supervisor
 * pages are hidden while guest user mode runs (--user-isolation). Called by pv_trap.c and the xen files.
 */
#include "pv_space.h"
#include "pv_scan.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "core/walk.h"

#define PAGES (1u << 20)
#define REGION_PAGES (1u << SHADOW_REGION_SHIFT)
#define AROUND 64u /* a fault maps up to so many neighbours: walking one entry is cheap, a fault or an mprotect run is not */

int pv_shadow_init(struct pv *pv)
{
	void *p = mmap(NULL, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	pv->shadow.page = p;
	p = mmap(NULL, PAGES * sizeof(*pv->shadow.frame), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		int r = -errno;
		pv_shadow_fini(pv);
		return r;
	}
	pv->shadow.frame = p;
	return 0;
}

void pv_shadow_fini(struct pv *pv)
{
	if (pv->shadow.page)
		munmap(pv->shadow.page, PAGES);
	pv_keep_fini(pv);
	if (pv->shadow.frame)
		munmap(pv->shadow.frame, PAGES * sizeof(*pv->shadow.frame));
	pv->shadow.page = NULL;
	pv->shadow.frame = NULL;
}

void *pv_shadow_host(const struct pv *pv, uint32_t page)
{
	return (void *)(((uint64_t)page << PAGE_SHIFT) + pv->shift);
}

/* Where guest pages must end. */
static uint64_t map_top(const struct pv *pv)
{
	return pv->map_top ? pv->map_top : pv->top;
}

/* Inaccessible again. The range may start below what is reserved, or end above it. */
static void range_drop(struct pv *pv, uint32_t page, unsigned n)
{
	uint64_t from = (uint64_t)pv_shadow_host(pv, page), to = from + ((uint64_t)n << PAGE_SHIFT);

	if (from < pv->bottom)
		from = pv->bottom;
	if (to > map_top(pv))
		to = map_top(pv);
	if (from < to && !pv->shadow.model)
		mmap((void *)from, to - from, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

int pv_shadow_prot(unsigned flags)
{
	return PROT_READ | (flags & SP_WRITE ? PROT_WRITE : 0) | (flags & SP_EXEC ? PROT_EXEC : 0);
}

static void page_note(struct pv *pv, uint32_t page, unsigned flags)
{
	struct shadow *s = &pv->shadow;
	unsigned r = page >> SHADOW_REGION_SHIFT, old = s->page[page];

	if (old & SP_MAPPED) {
		s->mapped[r]--;
		s->total--;
		if (pv->space)
			pv_space_unlink(pv, page);
	}
	if (flags & SP_MAPPED) {
		s->mapped[r]++;
		s->total++;
	}
	s->page[page] = (uint8_t)flags;
}

int pv_shadow_map_file(struct pv *pv, int fd, uint32_t la, gpa_t gpa, unsigned n, unsigned flags)
{
	uint32_t page = la >> PAGE_SHIFT;
	size_t len = (size_t)n << PAGE_SHIFT;
	void *at = pv_shadow_host(pv, page);
	uint64_t off;

	mem_backing(&pv->vm->mem, gpa, &off);
	int how = MAP_SHARED | MAP_FIXED | (pv->shadow.populate ? MAP_POPULATE : 0);
	if (!pv->shadow.model && mmap(at, len, pv_shadow_prot(flags), how, fd, (off_t)off) == MAP_FAILED)
		return -errno;
	if (pv->iso == ISO_KEYS && syscall(SYS_pkey_mprotect, at, len, pv_shadow_prot(flags), flags & SP_USER ? pv->pkey_user : pv->pkey))
		return -errno;
	if (pv->scan)
		pv_scan_mapped(pv, page, (uint32_t)(gpa.a >> PAGE_SHIFT), n, flags);
	for (unsigned i = 0; i < n; i++) {
		page_note(pv, page + i, flags | SP_MAPPED);
		if (!pv->space)
			pv->shadow.frame[page + i] = (uint32_t)(gpa.a >> PAGE_SHIFT) + i;
	}
	pv_keep_mapped(pv, page, n);
	if (pv->space) {
		for (unsigned i = 0; i < n; i++)
			pv_space_link(pv, page + i, (uint32_t)(gpa.a >> PAGE_SHIFT) + i);
		pv_space_mapped(pv, page);
	}
	if (!(flags & SP_USER))
		pv_hide_mapped(pv, page, n);
	return 0;
}

int pv_shadow_map(struct pv *pv, uint32_t la, gpa_t gpa, unsigned n, unsigned flags)
{
	uint64_t off;
	int fd = mem_backing(&pv->vm->mem, gpa, &off);

	if (pv->patch && fd == pv->vm->mem.fd)
		return pv_patch_map(pv, la, gpa, n, flags);
	return pv_shadow_map_file(pv, fd, la, gpa, n, pv->patch ? flags & ~SP_EXEC : flags); /* what others write is no code to scan */
}

void pv_shadow_drop(struct pv *pv, uint32_t page, unsigned n)
{
	range_drop(pv, page, n);
	for (unsigned i = 0; i < n; i++)
		page_note(pv, page + i, 0);
}

int pv_shadow_protect(struct pv *pv, uint32_t page, unsigned n, unsigned flags)
{
	/* A hidden page stays inaccessible; the flags tell what comes back later. */
	if (!(flags & SP_HIDDEN) && !pv->shadow.model && mprotect(pv_shadow_host(pv, page), (size_t)n << PAGE_SHIFT, pv_shadow_prot(flags)))
		return -errno;
	for (unsigned i = 0; i < n; i++)
		pv->shadow.page[page + i] = (uint8_t)flags;
	return 0;
}

void pv_shadow_flush(struct pv *pv, uint32_t la)
{
	struct shadow *s = &pv->shadow;
	uint32_t page = la >> PAGE_SHIFT;
	unsigned n = 1;

	if (!(s->page[page] & SP_MAPPED))
		return;
	if (s->page[page] & SP_LARGE) {
		page &= ~(REGION_PAGES - 1); /* covers a 4 MiB page, and both 2 MiB pages that it may be instead */
		n = REGION_PAGES;
	}
	pv_shadow_drop(pv, page, n);
}

static void region_unlink(struct pv *pv, unsigned region)
{
	for (uint32_t page = region << SHADOW_REGION_SHIFT, end = page + REGION_PAGES; page < end; page++)
		if (pv->shadow.page[page] & SP_MAPPED)
			pv_space_unlink(pv, page);
}

void pv_shadow_flush_all(struct pv *pv, bool keep_global)
{
	struct shadow *s = &pv->shadow;

	for (unsigned r = 0; r < ARRAY_LEN(s->mapped); r++) {
		if (!s->mapped[r])
			continue;
		if (keep_global) {
			pv_keep_region(pv, r, true);
			continue;
		}
		unsigned from = r;
		for (; r < ARRAY_LEN(s->mapped) && s->mapped[r]; r++) {
			if (pv->space)
				region_unlink(pv, r);
			s->mapped[r] = 0;
		}
		range_drop(pv, from << SHADOW_REGION_SHIFT, (r - from) << SHADOW_REGION_SHIFT);
		memset(s->page + (from << SHADOW_REGION_SHIFT), 0, (size_t)(r - from) << SHADOW_REGION_SHIFT);
	}
	if (!keep_global) {
		s->total = 0;
		pv_keep_forget(pv);
		pv_hide_forget(pv);
	}
}

/* Flags for the host mapping of a page that the guest's tables allow for this access. */
unsigned pv_shadow_flags(const struct pv *pv, const struct cpu_state *s, const struct walk *w)
{
	bool paging = s->cr0 & CR0_PG;
	bool writable = w->writable || (!w->user && !(s->cr0 & CR0_WP));
	unsigned f = (w->user || !paging ? SP_USER : 0) | (w->global ? SP_GLOBAL : 0) | (w->page_size > PAGE_SIZE ? SP_LARGE : 0);

	if (writable && (w->dirty || !paging))
		f |= SP_WRITE;
	if (w->exec)
		f |= SP_EXEC;
	return f;
}

/* The same where a page is either writable or executable: for data. */
static unsigned data_flags(const struct pv *pv, const struct cpu_state *s, const struct walk *w)
{
	unsigned f = pv_shadow_flags(pv, s, w);

	if (pv->scan)
		f &= pv_scan_writable(pv, (uint32_t)(w->gpa.a >> PAGE_SHIFT)) ? ~SP_EXEC : ~(SP_EXEC | SP_WRITE);
	return f;
}

/* A failed SYSENTER goes on at the low 32 bits of the landing pad in the vDSO: that must never be guest code. */
static bool near_landing(const struct pv *pv, uint64_t host, unsigned n)
{
	return pv->landing && host < (uint64_t)pv->landing + 4 * PAGE_SIZE && host + ((uint64_t)n << PAGE_SHIFT) > pv->landing;
}

static bool mappable(const struct pv *pv, uint32_t la, gpa_t gpa, uint64_t len)
{
	uint64_t host = (uint64_t)la + pv->shift;

	return host >= pv->bottom && host + len <= map_top(pv) && mem_contains(&pv->vm->mem, gpa, len);
}

/* Could the page at la, d pages from what w describes, share its mapping? */
static bool fill_joins(struct pv *pv, uint32_t la, int64_t d, const struct walk *w, unsigned flags)
{
	const struct cpu_state *s = &pv->vm->vcpu.state;
	struct walk x;

	return !(pv->shadow.page[la >> PAGE_SHIFT] & SP_MAPPED) && !walk_page(s, &pv->vm->mem, GVA(la), w->user ? ACCESS_USER : 0, true, &x) &&
		(x.gpa.a & PAGE_MASK) == w->gpa.a + (uint64_t)(d * (int64_t)PAGE_SIZE) && data_flags(pv, s, &x) == flags &&
		mappable(pv, la, GPA(x.gpa.a & PAGE_MASK), PAGE_SIZE);
}

/* How many pages before and after la can share one mapping with it, within an aligned block of AROUND. */
static void fill_extent(struct pv *pv, uint32_t la, const struct walk *w, unsigned flags, unsigned *before, unsigned *after)
{
	unsigned at = (la >> PAGE_SHIFT) & (AROUND - 1);

	for (*before = 0; *before < at && fill_joins(pv, la - (*before + 1) * PAGE_SIZE, -(int64_t)*before - 1, w, flags); ++*before)
		;
	for (*after = 0; at + *after + 1 < AROUND && fill_joins(pv, la + (*after + 1) * PAGE_SIZE, *after + 1, w, flags); ++*after)
		;
}

/* With paging off, and for large pages: the whole of it at once, where all of it is RAM. */
static bool fill_whole(struct pv *pv, uint32_t la, const struct walk *w, unsigned flags, int *r)
{
	uint64_t size = w->page_size, from = la & ~(size - 1), off = la - from;
	gpa_t gpa = GPA((w->gpa.a & PAGE_MASK) - off);

	if (!(pv->vm->vcpu.state.cr0 & CR0_PG)) {
		from = pv->bottom > pv->shift ? pv->bottom - pv->shift : 0;
		gpa = GPA(from);
		if (pv->vm->mem.size <= from || la < from || la >= pv->vm->mem.size)
			return false;
		size = pv->vm->mem.size - from;
		if (from + size > PV_TOP - pv->shift)
			size = PV_TOP - pv->shift - from;
	}
	for (uint64_t i = 0; pv->scan && mem_contains(&pv->vm->mem, gpa, size) && i < size; i += PAGE_SIZE)
		if (!pv_scan_writable(pv, (uint32_t)((gpa.a + i) >> PAGE_SHIFT)))
			return false;
	if (size == PAGE_SIZE || !mappable(pv, (uint32_t)from, gpa, size) || near_landing(pv, from + pv->shift, size >> PAGE_SHIFT))
		return false;
	*r = pv_shadow_map(pv, (uint32_t)from, gpa, (unsigned)(size >> PAGE_SHIFT), flags);
	return true;
}

/* Code under --user-isolation keys: a page of its own, which nobody may write; refused, it is executable for one instruction. */
static int fill_code(struct pv *pv, uint32_t la, const struct walk *w, unsigned flags)
{
	uint32_t page = la >> PAGE_SHIFT;

	if (near_landing(pv, (uint64_t)la + pv->shift, 1))
		return FILL_EMULATE;
	if (!pv_scan_exec(pv, page, (uint32_t)(w->gpa.a >> PAGE_SHIFT))) {
		pv->scan->step = page + 1;
		pv->scan->refused++;
	}
	return pv_shadow_map(pv, la, w->gpa, 1, flags & ~SP_WRITE);
}

/* The instruction that runs writes to the frame that it lies in: both at once, for that instruction, which pv_step.c looks at. */
static bool writes_itself(struct pv *pv, const struct walk *w, uint32_t page)
{
	struct cpu_state *s = &pv->vm->vcpu.state;
	struct walk x;

	return (uint32_t)(s->seg[S_CS].base + s->rip) >> PAGE_SHIFT == page &&
		!walk_page(s, &pv->vm->mem, GVA((uint32_t)(s->seg[S_CS].base + s->rip)), ACCESS_X, true, &x) && (x.gpa.a & PAGE_MASK) == w->gpa.a;
}

static int fill_used(struct pv *pv, uint32_t page, unsigned flags)
{
	return flags & SP_USER ? FILL_OK : pv_hide_touch(pv, page);
}

int pv_shadow_fill(struct pv *pv, uint32_t la, unsigned access)
{
	struct vcpu *v = &pv->vm->vcpu;
	struct walk w;
	uint32_t fault = walk_page(&v->state, &pv->vm->mem, GVA(la), access, true, &w);
	uint32_t page = la >> PAGE_SHIFT;
	unsigned n, flags, before, after;
	int r;

	if (fault)
		return (int)fault;
	la &= (uint32_t)PAGE_MASK;
	w.gpa.a &= PAGE_MASK;
	if (!mappable(pv, la, w.gpa, PAGE_SIZE))
		return FILL_EMULATE;
	flags = pv_shadow_flags(pv, &v->state, &w);
	if ((access & ACCESS_W) && !(flags & SP_WRITE))
		return FILL_EMULATE; /* a supervisor write to a read-only user page with CR0.WP clear */
	if (pv->scan) {
		if (access & ACCESS_X)
			return fill_code(pv, la, &w, flags);
		if (access & ACCESS_W)
			pv_scan_write(pv, (uint32_t)(w.gpa.a >> PAGE_SHIFT));
		if ((access & ACCESS_W) && (flags & SP_EXEC) && !near_landing(pv, (uint64_t)la + pv->shift, 1) && writes_itself(pv, &w, page)) {
			pv->scan->step = page + 1;
			return pv_shadow_map(pv, la, w.gpa, 1, flags);
		}
		flags = data_flags(pv, &v->state, &w);
	}
	if (pv->shadow.page[page] == (flags | SP_MAPPED | SP_HIDDEN))
		return pv_hide_touch(pv, page);
	if (fill_whole(pv, la, &w, flags, &r))
		return r ? r : fill_used(pv, page, flags);
	fill_extent(pv, la, &w, flags, &before, &after);
	la -= before * PAGE_SIZE;
	w.gpa.a -= (uint64_t)before * PAGE_SIZE;
	n = before + 1 + after;
	if (near_landing(pv, (uint64_t)la + pv->shift, n)) {
		if (access & ACCESS_X)
			return FILL_EMULATE;
		flags &= ~SP_EXEC;
	}
	r = pv_shadow_map(pv, la, w.gpa, n, flags);
	return r ? r : fill_used(pv, page, flags);
}
