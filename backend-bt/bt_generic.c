/*
 * bt_generic.c - the form that most instructions take: copied, with registers renamed and the memory operand moved.
 *
 * Closed by default: only instruction sets that the guest's CPU model has, only operands of known kinds. Called by
 * bt_rewrite.c for what has no form of its own; what is refused here goes to the interpreter.
 */
#include "bt_emit.h"

static bool isa_allowed(const ZydisDecodedInstruction *d)
{
	switch (d->meta.isa_set) {
	case ZYDIS_ISA_SET_I86:
	case ZYDIS_ISA_SET_I186:
	case ZYDIS_ISA_SET_I386:
	case ZYDIS_ISA_SET_I486:
	case ZYDIS_ISA_SET_I486REAL:
	case ZYDIS_ISA_SET_PENTIUMREAL:
	case ZYDIS_ISA_SET_CMOV:
	case ZYDIS_ISA_SET_FCMOV:
	case ZYDIS_ISA_SET_LAHF:
	case ZYDIS_ISA_SET_X87:
	case ZYDIS_ISA_SET_PPRO:
	case ZYDIS_ISA_SET_PENTIUMMMX:
	case ZYDIS_ISA_SET_SSE:
	case ZYDIS_ISA_SET_SSE2:
	case ZYDIS_ISA_SET_SSE2MMX:
	case ZYDIS_ISA_SET_SSE_PREFETCH:
	case ZYDIS_ISA_SET_SSEMXCSR:
	case ZYDIS_ISA_SET_PAUSE:
	case ZYDIS_ISA_SET_CLFSH:
		return true;
	default:
		return false;
	}
}

/* Uses x87, MMX or SSE state: CR0.TS and EM apply, and callouts must keep it. */
bool generic_fp(const ZydisDecodedInstruction *d)
{
	if (d->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (d->opcode & 0xf8) == 0xd8)
		return true; /* FCOMI counts as a Pentium Pro instruction */
	switch (d->meta.isa_set) {
	case ZYDIS_ISA_SET_X87:
	case ZYDIS_ISA_SET_FCMOV:
	case ZYDIS_ISA_SET_PENTIUMMMX:
	case ZYDIS_ISA_SET_SSE:
	case ZYDIS_ISA_SET_SSE2:
	case ZYDIS_ISA_SET_SSE2MMX:
	case ZYDIS_ISA_SET_SSEMXCSR:
	case ZYDIS_ISA_SET_FXSAVE:
		return true;
	default: /* FCOMI and its kin are filed under the Pentium Pro */
		return d->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (d->opcode & 0xf8) == 0xd8;
	}
}

/* Uses XMM registers or MXCSR: CR4.OSFXSR applies too. */
bool generic_sse(const ZydisDecodedInstruction *d)
{
	switch (d->meta.isa_set) {
	case ZYDIS_ISA_SET_SSE:
	case ZYDIS_ISA_SET_SSE2:
	case ZYDIS_ISA_SET_SSE2MMX:
	case ZYDIS_ISA_SET_SSEMXCSR:
		return true;
	default:
		return false;
	}
}

/* Mnemonics whose isa_set would let them through and that must not be copied. */
static bool never_copied(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_FNSAVE: case ZYDIS_MNEMONIC_FNSTENV: case ZYDIS_MNEMONIC_FLDENV: case ZYDIS_MNEMONIC_FRSTOR:
	case ZYDIS_MNEMONIC_FXSAVE: case ZYDIS_MNEMONIC_FXRSTOR: /* they show the host's instruction pointer */
	case ZYDIS_MNEMONIC_CPUID: case ZYDIS_MNEMONIC_RDMSR: case ZYDIS_MNEMONIC_WRMSR: case ZYDIS_MNEMONIC_RSM:
	case ZYDIS_MNEMONIC_RDPMC: case ZYDIS_MNEMONIC_RDTSC: case ZYDIS_MNEMONIC_UD0: case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2: case ZYDIS_MNEMONIC_INVD: case ZYDIS_MNEMONIC_WBINVD: case ZYDIS_MNEMONIC_INVLPG:
	case ZYDIS_MNEMONIC_HLT: case ZYDIS_MNEMONIC_CLI: case ZYDIS_MNEMONIC_STI: case ZYDIS_MNEMONIC_SALC:
	case ZYDIS_MNEMONIC_BOUND: case ZYDIS_MNEMONIC_ARPL: case ZYDIS_MNEMONIC_INTO: case ZYDIS_MNEMONIC_INT:
	case ZYDIS_MNEMONIC_INT1: case ZYDIS_MNEMONIC_INT3: case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD:
	case ZYDIS_MNEMONIC_AAA: case ZYDIS_MNEMONIC_AAS: case ZYDIS_MNEMONIC_AAM: case ZYDIS_MNEMONIC_AAD:
	case ZYDIS_MNEMONIC_DAA: case ZYDIS_MNEMONIC_DAS: case ZYDIS_MNEMONIC_LDS: case ZYDIS_MNEMONIC_LES:
	case ZYDIS_MNEMONIC_LSS: case ZYDIS_MNEMONIC_LFS: case ZYDIS_MNEMONIC_LGS: case ZYDIS_MNEMONIC_ENTER:
	case ZYDIS_MNEMONIC_FFREEP:
	case ZYDIS_MNEMONIC_LDMXCSR: /* the host may know bits of MXCSR that the model reserves */
		return true;
	default:
		return false;
	}
}

/* How the operands of a generic instruction are renamed. */
struct shape {
	const ZydisDecodedOperand *mem;
	bool esp_written;      /* as 32 bits */
	uint8_t high8;         /* guest register number of AH..BH, 4..7; 0: none */
	unsigned high8_count;
	bool al_hidden;        /* uses AL or AX in a hidden operand */
};

static bool shape_reg(struct shape *s, const ZydisDecodedOperand *o)
{
	ZydisRegister r = o->reg.value;

	switch (ZydisRegisterGetClass(r)) {
	case ZYDIS_REGCLASS_GPR8:
		if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH) {
			s->high8 = (uint8_t)(4 + r - ZYDIS_REGISTER_AH);
			s->high8_count++;
		}
		if (o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
			s->al_hidden = true;
		return true;
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
		if (o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
			s->al_hidden = true;
		if (r != ZYDIS_REGISTER_SP && r != ZYDIS_REGISTER_ESP)
			return true;
		if (o->encoding == ZYDIS_OPERAND_ENCODING_NONE)
			return false; /* an implicit ESP */
		if (r == ZYDIS_REGISTER_ESP && (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			s->esp_written = true;
		return true;
	case ZYDIS_REGCLASS_X87:
	case ZYDIS_REGCLASS_MMX:
	case ZYDIS_REGCLASS_XMM:
	case ZYDIS_REGCLASS_FLAGS:
		return true;
	default:
		return r == ZYDIS_REGISTER_X87CONTROL || r == ZYDIS_REGISTER_X87STATUS || r == ZYDIS_REGISTER_X87TAG ||
			r == ZYDIS_REGISTER_MXCSR;
	}
}

static bool shape_of(struct tr *t, struct shape *s)
{
	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < t->d.operand_count; i++) {
		const ZydisDecodedOperand *o = &t->op[i];

		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
			if (s->mem || o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN ||
			    o->encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM)
				return false;
			s->mem = o;
		} else if (o->type == ZYDIS_OPERAND_TYPE_REGISTER) {
			if (!shape_reg(s, o))
				return false;
		} else if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
			if (o->imm.is_relative)
				return false;
		} else if (o->type != ZYDIS_OPERAND_TYPE_UNUSED) {
			return false;
		}
	}
	return true;
}

/* Legacy prefixes that change what the instruction does; segment overrides and hints are dropped. */
static void emit_prefixes(struct tr *t)
{
	for (unsigned i = 0; i < t->d.raw.prefix_count; i++) {
		uint8_t v = t->d.raw.prefixes[i].value;
		ZydisPrefixType ty = t->d.raw.prefixes[i].type;

		if (v == 0x66 && ty != ZYDIS_PREFIX_TYPE_IGNORED)
			e1(t, v);
		else if ((v == 0xf2 || v == 0xf3) && ty == ZYDIS_PREFIX_TYPE_MANDATORY)
			e1(t, v);
		else if (v == 0xf0 && ty == ZYDIS_PREFIX_TYPE_EFFECTIVE)
			e1(t, v);
	}
}

static void emit_imms(struct tr *t)
{
	for (unsigned i = 0; i < 2; i++)
		for (unsigned k = 0; k < t->d.raw.imm[i].size / 8u; k++)
			e1(t, t->bytes[t->d.raw.imm[i].offset + k]);
}

static void emit_opcode(struct tr *t)
{
	if (t->d.opcode_map == ZYDIS_OPCODE_MAP_0F)
		e1(t, 0x0f);
	e1(t, t->d.opcode == 0x82 && t->d.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT ? 0x80u : t->d.opcode);
}

/* xchg al,ah and its kin: 86 /r with mod 3, no REX. */
static void emit_swap8(struct tr *t, unsigned high)
{
	e2(t, 0x86, 0xc0 | high << 3 | (high - 4));
}

/* Where it is not certain that the upper half of ESP's register was cleared, it is cleared. */
static void esp_fix(struct tr *t)
{
	switch (t->d.mnemonic) {
	case ZYDIS_MNEMONIC_ADD: case ZYDIS_MNEMONIC_SUB: case ZYDIS_MNEMONIC_AND: case ZYDIS_MNEMONIC_OR:
	case ZYDIS_MNEMONIC_XOR: case ZYDIS_MNEMONIC_MOV: case ZYDIS_MNEMONIC_MOVZX: case ZYDIS_MNEMONIC_XCHG:
		break;
	default:
		emit_mov32(t, H_ESP, H_ESP);
	}
	emit_esp_fix(t);
}

static bool generic_memory(struct tr *t, const struct shape *s)
{
	unsigned reg = t->d.raw.modrm.reg;
	bool swap = s->high8 && t->op[0].type != ZYDIS_OPERAND_TYPE_UNUSED, unprobed = t->unprobed;
	struct ea a;

	if (swap && (s->high8_count != 1 || s->al_hidden))
		return false;
	if (swap) {
		/* The address first, while the registers are whole; then AH stands in AL. */
		uint8_t base, index;

		if (t->d.address_width != 32 || operand_writes_code(s->mem))
			return false;
		if (!operand_reg(s->mem->mem.base, &base) || !operand_reg(s->mem->mem.index, &index))
			return false;
		if (s->mem->mem.segment == ZYDIS_REGISTER_FS || s->mem->mem.segment == ZYDIS_REGISTER_GS ||
		    (t->site & (SITE_USER | SITE_SOFT))) {
			if (!operand_ea(t, s->mem, &a))
				return false;
		} else {
			operand_lea(t, H_R8, base, index, s->mem->mem.scale, (int32_t)s->mem->mem.disp.value);
			a = ea_win(H_R8, 0);
		}
		t->flags = (uint16_t)((t->flags & ~IM_RESTART) | IM_SWAP | (s->high8 - 4u) << IM_SWAPREG);
		emit_swap8(t, s->high8);
		reg = s->high8 - 4u;
	} else if (!operand_ea(t, s->mem, &a)) {
		return false;
	}
	if (t->d.meta.isa_set == ZYDIS_ISA_SET_SSE_PREFETCH)
		t->unprobed = unprobed; /* touches nothing */
	emit_prefixes(t);
	emit_ea_prefix(t, &a);
	if (ea_rex(&a, reg))
		e1(t, 0x40 | ea_rex(&a, reg));
	emit_opcode(t);
	emit_modrm(t, reg, &a);
	emit_imms(t);
	if (swap)
		emit_swap8(t, s->high8);
	if (s->esp_written)
		esp_fix(t);
	return true;
}

static bool generic_register(struct tr *t, const struct shape *s)
{
	emit_prefixes(t);
	emit_opcode(t);
	if (t->d.attributes & ZYDIS_ATTRIB_HAS_MODRM)
		e1(t, 0xc0 | t->d.raw.modrm.reg << 3 | t->d.raw.modrm.rm);
	emit_imms(t);
	if (s->esp_written)
		esp_fix(t);
	return true;
}

bool generic(struct tr *t)
{
	struct shape s;

	if (t->d.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || !isa_allowed(&t->d) || never_copied(t->d.mnemonic))
		return false;
	if (t->d.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT && t->d.opcode_map != ZYDIS_OPCODE_MAP_0F)
		return false;
	if (!shape_of(t, &s))
		return false;
	return s.mem ? generic_memory(t, &s) : generic_register(t, &s);
}
