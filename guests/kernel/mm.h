/*
 * mm.h - address spaces: areas that a process may use, and the pages that it has.
 *
 * A page belongs to an address space if an entry of level 1 names it, present or not (PROT_NONE keeps a page without
 * PTE_P). Pages come at the first touch; fork shares them, read-only, until somebody writes. mm.c has page tables, fork and
 * faults, vma.c the areas.
 */
#pragma once
#include "kernel.h"

#define USER_END KERNEL_BASE
#define STACK_TOP (USER_END - 2 * PAGE)
#define STACK_MAX (1u << 20)
#define MMAP_BASE 0x40000000u

enum { VMA_READ = LPROT_READ, VMA_WRITE = LPROT_WRITE, VMA_EXEC = LPROT_EXEC, VMA_SHARED = 8, VMA_STACK = 16 };

struct vma {
	struct list link; /* in ascending order */
	uint32_t start, end; /* whole pages */
	uint32_t flags;
};

struct mm {
	pte_t *root;
	struct list vmas;
	uint32_t brk_start, brk;
	uint32_t committed; /* pages promised: every private writable one, touched or not */
};

struct mm *mm_new(void);                     /* empty; NULL without memory */
int mm_fork(struct mm *to, struct mm *from); /* to: from mm_new. On an error to holds what mm_destroy takes back */
void mm_destroy(struct mm *m);               /* must not be the one that is loaded; NULL is allowed */
/* Brings in or copies the page; access: PTE_W for a write, PTE_FETCH. 0; -LEFAULT: not allowed; -LENOMEM. */
#define PTE_FETCH 0x10u
int mm_fault(struct mm *m, uint32_t va, uint32_t access, uint32_t esp);
void mm_unmap_pages(struct mm *m, uint32_t start, uint32_t end);
int mm_protect_pages(struct mm *m, uint32_t start, uint32_t end, uint32_t flags);
/* Writes to an address space that is not loaded, page by page: exec. The area must be there. */
int mm_write(struct mm *m, uint32_t va, const void *from, uint32_t n);

struct vma *vma_find(struct mm *m, uint32_t va); /* the first that ends above va */
int vma_add(struct mm *m, uint32_t start, uint32_t end, uint32_t flags); /* -LENOMEM, -LEINVAL if it overlaps */
int vma_remove(struct mm *m, uint32_t start, uint32_t end);
void vma_remove_all(struct mm *m); /* the areas only: mm_destroy */
int vma_protect(struct mm *m, uint32_t start, uint32_t end, uint32_t flags);
uint32_t vma_gap(struct mm *m, uint32_t length); /* where so many bytes are free, or 0 */
int vma_copy(struct mm *to, struct mm *from);
bool vma_grow_stack(struct mm *m, struct vma *v, uint32_t va, uint32_t esp);

/* Pages promised to all processes: what keeps memory from running out at a page fault. */
int commit(struct mm *m, uint32_t pages);
void uncommit(struct mm *m, uint32_t pages);
void commit_init(void);
