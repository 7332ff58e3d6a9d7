/*
 * gen.c - random tests: sequences of 1 to 8 instructions, with operands that mostly mean something.
 *
 * Bytes are drawn at random by opcode class, and kept when Zydis decodes them and the CPU model has them. Then the
 * operands are made to meet the test pages: a displacement, or the initial value of a register that no earlier
 * instruction has written, is set so that the address is one of gen_target. Branches go forward inside the sequence.
 * Called by the random tests and the campaign. Read next: classify.c (what is left out), gen_state.c.
 */
#include <string.h>
#include <Zydis/Zydis.h>
#include "gen.h"

struct gen {
	struct it_rng *r;
	struct itest *t;
	unsigned features;
	ZydisDecoder decoder;
	uint32_t written;  /* registers an instruction has written: their values are not known any more */
	uint32_t pinned;   /* registers whose initial value an instruction depends on */
	bool stack_used;
	uint8_t branch[IT_INSNS]; /* size of the relative displacement to patch, 0: none */
};

struct draw {
	ZydisDecodedInstruction in;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	uint8_t b[24];
};

/* --- drawing bytes --- */

static unsigned draw_prefixes(struct gen *g, uint8_t *b)
{
	static const uint8_t seg[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
	unsigned n = 0;

	if (rng_chance(g->r, 14))
		b[n++] = 0x66;
	if (rng_chance(g->r, 7))
		b[n++] = rng_chance(g->r, 50) ? 0xf3 : 0xf2;
	if (rng_chance(g->r, 3))
		b[n++] = 0xf0;
	if (rng_chance(g->r, 3)) {
		b[n++] = 0x67;
		if (g->features & GEN_SEGS)
			b[n++] = 0x64; /* 64 KiB of linear addresses from 0 are not mapped; through FS they are */
	} else if (rng_chance(g->r, 6)) {
		b[n++] = seg[rng_below(g->r, g->features & GEN_SEGS ? 6 : 4)];
	}
	return n;
}

/* Opcode bytes; the maps are weighted, and within one-byte opcodes the rows that do more than copy a register. */
static unsigned draw_opcode(struct gen *g, uint8_t *b)
{
	static const uint8_t strings[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
	uint32_t k = rng_below(g->r, 100);

	if (k < 6) {
		b[0] = 0xf3 - (rng_chance(g->r, 30) ? 1 : 0);
		b[1] = strings[rng_below(g->r, sizeof(strings))];
		return rng_chance(g->r, 70) ? 2 : (b[0] = b[1], 1);
	}
	if (k < 12) {
		b[0] = (uint8_t)(0xd8 + rng_below(g->r, 8));
		return 1;
	}
	if (k < 22) {
		static const uint8_t groups[] = { 0x80, 0x81, 0x83, 0xc0, 0xc1, 0xd0, 0xd1, 0xd2, 0xd3, 0xf6, 0xf7, 0xfe, 0xff, 0x69, 0x6b };

		b[0] = groups[rng_below(g->r, sizeof(groups))];
		return 1;
	}
	if (k < 60) {
		b[0] = (uint8_t)rng_next(g->r);
		return b[0] == 0x0f ? (b[1] = (uint8_t)rng_next(g->r), 2) : 1;
	}
	b[0] = 0x0f;
	b[1] = (uint8_t)rng_next(g->r);
	return 2;
}

static void draw_operands(struct gen *g, uint8_t *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		b[i] = (uint8_t)rng_next(g->r);
	if (rng_chance(g->r, 25)) /* a bare displacement or a SIB byte, often */
		b[0] = (uint8_t)((b[0] & 0x38) | (rng_chance(g->r, 50) ? 5 : 4) | rng_below(g->r, 3) << 6);
	if (rng_chance(g->r, 30))
		b[2 + rng_below(g->r, 4)] = (uint8_t)rng_below(g->r, 33);
}

/* --- what is kept --- */

/* How often an instruction that ends the sequence, or does so nearly always, is kept: percent. */
static unsigned keep_chance(const struct gen *g, const struct draw *d)
{
	bool ring0 = g->features & GEN_RING0;

	switch (d->in.mnemonic) {
	case ZYDIS_MNEMONIC_INT: case ZYDIS_MNEMONIC_INT3: case ZYDIS_MNEMONIC_INT1: case ZYDIS_MNEMONIC_HLT: case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1: case ZYDIS_MNEMONIC_UD2: case ZYDIS_MNEMONIC_RSM: case ZYDIS_MNEMONIC_IN: case ZYDIS_MNEMONIC_OUT:
	case ZYDIS_MNEMONIC_INSB: case ZYDIS_MNEMONIC_INSW: case ZYDIS_MNEMONIC_INSD: case ZYDIS_MNEMONIC_OUTSB:
	case ZYDIS_MNEMONIC_OUTSW: case ZYDIS_MNEMONIC_OUTSD:
		return ring0 ? 0 : 3; /* ring 0 would reach the devices, whose state outlives the test */
	case ZYDIS_MNEMONIC_CLI: case ZYDIS_MNEMONIC_STI:
		return ring0 ? 100 : 3;
	case ZYDIS_MNEMONIC_INTO: case ZYDIS_MNEMONIC_BOUND:
		return 30;
	default:
		break;
	}
	if (d->in.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED)
		return ring0 ? 60 : 3;
	if (d->in.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return 30;
	if (d->in.mnemonic == ZYDIS_MNEMONIC_NOP || d->in.mnemonic == ZYDIS_MNEMONIC_PREFETCHNTA)
		return 20;
	return 100;
}

static bool writes_segment(const struct draw *d)
{
	for (unsigned i = 0; i < d->in.operand_count; i++) {
		if (d->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER && (d->op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
				ZydisRegisterGetClass(d->op[i].reg.value) == ZYDIS_REGCLASS_SEGMENT && d->op[i].reg.value != ZYDIS_REGISTER_CS)
			return true;
	}
	return false;
}

/* The host's own descriptors are its business: these get a selector from the list that both sides share. */
static bool reads_selector(const struct draw *d)
{
	return d->in.mnemonic == ZYDIS_MNEMONIC_LAR || d->in.mnemonic == ZYDIS_MNEMONIC_LSL || d->in.mnemonic == ZYDIS_MNEMONIC_VERR ||
		d->in.mnemonic == ZYDIS_MNEMONIC_VERW;
}

/* What it stores may be the processor's own: no later instruction should read it. */
static bool stores_pointers(const struct draw *d)
{
	return d->in.mnemonic == ZYDIS_MNEMONIC_FNSTENV || d->in.mnemonic == ZYDIS_MNEMONIC_FNSAVE || d->in.mnemonic == ZYDIS_MNEMONIC_FXSAVE;
}

static bool wanted(struct gen *g, const struct draw *d)
{
	const char *why;
	enum it_class class;

	if (!rng_chance(g->r, keep_chance(g, d)))
		return false;
	class = classify(d->b, d->in.length, &why);
	if (class == CLASS_MISSING || d->in.mnemonic == ZYDIS_MNEMONIC_RDTSC || (class == CLASS_HOST && !(g->features & GEN_RING0)))
		return false;
	if (!(g->features & GEN_FPU) && (d->in.meta.isa_ext == ZYDIS_ISA_EXT_X87 || d->in.meta.isa_set == ZYDIS_ISA_SET_FXSAVE))
		return false;
	if (d->in.mnemonic == ZYDIS_MNEMONIC_IRET || d->in.mnemonic == ZYDIS_MNEMONIC_IRETD)
		return !(g->t->eflags & FL_NT); /* NT: a task return, #GP in a 64-bit host */
	if (d->in.mnemonic == ZYDIS_MNEMONIC_RDMSR) /* the TSC, or whatever a random number names */
		return false;
	if (d->in.mnemonic == ZYDIS_MNEMONIC_BSWAP && d->in.operand_width == 16)
		return false; /* SDM vol. 2, BSWAP: undefined for 16-bit registers */
	return (g->features & GEN_SEGS) || !writes_segment(d);
}

/* --- making operands meaningful --- */

static int gpr_of(ZydisRegister reg)
{
	ZydisRegister big;

	if (reg == ZYDIS_REGISTER_NONE)
		return -1;
	big = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LEGACY_32, reg);
	return ZydisRegisterGetClass(big) == ZYDIS_REGCLASS_GPR32 ? ZydisRegisterGetId(big) : -1;
}

static bool known(const struct gen *g, int reg)
{
	return reg < 0 || !(g->written >> reg & 1);
}

static bool settable(const struct gen *g, int reg)
{
	return reg >= 0 && reg != R_ESP && !((g->written | g->pinned) >> reg & 1);
}

static void pin(struct gen *g, int reg)
{
	if (reg >= 0)
		g->pinned |= 1u << reg;
}

static uint32_t segment_base(const struct gen *g, ZydisRegister seg)
{
	uint16_t sel = seg >= ZYDIS_REGISTER_ES && seg <= ZYDIS_REGISTER_GS ? g->t->sel[seg - ZYDIS_REGISTER_ES] : 0;

	return sel & 4 ? it_ldt[sel >> 3].base : 0;
}

static void patch_test(struct gen *g, uint32_t at, const void *p, unsigned n)
{
	struct it_patch *q;

	if (g->t->patches >= IT_PATCHES || n > IT_PATCH_LEN)
		return;
	q = &g->t->patch[g->t->patches++];
	q->at = at;
	q->len = (uint8_t)n;
	memcpy(q->byte, p, n);
}

/* Sets a register's initial value or the displacement, so that op's address is target. False when neither can be. */
static bool aim(struct gen *g, struct draw *d, const ZydisDecodedOperand *op, uint32_t target)
{
	int base = gpr_of(op->mem.base), index = gpr_of(op->mem.index);
	uint32_t sum = 0, mask = d->in.address_width == 16 ? 0xffff : 0xffffffff;
	uint8_t *disp = d->b + d->in.raw.disp.offset;

	target -= segment_base(g, op->mem.segment);
	if (!known(g, base) || !known(g, index) || (mask == 0xffff && target > mask))
		return false;
	if (base >= 0)
		sum += g->t->gpr[base];
	if (index >= 0)
		sum += g->t->gpr[index] * op->mem.scale;
	if (d->in.raw.disp.size >= 16 && d->in.raw.disp.offset) {
		uint32_t v = target - sum;

		memcpy(disp, &v, d->in.raw.disp.size / 8);
	} else if (settable(g, base) && (base != index || index < 0)) {
		uint32_t v = target - (uint32_t)op->mem.disp.value - (index >= 0 ? g->t->gpr[index] * op->mem.scale : 0);

		g->t->gpr[base] = mask == 0xffff ? (g->t->gpr[base] & ~mask) | (v & mask) : v;
	} else {
		return false;
	}
	pin(g, base);
	pin(g, index);
	return true;
}

/* An address for the far or near pointer that an indirect branch reads: the end of the sequence, or nowhere. */
static uint32_t code_target(struct gen *g)
{
	return rng_chance(g->r, 85) ? g->t->eip + IT_CODE_MAX - 1 - rng_below(g->r, 7) : (uint32_t)rng_next(g->r) & 0xbfffffff;
}

static uint16_t random_selector(struct gen *g)
{
	static const uint16_t sels[] = { 0, 3, SEL_DATA, SEL_DATA, SEL_CODE, 0x2a, 0x28, 0x20, 0x33, SEL_LDT(LDT_FS), SEL_LDT(LDT_GS),
		SEL_LDT(LDT_SMALL), SEL_LDT(LDT_RO), SEL_LDT(LDT_DOWN), SEL_LDT(LDT_ABSENT), SEL_LDT(LDT_XONLY), SEL_LDT(LDT_CONFORMING),
		SEL_LDT(LDT_SEGS), 0x17, 0xff, 0xfff8, 0x0b, 0x18 };

	return sels[rng_below(g->r, ARRAY_LEN(sels))];
}

/* Far pointers: offset, then selector; IRET's frame and far RET's come from the stack in the same order. */
static void patch_far(struct gen *g, uint32_t at, bool wide, bool data)
{
	uint8_t p[12];
	uint32_t off = code_target(g), fl = ((uint32_t)rng_next(g->r) & (FL_ARITH | FL_DF | FL_ID)) | FL_FIXED | FL_IF;
	uint16_t sel = rng_chance(g->r, 70) && !data ? g->t->sel[S_CS] : random_selector(g);

	if (sel == 0x33 && !data)
		sel = SEL_CODE; /* 64-bit code on the host */
	memset(p, 0, sizeof(p));
	memcpy(p, &off, 4);
	memcpy(p + (wide ? 4 : 2), &sel, 2);
	memcpy(p + (wide ? 8 : 4), &fl, wide ? 4 : 2);
	patch_test(g, at, p, wide ? 12 : 6);
}

static uint32_t first_address(const struct gen *g, const struct draw *d, const ZydisDecodedOperand *op)
{
	uint32_t a = (uint32_t)op->mem.disp.value + segment_base(g, op->mem.segment);
	int base = gpr_of(op->mem.base), index = gpr_of(op->mem.index);

	if (d->in.raw.disp.size == 32 && d->in.raw.disp.offset)
		memcpy(&a, d->b + d->in.raw.disp.offset, 4), a += segment_base(g, op->mem.segment);
	if (base >= 0)
		a += g->t->gpr[base];
	if (index >= 0)
		a += g->t->gpr[index] * op->mem.scale;
	return a;
}

/* The explicit memory operand; false: draw again. */
static bool fix_memory(struct gen *g, struct draw *d, const ZydisDecodedOperand *op)
{
	uint32_t size = op->size / 8 ? op->size / 8 : 4, target;

	if (op->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
		return true;
	target = gen_target(g->r, size);
	if (size >= 16 && rng_chance(g->r, 80))
		target &= ~15u;
	if (!aim(g, d, op, target))
		return !reads_selector(d) && rng_chance(g->r, 12);
	if (reads_selector(d)) {
		uint16_t sel = random_selector(g);

		patch_test(g, first_address(g, d, op), &sel, 2);
	} else if (d->in.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		patch_far(g, first_address(g, d, op), d->in.operand_width == 32, false);
	else if (writes_segment(d))
		patch_far(g, first_address(g, d, op), d->in.operand_width == 32, true);
	else if (d->in.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE) {
		uint32_t to = code_target(g);

		patch_test(g, first_address(g, d, op), &to, 4);
	}
	return true;
}

/* ESI, EDI and ECX of string instructions; EBX of XLAT; EDI of MASKMOVQ. */
static void fix_hidden(struct gen *g, const ZydisDecodedOperand *op)
{
	int base = gpr_of(op->mem.base);

	if (settable(g, base)) {
		g->t->gpr[base] = gen_target(g->r, op->size / 8 ? op->size / 8 : 4) - segment_base(g, op->mem.segment);
		pin(g, base);
	}
}

static bool fix_registers(struct gen *g, struct draw *d)
{
	const uint64_t rep = ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
	int r0 = d->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER ? gpr_of(d->op[0].reg.value) : -1;

	if ((d->in.attributes & rep) && settable(g, R_ECX)) {
		g->t->gpr[R_ECX] = rng_chance(g->r, 90) ? rng_below(g->r, 40) : rng_below(g->r, 0x3000);
		pin(g, R_ECX);
	}
	if (d->in.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR && settable(g, r0)) {
		g->t->gpr[r0] = code_target(g);
		pin(g, r0);
	}
	for (unsigned i = 0; i < d->in.operand_count_visible && writes_segment(d); i++) {
		int k = d->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER ? gpr_of(d->op[i].reg.value) : -1;

		if (settable(g, k)) {
			g->t->gpr[k] = random_selector(g);
			pin(g, k);
		}
	}
	if (reads_selector(d) && d->op[d->in.operand_count_visible - 1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		int k = gpr_of(d->op[d->in.operand_count_visible - 1].reg.value);

		if (!settable(g, k))
			return false;
		g->t->gpr[k] = random_selector(g);
		pin(g, k);
	}
	return true;
}

/*
 * PUSH of a segment register with a 32-bit operand: a zero-extended value or a 16-bit store (SDM vol. 2, PUSH), so the
 * upper half is made zero beforehand. False where it cannot be.
 */
static bool fix_push_segment(struct gen *g, const struct draw *d)
{
	static const uint8_t zero[4];

	if (d->in.mnemonic != ZYDIS_MNEMONIC_PUSH || d->op[0].type != ZYDIS_OPERAND_TYPE_REGISTER || d->in.operand_width != 32 ||
			ZydisRegisterGetClass(d->op[0].reg.value) != ZYDIS_REGCLASS_SEGMENT)
		return true;
	if (g->stack_used || (g->written >> R_ESP & 1) || g->t->patches >= IT_PATCHES)
		return false;
	patch_test(g, g->t->gpr[R_ESP] + segment_base(g, ZYDIS_REGISTER_SS) - 4, zero, 4);
	return true;
}

/* RET, far RET, IRET and POP of a segment register: what they pop, while ESP is still the initial one. */
static void fix_stack(struct gen *g, struct draw *d)
{
	uint32_t esp = g->t->gpr[R_ESP] + segment_base(g, ZYDIS_REGISTER_SS), to = code_target(g);
	bool pops_segment = d->in.mnemonic == ZYDIS_MNEMONIC_POP && writes_segment(d);

	if (g->stack_used || (g->written >> R_ESP & 1))
		return;
	if (d->in.mnemonic == ZYDIS_MNEMONIC_RET && d->in.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR) {
		patch_test(g, esp, &to, 4);
	} else if (d->in.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR && d->in.meta.category == ZYDIS_CATEGORY_RET) {
		patch_far(g, esp, d->in.operand_width == 32, false);
	} else if (pops_segment) {
		uint32_t sel = random_selector(g);

		patch_test(g, esp, &sel, 4);
	}
}

static bool fix_operands(struct gen *g, struct draw *d)
{
	for (unsigned i = 0; i < d->in.operand_count; i++) {
		const ZydisDecodedOperand *op = &d->op[i];

		if (op->type == ZYDIS_OPERAND_TYPE_POINTER) {
			uint32_t off = code_target(g);
			uint16_t sel = rng_chance(g->r, 70) ? g->t->sel[S_CS] : random_selector(g);

			sel = sel == 0x33 ? SEL_CODE : sel;
			memcpy(d->b + d->in.raw.imm[0].offset, &off, d->in.raw.imm[0].size / 8);
			memcpy(d->b + d->in.raw.imm[1].offset, &sel, 2);
		}
		if (op->type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		if (op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN || d->in.meta.category == ZYDIS_CATEGORY_STRINGOP)
			fix_hidden(g, op);
		else if (!fix_memory(g, d, op))
			return false;
	}
	if (!fix_registers(g, d))
		return false;
	fix_stack(g, d);
	return fix_push_segment(g, d);
}

/* Fixed-up bytes may decode otherwise than drawn (a patched prefix cannot, an operand can): the length must stay. */
static void note_written(struct gen *g, struct draw *d)
{
	if (d->in.meta.category == ZYDIS_CATEGORY_STRINGOP)
		g->written |= 1u << R_ESI | 1u << R_EDI | 1u << R_ECX;
	for (unsigned i = 0; i < d->in.operand_count; i++) {
		const ZydisDecodedOperand *op = &d->op[i];
		int k = op->type == ZYDIS_OPERAND_TYPE_REGISTER ? gpr_of(op->reg.value) : -1;

		if (k >= 0 && (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			g->written |= 1u << k;
		if (k >= 0 && (op->actions & ZYDIS_OPERAND_ACTION_MASK_READ))
			pin(g, k);
		if (k == R_ESP || (op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
				op->mem.base == ZYDIS_REGISTER_ESP))
			g->stack_used = true;
	}
}

/* ESP and the pointer registers should survive most sequences. */
static bool spoils_pointers(struct gen *g, const struct draw *d)
{
	for (unsigned i = 0; i < d->in.operand_count_visible; i++) {
		int k = d->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER ? gpr_of(d->op[i].reg.value) : -1;

		if (!(d->op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if ((k == R_ESP && !rng_chance(g->r, 10)) || ((k == R_EBX || k == R_ESI) && !rng_chance(g->r, 40)))
			return true;
	}
	return false;
}

/* Draws one instruction and appends it; false when the sequence is full. */
static bool append(struct gen *g)
{
	struct itest *t = g->t;
	struct draw d;

	for (unsigned tries = 0; tries < 200; tries++) {
		struct itest keep;
		uint32_t pinned = g->pinned;
		unsigned n = draw_prefixes(g, d.b);

		n += draw_opcode(g, d.b + n);
		draw_operands(g, d.b + n, (unsigned)sizeof(d.b) - n);
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&g->decoder, d.b, 15, &d.in, d.op)) || t->len + d.in.length > IT_CODE_MAX - 8)
			continue;
		if (!wanted(g, &d) || spoils_pointers(g, &d))
			continue;
		keep = *t;
		if (fix_operands(g, &d)) {
			g->branch[t->insns] = d.op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && d.op[0].imm.is_relative ? d.in.raw.imm[0].size / 8 : 0;
			memcpy(t->code + t->len, d.b, d.in.length);
			t->len += d.in.length;
			t->off[++t->insns] = t->len;
			note_written(g, &d);
			return !stores_pointers(&d);
		}
		*t = keep;
		g->pinned = pinned;
	}
	return false;
}

/* Relative branches go to a later instruction, or to the end. */
static void link_branches(struct gen *g)
{
	struct itest *t = g->t;

	for (unsigned i = 0; i < t->insns; i++) {
		uint32_t next = t->off[i + 1], to, disp;

		if (!g->branch[i])
			continue;
		to = t->off[i + 1 + rng_below(g->r, t->insns - i)];
		disp = to - next;
		memcpy(t->code + next - g->branch[i], &disp, g->branch[i]);
	}
}

/* Where the slot's test starts: the last slot of a page lets its test cross into the next page. */
static uint32_t place(struct it_rng *r, unsigned slot, unsigned len)
{
	uint32_t base = IT_CODE + slot * IT_SLOT;

	if (slot % (PAGE_SIZE / IT_SLOT) == PAGE_SIZE / IT_SLOT - 1 && len > 1)
		return base + IT_SLOT - 1 - rng_below(r, len - 1);
	return base + (slot % (PAGE_SIZE / IT_SLOT) ? 0 : IT_SLOT - IT_CODE_MAX);
}

/*
 * Self-modifying code: MOV byte [immediate of another instruction], imm8, in front; or behind, with a LOOP back to it. Only
 * immediates, so that what is undefined stays known; not of shifts, whose count decides that, nor of INT.
 */
static bool smc_target(struct gen *g, unsigned i, uint32_t *at)
{
	struct itest *t = g->t;
	ZydisDecodedInstruction in;
	unsigned op;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&g->decoder, NULL, t->code + t->off[i], t->len - t->off[i], &in)))
		return false;
	op = in.opcode;
	if (!in.raw.imm[0].size || in.raw.imm[0].is_relative || in.raw.imm[1].size || in.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT ||
			op == 0xc0 || op == 0xc1 || op == 0xcd || op == 0xc8)
		return false;
	*at = t->eip + t->off[i] + in.raw.imm[0].offset + rng_below(g->r, in.raw.imm[0].size / 8);
	return true;
}

/* C6 05 disp32 imm8 */
static void put_smc(struct gen *g, unsigned at, uint32_t target)
{
	g->t->code[at] = 0xc6;
	g->t->code[at + 1] = 0x05;
	memcpy(g->t->code + at + 2, &target, 4);
	g->t->code[at + 6] = (uint8_t)rng_next(g->r);
}

static bool smc_front(struct gen *g)
{
	uint32_t target;

	if (g->t->insns < 2 || !smc_target(g, 1 + rng_below(g->r, g->t->insns - 1u), &target))
		return false;
	put_smc(g, 0, target);
	return true;
}

static bool smc_loop(struct gen *g)
{
	struct itest *t = g->t;
	unsigned i = rng_below(g->r, t->insns ? t->insns : 1u);
	uint32_t target;

	if (!t->insns || t->insns > IT_INSNS - 2 || t->len > IT_CODE_MAX - 20 || !settable(g, R_ECX) || !smc_target(g, i, &target))
		return false;
	put_smc(g, t->len, target);
	t->off[++t->insns] = t->len += 7;
	t->code[t->len] = 0xe2;
	t->code[t->len + 1] = (uint8_t)(t->off[i] - t->len - 2);
	t->off[++t->insns] = t->len += 2;
	t->gpr[R_ECX] = 2 + rng_below(g->r, 3);
	return itest_analyse(t) && !t->undef[t->insns];
}

/* A test in a writable page; false: draw again. */
static bool gen_smc(struct it_rng *r, struct gen *g, unsigned want)
{
	struct itest *t = g->t;
	bool front = rng_chance(r, 30);

	t->eip = IT_ISLAND + 64 * rng_below(r, 60) + rng_below(r, 64);
	if (front)
		t->len = t->off[t->insns = 1] = 7;
	while (t->insns < want && append(g))
		;
	link_branches(g);
	return front ? smc_front(g) && itest_analyse(t) : smc_loop(g);
}

static void cut(struct itest *t)
{
	t->insns--;
	t->len = t->off[t->insns];
	memset(t->code + t->len, 0, sizeof(t->code) - t->len);
}

void gen_random(struct it_rng *r, struct itest *t, unsigned slot, unsigned features)
{
	static const uint8_t lengths[] = { 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8 };
	struct gen g = { .r = r, .t = t, .features = features };
	unsigned want = lengths[rng_below(r, sizeof(lengths))];
	uint32_t image = t->image_seed;

	ZydisDecoderInit(&g.decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	memset(t, 0, sizeof(*t));
	t->image_seed = image;
	gen_state(r, t, features);
	if ((features & GEN_SMC) && rng_chance(r, 5) && gen_smc(r, &g, want))
		return;
	g.written = g.pinned = 0;
	memset(t, 0, sizeof(*t));
	memset(g.branch, 0, sizeof(g.branch));
	g.stack_used = false;
	t->image_seed = image;
	gen_state(r, t, features);
	t->eip = place(r, slot, 24);
	while (t->insns < want && append(&g))
		;
	link_branches(&g);
	while (t->insns > 1 && !itest_analyse(t)) {
		cut(t);
		link_branches(&g);
	}
	if (!itest_analyse(t)) /* one instruction, whose result is open: try another */
		gen_random(r, t, slot, features);
}
