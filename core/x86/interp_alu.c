/*
 * interp_alu.c - integer arithmetic, logic, shifts, bit operations, multiplication and division, BCD.
 *
 * The arithmetic itself is the host's (alu.h). Read next: interp_data.c.
 */
#include "alu.h"
#include "ops.h"

/* n: ADD OR ADC SBB AND SUB XOR CMP, as in bits 5..3 of the opcode. */
static uint32_t alu_do(unsigned n, uint32_t a, uint32_t b, unsigned size, uint64_t *f)
{
	switch (n) {
	case 0: return alu_add(a, b, size, f);
	case 1: return alu_or(a, b, size, f);
	case 2: return alu_adc(a, b, size, f);
	case 3: return alu_sbb(a, b, size, f);
	case 4: return alu_and(a, b, size, f);
	case 6: return alu_xor(a, b, size, f);
	default: return alu_sub(a, b, size, f);
	}
}

static void alu_to_rm(struct step *c, unsigned n, uint32_t b, unsigned size)
{
	struct rmw m;
	uint32_t r;

	if (n == 7) {
		alu_sub(rm_load(c, size), b, size, &c->s->rflags);
		return;
	}
	r = rmw_load(c, &m, size);
	r = alu_do(n, r, b, size, &c->s->rflags);
	rmw_store(c, &m, r, size);
}

/* 00..3d: rm,r; r,rm; accumulator,imm */
void op_alu(struct step *c)
{
	const struct insn *i = c->i;
	unsigned n = (i->op >> 3) & 7, form = (i->op >> 1) & 3, size = size_w(i), dst = form == 2 ? 0 : i->reg;
	uint32_t r;

	if (form == 0) {
		alu_to_rm(c, n, reg_get(c->s, i->reg, size), size);
		return;
	}
	r = alu_do(n, reg_get(c->s, dst, size), form == 2 ? i->imm : rm_load(c, size), size, &c->s->rflags);
	if (n != 7)
		reg_set(c->s, dst, r, size);
}

/* 80..83 */
void op_alu_imm(struct step *c)
{
	alu_to_rm(c, c->i->reg, c->i->imm, size_w(c->i));
}

void op_test(struct step *c)
{
	unsigned size = size_w(c->i);

	alu_and(rm_load(c, size), reg_get(c->s, c->i->reg, size), size, &c->s->rflags);
}

void op_test_imm(struct step *c)
{
	unsigned size = size_w(c->i);

	alu_and(reg_get(c->s, R_EAX, size), c->i->imm, size, &c->s->rflags);
}

void op_inc_reg(struct step *c)
{
	unsigned r = c->i->op & 7, size = c->i->opsz;

	reg_set(c->s, r, alu_inc(reg_get(c->s, r, size), size, &c->s->rflags), size);
}

void op_dec_reg(struct step *c)
{
	unsigned r = c->i->op & 7, size = c->i->opsz;

	reg_set(c->s, r, alu_dec(reg_get(c->s, r, size), size, &c->s->rflags), size);
}

/* fe /0 /1, and ff /0 /1 through op_group5 */
void op_group4(struct step *c)
{
	unsigned size = size_w(c->i);
	struct rmw m;
	uint32_t r = rmw_load(c, &m, size);

	r = c->i->reg == 0 ? alu_inc(r, size, &c->s->rflags) : alu_dec(r, size, &c->s->rflags);
	rmw_store(c, &m, r, size);
}

/* --- multiplication and division --- */

/* AX for bytes, else DX:AX or EDX:EAX. */
static void wide_get(const struct cpu_state *s, unsigned size, uint32_t *lo, uint32_t *hi)
{
	*lo = reg_get(s, R_EAX, size == 1 ? 2 : size);
	*hi = size == 1 ? 0 : reg_get(s, R_EDX, size);
}

static void wide_set(struct cpu_state *s, unsigned size, uint32_t lo, uint32_t hi)
{
	reg_set(s, R_EAX, lo, size == 1 ? 2 : size);
	if (size != 1)
		reg_set(s, R_EDX, hi, size);
}

static bool div_overflows(uint32_t lo, uint32_t hi, uint32_t b, unsigned size)
{
	uint64_t n = size == 4 ? (uint64_t)hi << 32 | lo : size == 2 ? (uint64_t)hi << 16 | lo : lo;

	b &= size_mask(size);
	return b == 0 || n / b > size_mask(size);
}

static bool idiv_overflows(uint32_t lo, uint32_t hi, uint32_t b, unsigned size)
{
	int64_t n, d, q, max = size_mask(size) >> 1;

	if (size == 4)
		n = (int64_t)((uint64_t)hi << 32 | lo), d = (int32_t)b;
	else if (size == 2)
		n = (int32_t)(hi << 16 | lo), d = (int16_t)b;
	else
		n = (int16_t)lo, d = (int8_t)b;
	if (d == 0 || (d == -1 && n == INT64_MIN))
		return true;
	q = n / d;
	return q > max || q < -max - 1;
}

static void muldiv(struct step *c, unsigned size)
{
	uint32_t b = rm_load(c, size), lo, hi;
	uint64_t *f = &c->s->rflags;

	wide_get(c->s, size, &lo, &hi);
	switch (c->i->reg) {
	case 4: alu_mul1(&lo, &hi, b, size, f); break;
	case 5: alu_imul1(&lo, &hi, b, size, f); break;
	case 6:
		if (div_overflows(lo, hi, b, size))
			step_raise(c, VEC_DE, false, 0);
		alu_div1(&lo, &hi, b, size, f);
		break;
	default:
		if (idiv_overflows(lo, hi, b, size))
			step_raise(c, VEC_DE, false, 0);
		alu_idiv1(&lo, &hi, b, size, f);
		break;
	}
	wide_set(c->s, size, lo, hi);
}

/* f6, f7: TEST NOT NEG MUL IMUL DIV IDIV */
void op_group3(struct step *c)
{
	unsigned size = size_w(c->i);
	struct rmw m;
	uint32_t r;

	switch (c->i->reg) {
	case 0: case 1:
		alu_and(rm_load(c, size), c->i->imm, size, &c->s->rflags);
		return;
	case 2:
		r = rmw_load(c, &m, size);
		rmw_store(c, &m, ~r, size);
		return;
	case 3:
		r = rmw_load(c, &m, size);
		rmw_store(c, &m, alu_neg(r, size, &c->s->rflags), size);
		return;
	default:
		muldiv(c, size);
	}
}

void op_imul2(struct step *c)
{
	unsigned size = c->i->opsz;
	uint32_t b = rm_load(c, size);

	reg_set(c->s, c->i->reg, alu_imul(reg_get(c->s, c->i->reg, size), b, size, &c->s->rflags), size);
}

void op_imul3(struct step *c)
{
	unsigned size = c->i->opsz;

	reg_set(c->s, c->i->reg, alu_imul(rm_load(c, size), c->i->imm, size, &c->s->rflags), size);
}

/* --- shifts --- */

static uint32_t shift_do(unsigned n, uint32_t a, uint32_t count, unsigned size, uint64_t *f)
{
	switch (n) {
	case 0: return alu_rol(a, count, size, f);
	case 1: return alu_ror(a, count, size, f);
	case 2: return alu_rcl(a, count, size, f);
	case 3: return alu_rcr(a, count, size, f);
	case 5: return alu_shr(a, count, size, f);
	case 7: return alu_sar(a, count, size, f);
	default: return alu_shl(a, count, size, f); /* /6 is an alias */
	}
}

/* c0, c1 by an immediate; d0, d1 by one; d2, d3 by CL */
void op_shift(struct step *c)
{
	unsigned size = size_w(c->i), o = c->i->op & 0xfe;
	uint32_t count = o == 0xc0 ? c->i->imm : o == 0xd0 ? 1 : (uint32_t)c->s->gpr[R_ECX];
	struct rmw m;
	uint32_t r = rmw_load(c, &m, size);

	rmw_store(c, &m, shift_do(c->i->reg, r, count & 31, size, &c->s->rflags), size);
}

static void shift_double(struct step *c, bool left)
{
	unsigned size = c->i->opsz;
	uint32_t count = (c->i->op & 1 ? (uint32_t)c->s->gpr[R_ECX] : c->i->imm) & 31, b, r;
	struct rmw m;

	r = rmw_load(c, &m, size);
	b = reg_get(c->s, c->i->reg, size);
	r = left ? alu_shld(r, b, count, size, &c->s->rflags) : alu_shrd(r, b, count, size, &c->s->rflags);
	rmw_store(c, &m, r, size);
}

void op_shld(struct step *c) { shift_double(c, true); }
void op_shrd(struct step *c) { shift_double(c, false); }

/* --- bits --- */

/* n: BT BTS BTR BTC */
static void bit_do(struct step *c, unsigned n, uint32_t bit, uint32_t off)
{
	unsigned size = c->i->opsz;
	uint64_t *f = &c->s->rflags;
	uint32_t r;

	bit &= size * 8 - 1;
	if (c->i->mod == 3) {
		r = reg_get(c->s, c->i->rm, size);
	} else {
		if (n)
			step_check_write(c, c->i->seg, off, size);
		r = step_load(c, c->i->seg, off, size);
	}
	switch (n) {
	case 0: alu_bt(r, bit, size, f); return;
	case 1: r = alu_bts(r, bit, size, f); break;
	case 2: r = alu_btr(r, bit, size, f); break;
	default: r = alu_btc(r, bit, size, f); break;
	}
	if (c->i->mod == 3)
		reg_set(c->s, c->i->rm, r, size);
	else
		step_store(c, c->i->seg, off, r, size);
}

/* 0f a3, ab, b3, bb: the bit offset in a register reaches beyond the operand, in units of its size. */
void op_bt(struct step *c)
{
	unsigned size = c->i->opsz, n = (c->i->op >> 3) & 3;
	uint32_t bit = reg_get(c->s, c->i->reg, size), off = 0;

	if (c->i->mod != 3) {
		int32_t index = size == 4 ? (int32_t)bit >> 5 : (int16_t)bit >> 4;

		off = step_ea(c) + (uint32_t)index * size;
		if (c->i->adsz == 2)
			off &= 0xffff;
	}
	bit_do(c, n, bit, off);
}

/* 0f ba /4../7 */
void op_bt_imm(struct step *c)
{
	bit_do(c, c->i->reg & 3, c->i->imm, c->i->mod == 3 ? 0 : step_ea(c));
}

void op_bsf(struct step *c)
{
	unsigned size = c->i->opsz;
	uint32_t b = rm_load(c, size);

	reg_set(c->s, c->i->reg, alu_bsf(reg_get(c->s, c->i->reg, size), b, size, &c->s->rflags), size);
}

void op_bsr(struct step *c)
{
	unsigned size = c->i->opsz;
	uint32_t b = rm_load(c, size);

	reg_set(c->s, c->i->reg, alu_bsr(reg_get(c->s, c->i->reg, size), b, size, &c->s->rflags), size);
}

/* --- compare and exchange --- */

void op_cmpxchg(struct step *c)
{
	unsigned size = size_w(c->i);
	struct rmw m;
	uint32_t old = rmw_load(c, &m, size), acc = reg_get(c->s, R_EAX, size);
	bool equal = acc == old;

	alu_sub(acc, old, size, &c->s->rflags);
	/* The destination is written in either case (SDM vol. 2A, CMPXCHG). */
	rmw_store(c, &m, equal ? reg_get(c->s, c->i->reg, size) : old, size);
	if (!equal)
		reg_set(c->s, R_EAX, old, size);
}

void op_cmpxchg8b(struct step *c)
{
	uint32_t off = step_ea(c), old[2], new[2];
	struct cpu_state *s = c->s;
	bool equal;

	step_check_write(c, c->i->seg, off, 8);
	step_read_buf(c, c->i->seg, off, old, 8);
	equal = old[0] == (uint32_t)s->gpr[R_EAX] && old[1] == (uint32_t)s->gpr[R_EDX];
	new[0] = equal ? (uint32_t)s->gpr[R_EBX] : old[0];
	new[1] = equal ? (uint32_t)s->gpr[R_ECX] : old[1];
	step_write_buf(c, c->i->seg, off, new, 8);
	flags_set(s, FL_ZF, equal ? FL_ZF : 0);
	if (!equal) {
		s->gpr[R_EAX] = old[0];
		s->gpr[R_EDX] = old[1];
	}
}

void op_xadd(struct step *c)
{
	unsigned size = size_w(c->i);
	struct rmw m;
	uint32_t old = rmw_load(c, &m, size), r;

	r = alu_add(old, reg_get(c->s, c->i->reg, size), size, &c->s->rflags);
	if (c->i->mod == 3) { /* source first: with one register for both, the sum stays */
		reg_set(c->s, c->i->reg, old, size);
		reg_set(c->s, c->i->rm, r, size);
		return;
	}
	rmw_store(c, &m, r, size);
	reg_set(c->s, c->i->reg, old, size);
}

void op_cbw(struct step *c)
{
	if (c->i->opsz == 4)
		c->s->gpr[R_EAX] = (uint32_t)(int16_t)c->s->gpr[R_EAX];
	else
		reg_set(c->s, R_EAX, (uint32_t)(int8_t)c->s->gpr[R_EAX], 2);
}

void op_cwd(struct step *c)
{
	if (c->i->opsz == 4)
		c->s->gpr[R_EDX] = (uint32_t)((int32_t)c->s->gpr[R_EAX] >> 31);
	else
		reg_set(c->s, R_EDX, (uint32_t)((int16_t)c->s->gpr[R_EAX] >> 15), 2);
}

/* --- BCD: not in the host's 64-bit mode, so by SDM vol. 2; the flags it leaves undefined are noted --- */

/* SF, ZF, PF of AL by the host, AF and CF given; OF (undefined) cleared. */
static void bcd_flags(struct step *c, bool af, bool cf)
{
	alu_and((uint8_t)c->s->gpr[R_EAX], 0xff, 1, &c->s->rflags);
	flags_set(c->s, FL_AF | FL_CF, (af ? FL_AF : 0) | (cf ? FL_CF : 0));
}

void op_daa(struct step *c)
{
	uint8_t al = (uint8_t)c->s->gpr[R_EAX], old = al;
	bool cf = c->s->rflags & FL_CF, af = (al & 15) > 9 || (c->s->rflags & FL_AF);

	if (af)
		al += 6;
	cf = old > 0x99 || cf;
	if (cf)
		al += 0x60;
	reg_set(c->s, R_EAX, al, 1);
	bcd_flags(c, af, cf);
}

void op_das(struct step *c)
{
	uint8_t al = (uint8_t)c->s->gpr[R_EAX], old = al;
	bool cf = c->s->rflags & FL_CF, af = (al & 15) > 9 || (c->s->rflags & FL_AF), borrow = false;

	if (af) {
		borrow = al < 6;
		al -= 6;
	}
	if (old > 0x99 || cf) {
		al -= 0x60;
		borrow = true;
	} else {
		borrow |= cf;
	}
	reg_set(c->s, R_EAX, al, 1);
	bcd_flags(c, af, borrow);
}

static void ascii_adjust(struct step *c, int sign)
{
	uint32_t ax = (uint16_t)c->s->gpr[R_EAX];
	bool adjust = (ax & 15) > 9 || (c->s->rflags & FL_AF);

	if (adjust)
		ax += (uint32_t)(sign * 0x106);
	reg_set(c->s, R_EAX, ax & 0xff0f, 2);
	bcd_flags(c, adjust, adjust);
}

void op_aaa(struct step *c) { ascii_adjust(c, 1); }
void op_aas(struct step *c) { ascii_adjust(c, -1); }

void op_aam(struct step *c)
{
	uint8_t base = (uint8_t)c->i->imm, al = (uint8_t)c->s->gpr[R_EAX];

	if (!base)
		step_raise(c, VEC_DE, false, 0);
	reg_set(c->s, R_EAX, (uint32_t)(al / base) << 8 | al % base, 2);
	bcd_flags(c, false, false);
}

void op_aad(struct step *c)
{
	uint32_t ax = (uint16_t)c->s->gpr[R_EAX];

	reg_set(c->s, R_EAX, ((ax >> 8) * (uint8_t)c->i->imm + ax) & 0xff, 2);
	bcd_flags(c, false, false);
}
