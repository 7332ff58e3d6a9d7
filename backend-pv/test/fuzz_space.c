/*
 * fuzz_space.c - what a kernel does with page tables, done at random: tables written, made read-only, pinned, switched to,
 * mutated and taken apart; pages touched, and written to wherever the monitor believes that the guest could.
 */
#include <string.h>
#include "core/walk.h"
#include "../pv_space.h"
#include "../xen_pte.h"
#include "fuzz.h"

#define USER_BASE 0x08000000u

static uint64_t *table(struct fuzz *f, uint32_t mfn)
{
	return xen_table(f->v, mfn);
}

/* The guest's own mapping of a frame of its memory: where the builder put it. */
static uint32_t direct_va(uint32_t mfn)
{
	return 0xc0000000u + (mfn << PAGE_SHIFT);
}

static int32_t map_direct(struct fuzz *f, uint32_t mfn, uint32_t flags)
{
	return fuzz_hypercall(f, 14, direct_va(mfn), mfn << PAGE_SHIFT | flags, 0, fuzz_rnd(f, 3));
}

static int32_t ext(struct fuzz *f, uint32_t cmd, uint32_t mfn)
{
	uint32_t op[3] = { cmd, mfn, 0 };

	if (!xen_guest_write(f->v, f->args, op, sizeof(op)))
		return -XEN_EFAULT;
	return fuzz_hypercall(f, 26, f->args, 1, 0, DOMID_SELF);
}

static uint64_t any_entry(struct fuzz *f)
{
	static const uint8_t flags[] = { 0x67, 0x65, 0x63, 0x61, 0x7, 0x5 };

	return fuzz_rnd(f, 3) ? (uint64_t)fuzz_frame(f) << PAGE_SHIFT | flags[fuzz_rnd(f, ARRAY_LEN(flags))] : 0;
}

/* The guest writes a page of its own, which is to become a table: only if it is no table already. */
static bool write_table(struct fuzz *f, uint32_t mfn, unsigned level)
{
	const uint64_t *first = table(f, f->root), *kernel = table(f, entry_mfn(first[3]));
	uint64_t *t = table(f, mfn);

	if (entry_mfn(first[3]) >= f->x->frames || (f->x->frame[mfn].uses && f->x->frame[mfn].type > FT_WRITABLE))
		return false; /* the first L3 may have become data, and hold anything */
	memset(t, 0, PAGE_SIZE);
	switch (level) {
	case 1:
		for (unsigned i = 0; i < 16; i++)
			t[fuzz_rnd(f, 64)] = any_entry(f);
		break;
	case 2: /* an L2 for user space */
		for (unsigned i = 0; i < 4; i++)
			t[(USER_BASE >> 21) + fuzz_rnd(f, 4)] = fuzz_rnd(f, 4) ? (uint64_t)fuzz_frame(f) << PAGE_SHIFT | 0x67 : 0;
		break;
	case 3: /* one for the kernel's GiB */
		memcpy(t, kernel, PAGE_SIZE);
		break;
	default:
		for (unsigned i = 0; i < 4; i++)
			if (i == 3 || fuzz_rnd(f, 2))
				t[i] = (uint64_t)fuzz_frame(f) << PAGE_SHIFT | 1;
	}
	return true;
}

static void make_table(struct fuzz *f)
{
	uint32_t mfn = f->pool + fuzz_rnd(f, FUZZ_POOL);
	unsigned level = 1 + fuzz_rnd(f, 4);

	if (!write_table(f, mfn, level))
		return;
	if (fuzz_rnd(f, 8))
		map_direct(f, mfn, 0x61);
	ext(f, level == 1 ? 0 : level == 4 ? 2 : 1, mfn);
	fuzz_log(f, "make level %u of %#x", level, mfn);
}

/* A whole address space: user L1 and L2, kernel L2, L3; pinned, and sometimes switched to. */
static void make_space(struct fuzz *f)
{
	uint32_t m[4];

	for (unsigned i = 0; i < 4; i++) {
		m[i] = f->pool + (f->step * 7 + i * 11) % FUZZ_POOL;
		if (!write_table(f, m[i], i + 1))
			return;
		map_direct(f, m[i], 0x61);
	}
	table(f, m[1])[USER_BASE >> 21] = (uint64_t)m[0] << PAGE_SHIFT | 0x67;
	memset(table(f, m[3]), 0, 32);
	table(f, m[3])[0] = (uint64_t)m[1] << PAGE_SHIFT | 1;
	table(f, m[3])[3] = (uint64_t)m[2] << PAGE_SHIFT | 1;
	int32_t r = ext(f, 2, m[3]);
	fuzz_log(f, "space %#x %#x %#x %#x: %d", m[0], m[1], m[2], m[3], r);
	if (!r && fuzz_rnd(f, 2))
		fuzz_log(f, "switch: %d", ext(f, 5, m[3]));
}

/* A fork: every writable entry of a table loses its right, in one batch. */
static void write_protect(struct fuzz *f)
{
	uint32_t mfn = f->pool + fuzz_rnd(f, FUZZ_POOL), n = 0;
	uint64_t req[32][2];

	if (!f->x->frame[mfn].uses || f->x->frame[mfn].type != FT_L1)
		return;
	for (unsigned i = 0; i < 64 && n < 32; i++)
		if (table(f, mfn)[i] & E_RW) {
			req[n][0] = (uint64_t)mfn << PAGE_SHIFT | i * 8;
			req[n++][1] = table(f, mfn)[i] & ~E_RW;
		}
	if (xen_guest_write(f->v, f->args, req, sizeof(req)))
		fuzz_log(f, "protect %u of %#x: %d", n, mfn, fuzz_hypercall(f, 1, f->args, n, 0, DOMID_SELF));
	if (fuzz_rnd(f, 2))
		ext(f, 6, 0);
}

/* The guest touches a page: what the host would map, the books say from now on. */
static void touch(struct fuzz *f)
{
	uint32_t va = fuzz_va(f);
	unsigned access = fuzz_rnd(f, 2) | (va < 0xc0000000u ? ACCESS_USER : 0);

	if (va < XEN_M2P && va >= PAGE_SIZE && !(f->d->pv.shadow.page[va >> PAGE_SHIFT] & SP_MAPPED))
		fuzz_log(f, "touch %#x (%u): %d", va, access, pv_shadow_fill(&f->d->pv, va, access));
	else if (va < XEN_M2P && (access & ACCESS_W) && !(f->d->pv.shadow.page[va >> PAGE_SHIFT] & SP_WRITE))
		fuzz_log(f, "touch %#x (%u): %d", va, access, pv_shadow_fill(&f->d->pv, va, access));
}

/* The guest stores: to whatever page the books call writable. An entry of a page table is the worst that it can write. */
static void store(struct fuzz *f)
{
	const struct pv *pv = &f->d->pv;

	for (unsigned i = 0; i < 8; i++) {
		uint32_t page = fuzz_va(f) >> PAGE_SHIFT, mfn = pv->space->gfn[page];
		if ((pv->shadow.page[page] & (SP_MAPPED | SP_WRITE)) != (SP_MAPPED | SP_WRITE) || mfn >= f->x->frames)
			continue;
		if (mfn - (f->args - 0xc0000000u) / PAGE_SIZE < FUZZ_ARGS)
			continue;
		table(f, mfn)[fuzz_rnd(f, 512)] = any_entry(f);
		fuzz_log(f, "store to %#x (frame %#x)", page << PAGE_SHIFT, mfn);
		return;
	}
}

static void descriptors(struct fuzz *f)
{
	uint32_t mfn = f->pool + fuzz_rnd(f, FUZZ_POOL), frame[2] = { mfn, 0 }, sel = fuzz_rnd(f, 0) & 0x7f;
	struct segment s;

	if (!f->x->frame[mfn].uses || f->x->frame[mfn].type <= FT_WRITABLE) {
		uint64_t *t = table(f, mfn);
		for (unsigned i = 0; i < 16; i++)
			t[i] = 0x00cf92000000ffffull | (uint64_t)fuzz_rnd(f, 4) << 45 | (uint64_t)fuzz_rnd(f, 2) << 43;
		map_direct(f, mfn, 0x61);
	}
	if (fuzz_rnd(f, 2)) {
		xen_guest_write(f->v, f->args, frame, sizeof(frame));
		fuzz_log(f, "set_gdt %#x: %d", mfn, fuzz_hypercall(f, 2, f->args, fuzz_rnd(f, 512), 0, 0));
	} else {
		uint32_t op[3] = { 13, direct_va(mfn), fuzz_rnd(f, 600) };
		xen_guest_write(f->v, f->args, op, sizeof(op));
		fuzz_log(f, "set_ldt %#x: %d", mfn, fuzz_hypercall(f, 26, f->args, 1, 0, DOMID_SELF));
	}
	xen_segment(f->v, (uint16_t)sel, &s);
}

/* An instruction that faulted: some that the monitor knows, with whatever follows. */
static void instruction(struct fuzz *f)
{
	static const uint8_t op[][2] = { { 0x8e, 0xd8 }, { 0x8e, 0x05 }, { 0x1f, 0 }, { 0x0f, 0xa1 }, { 0xc5, 0x03 }, { 0xcf, 0 }, { 0xcb, 0 },
		{ 0xea, 0 }, { 0x0f, 0x22 }, { 0x0f, 0x20 }, { 0x65, 0x8e }, { 0x0f, 0xb2 }, { 0xfa, 0 }, { 0x0f, 0x06 } };
	struct cpu_state *s = &f->v->state;
	uint32_t at = f->args + fuzz_rnd(f, FUZZ_ARGS * PAGE_SIZE - 16);
	uint8_t code[16];
	struct exit e;

	for (unsigned i = 0; i < sizeof(code); i++)
		code[i] = (uint8_t)fuzz_rnd(f, 0);
	memcpy(code, op[fuzz_rnd(f, ARRAY_LEN(op))], 1 + fuzz_rnd(f, 2));
	xen_guest_write(f->v, at, code, sizeof(code));
	for (unsigned i = 0; i < GPR_COUNT; i++)
		s->gpr[i] = fuzz_rnd(f, 2) ? fuzz_va(f) : fuzz_rnd(f, 0x10000);
	s->rip = at;
	xen_segment(f->v, fuzz_rnd(f, 4) ? KERNEL_CS : USER_CS32, &s->seg[S_CS]);
	xen_segment(f->v, SEG_DPL(&s->seg[S_CS]) == 3 ? USER_DS32 : KERNEL_DS, &s->seg[S_SS]);
	xen_privileged(f->v, &e, 0);
	xen_adopt(f->v, fuzz_rnd(f, SREG_COUNT), (uint16_t)fuzz_rnd(f, 128), NULL);
	if (!fuzz_rnd(f, 4))
		xen_bounce(f->v, &e, (uint8_t)fuzz_rnd(f, 32), fuzz_rnd(f, 2), 0);
	fuzz_log(f, "instruction %02x %02x", code[0], code[1]);
}

/* The rings and the grant table are the guest's to fill with anything. */
static void shared_memory(struct fuzz *f)
{
	uint32_t mfn[] = { f->x->console_mfn, f->x->store_mfn, f->x->grant_mfn };
	unsigned which = fuzz_rnd(f, 3);
	uint32_t *p = (uint32_t *)table(f, mfn[which]);

	for (unsigned i = 0; i < 8; i++)
		if (which == 2) { /* { u16 flags, u16 domain, u32 frame } */
			unsigned g = fuzz_rnd(f, 40);
			p[2 * g] = fuzz_rnd(f, 8);
			p[2 * g + 1] = fuzz_frame(f);
		} else {
			p[fuzz_rnd(f, 4) ? 512 + fuzz_rnd(f, 4) : fuzz_rnd(f, 1024)] = fuzz_rnd(f, 2) ? fuzz_rnd(f, 64) : fuzz_rnd(f, 0);
		}
	uint32_t port[3] = { which ? f->x->store_port : f->x->console_port };
	xen_guest_write(f->v, f->args, port, sizeof(port));
	fuzz_log(f, "ring %u, send: %d", which, fuzz_hypercall(f, 32, 4, f->args, 0, 0));
}

void fuzz_space_random(struct fuzz *f)
{
	static void (*const does[])(struct fuzz *f) = { make_table, make_table, make_space, write_protect, touch, touch, touch, touch, store, store,
		descriptors, instruction, shared_memory };

	does[fuzz_rnd(f, ARRAY_LEN(does))](f);
}
