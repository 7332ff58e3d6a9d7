/*
 * gen.c - random tests: sequences of 1 to 8 instructions, with operands that mostly mean something.
 *
 * Bytes are drawn at random by opcode class, and kept when Zydis decodes them and the CPU model has them. Then the
 * operands are made to meet the test pages (gen_operands.c). Branches go forward inside the sequence, but for loops that
 * modify themselves. Called by the random tests and the campaign. Read next: gen_operands.c, classify.c (what is left out).
 */
#include <string.h>
#include "gen.h"

/* --- drawing bytes --- */

static unsigned draw_prefixes(struct gen *g, uint8_t *b)
{
	static const uint8_t seg[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
	unsigned n = 0;

	if (rng_chance(g->r, 14))
		b[n++] = 0x66;
	if (rng_chance(g->r, 7))
		b[n++] = rng_chance(g->r, 50) ? 0xf3 : 0xf2;
	if (rng_chance(g->r, 3))
		b[n++] = 0xf0;
	if (rng_chance(g->r, 3)) {
		b[n++] = 0x67;
		if (g->features & GEN_SEGS)
			b[n++] = 0x64; /* 64 KiB of linear addresses from 0 are not mapped; through FS they are */
	} else if (rng_chance(g->r, 6)) {
		b[n++] = seg[rng_below(g->r, g->features & GEN_SEGS ? 6 : 4)];
	}
	return n;
}

/* Opcode bytes; the maps are weighted, and within one-byte opcodes the rows that do more than copy a register. */
static unsigned draw_opcode(struct gen *g, uint8_t *b)
{
	static const uint8_t strings[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
	uint32_t k = rng_below(g->r, 100);

	if (k < 6) {
		b[0] = 0xf3 - (rng_chance(g->r, 30) ? 1 : 0);
		b[1] = strings[rng_below(g->r, sizeof(strings))];
		return rng_chance(g->r, 70) ? 2 : (b[0] = b[1], 1);
	}
	if (k < 12) {
		b[0] = (uint8_t)(0xd8 + rng_below(g->r, 8));
		return 1;
	}
	if (k < 22) {
		static const uint8_t groups[] = { 0x80, 0x81, 0x83, 0xc0, 0xc1, 0xd0, 0xd1, 0xd2, 0xd3, 0xf6, 0xf7, 0xfe, 0xff, 0x69, 0x6b };

		b[0] = groups[rng_below(g->r, sizeof(groups))];
		return 1;
	}
	if (k < 60) {
		b[0] = (uint8_t)rng_next(g->r);
		return b[0] == 0x0f ? (b[1] = (uint8_t)rng_next(g->r), 2) : 1;
	}
	b[0] = 0x0f;
	b[1] = (uint8_t)rng_next(g->r);
	return 2;
}

static void draw_operands(struct gen *g, uint8_t *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		b[i] = (uint8_t)rng_next(g->r);
	if (rng_chance(g->r, 25)) /* a bare displacement or a SIB byte, often */
		b[0] = (uint8_t)((b[0] & 0x38) | (rng_chance(g->r, 50) ? 5 : 4) | rng_below(g->r, 3) << 6);
	if (rng_chance(g->r, 30))
		b[2 + rng_below(g->r, 4)] = (uint8_t)rng_below(g->r, 33);
}

/* --- what is kept --- */

/* How often an instruction that ends the sequence, or does so nearly always, is kept: percent. */
static unsigned keep_chance(const struct gen *g, const struct draw *d)
{
	bool ring0 = g->features & GEN_RING0;

	switch (d->in.mnemonic) {
	case ZYDIS_MNEMONIC_INT: case ZYDIS_MNEMONIC_INT3: case ZYDIS_MNEMONIC_INT1: case ZYDIS_MNEMONIC_HLT: case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1: case ZYDIS_MNEMONIC_UD2: case ZYDIS_MNEMONIC_RSM: case ZYDIS_MNEMONIC_IN: case ZYDIS_MNEMONIC_OUT:
	case ZYDIS_MNEMONIC_INSB: case ZYDIS_MNEMONIC_INSW: case ZYDIS_MNEMONIC_INSD: case ZYDIS_MNEMONIC_OUTSB:
	case ZYDIS_MNEMONIC_OUTSW: case ZYDIS_MNEMONIC_OUTSD:
		return ring0 ? 0 : 3; /* ring 0 would reach the devices, whose state outlives the test */
	case ZYDIS_MNEMONIC_CLI: case ZYDIS_MNEMONIC_STI:
		return ring0 ? 100 : 3;
	case ZYDIS_MNEMONIC_INTO: case ZYDIS_MNEMONIC_BOUND:
		return 30;
	default:
		break;
	}
	if (d->in.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED)
		return ring0 ? 60 : 3;
	if (d->in.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return 30;
	if (d->in.mnemonic == ZYDIS_MNEMONIC_NOP || d->in.mnemonic == ZYDIS_MNEMONIC_PREFETCHNTA)
		return 20;
	return 100;
}

/* What it stores may be the processor's own: no later instruction should read it. */
static bool stores_pointers(const struct draw *d)
{
	return d->in.mnemonic == ZYDIS_MNEMONIC_FNSTENV || d->in.mnemonic == ZYDIS_MNEMONIC_FNSAVE || d->in.mnemonic == ZYDIS_MNEMONIC_FXSAVE;
}

static bool wanted(struct gen *g, const struct draw *d)
{
	const char *why;
	enum it_class class;

	if (!rng_chance(g->r, keep_chance(g, d)))
		return false;
	class = classify(d->b, d->in.length, &why);
	if (class == CLASS_MISSING || d->in.mnemonic == ZYDIS_MNEMONIC_RDTSC || (class == CLASS_HOST && !(g->features & GEN_RING0)))
		return false;
	if (!(g->features & GEN_FPU) && (d->in.meta.isa_ext == ZYDIS_ISA_EXT_X87 || d->in.meta.isa_set == ZYDIS_ISA_SET_FXSAVE))
		return false;
	if (d->in.mnemonic == ZYDIS_MNEMONIC_IRET || d->in.mnemonic == ZYDIS_MNEMONIC_IRETD)
		return !(g->t->eflags & FL_NT); /* NT: a task return, #GP in a 64-bit host */
	if (d->in.mnemonic == ZYDIS_MNEMONIC_RDMSR) /* the TSC, or whatever a random number names */
		return false;
	if (d->in.mnemonic == ZYDIS_MNEMONIC_BSWAP && d->in.operand_width == 16)
		return false; /* SDM vol. 2, BSWAP: undefined for 16-bit registers */
	return (g->features & GEN_SEGS) || !operands_write_segment(d);
}

/* ESP and the pointer registers should survive most sequences. */
static bool spoils_pointers(struct gen *g, const struct draw *d)
{
	for (unsigned i = 0; i < d->in.operand_count_visible; i++) {
		int k = d->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER ? operand_gpr(d->op[i].reg.value) : -1;

		if (!(d->op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if ((k == R_ESP && !rng_chance(g->r, 10)) || ((k == R_EBX || k == R_ESI) && !rng_chance(g->r, 40)))
			return true;
	}
	return false;
}

/* Draws one instruction and appends it; false when the sequence is full. */
static bool append(struct gen *g)
{
	struct itest *t = g->t;
	struct draw d;

	if ((g->features & GEN_SYSTEM) && !t->cpl && rng_chance(g->r, 15) && system_append(g))
		return true;
	for (unsigned tries = 0; tries < 200; tries++) {
		struct itest keep;
		uint32_t pinned = g->pinned;
		unsigned n = draw_prefixes(g, d.b);

		n += draw_opcode(g, d.b + n);
		draw_operands(g, d.b + n, (unsigned)sizeof(d.b) - n);
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&g->decoder, d.b, 15, &d.in, d.op)) || t->len + d.in.length > IT_CODE_MAX - 8)
			continue;
		if (!wanted(g, &d) || spoils_pointers(g, &d))
			continue;
		keep = *t;
		if (operands_fix(g, &d)) {
			g->branch[t->insns] = d.op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && d.op[0].imm.is_relative ? d.in.raw.imm[0].size / 8 : 0;
			memcpy(t->code + t->len, d.b, d.in.length);
			t->len += d.in.length;
			t->off[++t->insns] = t->len;
			operands_written(g, &d);
			return !stores_pointers(&d);
		}
		*t = keep;
		g->pinned = pinned;
	}
	return false;
}

/* Relative branches go to a later instruction, or to the end. */
static void link_branches(struct gen *g)
{
	struct itest *t = g->t;

	for (unsigned i = 0; i < t->insns; i++) {
		uint32_t next = t->off[i + 1], to, disp;

		if (!g->branch[i])
			continue;
		to = t->off[i + 1 + rng_below(g->r, t->insns - i)];
		disp = to - next;
		memcpy(t->code + next - g->branch[i], &disp, g->branch[i]);
	}
}

/* Where the slot's test starts: the last slot of a page lets its test cross into the next page. */
static uint32_t place(struct it_rng *r, unsigned slot, unsigned len)
{
	uint32_t base = IT_CODE + slot * IT_SLOT;

	if (slot % (PAGE_SIZE / IT_SLOT) == PAGE_SIZE / IT_SLOT - 1 && len > 1)
		return base + IT_SLOT - 1 - rng_below(r, len - 1);
	return base + (slot % (PAGE_SIZE / IT_SLOT) ? 0 : IT_SLOT - IT_CODE_MAX);
}

/*
 * Self-modifying code: MOV byte [immediate of another instruction], imm8, in front; or behind, with a LOOP back to it. Only
 * immediates, so that what is undefined stays known; not of shifts, whose count decides that, nor of INT.
 */
static bool smc_target(struct gen *g, unsigned i, uint32_t *at)
{
	struct itest *t = g->t;
	ZydisDecodedInstruction in;
	unsigned op;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&g->decoder, NULL, t->code + t->off[i], t->len - t->off[i], &in)))
		return false;
	op = in.opcode;
	if (!in.raw.imm[0].size || in.raw.imm[0].is_relative || in.raw.imm[1].size || in.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT ||
			op == 0xc0 || op == 0xc1 || op == 0xcd || op == 0xc8)
		return false;
	*at = t->eip + t->off[i] + in.raw.imm[0].offset + rng_below(g->r, in.raw.imm[0].size / 8);
	return true;
}

/* C6 05 disp32 imm8 */
static void put_smc(struct gen *g, unsigned at, uint32_t target)
{
	g->t->code[at] = 0xc6;
	g->t->code[at + 1] = 0x05;
	memcpy(g->t->code + at + 2, &target, 4);
	g->t->code[at + 6] = (uint8_t)rng_next(g->r);
}

static bool smc_front(struct gen *g)
{
	uint32_t target;

	if (g->t->insns < 2 || !smc_target(g, 1 + rng_below(g->r, g->t->insns - 1u), &target))
		return false;
	put_smc(g, 0, target);
	return true;
}

static bool smc_loop(struct gen *g)
{
	struct itest *t = g->t;
	unsigned i = rng_below(g->r, t->insns ? t->insns : 1u);
	uint32_t target;

	if (!t->insns || t->insns > IT_INSNS - 2 || t->len > IT_CODE_MAX - 20 || !operand_settable(g, R_ECX) || !smc_target(g, i, &target))
		return false;
	put_smc(g, t->len, target);
	t->off[++t->insns] = t->len += 7;
	t->code[t->len] = 0xe2;
	t->code[t->len + 1] = (uint8_t)(t->off[i] - t->len - 2);
	t->off[++t->insns] = t->len += 2;
	t->gpr[R_ECX] = 2 + rng_below(g->r, 3);
	return itest_analyse(t) && !t->undef[t->insns];
}

/* A test in a writable page; false: draw again. */
static bool gen_smc(struct it_rng *r, struct gen *g, unsigned want)
{
	struct itest *t = g->t;
	bool front = rng_chance(r, 30);

	t->eip = IT_ISLAND + 64 * rng_below(r, 60) + rng_below(r, 64);
	if (front)
		t->len = t->off[t->insns = 1] = 7;
	while (t->insns < want && append(g))
		;
	link_branches(g);
	return front ? smc_front(g) && itest_analyse(t) : smc_loop(g);
}

static void cut(struct itest *t)
{
	t->insns--;
	t->len = t->off[t->insns];
	memset(t->code + t->len, 0, sizeof(t->code) - t->len);
}

void gen_random(struct it_rng *r, struct itest *t, unsigned slot, unsigned features)
{
	static const uint8_t lengths[] = { 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8 };
	struct gen g = { .r = r, .t = t, .features = features };
	unsigned want = lengths[rng_below(r, sizeof(lengths))];
	uint32_t image = t->image_seed;
	struct it_machine machine = t->machine;

	ZydisDecoderInit(&g.decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	memset(t, 0, sizeof(*t));
	t->image_seed = image;
	t->machine = machine;
	gen_state(r, t, features);
	if ((features & GEN_SMC) && rng_chance(r, 5) && gen_smc(r, &g, want))
		return;
	g.written = g.pinned = 0;
	memset(t, 0, sizeof(*t));
	memset(g.branch, 0, sizeof(g.branch));
	g.stack_used = false;
	t->image_seed = image;
	t->machine = machine;
	gen_state(r, t, features);
	t->eip = place(r, slot, 24);
	while (t->insns < want && append(&g))
		;
	link_branches(&g);
	while (t->insns > 1 && !itest_analyse(t)) {
		cut(t);
		link_branches(&g);
	}
	t->machine.odds = itest_analyse(t) ? t->machine.odds : 0;
	if (!itest_analyse(t)) /* one instruction, whose result is open: try another */
		gen_random(r, t, slot, features);
}
