/*
 * alu.h - arithmetic by the host's own instructions, so that results and flags are the hardware's, undefined ones included.
 *
 * Flags travel in AX: SAHF and LAHF move SF, ZF, AF, PF and CF through AH, and AL holds OF (adding 0x7f to 1 sets it). No
 * stack is used, so a red zone is no concern, and no floating-point register. Each function takes zero-extended operands
 * of 1, 2 or 4 bytes, returns the result (upper bits undefined) and updates the FL_ARITH bits of *f.
 */
#pragma once
#include "core/cpu.h"

static inline uint32_t flags_pack(uint64_t f)
{
	return (uint32_t)((f & 0xff) << 8 | ((f >> 11) & 1));
}

static inline uint64_t flags_unpack(uint64_t f, uint32_t ax)
{
	return (f & ~(uint64_t)FL_ARITH) | ((ax >> 8) & 0xd5) | (ax & 1) << 11;
}

#define FLAGS_IN "addb $0x7f, %%al\n\tsahf\n\t"
#define FLAGS_OUT "\n\tlahf\n\tseto %%al"

/* X(name, mnemonic): two operands, flags out only, or in and out. */
#define ALU_OUT(X) X(add, "add") X(or, "or") X(and, "and") X(sub, "sub") X(xor, "xor")
#define ALU_INOUT(X) X(adc, "adc") X(sbb, "sbb")

#define DEFINE_OUT(name, mn) \
static inline uint32_t alu_##name(uint32_t a, uint32_t b, unsigned size, uint64_t *f) \
{ \
	uint32_t ax; \
	if (size == 4) \
		__asm__(mn "l %[b], %[a]" FLAGS_OUT : [a] "+r"(a), "=&a"(ax) : [b] "r"(b) : "cc"); \
	else if (size == 1) \
		__asm__(mn "b %b[b], %b[a]" FLAGS_OUT : [a] "+r"(a), "=&a"(ax) : [b] "r"(b) : "cc"); \
	else \
		__asm__(mn "w %w[b], %w[a]" FLAGS_OUT : [a] "+r"(a), "=&a"(ax) : [b] "r"(b) : "cc"); \
	*f = flags_unpack(*f, ax); \
	return a; \
}
ALU_OUT(DEFINE_OUT)

#define DEFINE_INOUT(name, mn) \
static inline uint32_t alu_##name(uint32_t a, uint32_t b, unsigned size, uint64_t *f) \
{ \
	uint32_t ax = flags_pack(*f); \
	if (size == 4) \
		__asm__(FLAGS_IN mn "l %[b], %[a]" FLAGS_OUT : [a] "+&r"(a), "+&a"(ax) : [b] "r"(b) : "cc"); \
	else if (size == 1) \
		__asm__(FLAGS_IN mn "b %b[b], %b[a]" FLAGS_OUT : [a] "+&r"(a), "+&a"(ax) : [b] "r"(b) : "cc"); \
	else \
		__asm__(FLAGS_IN mn "w %w[b], %w[a]" FLAGS_OUT : [a] "+&r"(a), "+&a"(ax) : [b] "r"(b) : "cc"); \
	*f = flags_unpack(*f, ax); \
	return a; \
}
ALU_INOUT(DEFINE_INOUT)

/* One operand, flags in and out. */
#define ALU_ONE(X) X(inc, "inc") X(dec, "dec") X(neg, "neg")
#define DEFINE_ONE(name, mn) \
static inline uint32_t alu_##name(uint32_t a, unsigned size, uint64_t *f) \
{ \
	uint32_t ax = flags_pack(*f); \
	if (size == 4) \
		__asm__(FLAGS_IN mn "l %[a]" FLAGS_OUT : [a] "+&r"(a), "+&a"(ax) : : "cc"); \
	else if (size == 1) \
		__asm__(FLAGS_IN mn "b %b[a]" FLAGS_OUT : [a] "+&r"(a), "+&a"(ax) : : "cc"); \
	else \
		__asm__(FLAGS_IN mn "w %w[a]" FLAGS_OUT : [a] "+&r"(a), "+&a"(ax) : : "cc"); \
	*f = flags_unpack(*f, ax); \
	return a; \
}
ALU_ONE(DEFINE_ONE)

/* Shifts and rotates by CL; the host masks the count as the guest's CPU would. */
#define ALU_SHIFT(X) X(rol, "rol") X(ror, "ror") X(rcl, "rcl") X(rcr, "rcr") X(shl, "shl") X(shr, "shr") X(sar, "sar")
#define DEFINE_SHIFT(name, mn) \
static inline uint32_t alu_##name(uint32_t a, uint32_t count, unsigned size, uint64_t *f) \
{ \
	uint32_t ax = flags_pack(*f); \
	if (size == 4) \
		__asm__(FLAGS_IN mn "l %%cl, %[a]" FLAGS_OUT : [a] "+&r"(a), "+&a"(ax) : "c"(count) : "cc"); \
	else if (size == 1) \
		__asm__(FLAGS_IN mn "b %%cl, %b[a]" FLAGS_OUT : [a] "+&r"(a), "+&a"(ax) : "c"(count) : "cc"); \
	else \
		__asm__(FLAGS_IN mn "w %%cl, %w[a]" FLAGS_OUT : [a] "+&r"(a), "+&a"(ax) : "c"(count) : "cc"); \
	*f = flags_unpack(*f, ax); \
	return a; \
}
ALU_SHIFT(DEFINE_SHIFT)

/* SHLD and SHRD by CL, 2 or 4 bytes. */
#define ALU_DOUBLE(X) X(shld, "shld") X(shrd, "shrd")
#define DEFINE_DOUBLE(name, mn) \
static inline uint32_t alu_##name(uint32_t a, uint32_t b, uint32_t count, unsigned size, uint64_t *f) \
{ \
	uint32_t ax = flags_pack(*f); \
	if (size == 4) \
		__asm__(FLAGS_IN mn "l %%cl, %[b], %[a]" FLAGS_OUT : [a] "+&r"(a), "+&a"(ax) : [b] "r"(b), "c"(count) : "cc"); \
	else \
		__asm__(FLAGS_IN mn "w %%cl, %w[b], %w[a]" FLAGS_OUT : [a] "+&r"(a), "+&a"(ax) : [b] "r"(b), "c"(count) : "cc"); \
	*f = flags_unpack(*f, ax); \
	return a; \
}
ALU_DOUBLE(DEFINE_DOUBLE)

/* Two operands of 2 or 4 bytes, flags in and out: bit tests and scans (BSF and BSR keep a when b is zero), IMUL. */
#define ALU_WIDE(X) X(bt, "bt") X(bts, "bts") X(btr, "btr") X(btc, "btc") X(bsf, "bsf") X(bsr, "bsr") X(imul, "imul")
#define DEFINE_WIDE(name, mn) \
static inline uint32_t alu_##name(uint32_t a, uint32_t b, unsigned size, uint64_t *f) \
{ \
	uint32_t ax = flags_pack(*f); \
	if (size == 4) \
		__asm__(FLAGS_IN mn "l %[b], %[a]" FLAGS_OUT : [a] "+&r"(a), "+&a"(ax) : [b] "r"(b) : "cc"); \
	else \
		__asm__(FLAGS_IN mn "w %w[b], %w[a]" FLAGS_OUT : [a] "+&r"(a), "+&a"(ax) : [b] "r"(b) : "cc"); \
	*f = flags_unpack(*f, ax); \
	return a; \
}
ALU_WIDE(DEFINE_WIDE)

/*
 * MUL, IMUL, DIV, IDIV: *lo and *hi are AX and nothing, DX:AX or EDX:EAX; for bytes *lo holds all of AX. A division
 * must have been checked first: the host's #DE would be ours.
 */
#define ALU_MULDIV(X) X(mul1, "mul") X(imul1, "imul") X(div1, "div") X(idiv1, "idiv")
#define DEFINE_MULDIV(name, mn) \
static inline void alu_##name(uint32_t *lo, uint32_t *hi, uint32_t b, unsigned size, uint64_t *f) \
{ \
	uint32_t ax = flags_pack(*f), a = *lo, d = *hi; \
	if (size == 4) \
		__asm__(FLAGS_IN "movl %[a], %%eax\n\t" mn "l %[b]\n\tmovl %%eax, %[a]" FLAGS_OUT \
			: [a] "+&r"(a), "+&a"(ax), "+&d"(d) : [b] "r"(b) : "cc"); \
	else if (size == 1) \
		__asm__(FLAGS_IN "movl %[a], %%eax\n\t" mn "b %b[b]\n\tmovl %%eax, %[a]" FLAGS_OUT \
			: [a] "+&r"(a), "+&a"(ax), "+&d"(d) : [b] "r"(b) : "cc"); \
	else \
		__asm__(FLAGS_IN "movl %[a], %%eax\n\t" mn "w %w[b]\n\tmovl %%eax, %[a]" FLAGS_OUT \
			: [a] "+&r"(a), "+&a"(ax), "+&d"(d) : [b] "r"(b) : "cc"); \
	*lo = a; \
	*hi = d; \
	*f = flags_unpack(*f, ax); \
}
ALU_MULDIV(DEFINE_MULDIV)
