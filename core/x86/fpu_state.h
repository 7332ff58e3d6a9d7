/*
 * fpu_state.h - private to the FPU part of the interpreter: the FXSAVE image, and what its files share.
 *
 * interp_fpu.c (who may execute, MMX and SSE operands, FXSAVE), interp_x87.c (x87), fpu_run.c (execution on the image),
 * fpu_stub.c (the host's part).
 */
#pragma once
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

static inline uint16_t fx16(const struct cpu_state *s, unsigned at)
{
	uint16_t v;

	memcpy(&v, s->fx + at, 2);
	return v;
}

static inline uint32_t fx32(const struct cpu_state *s, unsigned at)
{
	uint32_t v;

	memcpy(&v, s->fx + at, 4);
	return v;
}

static inline void fx_set16(struct cpu_state *s, unsigned at, uint16_t v) { memcpy(s->fx + at, &v, 2); }
static inline void fx_set32(struct cpu_state *s, unsigned at, uint32_t v) { memcpy(s->fx + at, &v, 4); }

/* The exceptions that are flagged and not masked. ES is their summary, which the host computes anew at each FXRSTOR. */
static inline unsigned x87_unmasked(const struct cpu_state *s)
{
	return fx16(s, FX_FSW) & ~fx16(s, FX_FCW) & 0x3f;
}

/* The pointers of the last non-control x87 instruction (SDM vol. 1, 8.1.8). */
struct x87_pointers { uint32_t fip, fdp; uint16_t fop, fcs, fds; };

struct x87_pointers x87_pointers_get(const struct cpu_state *s);
void x87_pointers_set(struct cpu_state *s, const struct x87_pointers *p);

/* interp_fpu.c: #UD and #NM; #MF. */
void fpu_check_available(struct step *c, enum isa isa);
void fpu_check_pending(struct step *c);
/* interp_x87.c */
op_fn op_x87;
/* fpu_run.c: executes the current instruction on the guest's image; mem: its memory operand, or NULL. Raises #XM. */
void fpu_run(struct step *c, uint8_t *mem);
/* Loads and saves an image: what the host makes of its reserved and summary bits. */
void fpu_normalise(struct step *c, uint8_t *image);
/* What an instruction that uses an MMX register does even if it then faults: TOP becomes 0, all tags valid. */
void fpu_mmx_transition(struct cpu_state *s);
