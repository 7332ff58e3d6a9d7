/*
 * vma.c - the areas of an address space, and the promise of memory that stands behind them.
 *
 * A list in ascending order; adjoining areas of the same kind are one. Every private writable page is promised when its area
 * is made (commit), so that fork, brk and mmap fail with ENOMEM where memory would run out, and a touch later does not.
 */
#include "mm.h"

static struct {
	uint32_t limit, used; /* pages */
} promise;

void commit_init(void)
{
	promise.limit = pages_free() / 4 * 3; /* the rest: page tables, kernel stacks, buffers, programs' read-only pages */
}

int commit(struct mm *m, uint32_t pages)
{
	if (pages > promise.limit - promise.used)
		return -LENOMEM;
	promise.used += pages;
	m->committed += pages;
	return 0;
}

void uncommit(struct mm *m, uint32_t pages)
{
	assert(pages <= m->committed && pages <= promise.used);
	promise.used -= pages;
	m->committed -= pages;
}

/* All but read-only pages of programs: a page that mprotect may make writable later counts too. */
static uint32_t promised(const struct vma *v)
{
	return (v->end - v->start) / PAGE;
}

struct vma *vma_find(struct mm *m, uint32_t va)
{
	list_each(l, &m->vmas) {
		struct vma *v = list_of(l, struct vma, link);
		if (va < v->end)
			return v;
	}
	return NULL;
}

static void insert_before(struct list *at, struct vma *v)
{
	list_append(at, &v->link); /* before `at`, as before a head */
}

int vma_add(struct mm *m, uint32_t start, uint32_t end, uint32_t flags)
{
	struct vma *next = vma_find(m, start), *v;
	struct list *at = next ? &next->link : &m->vmas;
	int r;

	if (start >= end || end > USER_END || (next && next->start < end))
		return -LEINVAL;
	if ((r = commit(m, (end - start) / PAGE)))
		return r;
	v = at->prev != &m->vmas ? list_of(at->prev, struct vma, link) : NULL;
	if (v && v->end == start && v->flags == flags) {
		v->end = end;
		return 0;
	}
	if (!(v = kmalloc(sizeof *v))) {
		uncommit(m, (end - start) / PAGE);
		return -LENOMEM;
	}
	*v = (struct vma){ .start = start, .end = end, .flags = flags };
	insert_before(at, v);
	return 0;
}

/* Makes `at` a border between areas. */
static int split(struct mm *m, uint32_t at)
{
	struct vma *v = vma_find(m, at), *low;

	if (!v || v->start >= at)
		return 0;
	if (!(low = kmalloc(sizeof *low)))
		return -LENOMEM;
	*low = *v;
	low->end = v->start = at;
	insert_before(&v->link, low);
	return 0;
}

static void drop(struct mm *m, struct vma *v)
{
	uncommit(m, promised(v));
	list_remove(&v->link);
	kfree(v);
}

int vma_remove(struct mm *m, uint32_t start, uint32_t end)
{
	struct vma *v;

	if (split(m, start) || split(m, end))
		return -LENOMEM;
	mm_unmap_pages(m, start, end);
	while ((v = vma_find(m, start)) && v->start < end)
		drop(m, v);
	return 0;
}

void vma_remove_all(struct mm *m)
{
	while (!list_empty(&m->vmas))
		drop(m, list_of(m->vmas.next, struct vma, link));
}

int vma_protect(struct mm *m, uint32_t start, uint32_t end, uint32_t flags)
{
	uint32_t at = start;
	struct vma *v;

	for (; at < end; at = v->end) /* no holes */
		if (!(v = vma_find(m, at)) || v->start > at)
			return -LENOMEM;
	if (split(m, start) || split(m, end))
		return -LENOMEM;
	for (at = start; at < end; at = v->end) {
		v = vma_find(m, at);
		v->flags = (v->flags & (VMA_SHARED | VMA_STACK)) | flags;
	}
	return mm_protect_pages(m, start, end, flags);
}

uint32_t vma_gap(struct mm *m, uint32_t length)
{
	uint32_t at = MMAP_BASE;

	list_each(l, &m->vmas) {
		struct vma *v = list_of(l, struct vma, link);
		if (v->end <= at)
			continue;
		if (v->start >= at && v->start - at >= length)
			return at;
		at = v->end;
	}
	return at < STACK_TOP - STACK_MAX && STACK_TOP - STACK_MAX - at >= length ? at : 0;
}

int vma_copy(struct mm *to, struct mm *from)
{
	list_each(l, &from->vmas) {
		struct vma *old = list_of(l, struct vma, link), *v = kmalloc(sizeof *v);
		if (!v || commit(to, promised(old))) {
			kfree(v);
			return -LENOMEM;
		}
		*v = *old;
		list_append(&to->vmas, &v->link);
	}
	return 0;
}

/* A touch below the stack, but not far below the stack pointer (PUSHA stores 32 bytes there, compilers probe more). */
bool vma_grow_stack(struct mm *m, struct vma *v, uint32_t va, uint32_t esp)
{
	uint32_t start = page_down(va);
	struct vma *below = v->link.prev != &m->vmas ? list_of(v->link.prev, struct vma, link) : NULL;

	if (!(v->flags & VMA_STACK) || v->end - start > STACK_MAX || va + 64 * 1024 < esp || (below && below->end + PAGE > start))
		return false;
	if (commit(m, (v->start - start) / PAGE))
		return false;
	v->start = start;
	return true;
}
