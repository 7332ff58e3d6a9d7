/*
 * interp_fpu.c - MMX, SSE and SSE2, and what they share with x87: who may execute, FXSAVE, MXCSR.
 *
 * Arithmetic is done by the host's unit on the guest's FXSAVE image (fpu_run.c), so results are the hardware's to the bit.
 * Here is what a host cannot do for a guest: availability (#UD, #NM), a pending x87 exception (#MF), the memory operand
 * and its alignment. Read next: interp_x87.c, fpu_run.c.
 */
#include "fpu_state.h"

/* SDM vol. 3, 2.5 and table 2-2 (x87), 12.1 (MMX), 13.1 (SSE). */
void fpu_check_available(struct step *c, enum isa isa)
{
	uint64_t cr0 = c->s->cr0;

	if (isa == ISA_SSE && !(c->s->cr4 & CR4_OSFXSR))
		step_ud(c);
	if (isa != ISA_X87 && (cr0 & CR0_EM))
		step_ud(c);
	if ((cr0 & CR0_TS) || (isa == ISA_X87 && (cr0 & CR0_EM)))
		step_raise(c, VEC_NM, false, 0);
}

/* CR0.NE=0 would report through IRQ 13 on a PC; here it is always #MF. */
void fpu_check_pending(struct step *c)
{
	if (x87_unmasked(c->s))
		step_raise(c, VEC_MF, false, 0);
}

/* Comes before the segment's own checks. */
static void check_alignment(struct step *c, uint32_t ea)
{
	if ((c->i->fp & FP_ALIGN) && (((uint32_t)c->s->seg[c->i->seg].base + ea) & 15))
		step_gp(c, 0);
}

/* Runs the instruction with its memory operand in a buffer: read before, or checked before and written after. */
static void run_load(struct step *c, uint8_t *buf)
{
	uint32_t ea = step_ea(c);

	check_alignment(c, ea);
	step_read_buf(c, c->i->seg, ea, buf, c->i->msize);
	fpu_run(c, buf);
}

static void run_store(struct step *c, uint8_t *buf)
{
	uint32_t ea = step_ea(c);

	check_alignment(c, ea);
	step_check_write(c, c->i->seg, ea, c->i->msize);
	fpu_run(c, buf);
	step_write_buf(c, c->i->seg, ea, buf, c->i->msize);
}

/* MASKMOVQ, MASKMOVDQU: bytes of DS:EDI chosen by a mask, read-modify-write in a buffer. */
static void mask_move(struct step *c)
{
	_Alignas(16) uint8_t buf[16];
	unsigned n = c->i->prefix & PFX_OPSIZE ? 16 : 8;
	uint32_t off = reg_get(c->s, R_EDI, c->i->adsz);

	if (n == 8)
		fpu_mmx_transition(c->s); /* even if the store then faults */
	step_check_write(c, c->i->seg, off, n);
	step_read_buf(c, c->i->seg, off, buf, n);
	fpu_run(c, buf);
	step_write_buf(c, c->i->seg, off, buf, n);
}

static bool touches_mmx(const struct insn *i)
{
	return i->isa == ISA_MMX || (i->fp & FP_MMX);
}

void op_fpu(struct step *c)
{
	const struct insn *i = c->i;
	_Alignas(16) uint8_t buf[16] = { 0 };
	struct x87_pointers p;

	if (i->isa == ISA_X87) {
		op_x87(c);
		return;
	}
	fpu_check_available(c, i->isa);
	if (touches_mmx(i))
		fpu_check_pending(c);
	p = x87_pointers_get(c->s);
	if (i->op == 0x1f7)
		mask_move(c);
	else if (!i->raw_modrm || i->mod == 3)
		fpu_run(c, NULL);
	else if (i->fp & FP_MEM_W)
		run_store(c, buf);
	else
		run_load(c, buf);
	x87_pointers_set(c->s, &p); /* the host's FXSAVE wrote its own */
}

/* --- 0f ae: FXSAVE FXRSTOR LDMXCSR STMXCSR, fences, CLFLUSH --- */

static uint32_t aligned_operand(struct step *c, unsigned access)
{
	uint32_t ea = step_ea(c), lin = step_linear(c, c->i->seg, ea, 512, access); /* 512: no #AC */

	if (lin & 15)
		step_gp(c, 0);
	return ea;
}

/* FXSAVE and FXRSTOR look at EM and TS like x87 instructions do, and raise no #MF. All 512 bytes must be accessible. */
static void fxsave(struct step *c)
{
	uint8_t image[FX_BYTES];
	uint32_t known = MXCSR_KNOWN, ea;

	fpu_check_available(c, ISA_X87);
	ea = aligned_operand(c, ACCESS_W);
	step_check_write(c, c->i->seg, ea, 512);
	memcpy(image, c->s->fx, sizeof(image));
	memcpy(image + FX_MASK, &known, 4);
	step_write_buf(c, c->i->seg, ea, image, sizeof(image));
}

static void fxrstor(struct step *c)
{
	_Alignas(16) uint8_t image[512];
	struct x87_pointers p;
	uint32_t mxcsr;

	fpu_check_available(c, ISA_X87);
	step_read_buf(c, c->i->seg, aligned_operand(c, ACCESS_R), image, sizeof(image));
	memcpy(&mxcsr, image + FX_MXCSR, 4);
	if (mxcsr & ~MXCSR_KNOWN)
		step_gp(c, 0);
	memcpy(c->s->fx, image, FX_BYTES);
	p = x87_pointers_get(c->s);
	fpu_normalise(c, image);
	memcpy(c->s->fx, image, FX_BYTES);
	x87_pointers_set(c->s, &p);
}

static void mxcsr_access(struct step *c, bool store)
{
	uint32_t v;

	fpu_check_available(c, ISA_SSE);
	if (store) {
		step_store(c, c->i->seg, step_ea(c), fx32(c->s, FX_MXCSR), 4);
		return;
	}
	v = step_load(c, c->i->seg, step_ea(c), 4);
	if (v & ~MXCSR_KNOWN)
		step_gp(c, 0);
	fx_set32(c->s, FX_MXCSR, v);
}

void op_group15(struct step *c)
{
	if (c->i->mod == 3) {
		if (c->i->reg < 5)
			step_ud(c);
		return; /* LFENCE MFENCE SFENCE: one CPU, in order */
	}
	switch (c->i->reg) {
	case 0: fxsave(c); break;
	case 1: fxrstor(c); break;
	case 2: mxcsr_access(c, false); break;
	case 3: mxcsr_access(c, true); break;
	case 7: step_load(c, c->i->seg, step_ea(c), 1); break; /* CLFLUSH: checked like a byte load */
	default: step_ud(c);
	}
}
