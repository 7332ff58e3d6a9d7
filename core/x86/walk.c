/*
 * walk.c - the guest's page tables, read from guest RAM as the CPU's page walker reads them.
 *
 * One walker for everybody: the interpreter fills its soft TLB from it, bt its shadow pages, pv's trap interface its
 * mappings. 2-level tables with 4 MiB pages, and PAE with 2 MiB pages and NX (SDM vol. 3, 4.3 and 4.4); no PSE-36 and 36
 * physical address bits, as the CPU model says (cpuid.c). Read next: interp_mem.c, its first caller.
 */
#include <string.h>
#include "core/walk.h"

#define PTE_P 0x1u
#define PTE_W 0x2u
#define PTE_U 0x4u
#define PTE_A 0x20u
#define PTE_D 0x40u
#define PTE_PS 0x80u
#define PTE_G 0x100u
#define PTE_NX (1ull << 63)

#define PAE_ADDR 0x0000000ffffff000ull /* bits 35..12: MAXPHYADDR is 36 */
#define PAE_RSVD 0x7ffffff000000000ull /* bits 62..36 */
#define PAE_PDPTE_RSVD (PAE_RSVD | PTE_NX | 0x1e6ull)
#define PDE4M_RSVD 0x003fe000ull /* bits 21..13: no PSE-36 */
#define PDE2M_RSVD 0x001fe000ull /* bits 20..13 */

/* Below MEM_MAX a table entry is in RAM; anywhere else the bus answers with ones. */
static uint64_t entry_read(const struct mem *m, gpa_t gpa, unsigned size)
{
	const void *p = mem_ptr(m, gpa, size);
	uint64_t e8;
	uint32_t e4;

	if (!p)
		return size == 4 ? 0xffffffffu : ~0ull;
	/* Constant sizes: a call of memcpy would use XMM registers, which may be the guest's (backend-bt/bt_light.S). */
	if (size == 4) {
		memcpy(&e4, p, 4);
		return e4;
	}
	memcpy(&e8, p, 8);
	return e8;
}

static void entry_set(const struct mem *m, struct walk *w, unsigned level, uint64_t bits)
{
	uint8_t *p = mem_ptr(m, w->entry[level], w->entry_size);

	/* A and D are in the low byte of the entry, so one byte is all that changes. */
	if (p && (*p & bits) != bits) {
		*p |= (uint8_t)bits;
		w->written |= 1u << level;
	}
}

static uint32_t fault_code(const struct cpu_state *s, unsigned access, uint32_t why)
{
	uint32_t e = WALK_FAULT | why;

	if (access & ACCESS_W)
		e |= PFEC_W;
	if (access & ACCESS_USER)
		e |= PFEC_U;
	if ((access & ACCESS_X) && (s->efer & EFER_NX) && (s->cr4 & CR4_PAE))
		e |= PFEC_I;
	return e;
}

/* The bits that must be zero in a present entry of this level. */
static uint64_t entry_reserved(const struct cpu_state *s, const struct walk *w, unsigned level, uint64_t e, bool large)
{
	uint64_t r;

	if (w->entry_size == 4)
		return large ? PDE4M_RSVD : 0;
	if (level == 0)
		return PAE_PDPTE_RSVD;
	r = PAE_RSVD;
	if (large)
		r |= PDE2M_RSVD;
	if (!(s->efer & EFER_NX))
		r |= PTE_NX;
	return r;
}

/* Permissions are the conjunction over all levels; a PDPTE has none of its own. */
static void entry_combine(struct walk *w, unsigned level, uint64_t e)
{
	if (w->entry_size == 8 && level == 0)
		return;
	w->writable &= (e & PTE_W) != 0;
	w->user &= (e & PTE_U) != 0;
	if (w->entry_size == 8 && (e & PTE_NX))
		w->exec = false;
}

static bool access_allowed(const struct cpu_state *s, const struct walk *w, unsigned access)
{
	if ((access & ACCESS_USER) && !w->user)
		return false;
	if ((access & ACCESS_W) && !w->writable && ((access & ACCESS_USER) || (s->cr0 & CR0_WP)))
		return false;
	if ((access & ACCESS_X) && !w->exec)
		return false;
	return true;
}

static void set_accessed(const struct mem *m, struct walk *w, unsigned access)
{
	unsigned level, leaf = w->levels - 1u;

	for (level = w->entry_size == 8 ? 1 : 0; level <= leaf; level++)
		entry_set(m, w, level, PTE_A | (level == leaf && (access & ACCESS_W) ? PTE_D : 0));
	if (access & ACCESS_W)
		w->dirty = true;
}

static void walk_identity(gva_t gva, struct walk *w)
{
	w->gpa.a = (uint32_t)gva.a;
	w->page_size = PAGE_SIZE;
	w->writable = w->user = w->exec = w->dirty = true;
}

uint32_t walk_page(const struct cpu_state *s, const struct mem *m, gva_t gva, unsigned access, bool set_ad, struct walk *w)
{
	bool pae = s->cr4 & CR4_PAE;
	uint32_t va = (uint32_t)gva.a;
	unsigned level, top = pae ? 3 : 2;
	uint64_t table = pae ? s->cr3 & 0xffffffe0u : s->cr3 & 0xfffff000u, e = 0;

	w->gpa = w->entry[0] = w->entry[1] = w->entry[2] = GPA(0);
	w->page_size = w->levels = w->entry_size = w->written = 0;
	w->writable = w->user = w->exec = w->dirty = w->global = false;
	if (!(s->cr0 & CR0_PG)) {
		walk_identity(gva, w);
		return 0;
	}
	w->entry_size = pae ? 8 : 4;
	w->writable = w->user = w->exec = true;
	for (level = 0; level < top; level++) {
		unsigned shift = pae ? 30 - 9 * level : 22 - 10 * level;
		unsigned index = (va >> shift) & (pae ? (level ? 511 : 3) : 1023);
		bool large;

		w->entry[level] = GPA(table + (uint64_t)index * w->entry_size);
		w->levels = level + 1;
		e = entry_read(m, w->entry[level], w->entry_size);
		if (!(e & PTE_P))
			return fault_code(s, access, 0);
		large = (e & PTE_PS) && level == top - 2u && (pae || (s->cr4 & CR4_PSE));
		if (e & entry_reserved(s, w, level, e, large))
			return fault_code(s, access, PFEC_P | PFEC_RSVD);
		entry_combine(w, level, e);
		table = e & (pae ? PAE_ADDR : 0xfffff000u);
		w->page_size = 1u << shift;
		if (large)
			break;
	}
	if (!access_allowed(s, w, access))
		return fault_code(s, access, PFEC_P);
	w->gpa = GPA((table & ~(uint64_t)(w->page_size - 1)) | (va & (w->page_size - 1)));
	w->dirty = e & PTE_D;
	w->global = (e & PTE_G) && (s->cr4 & CR4_PGE);
	if (set_ad)
		set_accessed(m, w, access);
	return 0;
}
