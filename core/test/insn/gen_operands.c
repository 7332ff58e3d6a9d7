/*
 * gen_operands.c - makes the operands of a drawn instruction meet the test pages.
 *
 * A displacement, or the initial value of a register that no earlier instruction has written, is set so that the address is
 * one of gen_target; what indirect branches, returns and segment loads read is patched into memory. Called by gen.c for
 * each instruction. Read next: gen_state.c.
 */
#include <string.h>
#include "gen.h"

bool operands_write_segment(const struct draw *d)
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

int operand_gpr(ZydisRegister reg)
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

bool operand_settable(const struct gen *g, int reg)
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
	int base = operand_gpr(op->mem.base), index = operand_gpr(op->mem.index);
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
	} else if (operand_settable(g, base) && (base != index || index < 0)) {
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
		SEL_LDT(LDT_ALL), 0x17, 0xff, 0xfff8, 0x0b, 0x18 };

	if ((g->features & GEN_SYSTEM) && rng_chance(g->r, 20))
		return system_selector(g->r);
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
	int base = operand_gpr(op->mem.base), index = operand_gpr(op->mem.index);

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
	else if (operands_write_segment(d))
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
	int base = operand_gpr(op->mem.base);

	if (operand_settable(g, base)) {
		g->t->gpr[base] = gen_target(g->r, op->size / 8 ? op->size / 8 : 4) - segment_base(g, op->mem.segment);
		pin(g, base);
	}
}

static bool fix_registers(struct gen *g, struct draw *d)
{
	const uint64_t rep = ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
	int r0 = d->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER ? operand_gpr(d->op[0].reg.value) : -1;

	if ((d->in.attributes & rep) && operand_settable(g, R_ECX)) {
		g->t->gpr[R_ECX] = rng_chance(g->r, 90) ? rng_below(g->r, 40) : rng_below(g->r, 0x3000);
		pin(g, R_ECX);
	}
	if (d->in.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR && operand_settable(g, r0)) {
		g->t->gpr[r0] = code_target(g);
		pin(g, r0);
	}
	for (unsigned i = 0; i < d->in.operand_count_visible && operands_write_segment(d); i++) {
		int k = d->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER ? operand_gpr(d->op[i].reg.value) : -1;

		if (operand_settable(g, k)) {
			g->t->gpr[k] = random_selector(g);
			pin(g, k);
		}
	}
	if (reads_selector(d) && d->op[d->in.operand_count_visible - 1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		int k = operand_gpr(d->op[d->in.operand_count_visible - 1].reg.value);

		if (!operand_settable(g, k))
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
	bool pops_segment = d->in.mnemonic == ZYDIS_MNEMONIC_POP && operands_write_segment(d);

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

bool operands_fix(struct gen *g, struct draw *d)
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
void operands_written(struct gen *g, struct draw *d)
{
	if (d->in.meta.category == ZYDIS_CATEGORY_STRINGOP)
		g->written |= 1u << R_ESI | 1u << R_EDI | 1u << R_ECX;
	for (unsigned i = 0; i < d->in.operand_count; i++) {
		const ZydisDecodedOperand *op = &d->op[i];
		int k = op->type == ZYDIS_OPERAND_TYPE_REGISTER ? operand_gpr(op->reg.value) : -1;

		if (k >= 0 && (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			g->written |= 1u << k;
		if (k >= 0 && (op->actions & ZYDIS_OPERAND_ACTION_MASK_READ))
			pin(g, k);
		if (k == R_ESP || (op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
				op->mem.base == ZYDIS_REGISTER_ESP))
			g->stack_used = true;
	}
}
