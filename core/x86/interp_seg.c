/*
 * interp_seg.c - instructions on segment registers and selectors: MOV, PUSH, POP, LDS..LGS, LAR, LSL, VERR, VERW, ARPL.
 *
 * The loads themselves are segment.c's. Read next: segment.c.
 */
#include "alu.h"
#include "ops.h"
#include "segment_private.h"

/* To a 32-bit register the selector is zero-extended; to memory it is always 16 bits (SDM vol. 2B, MOV). */
void op_mov_from_seg(struct step *c)
{
	uint16_t sel = c->s->seg[c->i->reg].sel;

	rm_store(c, sel, c->i->mod == 3 ? c->i->opsz : 2);
}

static void load(struct step *c, unsigned r, uint16_t sel)
{
	if (segment_load(c->v, r, sel, &c->fault))
		step_fault(c);
}

void op_mov_to_seg(struct step *c)
{
	load(c, c->i->reg, (uint16_t)rm_load(c, 2));
	if (c->i->reg == S_SS)
		c->s->int_shadow = INT_SHADOW_MOVSS;
}

/* 06 0e 16 1e, 0f a0, 0f a8: the register is in bits 5..3 of the opcode. */
static unsigned opcode_seg(const struct insn *i)
{
	return (i->op >> 3) & 7;
}

/*
 * SDM vol. 2B, PUSH, leaves open whether a 32-bit slot is written whole. Intel's processors, and VT-x with them, write the
 * 16 bits of the selector, AMD's all 32; the CPU model is an Intel one, and all engines must leave the same memory.
 */
void op_push_seg(struct step *c)
{
	struct cpu_state *s = c->s;
	uint32_t sp = ((uint32_t)s->gpr[R_ESP] - c->i->opsz) & stack_mask(s);

	step_store(c, S_SS, sp, s->seg[opcode_seg(c->i)].sel, 2);
	stack_set(s, sp);
}

void op_pop_seg(struct step *c)
{
	unsigned r = opcode_seg(c->i);
	uint32_t mask = stack_mask(c->s), sp = (uint32_t)c->s->gpr[R_ESP] + c->i->opsz;
	uint16_t sel = (uint16_t)step_peek(c, 0, 2); /* as for PUSH */

	load(c, r, sel);
	c->s->gpr[R_ESP] = ((uint32_t)c->s->gpr[R_ESP] & ~mask) | (sp & mask);
	if (r == S_SS)
		c->s->int_shadow = INT_SHADOW_MOVSS;
}

/* c4 LES, c5 LDS, 0f b2 LSS, b4 LFS, b5 LGS */
void op_load_far(struct step *c)
{
	const struct insn *i = c->i;
	uint32_t ea = step_ea(c), off;
	uint16_t sel;
	unsigned r;

	switch (i->op & 0xff) {
	case 0xc4: r = S_ES; break;
	case 0xc5: r = S_DS; break;
	case 0xb2: r = S_SS; break;
	case 0xb4: r = S_FS; break;
	default: r = S_GS; break;
	}
	off = step_load(c, i->seg, ea, i->opsz);
	sel = (uint16_t)step_load(c, i->seg, i->adsz == 4 ? ea + i->opsz : (ea + i->opsz) & 0xffff, 2);
	load(c, r, sel);
	reg_set(c->s, i->reg, off, i->opsz);
}

/*
 * The descriptor of sel, if it exists and this privilege may see it. system_types: bit t set for each system type that
 * counts as valid.
 */
static bool query(struct step *c, uint16_t sel, uint32_t system_types, struct desc *d)
{
	struct cpu_state *s = c->s;
	uint32_t raw[2], rpl = sel & 3;

	if (sel_null(sel) || !desc_in_table(s, sel, &d->lin))
		return false;
	if (sys_read(c->v, d->lin, raw, 8, &c->fault))
		step_fault(c);
	d->sel = sel;
	d->lo = raw[0];
	d->hi = raw[1];
	if (!DESC_S(d) && !(system_types & (1u << DESC_TYPE(d))))
		return false;
	if (DESC_CODE(d) && DESC_CONFORMING(d))
		return true;
	return DESC_DPL(d) >= CPL(s) && DESC_DPL(d) >= rpl;
}

#define TYPES_LSL (1u << SYS_TSS16 | 1u << SYS_LDT | 1u << SYS_TSS16_BUSY | 1u << SYS_TSS32 | 1u << SYS_TSS32_BUSY)
#define TYPES_LAR (TYPES_LSL | 1u << SYS_CALL16 | 1u << SYS_TASK | 1u << SYS_CALL32)

/* SDM vol. 2A, LAR leaves bits 19..16 undefined; CPUs give the descriptor's. */
void op_lar(struct step *c)
{
	struct desc d;
	bool ok = query(c, (uint16_t)rm_load(c, 2), TYPES_LAR, &d);

	if (ok)
		reg_set(c->s, c->i->reg, d.hi & (c->i->opsz == 4 ? 0x00ffff00 : 0xff00), c->i->opsz);
	flags_set(c->s, FL_ZF, ok ? FL_ZF : 0);
}

void op_lsl(struct step *c)
{
	struct desc d;
	bool ok = query(c, (uint16_t)rm_load(c, 2), TYPES_LSL, &d);

	if (ok)
		reg_set(c->s, c->i->reg, desc_segment(&d).limit, c->i->opsz);
	flags_set(c->s, FL_ZF, ok ? FL_ZF : 0);
}

/* VERR, VERW: 0f 00 /4, /5 */
void op_verify(struct step *c, bool write)
{
	struct desc d;
	bool ok = query(c, (uint16_t)rm_load(c, 2), 0, &d);

	if (ok)
		ok = write ? (DESC_TYPE(&d) & 0xa) == 2 : (DESC_TYPE(&d) & 0xa) != 8;
	flags_set(c->s, FL_ZF, ok ? FL_ZF : 0);
}

void op_arpl(struct step *c)
{
	uint32_t dst = rm_load(c, 2), rpl = reg_get(c->s, c->i->reg, 2) & 3;
	bool raise = (dst & 3) < rpl;

	if (raise) /* only then is the operand written */
		rm_store(c, (dst & ~3u) | rpl, 2);
	flags_set(c->s, FL_ZF, raise ? FL_ZF : 0);
}
