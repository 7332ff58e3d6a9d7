/*
 * loader_long.c - the way into a 64-bit image: page tables, a GDT, and the vCPU in long mode.
 *
 * The low 4 GiB are mapped to themselves by 2 MiB pages (SDM vol. 3, 4.5), all writable and executable, supervisor
 * only. The guest has no stack and makes its own. Called by loader.c.
 */
#include "loader_parts.h"

enum { PTE_P = 1, PTE_W = 2, PTE_PS = 0x80 };
enum { TABLES = 6, PDPT = 1, PD = 2 }; /* page 0: PML4, 1: PDPT, 2..5: page directories; then the GDT */

/* Access rights as in cpu.h, and the same as a GDT descriptor's high half. */
#define CODE64 (SEG_P | SEG_S | 0xb | SEG_L | SEG_G)
#define DATA64 (SEG_P | SEG_S | 0x3 | SEG_DB | SEG_G)
#define DESCRIPTOR(attr) ((uint64_t)((attr) & 0xf0ff) << 40 | 0xfull << 48 | 0xffff)

static void long_mode_tables(uint64_t *t, uint64_t base)
{
	t[0] = (base + PDPT * PAGE_SIZE) | PTE_P | PTE_W;
	for (unsigned i = 0; i < 4; i++)
		t[PDPT * 512 + i] = (base + (PD + i) * PAGE_SIZE) | PTE_P | PTE_W;
	for (uint64_t i = 0; i < 4 * 512; i++)
		t[PD * 512 + i] = i << 21 | PTE_P | PTE_W | PTE_PS;
}

static void long_mode_state(struct cpu_state *s, uint64_t tables, uint64_t gdt, uint64_t entry)
{
	cpu_enter_flat32(s, 0);
	s->rip = entry;
	s->cr0 |= CR0_PG | CR0_WP | CR0_MP | CR0_NE;
	s->cr3 = tables;
	s->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	s->efer = EFER_LME | EFER_LMA;
	for (int i = 0; i <= S_GS; i++)
		s->seg[i] = (struct segment){ .sel = 0x10, .limit = 0xffffffff, .attr = DATA64 };
	s->seg[S_CS] = (struct segment){ .sel = 0x08, .limit = 0xffffffff, .attr = CODE64 };
	s->gdtr = (struct dtable){ .base = gdt, .limit = 3 * 8 - 1 };
}

int long_mode_enter(struct loading *l, uint64_t entry)
{
	uint64_t size = (TABLES + 1) * PAGE_SIZE, *gdt, *t;
	gpa_t at;
	int err = load_room(l, size, "the initial page tables", &at);

	if (err)
		return err;
	t = mem_ptr(l->m, at, size);
	long_mode_tables(t, at.a);
	gdt = t + TABLES * 512;
	gdt[1] = DESCRIPTOR(CODE64);
	gdt[2] = DESCRIPTOR(DATA64);
	long_mode_state(l->state, at.a, at.a + TABLES * PAGE_SIZE, entry);
	return 0;
}
