/*
 * mm.c - pages of address spaces: finding an entry, faults, copy on write, fork, taking all down.
 *
 * Entries are changed by pt_set only, in runs that one pt_commit ends, so that the Xen build needs few hypercalls; a page
 * that an entry named is let go of after the commit. Called by trap.c (faults), proc.c and exec.c, vma.c. Read next: vma.c.
 */
#include "proc.h"

#define KEPT 32u /* pages let go of together */

#define index1(va) ((va) >> 12 & 511)
#define index2(va) ((va) >> 21 & 511)
#define index3(va) ((va) >> 30)
#define L1_SPAN (1u << 21)

/* Pages to put after a commit. */
struct going {
	uint32_t n;
	void *page[KEPT];
};

static void going_end(struct going *g)
{
	pt_commit();
	for (uint32_t i = 0; i < g->n; i++)
		page_put(g->page[i]);
	g->n = 0;
}

static void going_add(struct going *g, void *page)
{
	if (g->n == KEPT)
		going_end(g);
	g->page[g->n++] = page;
}

/* The entry of level 1 for va; NULL if a table is missing and make is false, or memory is. */
static pte_t *slot_of(struct mm *m, uint32_t va, bool make)
{
	pte_t *l3 = &m->root[index3(va)], *l2, *l1;

	if (!(*l3 & PTE_P)) {
		if (!make || !(l2 = pt_alloc(2)))
			return NULL;
		pt_set(l3, pte_make(va_to_pa(l2), PTE_P) & ~(pte_t)(PTE_A | PTE_D));
		pt_commit();
		root_changed(m->root);
	} else {
		l2 = pte_va(*l3);
	}
	if (!(l2[index2(va)] & PTE_P)) {
		if (!make || !(l1 = pt_alloc(1)))
			return NULL;
		pt_set(&l2[index2(va)], pte_make(va_to_pa(l1), PTE_P | PTE_W | PTE_U));
		pt_commit();
	} else {
		l1 = pte_va(l2[index2(va)]);
	}
	return &l1[index1(va)];
}

/* The next page at or after va, below end, that has an entry; NULL at the end. *va moves there. */
static pte_t *slot_next(struct mm *m, uint32_t *va, uint32_t end)
{
	while (*va < end) {
		pte_t *slot = slot_of(m, *va, false);
		uint32_t stop = min(end, (*va & ~(L1_SPAN - 1)) + L1_SPAN);
		for (; slot && *va < stop; slot++, *va += PAGE)
			if (*slot)
				return slot;
		*va = stop;
	}
	return NULL;
}

static pte_t page_flags(uint32_t vma_flags)
{
	pte_t f = PTE_U;
	if (vma_flags & (VMA_READ | VMA_WRITE | VMA_EXEC))
		f |= PTE_P;
	if (vma_flags & VMA_WRITE)
		f |= PTE_W;
	return vma_flags & VMA_EXEC ? f : f | pte_nx;
}

struct mm *mm_new(void)
{
	struct mm *m = kzalloc(sizeof *m);

	if (m && !(m->root = root_alloc())) {
		kfree(m);
		return NULL;
	}
	if (m)
		list_init(&m->vmas);
	return m;
}

/* ---- faults ---- */

static int page_bring(struct mm *m, uint32_t va, uint32_t vma_flags)
{
	pte_t *slot = slot_of(m, va, true);
	void *page = slot ? page_alloc(0) : NULL;

	if (!page)
		return -LENOMEM;
	frame_clear(page);
	pt_set(slot, pte_make(va_to_pa(page), page_flags(vma_flags)));
	pt_commit();
	return 0;
}

static int page_own(pte_t *slot, uint32_t va, uint32_t vma_flags)
{
	void *old = pte_va(*slot), *new;

	if (page_refs(old) == 1 || (vma_flags & VMA_SHARED)) {
		pt_set(slot, pte_make(va_to_pa(old), page_flags(vma_flags)));
		tlb_flush_page(va);
		return 0;
	}
	if (!(new = page_alloc(0)))
		return -LENOMEM;
	frame_copy(new, old);
	pt_set(slot, pte_make(va_to_pa(new), page_flags(vma_flags)));
	tlb_flush_page(va);
	page_put(old);
	return 0;
}

int mm_fault(struct mm *m, uint32_t va, uint32_t access, uint32_t esp)
{
	struct vma *v = va < USER_END ? vma_find(m, va) : NULL;
	uint32_t wanted = access & PTE_W ? VMA_WRITE : access & PTE_FETCH && pte_nx ? VMA_EXEC : VMA_READ | VMA_WRITE | VMA_EXEC;

	if (!v || (va < v->start && !vma_grow_stack(m, v, va, esp)) || !(v->flags & wanted))
		return -LEFAULT;
	va = page_down(va);
	pte_t *slot = slot_of(m, va, false);
	if (!slot || !*slot)
		return page_bring(m, va, v->flags);
	if ((access & PTE_W) && !(*slot & PTE_W))
		return page_own(slot, va, v->flags);
	tlb_flush_page(va); /* an old entry in the TLB */
	return 0;
}

/* A new page with n bytes of `from` at its offset, and zeros around; made in scratch, so that the page itself need not be mapped here. */
static int page_fill(struct mm *m, uint32_t va, uint32_t vma_flags, const void *from, uint32_t n, char *scratch)
{
	pte_t *slot = slot_of(m, va, true);
	void *page = slot ? page_alloc(0) : NULL;

	if (!page)
		return -LENOMEM;
	memset(scratch, 0, PAGE);
	memcpy(scratch + (va & PAGE_MASK), from, n);
	frame_copy(page, scratch);
	pt_set(slot, pte_make(va_to_pa(page), page_flags(vma_flags)));
	pt_commit();
	return 0;
}

int mm_write(struct mm *m, uint32_t va, const void *from, uint32_t n)
{
	char *scratch = arena_alloc(ARENA_KERNEL, 0);
	int r = scratch ? 0 : -LENOMEM;

	while (n && !r) {
		struct vma *v = vma_find(m, va);
		uint32_t some = min(n, PAGE - (va & PAGE_MASK));
		pte_t *slot = slot_of(m, va, false);
		if (!v || va < v->start)
			r = -LEFAULT;
		else if (slot && *slot)
			memcpy((char *)pte_va(*slot) + (va & PAGE_MASK), from, some);
		else
			r = page_fill(m, va, v->flags, from, some, scratch);
		from = (const char *)from + some;
		va += some;
		n -= some;
	}
	if (scratch)
		arena_free(ARENA_KERNEL, scratch, 0);
	return r;
}

/* ---- fork ---- */

static int area_fork(struct mm *to, struct mm *from, const struct vma *v)
{
	uint32_t va = v->start;
	pte_t *slot, *twin;

	for (; (slot = slot_next(from, &va, v->end)); va += PAGE) {
		pte_t e = *slot;
		if (!(twin = slot_of(to, va, true)))
			return -LENOMEM;
		if (!(v->flags & VMA_SHARED) && (e & PTE_W)) {
			e &= ~(pte_t)PTE_W;
			pt_set(slot, e);
		}
		page_get(pte_va(e));
		pt_set(twin, e);
	}
	return 0;
}

int mm_fork(struct mm *to, struct mm *from)
{
	int r = vma_copy(to, from);

	to->brk_start = from->brk_start;
	to->brk = from->brk;
	if (!r)
		list_each(l, &from->vmas)
			if ((r = area_fork(to, from, list_of(l, struct vma, link))))
				break;
	tlb_flush(); /* the parent's pages are read-only now */
	return r;
}

/* ---- taking down ---- */

void mm_unmap_pages(struct mm *m, uint32_t start, uint32_t end)
{
	struct going g = { 0 };
	uint32_t va = start, dropped = 0, last = 0;
	pte_t *slot;

	for (; (slot = slot_next(m, &va, end)); va += PAGE) {
		void *page = pte_va(*slot);
		pt_set(slot, 0);
		dropped++;
		last = va;
		going_add(&g, page);
	}
	going_end(&g);
	if (dropped == 1)
		tlb_flush_page(last);
	else if (dropped)
		tlb_flush();
}

int mm_protect_pages(struct mm *m, uint32_t start, uint32_t end, uint32_t flags)
{
	uint32_t va = start;
	pte_t *slot;

	for (; (slot = slot_next(m, &va, end)); va += PAGE) {
		/* A page that is shared, or was read-only, becomes writable by a fault. */
		pte_t keep = *slot & PTE_W ? ~(pte_t)0 : ~(pte_t)PTE_W;
		pt_set(slot, pte_make(pte_pa(*slot), page_flags(flags) & keep));
	}
	tlb_flush();
	return 0;
}

/* Nobody has this root loaded: no flush is needed. */
static void tables_free(pte_t *root, unsigned i3)
{
	pte_t *l2 = pte_va(root[i3]);

	for (unsigned i2 = 0; i2 < 512; i2++) {
		if (!(l2[i2] & PTE_P))
			continue;
		pte_t *l1 = pte_va(l2[i2]);
		pt_set(&l2[i2], 0);
		pt_commit();
		pt_free(l1, 1);
	}
	pt_set(&root[i3], 0);
	pt_commit();
	pt_free(l2, 2);
}

void mm_destroy(struct mm *m)
{
	struct going g = { 0 };
	uint32_t va = 0;
	pte_t *slot;

	if (!m)
		return;
	for (; (slot = slot_next(m, &va, USER_END)); va += PAGE) {
		void *page = pte_va(*slot);
		pt_set(slot, 0);
		going_add(&g, page);
	}
	going_end(&g);
	for (unsigned i = 0; i < 3; i++)
		if (m->root[i] & PTE_P)
			tables_free(m->root, i);
	root_free(m->root);
	vma_remove_all(m);
	kfree(m);
}
