/* The page walker: every level, every permission, every reserved bit, A and D (SDM vol. 3, chapter 4). */
#include <criterion/criterion.h>
#include "harness.h"

#define PD 0x100000u   /* 2-level page directory */
#define PT 0x101000u
#define PDPT 0x102000u /* PAE */
#define PD8 0x103000u
#define PT8 0x104000u
#define VA 0x00403123u /* 2-level: entries 1 and 3; PAE: 0, 2, 3 */

static struct rig paged(bool pae)
{
	struct rig r = rig_open();

	r.s->cr0 |= CR0_PG | CR0_WP;
	r.s->cr3 = pae ? PDPT : PD;
	r.s->cr4 |= pae ? CR4_PAE : 0;
	rig_put32(&r, PD + 4, PT | 7);
	rig_put32(&r, PT + 12, 0x5000 | 7);
	rig_put64(&r, PDPT, PD8 | 1);
	rig_put64(&r, PD8 + 16, PT8 | 7);
	rig_put64(&r, PT8 + 24, 0x6000 | 7);
	return r;
}

static uint32_t walk(struct rig *r, unsigned access, struct walk *w)
{
	return walk_page(r->s, &r->vm->mem, GVA(VA), access, true, w);
}

Test(walk, without_paging_linear_is_physical)
{
	struct rig r = rig_open();
	struct walk w;

	cr_assert_eq(walk_page(r.s, &r.vm->mem, GVA(0xfffff123u), ACCESS_W | ACCESS_USER, true, &w), 0);
	cr_assert(w.gpa.a == 0xfffff123u && w.levels == 0 && w.writable && w.user && w.exec);
	rig_close(&r);
}

Test(walk, two_levels_translate_and_set_accessed_and_dirty)
{
	struct rig r = paged(false);
	struct walk w;

	cr_assert_eq(walk(&r, ACCESS_R, &w), 0);
	cr_assert(w.gpa.a == 0x5123 && w.page_size == 4096 && w.levels == 2 && w.entry_size == 4);
	cr_assert(w.entry[0].a == PD + 4 && w.entry[1].a == PT + 12);
	cr_assert_eq(w.written, 3);
	cr_assert_eq(rig_get32(&r, PD + 4), PT | 0x27u);
	cr_assert_eq(rig_get32(&r, PT + 12), 0x5000 | 0x27u);
	cr_assert_eq(walk(&r, ACCESS_W, &w), 0);
	cr_assert(w.written == 2 && w.dirty);
	cr_assert_eq(rig_get32(&r, PD + 4), PT | 0x27u, "a directory entry has no dirty bit");
	cr_assert_eq(rig_get32(&r, PT + 12), 0x5000 | 0x67u);
	rig_close(&r);
}

Test(walk, a_fault_sets_nothing)
{
	struct rig r = paged(false);
	struct walk w;

	rig_put32(&r, PT + 12, 0x5000 | 5);
	cr_assert_eq(walk(&r, ACCESS_W | ACCESS_USER, &w), WALK_FAULT | PFEC_P | PFEC_W | PFEC_U);
	cr_assert_eq(rig_get32(&r, PT + 12), 0x5000 | 5u);
	rig_close(&r);
}

/* {page-directory flags, page-table flags, CR0.WP, access, error or 0} */
static const struct { uint8_t pde, pte, wp; unsigned access; uint32_t want; } permissions[] = {
	{ 7, 7, 1, ACCESS_W | ACCESS_USER, 0 },
	{ 6, 7, 1, ACCESS_R, WALK_FAULT },
	{ 7, 6, 1, ACCESS_R, WALK_FAULT },
	{ 7, 6, 1, ACCESS_W | ACCESS_USER, WALK_FAULT | PFEC_W | PFEC_U },
	{ 3, 7, 1, ACCESS_R | ACCESS_USER, WALK_FAULT | PFEC_P | PFEC_U },
	{ 7, 3, 1, ACCESS_R | ACCESS_USER, WALK_FAULT | PFEC_P | PFEC_U },
	{ 3, 3, 1, ACCESS_R, 0 },
	{ 5, 7, 1, ACCESS_W, WALK_FAULT | PFEC_P | PFEC_W },
	{ 7, 5, 1, ACCESS_W, WALK_FAULT | PFEC_P | PFEC_W },
	{ 7, 5, 0, ACCESS_W, 0 },
	{ 5, 5, 0, ACCESS_W, 0 },
	{ 7, 5, 0, ACCESS_W | ACCESS_USER, WALK_FAULT | PFEC_P | PFEC_W | PFEC_U },
	{ 7, 5, 1, ACCESS_R | ACCESS_USER, 0 },
	{ 7, 7, 1, ACCESS_X | ACCESS_USER, 0 },
	{ 7, 6, 1, ACCESS_X, WALK_FAULT }, /* no I bit: NX is not on */
};

Test(walk, permissions_are_the_conjunction_of_both_levels)
{
	for (unsigned i = 0; i < ARRAY_LEN(permissions); i++) {
		struct rig r = paged(false);
		struct walk w;

		rig_put32(&r, PD + 4, PT | permissions[i].pde);
		rig_put32(&r, PT + 12, 0x5000 | permissions[i].pte);
		if (!permissions[i].wp)
			r.s->cr0 &= ~(uint64_t)CR0_WP;
		cr_expect_eq(walk(&r, permissions[i].access, &w), permissions[i].want, "row %u", i);
		rig_close(&r);
	}
}

Test(walk, four_mib_pages_need_pse_and_clear_reserved_bits)
{
	struct rig r = paged(false);
	struct walk w;

	rig_put32(&r, PD + 4, 0x800000 | 0x187);
	r.s->cr4 |= CR4_PSE | CR4_PGE;
	cr_assert_eq(walk(&r, ACCESS_W, &w), 0);
	cr_assert(w.gpa.a == 0x803123 && w.page_size == 4u << 20 && w.levels == 1 && w.global);
	cr_assert_eq(rig_get32(&r, PD + 4), 0x800000 | 0x1e7u);
	rig_put32(&r, PD + 4, 0x800000 | 0x2000 | 0x187);
	cr_assert_eq(walk(&r, ACCESS_W, &w), WALK_FAULT | PFEC_P | PFEC_W | PFEC_RSVD);
	rig_put32(&r, PD + 4, PT | 0x87);
	r.s->cr4 &= ~(uint64_t)CR4_PSE;
	cr_assert_eq(walk(&r, ACCESS_R, &w), 0);
	cr_assert_eq(w.gpa.a, 0x5123, "without PSE the bit is ignored");
	rig_close(&r);
}

Test(walk, pae_translates_and_knows_its_reserved_bits)
{
	static const uint64_t bad[] = { 1ull << 36, 1ull << 62, 1ull << 63 };
	struct rig r = paged(true);
	struct walk w;

	cr_assert_eq(walk(&r, ACCESS_W | ACCESS_USER, &w), 0);
	cr_assert(w.gpa.a == 0x6123 && w.levels == 3 && w.entry_size == 8 && w.written == 6);
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		rig_put64(&r, PT8 + 24, 0x6000 | 7 | bad[i]);
		cr_expect_eq(walk(&r, ACCESS_R, &w), WALK_FAULT | PFEC_P | PFEC_RSVD, "bit %u", i);
	}
	rig_put64(&r, PT8 + 24, 0x6000 | 7);
	rig_put64(&r, PDPT, PD8 | 3);
	cr_expect_eq(walk(&r, ACCESS_R, &w), WALK_FAULT | PFEC_P | PFEC_RSVD, "bit 1 of a PDPTE is reserved");
	rig_close(&r);
}

Test(walk, nx_forbids_fetches_only)
{
	struct rig r = paged(true);
	struct walk w;

	r.s->efer |= EFER_NX;
	rig_put64(&r, PD8 + 16, PT8 | 7 | 1ull << 63);
	cr_assert_eq(walk(&r, ACCESS_W, &w), 0);
	cr_assert(!w.exec);
	cr_assert_eq(walk(&r, ACCESS_X | ACCESS_USER, &w), WALK_FAULT | PFEC_P | PFEC_U | PFEC_I);
	rig_put64(&r, PD8 + 16, 0);
	cr_assert_eq(walk(&r, ACCESS_X, &w), WALK_FAULT | PFEC_I);
	rig_close(&r);
}

Test(walk, two_mib_pages_of_pae)
{
	struct rig r = paged(true);
	struct walk w;

	rig_put64(&r, PD8 + 16, 0x600000 | 0x87);
	cr_assert_eq(walk(&r, ACCESS_W, &w), 0);
	cr_assert(w.gpa.a == 0x603123 && w.page_size == 2u << 20 && w.levels == 2);
	rig_put64(&r, PD8 + 16, 0x600000 | 0x2087);
	cr_assert_eq(walk(&r, ACCESS_W, &w), WALK_FAULT | PFEC_P | PFEC_W | PFEC_RSVD);
	rig_close(&r);
}

Test(walk, tables_outside_ram_read_as_ones)
{
	struct rig r = paged(false);
	struct walk w;

	r.s->cr3 = 0xf0000000;
	r.s->cr4 |= CR4_PSE;
	cr_assert_eq(walk(&r, ACCESS_R, &w), WALK_FAULT | PFEC_P | PFEC_RSVD);
	r.s->cr4 &= ~(uint64_t)CR4_PSE;
	cr_assert_eq(walk(&r, ACCESS_R, &w), 0);
	cr_assert_eq(w.gpa.a, 0xfffff123);
	rig_close(&r);
}
