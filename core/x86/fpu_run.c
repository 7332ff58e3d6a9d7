/*
 * fpu_run.c - executes one FPU or SIMD instruction on the guest's image, by a stub, with SIMD exceptions as results.
 *
 * The host must never take a guest's exception: x87 ones stay pending in the image, and SIMD ones are found in MXCSR's
 * flags after a run with all of them masked. Called by interp_fpu.c and interp_x87.c. Read next: fpu_stub.c.
 */
#include "fpu_state.h"

/* The instruction as the stub needs it: no segment, size or lock prefixes but those that belong to the opcode. */
static unsigned stub_bytes(const struct insn *i, uint8_t *out)
{
	unsigned n = 0, k = i->raw_modrm ? i->raw_modrm : i->len;
	bool two = i->op >> 8;
	uint8_t modrm;

	if (i->isa == ISA_X87 ? i->opsz == 2 && i->mod != 3 : i->prefix & PFX_OPSIZE)
		out[n++] = 0x66;
	if (i->isa != ISA_X87 && (i->prefix & (PFX_REP | PFX_REPNE)))
		out[n++] = i->prefix & PFX_REP ? 0xf3 : 0xf2;
	if (two)
		out[n++] = 0x0f;
	out[n++] = (uint8_t)i->op;
	if (!i->raw_modrm)
		return n; /* EMMS */
	modrm = i->bytes[k];
	if (i->mod != 3)
		modrm = (uint8_t)((modrm & 0x38) | 7); /* (%rdi) */
	if (i->fp & FP_GPR_REG)
		modrm &= 0xc7; /* EAX */
	if ((i->fp & FP_GPR_RM) && i->mod == 3)
		modrm &= 0xf8;
	out[n++] = modrm;
	if (i->fp & FP_IMM)
		out[n++] = (uint8_t)i->imm;
	return n;
}

static unsigned gpr_of(const struct insn *i)
{
	return i->fp & FP_GPR_REG ? i->reg : i->rm;
}

static const void *stub(struct step *c, const uint8_t *bytes, unsigned n)
{
	if (!c->in->cache || !c->in->cache->fpu)
		step_crash(c, "no executable memory for FPU instructions (at eip %#x): mmap of it failed at start", c->eip);
	return fpu_stub_get(c->in->cache->fpu, bytes, n);
}

void fpu_normalise(struct step *c, uint8_t *image)
{
	struct fpu_call call = { .fx = image, .code = stub(c, NULL, 0) };

	fpu_stub_call(&call);
}

static void run_stub(struct step *c, uint8_t *mem)
{
	struct cpu_state *s = c->s;
	struct fpu_call call = { .fx = s->fx, .mem = mem };
	uint8_t bytes[16];
	unsigned n = stub_bytes(c->i, bytes);
	bool gpr = c->i->fp & (FP_GPR_REG | FP_GPR_RM);

	call.code = stub(c, bytes, n);
	call.rax = gpr ? (uint32_t)s->gpr[gpr_of(c->i)] : 0;
	call.flags = s->rflags & FL_ARITH;
	fx_set32(s, FX_MXCSR, fx32(s, FX_MXCSR) & MXCSR_KNOWN);
	fpu_stub_call(&call);
	if (c->i->fp & FP_GPR_W)
		s->gpr[gpr_of(c->i)] = (uint32_t)call.rax;
	flags_set(s, FL_ARITH, (uint32_t)call.flags);
}

void fpu_mmx_transition(struct cpu_state *s)
{
	unsigned top = (fx16(s, FX_FSW) >> 11) & 7;
	uint8_t old[128];

	/* The image holds ST0 to ST7; physical register n is ST(n - TOP). */
	memcpy(old, s->fx + FX_ST, sizeof(old));
	for (unsigned n = 0; n < 8; n++)
		memcpy(s->fx + FX_ST + 16 * n, old + 16 * ((n - top) & 7), 16);
	fx_set16(s, FX_FSW, fx16(s, FX_FSW) & ~0x3800);
	s->fx[FX_FTW] = 0xff;
}

/* What a SIMD instruction may change. */
struct simd_state {
	uint8_t fx[512];
	uint32_t gpr[8], flags;
};

static void simd_save(const struct cpu_state *s, struct simd_state *k)
{
	memcpy(k->fx, s->fx, sizeof(k->fx));
	for (unsigned r = 0; r < 8; r++)
		k->gpr[r] = (uint32_t)s->gpr[r];
	k->flags = (uint32_t)s->rflags;
}

static void simd_restore(struct cpu_state *s, const struct simd_state *k)
{
	memcpy(s->fx, k->fx, sizeof(k->fx));
	for (unsigned r = 0; r < 8; r++)
		s->gpr[r] = k->gpr[r];
	flags_set(s, FL_ARITH, k->flags);
}

/* Runs with all exceptions masked, from clear flags; returns the flags raised. */
static uint32_t run_masked(struct step *c, uint8_t *mem, uint32_t mxcsr)
{
	fx_set32(c->s, FX_MXCSR, (mxcsr | MXCSR_MASKS) & ~MXCSR_FLAGS);
	run_stub(c, mem);
	return fx32(c->s, FX_MXCSR) & MXCSR_FLAGS;
}

/*
 * Unmasked, underflow is any tiny result; masked, only an inexact one is flagged (SDM vol. 1, 4.9.1.5). Flushing to zero
 * makes each tiny result inexact, and so tells.
 */
static bool underflows(struct step *c, uint8_t *mem, uint32_t mxcsr, const struct simd_state *before)
{
	struct simd_state after;
	uint8_t copy[16];
	bool tiny;

	simd_save(c->s, &after);
	simd_restore(c->s, before);
	if (mem)
		memcpy(copy, mem, sizeof(copy));
	tiny = run_masked(c, mem, mxcsr | MXCSR_FTZ) & MXCSR_UE;
	if (mem)
		memcpy(mem, copy, sizeof(copy));
	simd_restore(c->s, &after);
	return tiny;
}

/*
 * SIMD with exceptions unmasked: run with all masked and look at the flags. Flags of exceptions found before the
 * computation (invalid, denormal, zero divide) hide those found after it (SDM vol. 1, 11.5.3).
 */
static void run_unmasked(struct step *c, uint8_t *mem, uint32_t mxcsr)
{
	struct cpu_state *s = c->s;
	uint32_t enabled = ~(mxcsr >> 7) & MXCSR_FLAGS, raised;
	struct simd_state before;

	simd_save(s, &before);
	raised = run_masked(c, mem, enabled & MXCSR_UE ? mxcsr & ~MXCSR_FTZ : mxcsr);
	if ((enabled & MXCSR_UE) && !(raised & enabled) && underflows(c, mem, mxcsr, &before))
		raised |= MXCSR_UE;
	if (!(raised & enabled)) {
		fx_set32(s, FX_MXCSR, mxcsr | raised);
		return;
	}
	if (raised & enabled & 7)
		raised &= 7;
	simd_restore(s, &before);
	if (c->i->fp & FP_MMX)
		fpu_mmx_transition(s);
	fx_set32(s, FX_MXCSR, mxcsr | raised);
	if (!(s->cr4 & CR4_OSXMMEXCPT))
		step_ud(c);
	step_raise(c, VEC_XM, false, 0);
}

void fpu_run(struct step *c, uint8_t *mem)
{
	uint32_t mxcsr = fx32(c->s, FX_MXCSR) & MXCSR_KNOWN;

	if (c->i->isa == ISA_SSE && (mxcsr & MXCSR_MASKS) != MXCSR_MASKS)
		run_unmasked(c, mem, mxcsr);
	else
		run_stub(c, mem);
}
