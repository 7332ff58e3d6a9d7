/*
 * xen_mm.c - page tables under Xen: read-only to us, pinned, and changed by queued hypercalls.
 *
 * Entries hold machine frames; the frame list of start_info and Xen's table at 0xf5800000 translate. Changes wait in a
 * queue until pt_commit, which is one mmu_update; a flush goes along in the same multicall. Making a page a table is dear (it
 * must become read-only, and Xen checks it), so tables that are given back stay pinned and clear in a pool. The upper GiB
 * of every address space has a level-2 table of its own, for Xen wants that, over shared level-1 tables, which never
 * change once all RAM is mapped. Sources: xen/xen.h, xen/arch-x86/xen-x86_32.h. Read next: xen.c.
 */
#include "proc.h"
#include "xen_build.h"

#define QUEUE 64
#define OPS 16
#define POOL 48
#define KERNEL_ENTRIES ((KERNEL_LIMIT - KERNEL_BASE) >> 21)

pte_t pte_nx;
pte_t *kernel_root;
static struct mmu_update queue[QUEUE];
static uint32_t queued;
static struct mmuext_op ops[OPS]; /* pages to clear or copy before that */
static uint32_t ops_n;
static uint32_t loaded_root;
static struct { pte_t *table[POOL]; uint32_t n; } pool[4]; /* by level; 3: whole roots */

uint64_t xen_machine(const void *va)
{
	uint32_t pa = va_to_pa(va);
	return (uint64_t)((const unsigned long *)xen_start->mfn_list)[pa / PAGE] << 12 | (pa & PAGE_MASK);
}

uint32_t page_pa(const void *va)
{
	return (uint32_t)xen_machine(va);
}

pte_t pte_make(uint32_t pa, pte_t flags)
{
	return xen_machine(pa_to_va(pa)) | flags | PTE_A | PTE_D;
}

uint32_t pte_pa(pte_t e)
{
	return MACHINE_PFN((uint32_t)((e & PTE_ADDRESS) >> 12)) << 12;
}

/* ---- changes ---- */

static void must(int32_t result, const char *what)
{
	if (result)
		panic("kernel: Xen refuses %s (%d)\n", what, result);
}

void pt_set(pte_t *slot, pte_t e)
{
	if (queued == QUEUE)
		pt_commit();
	truth_add(PT_WRITE, 1);
	queue[queued].ptr = xen_machine(slot);
	queue[queued++].val = e;
}

static void op_add(uint32_t cmd, const void *page, const void *from)
{
	if (ops_n == OPS)
		pt_commit();
	ops[ops_n] = (struct mmuext_op){ .cmd = cmd, .arg1.mfn = (uint32_t)(xen_machine(page) >> 12) };
	if (from)
		ops[ops_n].arg2.src_mfn = (uint32_t)(xen_machine(from) >> 12);
	ops_n++;
}

void frame_clear(void *page)
{
	op_add(MMUEXT_CLEAR_PAGE, page, NULL);
}

void frame_copy(void *page, const void *from)
{
	op_add(MMUEXT_COPY_PAGE, page, from);
}

/* The queues, contents first, and then one operation more, if any: all in one crossing. */
static void commit_with(struct mmuext_op *op, const char *what)
{
	struct multicall_entry m[3];
	unsigned n = 0;

	if (ops_n)
		m[n++] = (struct multicall_entry){ .op = __HYPERVISOR_mmuext_op, .args = { (uint32_t)ops, ops_n, 0, DOMID_SELF } };
	if (queued)
		m[n++] = (struct multicall_entry){ .op = __HYPERVISOR_mmu_update, .args = { (uint32_t)queue, queued, 0, DOMID_SELF } };
	if (op)
		m[n++] = (struct multicall_entry){ .op = __HYPERVISOR_mmuext_op, .args = { (uint32_t)op, 1, 0, DOMID_SELF } };
	ops_n = queued = 0;
	if (n == 1)
		must(hypercall((uint32_t)m[0].op, (uint32_t)m[0].args[0], (uint32_t)m[0].args[1], 0, DOMID_SELF, 0), what);
	else if (n)
		must(hypercall(__HYPERVISOR_multicall, (uint32_t)m, n, 0, 0, 0), "a multicall");
	for (unsigned i = 0; n > 1 && i < n; i++)
		must((int32_t)m[i].result, what);
}

void pt_commit(void)
{
	commit_with(NULL, "a page-table update");
}

void tlb_flush_page(uint32_t va)
{
	struct mmuext_op op = { .cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = va };
	truth_add(TLB_FLUSH, 1);
	commit_with(&op, "a page flush");
}

void tlb_flush(void)
{
	struct mmuext_op op = { .cmd = MMUEXT_TLB_FLUSH_LOCAL };
	truth_add(TLB_FLUSH, 1);
	commit_with(&op, "a flush");
}

/* ---- tables ---- */

static void map_as(void *va, pte_t flags)
{
	uint64_t e = pte_make(va_to_pa(va), flags);
	truth_add(PT_WRITE, 1);
	must(hypercall(__HYPERVISOR_update_va_mapping, (uint32_t)va, (uint32_t)e, (uint32_t)(e >> 32), 0, 0), "a mapping of a table");
}

static int32_t pin(void *table, unsigned level)
{
	struct mmuext_op op = { .cmd = MMUEXT_PIN_L1_TABLE + level - 1, .arg1.mfn = (uint32_t)(xen_machine(table) >> 12) };
	return hypercall(__HYPERVISOR_mmuext_op, (uint32_t)&op, 1, 0, DOMID_SELF, 0);
}

static void unpin(void *table)
{
	struct mmuext_op op = { .cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = (uint32_t)(xen_machine(table) >> 12) };
	must(hypercall(__HYPERVISOR_mmuext_op, (uint32_t)&op, 1, 0, DOMID_SELF, 0), "to unpin a table");
}

/* Cleared, and so nothing refers to anything: an ordinary page again. */
static void table_end(pte_t *table)
{
	unpin(table);
	map_as(table, PTE_P | PTE_W | pte_nx);
	arena_free(ARENA_TABLES, table, 0);
}

pte_t *pt_alloc(unsigned level)
{
	pte_t *t;

	if (pool[level].n)
		return pool[level].table[--pool[level].n];
	if (!(t = arena_zalloc(ARENA_TABLES)))
		return NULL;
	map_as(t, PTE_P | pte_nx);
	must(pin(t, level), "to pin a table");
	return t;
}

void pt_free(pte_t *table, unsigned level)
{
	if (pool[level].n < POOL)
		pool[level].table[pool[level].n++] = table;
	else
		table_end(table);
}

pte_t *root_alloc(void)
{
	pte_t *root, *l2;

	if (pool[3].n)
		return pool[3].table[--pool[3].n];
	root = arena_zalloc(ARENA_TABLES);
	l2 = root ? arena_zalloc(ARENA_TABLES) : NULL;
	if (!l2) {
		if (root)
			arena_free(ARENA_TABLES, root, 0);
		return NULL;
	}
	memcpy(l2, pte_va(kernel_root[3]), KERNEL_ENTRIES * sizeof *l2);
	root[3] = xen_machine(l2) | PTE_P;
	map_as(root, PTE_P | pte_nx);
	map_as(l2, PTE_P | pte_nx);
	must(pin(root, 3), "to pin a root");
	return root;
}

static void root_end(pte_t *root)
{
	pte_t *l2 = pte_va(root[3]);

	unpin(root);
	map_as(root, PTE_P | PTE_W | pte_nx);
	map_as(l2, PTE_P | PTE_W | pte_nx);
	arena_free(ARENA_TABLES, root, 0);
	arena_free(ARENA_TABLES, l2, 0);
}

void root_free(pte_t *root)
{
	if (pool[3].n < POOL)
		pool[3].table[pool[3].n++] = root;
	else
		root_end(root);
}

uint32_t pt_pool_drain(void)
{
	uint32_t before = pages_free();

	for (unsigned level = 1; level < 3; level++)
		while (pool[level].n)
			table_end(pool[level].table[--pool[level].n]);
	while (pool[3].n)
		root_end(pool[3].table[--pool[3].n]);
	return pages_free() - before;
}

void root_changed(pte_t *root)
{
}

void root_load(pte_t *root)
{
	struct mmuext_op op = { .cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = (uint32_t)(xen_machine(root) >> 12) };

	loaded_root = va_to_pa(root);
	truth_add(CR3_WRITE, 1);
	commit_with(&op, "a page-table root");
}

/* The kernel stack for entries from user mode, and the root where it differs, in one crossing. */
void xen_switch(uint32_t stack, pte_t *root)
{
	struct mmuext_op op = { .cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = (uint32_t)(xen_machine(root) >> 12) };
	struct multicall_entry m[2] = {
		{ .op = __HYPERVISOR_stack_switch, .args = { FLAT_KERNEL_SS, stack } },
		{ .op = __HYPERVISOR_mmuext_op, .args = { (uint32_t)&op, 1, 0, DOMID_SELF } },
	};

	if (va_to_pa(root) == loaded_root) {
		must(hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, stack, 0, 0, 0), "a stack");
		return;
	}
	loaded_root = va_to_pa(root);
	truth_add(CR3_WRITE, 1);
	must(hypercall(__HYPERVISOR_multicall, (uint32_t)m, 2, 0, 0, 0), "a multicall");
	must((int32_t)m[1].result, "a page-table root");
}

/* ---- the start ---- */

/* Adds a level-1 table at `table`, which is mapped already, for the 2 MiB at va. */
static void map_span(pte_t *table, uint32_t va, uint32_t end)
{
	pte_t *l2 = pte_va(kernel_root[3]);

	memset(table, 0, PAGE);
	for (uint32_t i = 0; i < 512 && va + i * PAGE < end; i++)
		table[i] = pte_make(va_to_pa(va + i * PAGE), PTE_P | PTE_W | pte_nx);
	map_as(table, PTE_P | pte_nx);
	pt_set(&l2[va >> 21 & 511], pte_make(va_to_pa(table), PTE_P | PTE_W | PTE_U));
	pt_commit();
}

/*
 * Maps all of RAM; *next is the first free page after what the builder placed, and moves behind the tables that this took.
 * The builder's own mapping ends at a boundary of 2 MiB, or with RAM, at least 512 KiB behind the boot stack.
 */
void xen_map_all(uint32_t *next, uint32_t ram_end)
{
	uint32_t end = (uint32_t)pa_to_va(ram_end), va = xen_start->pt_base & ~((1u << 21) - 1);
	pte_t *l2;

	kernel_root = (pte_t *)xen_start->pt_base;
	loaded_root = va_to_pa(kernel_root);
	l2 = pte_va(kernel_root[3]);
	while (va < end && va >= KERNEL_BASE && (l2[va >> 21 & 511] & PTE_P))
		va += 1u << 21;
	for (; va < end && va >= KERNEL_BASE; va += 1u << 21) {
		map_span(pa_to_va(*next), va, end);
		*next += PAGE;
	}
}
