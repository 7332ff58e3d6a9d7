/*
 * bt_soft.c - soft sites: an instruction that kept taking host faults reaches guest RAM through a soft TLB instead.
 *
 * Code is emitted that computes the linear address, looks its page up in a direct-mapped table for this privilege and kind
 * of access, and reaches RAM at the physical address through one more window: all of guest RAM, in order, between guards.
 * A miss calls bt_co_soft, which walks the guest's tables and fills the entry, or has the interpreter do the instruction:
 * a page fault of the guest's, MMIO, a page with code, an operand that crosses a page. So first touches, copy on write and
 * mappings that come and go cost neither signals nor host mappings.
 *
 * Guest code still cannot reach us: what an entry adds to a linear address is 32 bits wide and the sum is truncated, so that
 * whatever it held, the access would lie in the RAM window or its guards. Entries are written here only, in memory that
 * no window has. They are right because every flush of the guest's TLB empties them, and those for writing are dropped
 * when their page becomes protected. Called by bt_translate.c, bt_rewrite.c (emission) and bt_entry.S (misses).
 */
#include "bt_emit.h"
#include <errno.h>
#include <sys/mman.h>

/* --- emission: only forms that leave the flags alone --- */

/* The table's entry for the page of r8 into r9, and the page of the operand's last byte, plus the tag, into r10. */
static void emit_page_lookup(struct tr *t, unsigned table, unsigned size)
{
	struct ea last = { H_R8, H_NONE, (int32_t)size - 1 }, sum = { H_R10, H_R9, 0 };

	emit_lea32(t, H_R10, &last);
	emit_imm32(t, H_R9, PAGE_SHIFT);
	e4(t, 0xf73342c4); e1(t, 0xd2);  /* shrx r10d, r10d, r9d */
	e4(t, 0xf73342c4); e1(t, 0xc8);  /* shrx r9d, r8d, r9d */
	e4(t, 0xc9b60f45);               /* movzx r9d, r9b */
	_Static_assert(SOFT_ENTRIES == 256, "the index is a byte");
	e4(t, 0xce8c8b4f);               /* mov r9, [r14 + r9*8 + ...] */
	e4(t, (uint32_t)(SOFT_OFFSET + (int)(table * SOFT_ENTRIES * sizeof(struct soft_entry))));
	emit_lea32(t, H_R10, &sum);
}

/*
 * The host form of a soft site's memory operand, whose linear address is in r8. RCX is borrowed, so that no kick may leave
 * in the middle; r11 is loaded again. On a miss the callout does not come back here: the instruction starts again, or
 * has been done, and goes on at t->soft_end.
 */
static void emit_access(struct tr *t, bool write, unsigned size, bool fp, struct ea *out)
{
	struct ea hi = ea_hot(HOT_OFF(win_hi)), ram = ea_hot(HOT_OFF(ram_win)), sum = { H_R8, H_R9, 0 };
	uint8_t *hit;

	t->flags &= (uint16_t)~IM_RESTART;
	emit_page_lookup(t, (t->b->view->user ? 2u : 0) + write, size);
	emit_mov64(t, H_R11, H_RCX);
	emit_mov32(t, H_RCX, H_R10);
	e2(t, 0xe3, 0);                  /* jrcxz */
	hit = t->p;
	emit_mov32(t, H_RCX, H_R11);
	emit_imm32(t, H_R10, t->eip);
	emit_mov32(t, H_R9, H_R8);
	emit_callout(t, fp ? TH_SOFT_FPU : TH_SOFT);
	e4(t, t->d.length | (write ? SOFT_ARG_WRITE : 0) | size << SOFT_ARG_SIZE);
	e1(t, 0xe9);
	t->soft_end = t->p;
	e4(t, 0);
	hit[-1] = (uint8_t)(t->p - hit);
	emit_mov32(t, H_RCX, H_R11);
	emit_op_ea(t, 0x8b, H_R11, &hi, true);
	e4(t, 0xf0fb43c4); e2(t, 0xc9, 32); /* rorx r9, r9, 32 */
	emit_lea32(t, H_R8, &sum);
	emit_op_ea(t, 0x8b, H_R9, &ram, true);
	*out = sum;
}

bool soft_operand(struct tr *t, const ZydisDecodedOperand *op, uint8_t base, uint8_t index, struct ea *out)
{
	bool write = op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
	unsigned size = op->size / 8u;

	operand_lea(t, H_R8, base, index, op->mem.scale, (int32_t)op->mem.disp.value);
	emit_access(t, write, size ? size : 1, generic_fp(&t->d), out);
	return true;
}

/*
 * A soft site's instruction: true when it was translated. Only copies with one explicit memory operand, in a flat segment;
 * bit tests with a bit offset in a register may reach beyond it.
 */
bool soft_rewrite(struct tr *t)
{
	bool has = false;

	if ((t->site & SITE_INTERP) || !t->b->ram_region)
		return false;
	if ((t->d.mnemonic == ZYDIS_MNEMONIC_BT || t->d.mnemonic == ZYDIS_MNEMONIC_BTS || t->d.mnemonic == ZYDIS_MNEMONIC_BTR ||
	     t->d.mnemonic == ZYDIS_MNEMONIC_BTC) && t->op[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return false;
	for (unsigned i = 0; i < t->d.operand_count; i++) {
		const ZydisDecodedOperand *o = &t->op[i];

		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY)
			has = o->mem.type == ZYDIS_MEMOP_TYPE_MEM && o->size <= 128 && o->mem.segment != ZYDIS_REGISTER_FS &&
				o->mem.segment != ZYDIS_REGISTER_GS;
	}
	if (!has)
		return false;
	t->soft_end = NULL;
	if (!generic(t) || !t->soft_end)
		return false;
	int32_t rel = (int32_t)(t->p - (t->soft_end + 4));
	memcpy(t->soft_end, &rel, 4);
	return true;
}

/* --- the table --- */

static struct soft_entry *table(struct bt *b, unsigned n)
{
	return (struct soft_entry *)(b->code + SOFT_OFFSET) + n * SOFT_ENTRIES;
}

void soft_tlb_flush(struct bt *b, uint32_t lin, bool all)
{
	uint32_t page = lin >> PAGE_SHIFT;

	if (!b->soft_used)
		return;
	for (unsigned n = 0; n < 4 && !all; n++)
		table(b, n)[page % SOFT_ENTRIES] = (struct soft_entry){ SOFT_NONE, 0 };
	if (!all)
		return;
	for (unsigned i = 0; i < 4 * SOFT_ENTRIES; i++)
		table(b, 0)[i] = (struct soft_entry){ SOFT_NONE, 0 };
	b->soft_used = false;
}

void soft_tlb_protect(struct bt *b, uint32_t pfn)
{
	for (unsigned n = 1; n < 4 && b->soft_used; n += 2)
		for (unsigned i = 0; i < SOFT_ENTRIES; i++) {
			struct soft_entry *e = &table(b, n)[i];
			if (e->tag != SOFT_NONE && (e->add - (e->tag << PAGE_SHIFT)) >> PAGE_SHIFT == pfn)
				e->tag = SOFT_NONE;
		}
}

/* Fills the entry for lin. False: the interpreter has to do the access; *error: its page fault, if it is one. */
static bool fill(struct bt *b, uint32_t lin, uint32_t arg, uint32_t *error)
{
	bool write = arg & SOFT_ARG_WRITE, user = b->view->user;
	uint32_t page = lin >> PAGE_SHIFT, last = lin + (arg >> SOFT_ARG_SIZE & 31) - 1, pfn;
	struct walk k;

	*error = 0;
	if (last >> PAGE_SHIFT != page)
		return false;
	*error = walk_page(&b->v->state, &b->vm->mem, GVA(lin), (write ? ACCESS_W : 0) | (user ? ACCESS_USER : 0), true, &k);
	if (*error)
		return false;
	pfn = (uint32_t)(k.gpa.a >> PAGE_SHIFT);
	if (write && is_ram(b, pfn) && (b->pages[pfn].flags & PG_TABLE))
		validate_table_written(b, pfn);
	if (!is_ram(b, pfn) || (write && (b->pages[pfn].flags & PG_CODE) && b->pages[pfn].blocks))
		return false;
	if (write)
		b->pages[pfn].flags &= (uint8_t)~PG_CODE;
	table(b, (user ? 2u : 0) + write)[page % SOFT_ENTRIES] = (struct soft_entry){ 0u - page, (pfn - page) << PAGE_SHIFT };
	b->soft_used = true;
	return true;
}

/* The guest's own page fault at lin: delivered here where its handler is entered in the common way. */
static bool page_fault(struct bt *b, uint32_t eip, uint32_t lin, uint32_t error)
{
	struct vcpu *v = b->v;
	uint64_t t0 = stat_begin(&v->stats, EV_PAGE_FAULT, MECH_CALLOUT), cr2 = v->state.cr2;

	v->state.rip = eip;
	v->state.cr2 = lin;
	if (!gate_deliver(b, VEC_PF, DELIVER_EXC, true, error & ~WALK_FAULT)) {
		v->state.cr2 = cr2;
		v->stats.cell[EV_PAGE_FAULT][MECH_CALLOUT].count--;
		return false;
	}
	b->stat[BS_SOFT_FAULTS]++;
	stat_end(&v->stats, EV_PAGE_FAULT, MECH_CALLOUT, GVA(eip), t0);
	return true;
}

/* A miss at lin; the site's argument follows the call. */
void *bt_co_soft(struct bt *b, uint32_t eip, uint32_t lin)
{
	uint32_t arg, error, start = b->view->table[eip];

	memcpy(&arg, (void *)(uintptr_t)b->hot->ret, 4);
	b->hot->ret += 4;
	b->leave = INTERP_DONE;
	if (!fill(b, lin, arg, &error)) {
		site_event(b, eip);
		if (error && page_fault(b, eip, lin, error))
			return bt_code_for(b, (uint32_t)b->v->state.rip);
		b->stat[BS_SOFT_INTERP]++;
		return bt_co_interp(b, eip, arg & CO_LEN);
	}
	b->stat[BS_SOFT_FILLS]++;
	site_event(b, eip);
	b->v->state.rip = eip;
	if (b->v->insns.on)
		b->v->insns.left++; /* it has been counted, and starts again */
	return start ? b->code + start : bt_code_for(b, eip);
}

/* --- life --- */

int soft_init(struct bt *b)
{
	uint8_t *base;

	b->soft_used = true;
	soft_tlb_flush(b, 0, true);
	if (!__builtin_cpu_supports("bmi2"))
		return 0; /* soft sites are the interpreter's */
	b->ram_region = mmap(NULL, GUARD + WINDOW + GUARD + WINDOW, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->ram_region == MAP_FAILED) {
		b->ram_region = NULL;
		return -errno;
	}
	base = (uint8_t *)(((uintptr_t)b->ram_region + GUARD + WINDOW - 1) & ~(uintptr_t)(WINDOW - 1));
	if (mmap(base, b->vm->mem.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, b->vm->mem.fd, 0) == MAP_FAILED)
		return -errno;
	if (b->vm->mem.shared && mmap(base + MEM_SHARED_BASE, b->vm->mem.shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
	    b->vm->mem.shared_fd, 0) == MAP_FAILED)
		return -errno;
	b->hot->ram_win = (uint64_t)(uintptr_t)base;
	return 0;
}

void soft_fini(struct bt *b)
{
	if (b->ram_region)
		munmap(b->ram_region, GUARD + WINDOW + GUARD + WINDOW);
}
