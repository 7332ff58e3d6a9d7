/*
 * gdb_memory.c - guest memory for the debugger: by linear address, through the guest's own page tables.
 *
 * Nothing but the walk itself is done: no accessed or dirty bit is set, no device is read, permissions do not matter (a
 * debugger may look at and change what the guest may not). What is not mapped, or not RAM, is an error. Writes tell the
 * backend, which may hold translations of what was there. Called by gdb_command.c and gdb_monitor.c.
 */
#include <string.h>
#include "core/walk.h"
#include "gdb_private.h"

bool gdb_is_64bit(const struct gdb *g)
{
	return g->vm->image.kind == IMAGE_ELF64;
}

/* Four levels, SDM vol. 3, 4.5: walk.c knows the 32-bit modes only, for only hardware runs 64-bit guests. */
static bool walk_long(const struct gdb *g, uint64_t lin, gpa_t *gpa)
{
	const struct mem *m = &g->vm->mem;
	uint64_t table = g->vm->vcpu.state.cr3 & 0x000ffffffffff000ull, e;

	for (int level = 3; level >= 0; level--) {
		unsigned shift = 12 + 9 * (unsigned)level;
		const uint64_t *p = mem_ptr(m, GPA(table + 8 * (lin >> shift & 511)), 8);

		if (!p || !((e = *p) & 1))
			return false;
		table = e & 0x000ffffffffff000ull;
		if (level == 0 || ((e & 0x80) && level < 3)) {
			uint64_t mask = (1ull << shift) - 1;
			*gpa = GPA((table & ~mask) | (lin & mask));
			return true;
		}
	}
	return false;
}

bool gdb_translate(const struct gdb *g, uint64_t lin, gpa_t *gpa, uint32_t *error)
{
	struct walk w;
	uint32_t r;

	*error = 0;
	if (g->vm->vcpu.state.efer & EFER_LMA)
		return walk_long(g, lin, gpa);
	if (lin >> 32)
		return false;
	r = walk_page(&g->vm->vcpu.state, &g->vm->mem, GVA(lin), ACCESS_R, false, &w);
	*error = r & ~WALK_FAULT;
	*gpa = w.gpa;
	return !r;
}

/* RAM behind lin, and how much of it up to the page's end; NULL when there is none. */
static uint8_t *page_at(const struct gdb *g, uint64_t lin, size_t *n)
{
	uint32_t error;
	gpa_t gpa;

	*n = PAGE_SIZE - (lin & (PAGE_SIZE - 1));
	return gdb_translate(g, lin, &gpa, &error) ? mem_ptr(&g->vm->mem, gpa, *n) : NULL;
}

size_t gdb_memory_read(const struct gdb *g, uint64_t lin, void *buf, size_t n)
{
	size_t done = 0, part;

	while (done < n) {
		const uint8_t *p = page_at(g, lin + done, &part);
		if (!p)
			break;
		if (part > n - done)
			part = n - done;
		memcpy((uint8_t *)buf + done, p, part);
		done += part;
	}
	return done;
}

bool gdb_memory_write(struct gdb *g, uint64_t lin, const void *buf, size_t n)
{
	size_t part;

	for (size_t done = 0; done < n; done += part)
		if (!page_at(g, lin + done, &part))
			return false;
	for (size_t done = 0; done < n; done += part) {
		uint8_t *p = page_at(g, lin + done, &part);
		if (!p) /* this write changed the page tables it goes through */
			return false;
		if (part > n - done)
			part = n - done;
		memcpy(p, (const uint8_t *)buf + done, part);
		vm_mem_written(g->vm, mem_gpa(&g->vm->mem, p), part);
		g->memory_dirty = true;
	}
	return true;
}
