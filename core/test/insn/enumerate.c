/*
 * enumerate.c - every opcode of the maps that 32-bit user mode has, valid or not.
 *
 * Maps one-byte, 0F, 0F 38 and 0F 3A; each with no prefix, 66, F2, F3, 67, LOCK and 66 F2; each with every ModRM.reg and
 * seven shapes of ModRM (two in the last two maps): no displacement, absolute, SIB, disp8, disp32, and two registers.
 * Bytes behind are chosen so that memory operands meet a mapped page. Where Zydis knows the length, INT3 follows at once. What the CPU model lacks
 * must be #UD (classify.c lists it by ISA set); everything else the host decides.
 */
#include <string.h>
#include <Zydis/Zydis.h>
#include "gen.h"

static const uint8_t prefixes[][2] = { { 0 }, { 0x66 }, { 0xf2 }, { 0xf3 }, { 0x67 }, { 0xf0 }, { 0x66, 0xf2 } };

/* ModRM without reg, then what follows: SIB and displacement. EBX, ESI, EDI hold pointers. */
static const struct { uint8_t modrm, n, tail[5]; } shapes[] = {
	{ 0x03, 0, { 0 } },
	{ 0x05, 4, { 0x40, 0x01, 0x00, 0x20 } },
	{ 0x04, 1, { 0x0b } },                       /* ebx + ecx */
	{ 0x46, 1, { 0x10 } },
	{ 0x87, 4, { 0xe0, 0xff, 0xff, 0xff } },
	{ 0xc0, 0, { 0 } },
	{ 0xc5, 0, { 0 } },
};

enum { MAPS = 4, OPCODES = 256, REGS = 8 };

unsigned enumerate_count(void)
{
	return MAPS * OPCODES * (unsigned)ARRAY_LEN(prefixes) * REGS * (unsigned)ARRAY_LEN(shapes);
}

static void enumerate_state(unsigned i, struct itest *t)
{
	struct it_rng r = { .s = i };

	gen_state(&r, t, GEN_FPU | GEN_SEGS);
	gen_fx(&r, t->fx);
	t->gpr[R_EAX] = (uint32_t)rng_next(&r);
	t->gpr[R_ECX] = 16 * rng_below(&r, 3);
	t->gpr[R_EBX] = IT_DATA + 0x100 + 16 * rng_below(&r, 16);
	t->gpr[R_ESI] = IT_DATA + 0x400 + 16 * rng_below(&r, 16);
	t->gpr[R_EDI] = IT_DATA + 0x800 + 16 * rng_below(&r, 16);
	t->gpr[R_EBP] = IT_STACK + 0x900;
	t->gpr[R_ESP] = IT_STACK + 0x800;
	t->sel[S_DS] = t->sel[S_ES] = t->sel[S_SS] = SEL_DATA;
	t->sel[S_FS] = SEL_LDT(LDT_FS);
	t->sel[S_GS] = SEL_LDT(LDT_GS);
	t->eflags &= ~FL_TF;
	t->image_seed = 1;
}

/* Bytes of test i up to ModRM and its tail. 0: not a test (map escapes, shapes left out). */
static unsigned enumerate_bytes(unsigned i, uint8_t *b, unsigned *head)
{
	unsigned shape = i % ARRAY_LEN(shapes), reg = i / ARRAY_LEN(shapes) % REGS;
	unsigned k = i / ARRAY_LEN(shapes) / REGS, prefix = k % ARRAY_LEN(prefixes), opcode = k / ARRAY_LEN(prefixes) % OPCODES;
	unsigned map = k / ARRAY_LEN(prefixes) / OPCODES, n = 0;

	if (map > 1 && shape != 0 && shape != 5)
		return 0; /* the model has nothing there: a memory and a register form will do */
	for (unsigned p = 0; p < 2 && prefixes[prefix][p]; p++)
		b[n++] = prefixes[prefix][p];
	if (map)
		b[n++] = 0x0f;
	if (map > 1)
		b[n++] = map == 2 ? 0x38 : 0x3a;
	if ((map == 0 && opcode == 0x0f) || (map == 1 && (opcode == 0x38 || opcode == 0x3a)))
		return 0;
	b[n++] = (uint8_t)opcode;
	*head = n;
	b[n++] = (uint8_t)(shapes[shape].modrm | reg << 3);
	memcpy(b + n, shapes[shape].tail, shapes[shape].n);
	return n + shapes[shape].n;
}

/* Far pointers, selectors and branch targets of this test are what the host's own segments would misread. */
static bool reaches_host(const ZydisDecodedInstruction *in, const uint8_t *b)
{
	if (in->meta.branch_type != ZYDIS_BRANCH_TYPE_FAR)
		return false;
	return in->raw.imm[1].size == 16 && b[in->raw.imm[1].offset] == 0x33;
}

bool enumerate_test(unsigned i, struct itest *t, unsigned slot)
{
	ZydisDecoder d;
	ZydisDecodedInstruction in;
	unsigned n, head = 0;
	const char *why;

	memset(t, 0, sizeof(*t));
	n = enumerate_bytes(i, t->code, &head);
	if (!n)
		return false;
	enumerate_state(i, t);
	t->eip = IT_CODE + slot * IT_SLOT + (slot % 16 ? 0 : IT_SLOT - IT_CODE_MAX);
	memset(t->code + n, 0x11, 8); /* an immediate */
	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, t->code, 15, &in))) {
		if (in.length <= head && i / ARRAY_LEN(shapes) % REGS * ARRAY_LEN(shapes) + i % ARRAY_LEN(shapes) > 0)
			return false; /* no ModRM byte: once is enough */
		if (reaches_host(&in, t->code))
			return false;
		if (in.raw.imm[0].is_relative) /* forward: with a prefix, a ModRM byte could be a jump to itself */
			memset(t->code + in.raw.imm[0].offset, 0x11, in.raw.imm[0].size / 8);
		n = in.length;
	} else {
		memset(t->code + n, 0xcc, 8);
		n += 8;
	}
	memset(t->code + n, 0xcc, IT_CODE_MAX - n);
	t->len = (uint8_t)n;
	t->insns = 1;
	t->off[1] = t->len;
	itest_analyse(t);
	switch (classify(t->code, 15, &why)) {
	case CLASS_MISSING:
		t->expect_ud = t->host_dependent = true;
		break;
	case CLASS_HOST:
		return false; /* test_model.c has these */
	case CLASS_NATIVE:
		break;
	}
	return true;
}
