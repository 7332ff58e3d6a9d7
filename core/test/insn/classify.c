/*
 * classify.c - what the CPU model (core/cpuid.h) has, what only the host can answer, and what is undefined.
 *
 * The lists are explicit, by Zydis' ISA sets and mnemonics: an engine may differ from the host there and nowhere else.
 * Called by gen.c and enumerate.c for each test. Read next: gen.c.
 */
#include <string.h>
#include <Zydis/Zydis.h>
#include "itest.h"

/* ISA sets of a Pentium M, and instructions that are NOPs where their extension is missing. */
static bool model_has_isa(ZydisISASet isa)
{
	switch (isa) {
	case ZYDIS_ISA_SET_I86: case ZYDIS_ISA_SET_I186: case ZYDIS_ISA_SET_I286PROTECTED: case ZYDIS_ISA_SET_I286REAL:
	case ZYDIS_ISA_SET_I386: case ZYDIS_ISA_SET_I486: case ZYDIS_ISA_SET_I486REAL: case ZYDIS_ISA_SET_PENTIUMREAL:
	case ZYDIS_ISA_SET_PENTIUMMMX: case ZYDIS_ISA_SET_PPRO: case ZYDIS_ISA_SET_FAT_NOP: case ZYDIS_ISA_SET_CMOV:
	case ZYDIS_ISA_SET_FCMOV: case ZYDIS_ISA_SET_X87: case ZYDIS_ISA_SET_SSE: case ZYDIS_ISA_SET_SSE2:
	case ZYDIS_ISA_SET_SSE2MMX: case ZYDIS_ISA_SET_SSEMXCSR: case ZYDIS_ISA_SET_SSE_PREFETCH: case ZYDIS_ISA_SET_FXSAVE:
	case ZYDIS_ISA_SET_PAUSE: case ZYDIS_ISA_SET_LAHF: case ZYDIS_ISA_SET_CLFSH:
	case ZYDIS_ISA_SET_MPX:      /* SDM vol. 1, 17.4: NOPs without MPX */
	case ZYDIS_ISA_SET_CLDEMOTE: /* SDM vol. 2, CLDEMOTE: a NOP where not enumerated */
		return true;
	default:
		return false;
	}
}

static bool has_rep_prefix(const ZydisDecodedInstruction *in)
{
	for (unsigned i = 0; i < in->raw.prefix_count; i++) {
		if ((in->raw.prefixes[i].value | 1) == 0xf3)
			return true;
	}
	return false;
}

/* Answers that are the host's own, not the model's. */
static const char *host_answers(const ZydisDecodedInstruction *in)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_INT1:
		return "INT1: a host that is itself virtual may report it at the instruction instead of behind it";
	case ZYDIS_MNEMONIC_LOOP: case ZYDIS_MNEMONIC_LOOPE: case ZYDIS_MNEMONIC_LOOPNE:
		return has_rep_prefix(in) ? "LOOP with F2 or F3: reserved, SDM vol. 2, 2.1.1" : NULL;
	case ZYDIS_MNEMONIC_CPUID:
		return "CPUID: the host's model";
	case ZYDIS_MNEMONIC_RDTSC:
		return "RDTSC: the host's clock";
	case ZYDIS_MNEMONIC_RDPMC:
		return "RDPMC: the host's CR4.PCE";
	case ZYDIS_MNEMONIC_SGDT: case ZYDIS_MNEMONIC_SIDT: case ZYDIS_MNEMONIC_SLDT: case ZYDIS_MNEMONIC_STR: case ZYDIS_MNEMONIC_SMSW:
		return "the host's tables, or its kernel's emulation of them (UMIP)";
	case ZYDIS_MNEMONIC_SYSENTER: case ZYDIS_MNEMONIC_SYSEXIT:
		return "SYSENTER, SYSEXIT: the host's kernel on Intel, #UD on AMD in compatibility mode";
	case ZYDIS_MNEMONIC_TZCNT: case ZYDIS_MNEMONIC_LZCNT:
		return "BSF and BSR with a prefix, where BMI and LZCNT are missing";
	case ZYDIS_MNEMONIC_PREFETCHW: case ZYDIS_MNEMONIC_PREFETCH: case ZYDIS_MNEMONIC_PREFETCHWT1:
		return "0F 0D: NOP or #UD by model";
	default:
		return in->meta.isa_set == ZYDIS_ISA_SET_PREFETCH_NOP ? "0F 0D: NOP or #UD by model" : NULL;
	}
}

static unsigned skip_prefixes(const uint8_t *code, unsigned len, bool *lock)
{
	unsigned i = 0;

	*lock = false;
	while (i < len && (code[i] == 0x66 || code[i] == 0x67 || (code[i] | 1) == 0xf3 || code[i] == 0xf0 || (code[i] & 0xe7) == 0x26 ||
			(code[i] & 0xfe) == 0x64))
		*lock |= code[i++] == 0xf0;
	return i;
}

/* VEX, EVEX and XOP forms are #UD on the model even where this decoder does not know them. */
static bool vector_prefix(const uint8_t *code, unsigned len)
{
	bool lock;
	unsigned i = skip_prefixes(code, len, &lock);

	if (i + 1 >= len)
		return false;
	if (code[i] == 0xc4 || code[i] == 0xc5 || code[i] == 0x62)
		return code[i + 1] >= 0xc0;
	return code[i] == 0x8f && (code[i + 1] & 0x38);
}

/* LOCK where the SDM says #UD, and processors have made something else of it. */
static const char *odd_lock(const uint8_t *code, unsigned len)
{
	bool lock;
	unsigned i = skip_prefixes(code, len, &lock);

	if (!lock || i + 2 >= len || code[i] != 0x0f)
		return NULL;
	if (code[i + 1] >= 0x20 && code[i + 1] <= 0x23)
		return "LOCK MOV CR: CR8 on AMD";
	return code[i + 1] == 0 && (code[i + 2] >> 3 & 7) == 5 ? "LOCK VERW: runs as VERW on Zen 4" : NULL;
}

enum it_class classify(const uint8_t *code, unsigned len, const char **why)
{
	ZydisDecoder d;
	ZydisDecodedInstruction in;

	*why = NULL;
	if (vector_prefix(code, len)) {
		*why = "VEX, EVEX or XOP";
		return CLASS_MISSING;
	}
	*why = odd_lock(code, len);
	if (*why)
		return CLASS_HOST;
	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, code, len, &in)))
		return CLASS_NATIVE;
	*why = host_answers(&in);
	if (*why)
		return CLASS_HOST;
	if (in.meta.isa_set == ZYDIS_ISA_SET_CET && in.opcode_map == ZYDIS_OPCODE_MAP_0F && in.opcode == 0x1e)
		return CLASS_NATIVE; /* ENDBR32, RDSSP: NOPs without CET (SDM vol. 2) */
	if (model_has_isa(in.meta.isa_set))
		return CLASS_NATIVE;
	*why = ZydisISASetGetString(in.meta.isa_set);
	return CLASS_MISSING;
}

int itest_index(const struct itest *t, uint32_t eip)
{
	for (unsigned i = 0; i <= t->insns; i++) {
		if (t->eip + t->off[i] == eip)
			return (int)i;
	}
	return -1;
}

/* An instruction's flags are written only if a count is not zero: then older undefined flags stay undefined. */
static bool flags_conditional(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	if (in->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
		return true;
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_ROL: case ZYDIS_MNEMONIC_ROR: case ZYDIS_MNEMONIC_RCL: case ZYDIS_MNEMONIC_RCR: case ZYDIS_MNEMONIC_SHL:
	case ZYDIS_MNEMONIC_SHR: case ZYDIS_MNEMONIC_SAR: case ZYDIS_MNEMONIC_SHLD: case ZYDIS_MNEMONIC_SHRD:
		return true;
	default:
		return false;
	}
}

/* SDM vol. 2, SAL/SAR/SHL/SHR: CF is undefined for SHL and SHR when the count is not below the operand's size; OF is
 * defined only for a count of 1. RCL/RCR/ROL/ROR: OF the same. SHLD/SHRD: OF the same, AF undefined. */
static uint32_t flags_undefined(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	uint32_t u = in->cpu_flags ? in->cpu_flags->undefined : 0;

	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_ROL: case ZYDIS_MNEMONIC_ROR: case ZYDIS_MNEMONIC_RCL: case ZYDIS_MNEMONIC_RCR:
		return u | FL_OF;
	case ZYDIS_MNEMONIC_SHL: case ZYDIS_MNEMONIC_SHR:
		return u | FL_OF | FL_AF | (op[0].size < 32 ? FL_CF : 0);
	case ZYDIS_MNEMONIC_SAR:
		return u | FL_OF | FL_AF;
	case ZYDIS_MNEMONIC_SHLD: case ZYDIS_MNEMONIC_SHRD:
		return u | FL_OF | FL_AF | (op[0].size < 32 ? FL_ARITH : 0);
	default:
		return u;
	}
}

/* Counts that are known to be 1 define all but AF. */
static uint32_t flags_shift_by_one(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op, uint32_t u)
{
	unsigned count = in->mnemonic == ZYDIS_MNEMONIC_SHLD || in->mnemonic == ZYDIS_MNEMONIC_SHRD ? 2 : 1;

	if (op[count].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && (op[count].imm.value.u & 31) == 1)
		u &= ~(FL_OF | FL_CF);
	return u;
}

/* The address of operand op from the initial registers; false when the instructions before have changed them. */
static bool effective_address(const struct itest *t, const ZydisDecodedOperand *op, uint32_t written, uint32_t *ea)
{
	uint32_t a = (uint32_t)op->mem.disp.value;
	const ZydisRegister reg[2] = { op->mem.base, op->mem.index };
	uint16_t sel;

	for (unsigned i = 0; i < 2; i++) {
		unsigned id;

		if (reg[i] == ZYDIS_REGISTER_NONE)
			continue;
		if (ZydisRegisterGetClass(reg[i]) != ZYDIS_REGCLASS_GPR32)
			return false;
		id = (unsigned)ZydisRegisterGetId(reg[i]);
		if (written >> id & 1)
			return false;
		a += t->gpr[id] * (i ? op->mem.scale : 1u);
	}
	sel = op->mem.segment >= ZYDIS_REGISTER_ES && op->mem.segment <= ZYDIS_REGISTER_GS ? t->sel[op->mem.segment - ZYDIS_REGISTER_ES] : 0;
	*ea = a + (sel & 4 && sel >> 3 < LDT_SEGS ? it_ldt[sel >> 3].base : 0);
	return true;
}

static void add_ignore(struct itest *t, uint32_t at, uint32_t len)
{
	if (t->ignores < IT_IGNORES)
		t->ignore[t->ignores++] = (struct it_ignore){ at, len };
}

/*
 * The x87 instruction and data pointers: processors differ in what they keep there (SDM vol. 1, 8.1.8; APM vol. 2,
 * 11.4.4), and MXCSR_MASK and the bytes that FXSAVE reserves are the model's. False when the place is not known.
 */
static bool ignore_pointers(struct itest *t, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op, uint32_t written)
{
	bool small = in->operand_width == 16;
	uint32_t ea = 0;

	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_FNSTENV: case ZYDIS_MNEMONIC_FNSAVE:
		if (t->ignores >= IT_IGNORES || !effective_address(t, &op[0], written, &ea))
			return false;
		add_ignore(t, ea + (small ? 6 : 12), small ? 8 : 16);
		return true;
	case ZYDIS_MNEMONIC_FXSAVE:
		if (t->ignores + 2 >= IT_IGNORES || !effective_address(t, &op[0], written, &ea))
			return false;
		add_ignore(t, ea + 6, 18);
		add_ignore(t, ea + 28, 4);
		add_ignore(t, ea + 288, 224);
		return true;
	default:
		return true;
	}
}

/* The general registers that an instruction writes, as bits. */
static uint32_t gprs_written(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	uint32_t w = in->meta.category == ZYDIS_CATEGORY_STRINGOP ? 1u << R_ECX | 1u << R_ESI | 1u << R_EDI : 0;

	for (unsigned i = 0; i < in->operand_count; i++) {
		if (op[i].type == ZYDIS_OPERAND_TYPE_REGISTER && (op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) {
			ZydisRegister big = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LEGACY_32, op[i].reg.value);

			if (ZydisRegisterGetClass(big) == ZYDIS_REGCLASS_GPR32)
				w |= 1u << ZydisRegisterGetId(big);
		}
	}
	return w;
}

static bool pushes_segment(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	return in->mnemonic == ZYDIS_MNEMONIC_PUSH && op[0].type == ZYDIS_OPERAND_TYPE_REGISTER && in->operand_width == 32 &&
		ZydisRegisterGetClass(op[0].reg.value) == ZYDIS_REGCLASS_SEGMENT;
}

/* Where a relative branch goes: an instruction index, insns for the end, -1 when elsewhere or no branch. */
static int branch_target(const struct itest *t, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op, unsigned i)
{
	if (!in->operand_count || op[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !op[0].imm.is_relative)
		return -1;
	return itest_index(t, t->eip + t->off[i] + in->length + (uint32_t)op[0].imm.value.s);
}

bool itest_analyse(struct itest *t)
{
	ZydisDecoder d;
	uint32_t written = 0;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	memset(t->undef, 0, sizeof(t->undef));
	t->ignores = 0;
	t->pushes_segment = t->calls_data = false;
	for (unsigned i = 0; i < t->insns; i++) {
		ZydisDecodedInstruction in;
		ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
		uint32_t u = t->undef[i];
		int to;

		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, t->code + t->off[i], t->len - t->off[i], &in, op))) {
			t->undef[i + 1] |= u;
			continue;
		}
		t->calls_data |= in.meta.category == ZYDIS_CATEGORY_CALL && op[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE;
		t->pushes_segment |= pushes_segment(&in, op);
		if (in.cpu_flags) {
			uint32_t n = flags_shift_by_one(&in, op, flags_undefined(&in, op));

			if (in.cpu_flags->tested & u)
				return false;
			if (!flags_conditional(&in, op))
				u &= ~(in.cpu_flags->modified | in.cpu_flags->set_0 | in.cpu_flags->set_1);
			u |= n;
		}
		if (!ignore_pointers(t, &in, op, written))
			return false;
		written |= gprs_written(&in, op);
		to = branch_target(t, &in, op, i);
		if (to >= 0)
			t->undef[to] |= u;
		t->undef[i + 1] |= u;
	}
	return true;
}
