/*
 * interp_data.c - moving data: MOV and its kin, the stack, flags images, conditional moves.
 *
 * Read next: interp_control.c.
 */
#include "alu.h"
#include "ops.h"

void op_mov_rm_r(struct step *c)
{
	unsigned size = size_w(c->i);

	rm_store(c, reg_get(c->s, c->i->reg, size), size);
}

void op_mov_r_rm(struct step *c)
{
	unsigned size = size_w(c->i);

	reg_set(c->s, c->i->reg, rm_load(c, size), size);
}

/* a0..a3 */
void op_mov_moffs(struct step *c)
{
	const struct insn *i = c->i;
	unsigned size = size_w(i);

	if (i->op & 2)
		step_store(c, i->seg, i->disp, reg_get(c->s, R_EAX, size), size);
	else
		reg_set(c->s, R_EAX, step_load(c, i->seg, i->disp, size), size);
}

void op_mov_imm(struct step *c)
{
	reg_set(c->s, c->i->op & 7, c->i->imm, c->i->op & 8 ? c->i->opsz : 1);
}

void op_mov_rm_imm(struct step *c)
{
	rm_store(c, c->i->imm, size_w(c->i));
}

void op_movzx(struct step *c)
{
	reg_set(c->s, c->i->reg, rm_load(c, c->i->op & 1 ? 2 : 1), c->i->opsz);
}

void op_movsx(struct step *c)
{
	uint32_t v = c->i->op & 1 ? (uint32_t)(int16_t)rm_load(c, 2) : (uint32_t)(int8_t)rm_load(c, 1);

	reg_set(c->s, c->i->reg, v, c->i->opsz);
}

void op_lea(struct step *c)
{
	reg_set(c->s, c->i->reg, step_ea(c), c->i->opsz);
}

void op_xchg(struct step *c)
{
	unsigned size = size_w(c->i);
	struct rmw m;
	uint32_t r = reg_get(c->s, c->i->reg, size), v = rmw_load(c, &m, size);

	rmw_store(c, &m, r, size);
	reg_set(c->s, c->i->reg, v, size);
}

void op_xchg_eax(struct step *c)
{
	unsigned size = c->i->opsz, r = c->i->op & 7;
	uint32_t a = reg_get(c->s, R_EAX, size), b = reg_get(c->s, r, size);

	reg_set(c->s, R_EAX, b, size);
	reg_set(c->s, r, a, size);
}

/* With a 16-bit operand BSWAP is undefined (SDM vol. 2A); CPUs clear the register. */
void op_bswap(struct step *c)
{
	unsigned r = c->i->op & 7;

	if (c->i->opsz == 2)
		reg_set(c->s, r, 0, 2);
	else
		c->s->gpr[r] = __builtin_bswap32((uint32_t)c->s->gpr[r]);
}

void op_cmov(struct step *c)
{
	uint32_t v = rm_load(c, c->i->opsz); /* read even when not moved */

	if (condition(c->i->op & 15, c->s->rflags))
		reg_set(c->s, c->i->reg, v, c->i->opsz);
}

void op_setcc(struct step *c)
{
	rm_store(c, condition(c->i->op & 15, c->s->rflags), 1);
}

void op_xlat(struct step *c)
{
	uint32_t off = (uint32_t)c->s->gpr[R_EBX] + (uint8_t)c->s->gpr[R_EAX];

	if (c->i->adsz == 2)
		off &= 0xffff;
	reg_set(c->s, R_EAX, step_load(c, c->i->seg, off, 1), 1);
}

void op_salc(struct step *c)
{
	reg_set(c->s, R_EAX, c->s->rflags & FL_CF ? 0xff : 0, 1);
}

/* CMC CLC STC CLD STD */
void op_flag(struct step *c)
{
	switch (c->i->op & 0xff) {
	case 0xf5: c->s->rflags ^= FL_CF; break;
	case 0xf8: flags_set(c->s, FL_CF, 0); break;
	case 0xf9: flags_set(c->s, FL_CF, FL_CF); break;
	case 0xfc: flags_set(c->s, FL_DF, 0); break;
	default: flags_set(c->s, FL_DF, FL_DF); break;
	}
}

void op_nop(struct step *c)
{
}

/* --- stack --- */

void op_push_reg(struct step *c)
{
	step_push(c, (uint32_t)c->s->gpr[c->i->op & 7], c->i->opsz);
}

void op_pop_reg(struct step *c)
{
	uint32_t v = step_peek(c, 0, c->i->opsz);

	stack_drop(c->s, c->i->opsz);
	reg_set(c->s, c->i->op & 7, v, c->i->opsz);
}

void op_push_imm(struct step *c)
{
	step_push(c, c->i->imm, c->i->opsz);
}

/* An address based on ESP is computed after the pop (SDM vol. 2B, POP). */
void op_pop_rm(struct step *c)
{
	unsigned size = c->i->opsz;
	uint32_t v = step_peek(c, 0, size), old = (uint32_t)c->s->gpr[R_ESP], new, off;

	stack_drop(c->s, size);
	if (c->i->mod == 3) {
		reg_set(c->s, c->i->rm, v, size);
		return;
	}
	off = step_ea(c);
	new = (uint32_t)c->s->gpr[R_ESP];
	c->s->gpr[R_ESP] = old; /* in case the store faults */
	step_store(c, c->i->seg, off, v, size);
	c->s->gpr[R_ESP] = new;
}

/* Like hardware, PUSHA and POPA work word by word: on a fault ESP has not moved, but what was done before stays. */
void op_pusha(struct step *c)
{
	unsigned size = c->i->opsz;
	uint32_t m = stack_mask(c->s), sp = (uint32_t)c->s->gpr[R_ESP];

	for (unsigned r = 0; r < 8; r++)
		step_store(c, S_SS, (sp - (r + 1) * size) & m, (uint32_t)c->s->gpr[r], size);
	stack_set(c->s, sp - 8 * size);
}

void op_popa(struct step *c)
{
	unsigned size = c->i->opsz;

	for (unsigned k = 0; k < 8; k++) {
		uint32_t v = step_peek(c, k * size, size);

		if (7 - k != R_ESP)
			reg_set(c->s, 7 - k, v, size);
	}
	stack_drop(c->s, 8 * size);
}

/* SDM vol. 2B, PUSHF: RF and VM read as zero. */
void op_pushf(struct step *c)
{
	step_push(c, (uint32_t)c->s->rflags & ~(FL_RF | FL_VM), c->i->opsz);
}

/* SDM vol. 2B, POPF: IOPL needs CPL 0, IF needs CPL <= IOPL, and neither faults. */
void op_popf(struct step *c)
{
	struct cpu_state *s = c->s;
	uint32_t v = step_peek(c, 0, c->i->opsz), m = FL_ARITH | FL_TF | FL_DF | FL_NT;

	if (c->i->opsz == 4)
		m |= FL_AC | FL_ID;
	if (CPL(s) == 0)
		m |= FL_IOPL;
	if (CPL(s) <= iopl(s))
		m |= FL_IF;
	stack_drop(s, c->i->opsz);
	flags_set(s, m, v);
}

void op_sahf(struct step *c)
{
	flags_set(c->s, FL_ARITH & ~FL_OF, reg_get(c->s, 4, 1));
}

void op_lahf(struct step *c)
{
	reg_set(c->s, 4, (uint32_t)(c->s->rflags & (FL_ARITH & ~FL_OF)) | FL_FIXED, 1);
}

/* SDM vol. 2A, ENTER: the display is copied from the outer frames. */
void op_enter(struct step *c)
{
	struct cpu_state *s = c->s;
	unsigned size = c->i->opsz, level = c->i->imm2 & 31, k;
	uint32_t m = stack_mask(s), sp = (uint32_t)s->gpr[R_ESP], bp = (uint32_t)s->gpr[R_EBP], frame;

	sp -= size;
	step_store(c, S_SS, sp & m, bp, size);
	frame = sp;
	for (k = 1; k < level; k++) {
		bp -= size;
		sp -= size;
		step_store(c, S_SS, sp & m, step_load(c, S_SS, bp & m, size), size);
	}
	if (level) {
		sp -= size;
		step_store(c, S_SS, sp & m, frame, size);
	}
	sp -= c->i->imm & 0xffff;
	step_check_write(c, S_SS, sp & m, size);
	reg_set(s, R_EBP, m == 0xffff ? frame & 0xffff : frame, size);
	stack_set(s, sp);
}

void op_leave(struct step *c)
{
	struct cpu_state *s = c->s;
	uint32_t bp = (uint32_t)s->gpr[R_EBP], v = step_load(c, S_SS, bp & stack_mask(s), c->i->opsz);

	stack_set(s, bp + c->i->opsz);
	reg_set(s, R_EBP, v, c->i->opsz);
}
