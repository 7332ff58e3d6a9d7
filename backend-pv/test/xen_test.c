/*
 * The xen interface without direct execution: what the builder makes, what page types refuse, and tens of thousands of wild
 * hypercalls (RINGLAB_PV_FUZZ=N for more, RINGLAB_SEED=N for others), after which every reference is counted again.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "domain.h"

#define IMAGE RINGLAB_GUESTS "/hello-xen.elf"
#define MEM (8u << 20)
#define P 1u
#define RW 2u

static struct domain *d;
static struct vcpu *v;
static struct xen *x;

static void setup(void)
{
	d = domain_new(IMAGE, MEM);
	v = &d->vm.vcpu;
	x = d->pv.xen;
	cr_assert_eq(d->vm.end, END_NONE, "%s", d->vm.why);
}

static void teardown(void)
{
	domain_free(d);
}

TestSuite(domain, .init = setup, .fini = teardown);

static bool audit(void)
{
	char why[256];
	bool ok = xen_audit(v, why, sizeof(why));

	if (!ok)
		fprintf(stderr, "audit: %s\n", why);
	return ok;
}

static const struct start_info_x86_32 *start_info(void)
{
	return mem_ptr(&d->vm.mem, GPA(v->state.gpr[R_ESI] - 0xc0000000u), PAGE_SIZE);
}

static int32_t call(uint32_t nr, uint32_t a, uint32_t b, uint32_t c, uint32_t e)
{
	uint32_t arg[6] = { a, b, c, e };

	return xen_call(v, nr, arg);
}

/* A page in the middle of the domain's free memory, mapped where the builder mapped it. */
static uint32_t scratch_mfn(void)
{
	return (uint32_t)(v->state.gpr[R_ESP] - 0xc0000000u) / PAGE_SIZE + 8;
}

static uint32_t scratch_va(void)
{
	return 0xc0000000u + scratch_mfn() * PAGE_SIZE;
}

/* One mmu_update through guest memory. */
static int32_t update(uint64_t ptr, uint64_t val)
{
	uint64_t req[2] = { ptr, val };

	cr_assert(xen_guest_write(v, scratch_va(), req, sizeof(req)));
	return call(1, scratch_va(), 1, 0, DOMID_SELF);
}

static int32_t mmuext(uint32_t cmd, uint32_t arg1)
{
	uint32_t op[3] = { cmd, arg1, 0 };

	cr_assert(xen_guest_write(v, scratch_va(), op, sizeof(op)));
	return call(26, scratch_va(), 1, 0, DOMID_SELF);
}

static uint32_t table_mfn(unsigned i)
{
	return (start_info()->pt_base - 0xc0000000u) / PAGE_SIZE + i;
}

Test(domain, starts_as_the_abi_says)
{
	const struct start_info_x86_32 *si = start_info();

	cr_expect_str_eq(si->magic, "xen-3.0-x86_32p");
	cr_expect_eq(si->nr_pages, MEM / PAGE_SIZE - 1 - XEN_GRANT_FRAMES);
	cr_expect_eq(si->shared_info, si->nr_pages * PAGE_SIZE);
	cr_expect_eq(x->shared->vcpu_info[0].evtchn_upcall_mask, 1);
	cr_expect_eq(v->state.seg[S_CS].sel, KERNEL_CS);
	cr_expect_eq(CPL(&v->state), 1);
	cr_expect_eq(v->state.cr3, (uint64_t)table_mfn(0) << PAGE_SHIFT);
	cr_expect(audit(), "the builder's own references do not add up");
}

Test(domain, a_table_is_never_mapped_writable)
{
	uint32_t l1 = table_mfn(2), entry = 5;
	uint64_t slot = ((uint64_t)l1 << PAGE_SHIFT) + entry * 8;

	cr_expect_eq(update(slot, (uint64_t)l1 << PAGE_SHIFT | P | RW), -XEN_EINVAL, "an L1 was mapped writable by itself");
	cr_expect_eq(update(slot, (uint64_t)table_mfn(0) << PAGE_SHIFT | P | RW), -XEN_EINVAL, "the L3 was mapped writable");
	cr_expect_eq(update(slot, (uint64_t)l1 << PAGE_SHIFT | P), 0, "a read-only mapping of a table is allowed");
	cr_expect_eq(x->frame[l1].type, FT_L1);
	cr_expect(audit());
}

Test(domain, a_writable_page_does_not_become_a_table)
{
	cr_expect_eq(mmuext(0 /* PIN_L1 */, scratch_mfn()), -XEN_EINVAL, "a page mapped writable was pinned as L1");
	cr_expect_eq(call(14, scratch_va() + PAGE_SIZE, (scratch_mfn() + 1) * PAGE_SIZE | P, 0, 0), 0, "made read-only");
	memset(mem_ptr(&d->vm.mem, GPA((uint64_t)(scratch_mfn() + 1) * PAGE_SIZE), PAGE_SIZE), 0, PAGE_SIZE);
	cr_expect_eq(mmuext(0, scratch_mfn() + 1), 0, "a read-only page of zeros is a fine L1");
	cr_expect_eq(call(14, scratch_va() + PAGE_SIZE, (scratch_mfn() + 1) * PAGE_SIZE | P | RW, 0, 0), -XEN_EINVAL, "and writable no more");
	cr_expect_eq(mmuext(0, scratch_mfn() + 1), -XEN_EINVAL, "pinned twice");
	cr_expect_eq(mmuext(4 /* UNPIN */, scratch_mfn() + 1), 0);
	cr_expect_eq(call(14, scratch_va() + PAGE_SIZE, (scratch_mfn() + 1) * PAGE_SIZE | P | RW, 0, 0), 0);
	cr_expect(audit());
}

Test(domain, foreign_frames_and_reserved_bits_are_refused)
{
	uint64_t slot = ((uint64_t)table_mfn(2) << PAGE_SHIFT) + 8;

	cr_expect_eq(update(slot, (uint64_t)(x->grant_mfn + XEN_GRANT_FRAMES) << PAGE_SHIFT | P), -XEN_EINVAL, "a frame beyond the domain");
	cr_expect_eq(update(slot, 1ull << 40 | P), -XEN_EINVAL, "a frame beyond 36 bits");
	cr_expect_eq(update(slot, (uint64_t)x->shared_mfn << PAGE_SHIFT | P | RW), 0, "shared_info may be mapped");
	cr_expect_eq(update((uint64_t)x->frames << PAGE_SHIFT, 0), -XEN_EINVAL, "an update outside the domain");
	cr_expect_eq(update(((uint64_t)table_mfn(1) << PAGE_SHIFT) + 8, (uint64_t)scratch_mfn() << PAGE_SHIFT | P | 0x80), -XEN_EINVAL, "a large page");
	cr_expect_eq(call(1, scratch_va(), 1, 0, 3), -XEN_ESRCH, "another domain's tables");
	cr_expect(audit());
}

/* run --shmem: the domain may map those frames, and write them; they are never page tables, and what lies around them is nobody's. */
Test(domain, shared_memory_may_be_mapped_and_no_more)
{
	const uint64_t first = MEM_SHARED_BASE >> PAGE_SHIFT, pages = 16;
	struct load_request req = { .path = IMAGE, .xen_ok = true };
	uint64_t slot;

	domain_free(d);
	d = domain_new_shared(&req, MEM, NULL, "64K");
	v = &d->vm.vcpu;
	x = d->pv.xen;
	slot = ((uint64_t)table_mfn(2) << PAGE_SHIFT) + 8;
	cr_expect_eq(update(slot, first << PAGE_SHIFT | P | RW), 0, "a frame of shared memory");
	cr_expect_eq(update(slot + 8, (first + pages - 1) << PAGE_SHIFT | P), 0, "the last one, to read");
	cr_expect_eq(update(slot + 16, (first + pages) << PAGE_SHIFT | P), -XEN_EINVAL, "the one behind it");
	cr_expect_eq(update(slot + 16, (first - 1) << PAGE_SHIFT | P), -XEN_EINVAL, "the one before it");
	cr_expect_eq(update(slot + 16, (uint64_t)(MEM >> PAGE_SHIFT) << PAGE_SHIFT | P), -XEN_EINVAL, "the one behind RAM");
	cr_expect_eq(mmuext(0 /* PIN_L1 */, (uint32_t)first), -XEN_EINVAL, "as a page table");
	cr_expect_eq(update(first << PAGE_SHIFT, 0), -XEN_EINVAL, "an entry in it");
	cr_expect(audit());
	cr_expect_eq(update(slot, 0), 0);
	cr_expect_eq(mmuext(0, (uint32_t)first), -XEN_EINVAL, "nor when it is not mapped");
	cr_expect(audit());
}

/* Two counts: a mapping that is only read holds the frame, and lets its type change. */
Test(domain, a_read_only_mapping_is_a_reference)
{
	uint32_t mfn = scratch_mfn() + 1, va = scratch_va() + PAGE_SIZE;
	struct frame *f = &x->frame[mfn];

	cr_expect_eq(f->refs, 2, "the domain's own, and one mapping");
	cr_expect_eq(f->uses, 1);
	cr_expect_eq(call(14, va, mfn * PAGE_SIZE | P, 0, 0), 0);
	cr_expect_eq(f->refs, 2);
	cr_expect_eq(f->uses, 0);
	cr_expect_eq(call(14, va + PAGE_SIZE, mfn * PAGE_SIZE | P, 0, 0), 0);
	cr_expect_eq(f->refs, 3);
	cr_expect_eq(call(14, va, 0, 0, 0), 0);
	cr_expect_eq(f->refs, 2);
	cr_expect(audit());
}

/* Frames that the monitor writes are no tables, whatever the guest has unmapped. */
Test(domain, a_ring_does_not_become_a_table)
{
	uint32_t ring[2] = { x->console_mfn, x->store_mfn };

	for (unsigned i = 0; i < 2; i++) {
		cr_expect_eq(call(14, 0xc0000000u + ring[i] * PAGE_SIZE, 0, 0, 0), 0);
		cr_expect_eq(mmuext(0, ring[i]), -XEN_EINVAL);
	}
	cr_expect(audit());
}

/* A kernel's second address space, by hand: an L2 for the last slot and an L3. */
static uint32_t second_space(uint32_t l2, uint32_t l3)
{
	const uint64_t *first = xen_table(v, table_mfn(0));
	uint64_t *t2 = xen_table(v, l2), *t3 = xen_table(v, l3);

	memcpy(t2, xen_table(v, (uint32_t)(first[3] >> PAGE_SHIFT)), PAGE_SIZE);
	t2[500] = 0x12345067; /* the hypervisor's: not ours to keep */
	memset(t3, 0, PAGE_SIZE);
	t3[3] = (uint64_t)l2 << PAGE_SHIFT | P;
	for (uint32_t m = l2; m <= l3; m++)
		cr_assert_eq(call(14, 0xc0000000u + m * PAGE_SIZE, m * PAGE_SIZE | P, 0, 2), 0);
	return l3;
}

Test(domain, the_last_slot_has_a_table_of_its_own)
{
	uint32_t l2 = scratch_mfn() + 1, l3 = second_space(l2, l2 + 1);
	uint64_t *t3 = xen_table(v, l3);
	uint64_t slot = t3[3];

	t3[3] = 0;
	cr_expect_eq(mmuext(2, l3), -XEN_EINVAL, "an L3 without a last slot");
	t3[3] = xen_table(v, table_mfn(0))[3];
	cr_expect_eq(mmuext(2, l3), -XEN_EINVAL, "another L3's last table");
	t3[3] = slot;
	cr_expect_eq(mmuext(2, l3), 0);
	cr_expect_eq(xen_table(v, l2)[500], 0);
	cr_expect_eq(update(((uint64_t)l2 << PAGE_SHIFT) + 500 * 8, 0), -XEN_EINVAL, "an entry of the hypervisor's area");
	cr_expect_eq(update(((uint64_t)l3 << PAGE_SHIFT) + 24, 0), -XEN_EINVAL, "the last slot changes");
	cr_expect_eq(mmuext(5, l3), 0, "and it is an address space");
	cr_expect(audit());
	cr_expect_eq(mmuext(5, table_mfn(0)), 0);
	cr_expect_eq(mmuext(4, l3), 0);
	cr_expect_eq(x->frame[l2].type, FT_NONE);
	cr_expect(audit());
}

Test(domain, what_xen_refuses_is_refused_alike)
{
	uint32_t op[3] = { 13, scratch_va() + 8, 1 };
	uint64_t slot = ((uint64_t)table_mfn(2) << PAGE_SHIFT) + 8;

	cr_expect_eq(mmuext(3, table_mfn(0)), -XEN_EINVAL, "there is no L4");
	cr_expect_eq(mmuext(12, 0), -XEN_EACCES, "caches are for domains with devices");
	cr_expect_eq(mmuext(15, table_mfn(0)), -XEN_EOPNOTSUPP);
	cr_expect_eq(mmuext(19, scratch_mfn()), -XEN_EOPNOTSUPP, "mark_super");
	cr_expect_eq(mmuext(20, scratch_mfn()), -XEN_EOPNOTSUPP, "unmark_super");
	cr_expect_eq(mmuext(99, 0), -XEN_ENOSYS);
	cr_assert(xen_guest_write(v, scratch_va(), op, sizeof(op)));
	cr_expect_eq(call(26, scratch_va(), 1, 0, DOMID_SELF), -XEN_EINVAL, "an LDT that is not aligned");
	cr_expect_eq(update(slot, (uint64_t)scratch_mfn() << PAGE_SHIFT | P | 0x18), -XEN_EINVAL, "cache attributes");
	cr_expect_eq(update(slot, (uint64_t)scratch_mfn() << PAGE_SHIFT | P | 0x100), -XEN_EINVAL, "a global page");
	uint32_t a[6] = { scratch_va() + PAGE_SIZE, (scratch_mfn() + 1) * PAGE_SIZE | P, 0, 0, 7 };
	cr_expect_eq(xen_call(v, 22, a), -XEN_ESRCH, "another domain");
	a[4] = 0;
	cr_expect_eq(xen_call(v, 22, a), -XEN_EPERM, "domain 0");
	a[4] = DOMID_SELF;
	cr_expect_eq(xen_call(v, 22, a), 0);
	cr_expect(audit());
}

/* ---- descriptors ---- */

#define CODE(dpl) (0x00cf9a000000ffffull | (uint64_t)(dpl) << 45)
#define DATA(dpl) (0x00cf92000000ffffull | (uint64_t)(dpl) << 45)

/* A GDT of the guest's own in the page after the scratch page, with n descriptors. */
static int32_t gdt(const uint64_t *d, unsigned n)
{
	uint32_t mfn = scratch_mfn() + 1;

	cr_assert_eq(call(14, scratch_va() + PAGE_SIZE, mfn * PAGE_SIZE | P | RW, 0, 2), 0);
	memset(xen_table(v, mfn), 0, PAGE_SIZE);
	memcpy(xen_table(v, mfn), d, n * 8);
	cr_assert_eq(call(14, scratch_va() + PAGE_SIZE, mfn * PAGE_SIZE | P, 0, 2), 0);
	cr_assert(xen_guest_write(v, scratch_va(), &mfn, 4));
	return call(2, scratch_va(), n, 0, 0);
}

Test(domain, descriptor_pages_are_a_type)
{
	const uint64_t good[] = { 0, CODE(0), DATA(0), CODE(3), DATA(3) }, tss[] = { 0, 0x0000890000000067ull }, gate[] = { 0, 0x0000ec0000080000ull };
	uint32_t mfn = scratch_mfn() + 1;
	struct segment seg;

	cr_expect_eq(gdt(tss, 2), -XEN_EINVAL);
	cr_expect_eq(gdt(gate, 2), -XEN_EINVAL);
	cr_expect_eq(gdt(good, 5), 0);
	cr_expect_eq(x->frame[mfn].type, FT_SEGDESC);
	cr_expect(xen_segment(v, 8, &seg) && SEG_DPL(&seg) == 1, "no guest descriptor is at ring 0");
	cr_expect_eq(call(14, scratch_va() + PAGE_SIZE, mfn * PAGE_SIZE | P | RW, 0, 2), -XEN_EINVAL, "writable while in use");
	cr_expect_eq(mmuext(0, mfn), -XEN_EINVAL, "a table while in use");
	cr_expect_eq(update((uint64_t)mfn << PAGE_SHIFT, 0), -XEN_EINVAL, "mmu_update writes no descriptors");
	cr_expect_eq(call(10, mfn * PAGE_SIZE + 8, 0, 0xffff, 0x00cffa00), 0);
	cr_expect(xen_segment(v, 11, &seg) && SEG_DPL(&seg) == 3);
	cr_expect_eq(call(10, mfn * PAGE_SIZE + 8, 0, 0x67, 0x8900), -XEN_EINVAL, "a TSS");
	cr_expect(audit());
	cr_expect_eq(call(2, 0, 0, 0, 0), 0, "no GDT any more");
	cr_expect_eq(x->frame[mfn].type, FT_NONE);
	cr_expect(audit());
}

/* The iret hypercall to user mode on the guest's own selectors, as a kernel with a GDT of its own has it. */
Test(domain, iret_to_own_selectors)
{
	const uint64_t own[] = { 0, CODE(0), DATA(0), CODE(3), DATA(3) };
	uint32_t f[6] = { 7, 0x1234, 0x1b, 0x202, 0x5678, 0x23 }, wild[6] = { 7, 0x1234, 0x0b, 0x202, 0x5678, 0x23 };
	uint32_t at = scratch_va();

	cr_assert_eq(gdt(own, 5), 0);
	v->state.gpr[R_ESP] = at;
	cr_assert(xen_guest_write(v, at, f, sizeof(f)));
	call(23, 0, 0, 0, 0);
	cr_expect_eq(d->vm.end, END_NONE);
	cr_expect_eq(CPL(&v->state), 3);
	cr_expect_eq(v->state.seg[S_CS].sel, 0x1b);
	cr_expect_eq(v->state.seg[S_SS].sel, 0x23);
	cr_expect_eq(v->state.gpr[R_ESP], 0x5678);
	xen_segment(v, KERNEL_DS, &v->state.seg[S_SS]);
	v->state.gpr[R_ESP] = at;
	cr_assert(xen_guest_write(v, at, wild, sizeof(wild)));
	call(23, 0, 0, 0, 0);
	cr_expect_eq(d->vm.end, END_CRASH, "RPL 3 on the kernel's code segment");
}

/* ---- host mappings: what a flush drops, and what stays ---- */

static unsigned shadow_of(uint32_t va)
{
	return d->pv.shadow.page[va >> PAGE_SHIFT];
}

/* As if the guest had written to every page from here on that the fill takes along. */
static void touch(uint32_t va)
{
	cr_assert_eq(pv_shadow_fill(&d->pv, va, 1 /* ACCESS_W */), 0);
	cr_assert(shadow_of(va) & SP_WRITE);
}

Test(domain, a_flush_drops_what_changed_and_nothing_else)
{
	uint32_t va = scratch_va() + 4 * PAGE_SIZE, mfn = scratch_mfn() + 4;

	touch(va);
	cr_assert(shadow_of(va + PAGE_SIZE) & SP_WRITE, "a neighbour came along");
	cr_expect_eq(call(14, va, (mfn + 8) * PAGE_SIZE | P | RW | 0x60, 0, 0 /* no flush */), 0);
	pv_space_sync(&d->pv);
	cr_expect(shadow_of(va) & SP_MAPPED, "not flushed: a stale entry of a TLB");
	cr_expect_eq(mmuext(6 /* TLB_FLUSH_LOCAL */, 0), 0);
	pv_space_sync(&d->pv);
	cr_expect_eq(shadow_of(va), 0);
	cr_expect(shadow_of(va + PAGE_SIZE) & SP_WRITE, "the neighbour stays");
	cr_expect_eq(call(14, va + PAGE_SIZE, (mfn + 1) * PAGE_SIZE | P | 0x60, 0, 2 /* INVLPG */), 0);
	pv_space_sync(&d->pv);
	cr_expect_eq(shadow_of(va + PAGE_SIZE) & (SP_MAPPED | SP_WRITE | SP_STALE), SP_MAPPED, "narrowed, not dropped");
	cr_expect(audit());
}

Test(domain, a_new_table_is_not_writable_through_an_old_mapping)
{
	uint32_t va = scratch_va() + 4 * PAGE_SIZE, mfn = scratch_mfn() + 4;

	touch(va);
	memset(xen_table(v, mfn), 0, PAGE_SIZE);
	cr_expect_eq(call(14, va, mfn * PAGE_SIZE | P | 0x60, 0, 0 /* no flush */), 0);
	pv_space_sync(&d->pv);
	cr_expect(shadow_of(va) & SP_WRITE, "as a TLB would");
	cr_expect_eq(mmuext(0 /* PIN_L1 */, mfn), 0);
	pv_space_sync(&d->pv);
	cr_expect_eq(shadow_of(va) & SP_WRITE, 0, "the pin flushes, and that alone");
	cr_expect(shadow_of(va + PAGE_SIZE) & SP_WRITE);
	cr_expect(audit());
}

Test(domain, a_switch_keeps_what_both_spaces_share)
{
	uint32_t l2 = scratch_mfn() + 1, l3 = second_space(l2, l2 + 1), va = scratch_va() + 4 * PAGE_SIZE;

	touch(va);
	cr_assert_eq(mmuext(2, l3), 0);
	cr_expect_eq(mmuext(5, l3), 0);
	pv_space_sync(&d->pv);
	cr_expect(shadow_of(va) & SP_WRITE, "the kernel's L1s are the same");
	cr_expect(audit());
}

/* An update between levels: a table that refers to itself, or to one of the wrong level. */
Test(domain, levels_do_not_mix)
{
	cr_expect_eq(update(((uint64_t)table_mfn(1) << PAGE_SHIFT), (uint64_t)table_mfn(1) << PAGE_SHIFT | P), -XEN_EINVAL);
	cr_expect_eq(update(((uint64_t)table_mfn(0) << PAGE_SHIFT), (uint64_t)table_mfn(2) << PAGE_SHIFT | P), -XEN_EINVAL);
	cr_expect_eq(mmuext(5 /* NEW_BASEPTR */, table_mfn(1)), -XEN_EINVAL, "an L2 became the root");
	cr_expect_eq(mmuext(5, table_mfn(0)), 0);
	cr_expect(audit());
}

Test(domain, an_unknown_hypercall_is_enosys)
{
	for (uint32_t nr = 40; nr < 80; nr++)
		cr_expect_eq(call(nr, 0, 0, 0, 0), -XEN_ENOSYS);
	cr_expect_eq(call(UINT32_MAX, 0, 0, 0, 0), -XEN_ENOSYS);
}

/* docs/pv-abi.md has a row for each hypercall of the table, and none for another. */
Test(domain, the_abi_page_lists_every_hypercall)
{
	static char text[32768];
	FILE *f = fopen(RINGLAB_SOURCE "/docs/pv-abi.md", "r");

	cr_assert_not_null(f, "no docs/pv-abi.md");
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	for (uint32_t nr = 0; nr < XEN_MAX_CALL; nr++) {
		const struct xen_call *c = xen_call_find(nr);
		char row[80];
		snprintf(row, sizeof(row), "\n| %u | %s | ", nr, c ? c->name : "");
		char *at = strstr(text, row);
		if (!c) {
			snprintf(row, sizeof(row), "\n| %u | ", nr);
			cr_expect_null(strstr(text, row), "docs/pv-abi.md lists hypercall %u, which the table does not have", nr);
			continue;
		}
		cr_assert_not_null(at, "docs/pv-abi.md has no row for hypercall %u, %s", nr, c->name);
		cr_expect_eq(!strncmp(at + strlen(row), "refused", 7), !c->fn, "%s: refused in one, not in the other", c->name);
	}
}

Test(domain, a_multicall_stores_each_result)
{
	uint32_t calls[2][8] = { { 17, 99 }, { 63, 99 } };

	cr_assert(xen_guest_write(v, scratch_va(), calls, sizeof(calls)));
	cr_expect_eq(call(13, scratch_va(), 2, 0, 0), 0);
	cr_assert(xen_guest_read(v, scratch_va(), calls, sizeof(calls)));
	cr_expect_eq(calls[0][1], XEN_VERSION);
	cr_expect_eq((int32_t)calls[1][1], -XEN_ENOSYS);
}

Test(domain, an_event_sets_what_the_guest_looks_at)
{
	uint32_t bind[3] = { 0, 0, 0 };

	cr_assert(xen_guest_write(v, scratch_va(), bind, sizeof(bind)));
	cr_expect_eq(call(32, 1 /* bind_virq */, scratch_va(), 0, 0), 0);
	cr_assert(xen_guest_read(v, scratch_va(), bind, sizeof(bind)));
	uint32_t port = bind[2];
	cr_assert(port > 0 && port < XEN_EVENTS);
	x->shared->evtchn_mask[port / 32] |= 1u << port % 32;
	xen_event_virq(v, 0);
	cr_expect_eq(x->shared->vcpu_info[0].evtchn_upcall_pending, 0, "a masked port must not ask for an upcall");
	xen_event_unmask(v, port);
	cr_expect_eq(x->shared->vcpu_info[0].evtchn_upcall_pending, 1);
	cr_expect_eq(call(32, 1, scratch_va(), 0, 0), -17, "bound twice");
}

/* The frame of an exception from user mode, and the iret hypercall that undoes it. */
Test(domain, a_bounce_and_its_return)
{
	struct exit e;
	uint32_t frame[6], sp = scratch_va() + 2048;

	x->trap[6] = (struct trap_info_x86_32){ 6, 4, KERNEL_CS, 0xc0123456 };
	x->kernel_sp = sp;
	x->shared->vcpu_info[0].evtchn_upcall_mask = 0;
	xen_segment(v, USER_CS32, &v->state.seg[S_CS]);
	xen_segment(v, USER_DS32, &v->state.seg[S_SS]);
	v->state.rip = 0x1234;
	v->state.gpr[R_ESP] = 0x5678;
	v->state.gpr[R_EAX] = 42;
	cr_assert_eq(xen_bounce(v, &e, 6, false, 0), STEP_GO);
	cr_expect_eq(v->state.rip, 0xc0123456);
	cr_expect_eq(CPL(&v->state), 1);
	cr_expect_eq(x->shared->vcpu_info[0].evtchn_upcall_mask, 1, "the gate masks events");
	cr_expect_eq(v->state.gpr[R_ESP], sp - 20);
	cr_assert(xen_guest_read(v, sp - 20, frame, 20));
	cr_expect_eq(frame[0], 0x1234);
	cr_expect_eq(frame[1], USER_CS32, "CS with the saved mask, 0, above it");
	cr_expect(frame[2] & FL_IF, "EFLAGS shows events unmasked");
	cr_expect_eq(frame[3], 0x5678);
	cr_expect_eq(frame[4], USER_DS32);
	uint32_t eax = 7;
	v->state.gpr[R_ESP] -= 4;
	cr_assert(xen_guest_write(v, (uint32_t)v->state.gpr[R_ESP], &eax, 4));
	call(23, 0, 0, 0, 0);
	cr_expect_eq(v->state.rip, 0x1234);
	cr_expect_eq(v->state.gpr[R_ESP], 0x5678);
	cr_expect_eq(v->state.gpr[R_EAX], 7);
	cr_expect_eq(CPL(&v->state), 3);
	cr_expect_eq(x->shared->vcpu_info[0].evtchn_upcall_mask, 0);
}

/* The guest kernel must not return to a frame that makes it more, or the user less, than it is. */
Test(domain, iret_to_a_wild_frame_ends_the_guest)
{
	uint32_t f[6] = { 0, 0x1000, 0x33, 0x202, 0x2000, 0x2b };

	v->state.gpr[R_ESP] = scratch_va();
	cr_assert(xen_guest_write(v, scratch_va(), f, sizeof(f)));
	call(23, 0, 0, 0, 0);
	cr_expect_eq(d->vm.end, END_CRASH);
	cr_expect_eq(v->state.seg[S_CS].sel, KERNEL_CS, "and changes nothing");
}

/* ---- fuzz ---- */

static uint64_t seed;

static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 11);
}

/* Numbers that mean something: frames, tables, addresses of the domain, small counts; and some that mean nothing. */
static uint32_t interesting(void)
{
	switch (rnd() % 12) {
	case 0: return rnd();
	case 1: return rnd() % 16;
	case 2: return scratch_va() + rnd() % (4 * PAGE_SIZE);
	case 3: return 0xc0000000u + rnd() % MEM;
	case 4: return table_mfn(rnd() % 8);
	case 5: return scratch_mfn() + rnd() % 16;
	case 6: return (scratch_mfn() + rnd() % 16) << PAGE_SHIFT | (rnd() & 0xff);
	case 7: return table_mfn(rnd() % 8) << PAGE_SHIFT | (rnd() & 0xfff);
	case 8: return DOMID_SELF;
	case 9: return UINT32_MAX - rnd() % 8;
	case 10: return XEN_M2P + rnd() % (2 * PAGE_SIZE) - PAGE_SIZE;
	default: return x->frames + rnd() % 4 - 2;
	}
}

static void scribble(void)
{
	uint32_t words[64], n = rnd() % 64, at = scratch_va() + (rnd() % (4 * PAGE_SIZE) & ~3u);

	for (uint32_t i = 0; i < n; i++)
		words[i] = interesting();
	xen_guest_write(v, at, words, n * 4);
}

static void wild_call(void)
{
	static const uint32_t mostly[] = { 1, 14, 26, 13, 32, 10, 2, 0, 12, 29 };
	uint32_t nr = rnd() % 4 ? mostly[rnd() % ARRAY_LEN(mostly)] : rnd() % 70, a[6];
	struct exit e;

	for (int i = 0; i < 6; i++)
		a[i] = interesting();
	if (nr == 1 || nr == 26 || nr == 13)
		a[1] = rnd() % 24;
	if (nr == 29 && a[0] == 3)
		return; /* poll sleeps */
	xen_call(v, nr, a);
	if (rnd() % 64 == 0)
		xen_bounce(v, &e, (uint8_t)rnd(), rnd() & 1, rnd());
	if (rnd() % 16 == 0) {
		v->state.rip = interesting();
		v->state.gpr[R_ESP] = interesting();
		xen_privileged(v, &e, 0);
	}
}

Test(domain, wild_hypercalls_keep_every_reference, .timeout = 600)
{
	const char *more = getenv("RINGLAB_PV_FUZZ"), *from = getenv("RINGLAB_SEED");
	unsigned long n = more ? strtoul(more, NULL, 0) : 60000;

	seed = from ? strtoull(from, NULL, 0) : 0x9e3779b97f4a7c15ull;
	for (unsigned long i = 0; i < n; i++) {
		if (rnd() % 3 == 0)
			scribble();
		wild_call();
		d->vm.end = END_NONE; /* a shutdown, or an iret to nowhere: go on from there */
		v->attention = 0;
		if (i % 64 == 0)
			cr_assert(audit(), "after %lu wild hypercalls the references do not add up (RINGLAB_SEED=%s)", i, from ? from : "default");
	}
	cr_expect(audit());
}
