/*
 * bt_emit.h - bytes of host code: the few forms that the translator writes itself.
 *
 * Registers are numbered as in ModRM with REX (0..15). Only forms that leave the flags alone are here, but for the
 * few whose name says otherwise. bt_rewrite.c uses these for guest operands, bt_flow.c for branches.
 */
#pragma once
#include "bt_private.h"

enum { H_RAX, H_RCX, H_RDX, H_RBX, H_RSP, H_RBP, H_RSI, H_RDI, H_R8, H_R9, H_R10, H_R11, H_R12, H_R13, H_R14, H_R15,
	H_NONE = 0xff };

#define H_WIN H_R13    /* the window's base */
#define H_WIN_HI H_R11 /* the window's base + 4 GiB */
/*
 * The guest's ESP plus the window's base, in the host's own stack pointer: the stack is reached by base and displacement
 * alone, and CPUs forward such stores to loads through renamed registers, best (or only) with this base. The low half is ESP
 * itself, as windows are aligned to 4 GiB; after a 32-bit write emit_esp_fix adds the base again. Pushes and pops move it in
 * 64 bits: they touch memory first, and so fault in a guard zone before it can leave the window. Nothing may push to
 * the host's stack, then: callouts are jumps (emit_callout), and every signal handler has an alternate stack.
 */
#define H_ESP H_RSP
#define H_TABLE H_R12

/* The host register that holds a guest general register. */
#define TR_JUMPS (BT_BLOCK_INSNS * 2 + 2)

/* A translation in progress. */
struct tr {
	struct bt *b;
	uint8_t *p;            /* where the next byte goes */
	uint8_t *start, *body; /* body: the end of the instructions' code */
	uint32_t eip, next;    /* of the current guest instruction, and after it */
	uint32_t first;        /* the block's */
	unsigned n;
	bool end;              /* the block ends here */
	bool after_sti;
	bool unprobed;         /* ESP was moved by a constant, and the stack not touched since */
	uint16_t flags;        /* IM_* of the current instruction */
	struct imap map[BT_BLOCK_INSNS];
	uint32_t guest[BT_BLOCK_INSNS];
	struct { uint8_t *site; uint32_t target; } jump[TR_JUMPS];
	unsigned jumps;
	uint32_t site;         /* SITE_* of the current instruction */
	uint8_t *soft_end;     /* a rel32 to the end of the current instruction's code; NULL: none */
	const uint8_t *bytes;  /* of the current instruction and what follows */
	unsigned avail;
	ZydisDecodedInstruction d;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

/* A host memory operand: [base + index + disp], or with EA_SCALE. */
struct ea {
	uint8_t base, index; /* index H_NONE: none */
	int32_t disp;
};
#define EA_SCALE(shift) ((shift) << 4) /* in index */
#define EA_GS 0x40     /* in base: the host's GS and 32-bit address size; the low bits a guest register, or with EA_NOBASE none */
#define EA_NOBASE 0x80

static inline void e1(struct tr *t, unsigned b) { *t->p++ = (uint8_t)b; }
static inline void e2(struct tr *t, unsigned a, unsigned b) { e1(t, a); e1(t, b); }
static inline void e3(struct tr *t, unsigned a, unsigned b, unsigned c) { e2(t, a, b); e1(t, c); }
static inline void e4(struct tr *t, uint32_t v) { memcpy(t->p, &v, 4); t->p += 4; }
static inline void e8(struct tr *t, uint64_t v) { memcpy(t->p, &v, 8); t->p += 8; }

static inline uint8_t ea_rex(const struct ea *a, unsigned reg)
{
	return (uint8_t)((reg & 8) >> 1 | (a->index != H_NONE && (a->index & 8) ? 2 : 0) | (a->base & 8 ? 1 : 0));
}

/* What comes before REX. */
static inline void emit_ea_prefix(struct tr *t, const struct ea *a)
{
	if (a->base & EA_GS)
		e2(t, 0x65, 0x67);
}

/* ModRM, SIB and displacement. */
static inline void emit_modrm(struct tr *t, unsigned reg, const struct ea *a)
{
	if (a->base & EA_NOBASE) {
		e2(t, (reg & 7) << 3 | 4, a->index == H_NONE ? 0x25u : (a->index >> 4 & 3u) << 6 | (a->index & 7u) << 3 | 5);
		e4(t, (uint32_t)a->disp);
		return;
	}
	bool sib = a->index != H_NONE || (a->base & 7) == 4;
	unsigned mod = a->disp == 0 && (a->base & 7) != 5 ? 0 : a->disp >= -128 && a->disp < 128 ? 1 : 2;

	e1(t, mod << 6 | (reg & 7) << 3 | (sib ? 4u : a->base & 7u));
	if (sib)
		e1(t, (a->index == H_NONE ? 4u << 3 : (a->index >> 4 & 3u) << 6 | (a->index & 7u) << 3) | (a->base & 7u));
	if (mod == 1)
		e1(t, (uint8_t)a->disp);
	else if (mod == 2)
		e4(t, (uint32_t)a->disp);
}

/* op reg, [ea] with a one-byte opcode; w: 64-bit. */
static inline void emit_op_ea(struct tr *t, unsigned op, unsigned reg, const struct ea *a, bool w)
{
	unsigned rex = ea_rex(a, reg) | (w ? 8u : 0u);

	emit_ea_prefix(t, a);
	if (rex)
		e1(t, 0x40 | rex);
	e1(t, op);
	emit_modrm(t, reg, a);
}

static inline void emit_load(struct tr *t, unsigned reg, const struct ea *a) { emit_op_ea(t, 0x8b, reg, a, false); }
static inline void emit_store(struct tr *t, unsigned reg, const struct ea *a) { emit_op_ea(t, 0x89, reg, a, false); }
static inline void emit_lea32(struct tr *t, unsigned reg, const struct ea *a) { emit_op_ea(t, 0x8d, reg, a, false); }
static inline void emit_lea64(struct tr *t, unsigned reg, const struct ea *a) { emit_op_ea(t, 0x8d, reg, a, true); }

static inline void emit_store_imm(struct tr *t, const struct ea *a, uint32_t imm)
{
	emit_op_ea(t, 0xc7, 0, a, false);
	e4(t, imm);
}

static inline void emit_mov32(struct tr *t, unsigned dst, unsigned src)
{
	unsigned rex = (src & 8) >> 1 | (dst & 8) >> 3;

	if (rex)
		e1(t, 0x40 | rex);
	e2(t, 0x89, 0xc0 | (src & 7) << 3 | (dst & 7));
}

static inline void emit_mov64(struct tr *t, unsigned dst, unsigned src)
{
	e3(t, 0x48 | (src & 8) >> 1 | (dst & 8) >> 3, 0x89, 0xc0 | (src & 7) << 3 | (dst & 7));
}

static inline void emit_imm32(struct tr *t, unsigned dst, uint32_t imm)
{
	if (dst & 8)
		e1(t, 0x41);
	e1(t, 0xb8 | (dst & 7));
	e4(t, imm);
}

static inline void emit_imm64(struct tr *t, unsigned dst, uint64_t imm)
{
	e2(t, 0x48 | (dst & 8) >> 3, 0xb8 | (dst & 7));
	e8(t, imm);
}

static inline struct ea ea_hot(int off) { return (struct ea){ H_R14, H_NONE, off }; }
/* [window + guest register + disp] */
static inline struct ea ea_win(unsigned host, int32_t disp)
{
	return (struct ea){ (uint8_t)host, host == H_ESP ? H_NONE : H_WIN, disp };
}

/* lea r15, [rip + ...]; jmp thunk: it comes back to what follows, if at all, by the address in r15. */
static inline void emit_callout(struct tr *t, enum bt_thunk th)
{
	struct ea a = ea_hot(HOT_THUNK(th));
	uint8_t *after;

	e3(t, 0x4c, 0x8d, 0x3d);
	e4(t, 0);
	after = t->p;
	emit_op_ea(t, 0xff, 4, &a, false);
	after[-4] = (uint8_t)(t->p - after);
}

/* esp += delta; after an access to the stack but in esp_adjust */
static inline void emit_esp_add(struct tr *t, int32_t delta)
{
	struct ea a = { H_ESP, H_NONE, delta };

	t->unprobed = false;
	emit_lea64(t, H_ESP, &a);
}

/* After a 32-bit write to ESP. */
static inline void emit_esp_fix(struct tr *t)
{
	struct ea a = { H_ESP, H_WIN, 0 };

	t->flags &= (uint16_t)~IM_RESTART;
	t->unprobed = false;
	emit_lea64(t, H_ESP, &a);
}

/* Before a branch: ESP must be within the window or a little outside. */
static inline void emit_esp_probe(struct tr *t)
{
	struct ea top = ea_win(H_ESP, 0);

	if (!t->unprobed)
		return;
	t->unprobed = false;
	t->flags |= IM_PROBE;
	emit_op_ea(t, 0x8a, H_R8, &top, false);
}

/* A 32-bit relative jump (cc 0..15, or -1: unconditional) to a guest address, resolved when the block is finished. */
static inline void emit_jump32(struct tr *t, int cc, uint32_t target)
{
	if (cc < 0)
		e1(t, 0xe9);
	else
		e2(t, 0x0f, 0x80 | (unsigned)cc);
	assert(t->jumps < TR_JUMPS);
	t->jump[t->jumps].site = t->p;
	t->jump[t->jumps++].target = target;
	e4(t, 0);
}

/* The same; backwards within the block it is resolved at once, and short where it can be. */
static inline void emit_jump(struct tr *t, int cc, uint32_t target)
{
	for (unsigned i = t->n + 1; i-- && target - t->first <= t->eip - t->first;) {
		int32_t rel = (int32_t)(t->start + t->map[i].host - (t->p + 2));

		if (t->guest[i] != target)
			continue;
		if (rel < -128)
			break;
		e2(t, cc < 0 ? 0xebu : 0x70u | (unsigned)cc, (uint8_t)rel);
		return;
	}
	emit_jump32(t, cc, target);
}

/* No-operations up to a multiple of n. */
static inline void emit_align(struct tr *t, unsigned n)
{
	static const uint8_t nops[9][9] = { { 0x90 }, { 0x66, 0x90 }, { 0x0f, 0x1f, 0 }, { 0x0f, 0x1f, 0x40, 0 }, { 0x0f, 0x1f, 0x44, 0, 0 },
		{ 0x66, 0x0f, 0x1f, 0x44, 0, 0 }, { 0x0f, 0x1f, 0x80, 0, 0, 0, 0 }, { 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 },
		{ 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 } };

	for (unsigned len = (unsigned)(-(uintptr_t)t->p % n), k; len; len -= k) {
		k = len < 9 ? len : 9;
		memcpy(t->p, nops[k - 1], k);
		t->p += k;
	}
}

/* bt_rewrite.c */
bool rewrite(struct tr *t);               /* everything but control flow; false: not translated */
void rewrite_count(struct tr *t, enum event_kind k); /* --count-inline */
void rewrite_callout(struct tr *t, enum bt_thunk th, uint32_t arg);
/* bt_operand.c */
bool operand_reg(ZydisRegister r, uint8_t *out); /* the host register of a base or index; false: not a 32-bit one */
void operand_lea(struct tr *t, unsigned dst, uint8_t base, uint8_t index, uint8_t scale, int32_t disp);
bool operand_writes_code(const ZydisDecodedOperand *op); /* through CS: #GP */
void operand_side(struct tr *t, unsigned addr, unsigned dst);
bool operand_ea(struct tr *t, const ZydisDecodedOperand *op, struct ea *out);
/* bt_soft.c */
bool soft_rewrite(struct tr *t);
bool soft_operand(struct tr *t, const ZydisDecodedOperand *op, uint8_t base, uint8_t index, struct ea *out);
/* bt_generic.c */
bool generic(struct tr *t);
bool generic_fp(const ZydisDecodedInstruction *d);
bool generic_sse(const ZydisDecodedInstruction *d);
/* bt_system.c; false: the interpreter does it */
bool system_cli_sti(struct tr *t);
bool system_pushf(struct tr *t);
bool system_popf(struct tr *t);
bool system_rdtsc(struct tr *t);
bool system_mov_from_sreg(struct tr *t);
bool system_mov_to_sreg(struct tr *t);
bool system_pop_sreg(struct tr *t);
bool system_verify(struct tr *t);
bool system_mov_from_cr(struct tr *t);
bool system_in_out(struct tr *t);
/* bt_count.c */
void count_insn(struct tr *t, bool shadow);
/* bt_flow.c */
bool flow(struct tr *t, bool *handled);
void flow_lookup(struct tr *t); /* jmp table[r9d] */
