/*
 * interp_fpu.c - x87, MMX, SSE and SSE2.
 *
 * Arithmetic is done by the host's unit on the guest's FXSAVE image (fpu_stub.c), so results are the hardware's to the
 * bit. Here is what a host cannot do for a guest: who may execute it (#UD, #NM), a pending x87 exception (#MF), the
 * memory operand and its alignment, unmasked SIMD exceptions (#XM) without a host signal, and the x87 instruction and
 * operand pointers, which would be the host's. Read next: fpu_stub.c.
 */
#include "fpu_stub.h"

/* FXSAVE image (SDM vol. 1, table 10-2) */
enum { FX_FCW = 0, FX_FSW = 2, FX_FTW = 4, FX_FOP = 6, FX_FIP = 8, FX_FCS = 12, FX_FDP = 16, FX_FDS = 20, FX_MXCSR = 24, FX_MASK = 28,
	FX_ST = 32, FX_BYTES = 288 /* what 32-bit mode defines: up to XMM7 */ };

#define FSW_PE 0x20u
#define MXCSR_FLAGS 0x3fu
#define MXCSR_MASKS 0x1f80u
#define MXCSR_UE 0x10u
#define MXCSR_FTZ 0x8000u
#define MXCSR_KNOWN 0xffffu

static uint16_t fx16(const struct cpu_state *s, unsigned at)
{
	uint16_t v;

	memcpy(&v, s->fx + at, 2);
	return v;
}

static uint32_t fx32(const struct cpu_state *s, unsigned at)
{
	uint32_t v;

	memcpy(&v, s->fx + at, 4);
	return v;
}

static void fx_set16(struct cpu_state *s, unsigned at, uint16_t v) { memcpy(s->fx + at, &v, 2); }
static void fx_set32(struct cpu_state *s, unsigned at, uint32_t v) { memcpy(s->fx + at, &v, 4); }

/* SDM vol. 3, 2.5 and table 2-2 (x87), 12.1 (MMX), 13.1 (SSE). */
static void check_available(struct step *c, enum isa isa)
{
	uint64_t cr0 = c->s->cr0;

	if (isa == ISA_SSE && !(c->s->cr4 & CR4_OSFXSR))
		step_ud(c);
	if (isa != ISA_X87 && (cr0 & CR0_EM))
		step_ud(c);
	if ((cr0 & CR0_TS) || (isa == ISA_X87 && (cr0 & CR0_EM)))
		step_raise(c, VEC_NM, false, 0);
}

/* The exceptions that are flagged and not masked. ES is their summary, which the host computes anew at each FXRSTOR. */
static unsigned x87_unmasked(const struct cpu_state *s)
{
	return fx16(s, FX_FSW) & ~fx16(s, FX_FCW) & 0x3f;
}

/* CR0.NE=0 would report through IRQ 13 on a PC; here it is always #MF. */
static void check_pending(struct step *c)
{
	if (x87_unmasked(c->s))
		step_raise(c, VEC_MF, false, 0);
}

void op_fwait(struct step *c)
{
	if ((c->s->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
		step_raise(c, VEC_NM, false, 0);
	check_pending(c);
}

/* --- x87 instructions by their place in the map: d8+row, ModRM --- */

static unsigned x87_row(const struct insn *i) { return i->op & 7; }

/* FNSTENV, FNSTCW, FNSAVE, FNSTSW; FNENI to FNSETPM, FNCLEX, FNINIT */
static bool x87_no_wait(const struct insn *i)
{
	unsigned row = x87_row(i);

	if (i->mod != 3)
		return (row == 1 || row == 5) && i->reg >= 6;
	return (row == 3 && i->reg == 4) || (row == 7 && i->reg == 4);
}

static bool x87_is_fldcw(const struct insn *i) { return i->mod != 3 && x87_row(i) == 1 && i->reg == 5; }
/* FLDENV, FNSTENV, FRSTOR, FNSAVE: the environment in memory */
static bool x87_is_env(const struct insn *i)
{
	return i->mod != 3 && ((x87_row(i) == 1 && (i->reg & 5) == 4) || (x87_row(i) == 5 && (i->reg & 5) == 4));
}

static bool x87_is_control(const struct insn *i)
{
	return x87_no_wait(i) || x87_is_fldcw(i) || x87_is_env(i);
}

/* The pointers of the last non-control instruction (SDM vol. 1, 8.1.8). */
struct x87_pointers { uint32_t fip, fdp; uint16_t fop, fcs, fds; };

static struct x87_pointers pointers_get(const struct cpu_state *s)
{
	return (struct x87_pointers){ fx32(s, FX_FIP), fx32(s, FX_FDP), fx16(s, FX_FOP), fx16(s, FX_FCS), fx16(s, FX_FDS) };
}

static void pointers_set(struct cpu_state *s, const struct x87_pointers *p)
{
	fx_set32(s, FX_FIP, p->fip);
	fx_set32(s, FX_FDP, p->fdp);
	fx_set16(s, FX_FOP, p->fop & 0x7ff);
	fx_set16(s, FX_FCS, p->fcs);
	fx_set16(s, FX_FDS, p->fds);
}

static void pointers_update(struct step *c, struct x87_pointers *p)
{
	const struct insn *i = c->i;

	p->fip = c->eip;
	p->fcs = c->s->seg[S_CS].sel;
	p->fop = (uint16_t)((i->op & 7) << 8 | i->bytes[i->raw_modrm]);
	if (i->mod != 3) {
		p->fdp = step_ea(c);
		p->fds = c->s->seg[i->seg].sel;
	}
}

/* The pointers' place in an environment image of 28 or 14 bytes (SDM vol. 1, figures 8-9 and 8-11). */
static void env_put(const struct x87_pointers *p, uint8_t *env, unsigned opsz)
{
	uint16_t w[4] = { (uint16_t)p->fip, p->fcs, (uint16_t)p->fdp, p->fds };
	uint32_t d[4] = { p->fip, (uint32_t)p->fop << 16 | p->fcs, p->fdp, p->fds | 0xffff0000u };

	if (opsz == 4)
		memcpy(env + 12, d, 16);
	else
		memcpy(env + 6, w, 8);
}

static void env_get(struct x87_pointers *p, const uint8_t *env, unsigned opsz)
{
	uint16_t w[4];
	uint32_t d[4];

	memset(p, 0, sizeof(*p));
	if (opsz == 4) {
		memcpy(d, env + 12, 16);
		*p = (struct x87_pointers){ d[0], d[2], (uint16_t)(d[1] >> 16), (uint16_t)d[1], (uint16_t)d[3] };
	} else {
		memcpy(w, env + 6, 8);
		*p = (struct x87_pointers){ w[0], w[2], 0, w[1], w[3] };
	}
}

/* --- execution --- */

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

/* Loads and saves an image: what the host makes of its reserved and summary bits. */
static void normalise_image(struct step *c, uint8_t *image)
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

/* What an instruction that uses an MMX register does even if it then faults: TOP becomes 0, all tags valid. */
static void mmx_transition(struct cpu_state *s)
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
		mmx_transition(s);
	fx_set32(s, FX_MXCSR, mxcsr | raised);
	if (!(s->cr4 & CR4_OSXMMEXCPT))
		step_ud(c);
	step_raise(c, VEC_XM, false, 0);
}

static void run(struct step *c, uint8_t *mem)
{
	uint32_t mxcsr = fx32(c->s, FX_MXCSR) & MXCSR_KNOWN;

	if (c->i->isa == ISA_SSE && (mxcsr & MXCSR_MASKS) != MXCSR_MASKS)
		run_unmasked(c, mem, mxcsr);
	else
		run_stub(c, mem);
}

/* An x87 store whose value an unmasked exception refused does not happen; only "inexact" stores and then reports. */
static bool x87_store_refused(const struct step *c)
{
	return c->i->isa == ISA_X87 && !x87_no_wait(c->i) && (x87_unmasked(c->s) & ~FSW_PE);
}

/* Comes before the segment's own checks. */
static void check_alignment(struct step *c, uint32_t ea)
{
	if ((c->i->fp & FP_ALIGN) && (((uint32_t)c->s->seg[c->i->seg].base + ea) & 15))
		step_gp(c, 0);
}

/* Runs the instruction with its memory operand in a buffer: checked and read before, written after. */
static void run_load(struct step *c, uint8_t *buf)
{
	uint32_t ea = step_ea(c);

	check_alignment(c, ea);
	step_read_buf(c, c->i->seg, ea, buf, c->i->msize);
	run(c, buf);
}

/* env: the x87 pointers that FNSTENV and FNSAVE store; NULL for any other instruction. */
static void run_store(struct step *c, uint8_t *buf, const struct x87_pointers *env)
{
	uint32_t ea = step_ea(c);

	check_alignment(c, ea);
	step_check_write(c, c->i->seg, ea, c->i->msize);
	run(c, buf);
	if (env)
		env_put(env, buf, c->i->opsz);
	if (!x87_store_refused(c))
		step_write_buf(c, c->i->seg, ea, buf, c->i->msize);
}

static void x87_memory(struct step *c, struct x87_pointers *p)
{
	_Alignas(16) uint8_t buf[128] = { 0 };
	bool env = x87_is_env(c->i);

	if (c->i->fp & FP_MEM_W) {
		run_store(c, buf, env ? p : NULL);
		if (env && x87_row(c->i) == 5)
			*p = (struct x87_pointers){ 0 }; /* FNSAVE initialises */
	} else {
		run_load(c, buf);
		if (env)
			env_get(p, buf, c->i->opsz);
	}
}

static void op_x87(struct step *c)
{
	const struct insn *i = c->i;
	struct x87_pointers p = pointers_get(c->s);

	check_available(c, ISA_X87);
	if (!x87_no_wait(i))
		check_pending(c);
	if (i->op == 0xdf && i->bytes[i->raw_modrm] == 0xe0) { /* FNSTSW AX */
		reg_set(c->s, R_EAX, fx16(c->s, FX_FSW), 2);
		return;
	}
	if (!x87_is_control(i))
		pointers_update(c, &p);
	if (i->mod != 3)
		x87_memory(c, &p);
	else
		run(c, NULL);
	if (i->op == 0xdb && i->bytes[i->raw_modrm] == 0xe3)
		p = (struct x87_pointers){ 0 }; /* FNINIT */
	pointers_set(c->s, &p);
}

/* MASKMOVQ, MASKMOVDQU: bytes of DS:EDI chosen by a mask, read-modify-write in a buffer. */
static void mask_move(struct step *c)
{
	_Alignas(16) uint8_t buf[16];
	unsigned n = c->i->prefix & PFX_OPSIZE ? 16 : 8;
	uint32_t off = reg_get(c->s, R_EDI, c->i->adsz);

	if (n == 8)
		mmx_transition(c->s); /* even if the store then faults */
	step_check_write(c, c->i->seg, off, n);
	step_read_buf(c, c->i->seg, off, buf, n);
	run(c, buf);
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
	check_available(c, i->isa);
	if (touches_mmx(i))
		check_pending(c);
	p = pointers_get(c->s);
	if (i->op == 0x1f7)
		mask_move(c);
	else if (!i->raw_modrm || i->mod == 3)
		run(c, NULL);
	else if (i->fp & FP_MEM_W)
		run_store(c, buf, NULL);
	else
		run_load(c, buf);
	pointers_set(c->s, &p); /* the host's FXSAVE wrote its own */
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

	check_available(c, ISA_X87);
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

	check_available(c, ISA_X87);
	step_read_buf(c, c->i->seg, aligned_operand(c, ACCESS_R), image, sizeof(image));
	memcpy(&mxcsr, image + FX_MXCSR, 4);
	if (mxcsr & ~MXCSR_KNOWN)
		step_gp(c, 0);
	memcpy(c->s->fx, image, FX_BYTES);
	p = pointers_get(c->s);
	normalise_image(c, image);
	memcpy(c->s->fx, image, FX_BYTES);
	pointers_set(c->s, &p);
}

static void mxcsr_access(struct step *c, bool store)
{
	uint32_t v;

	check_available(c, ISA_SSE);
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
