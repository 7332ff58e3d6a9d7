/*
 * bt_rewrite.c - one guest instruction, not a branch, into host code.
 *
 * Closed by default: an instruction is copied, with its registers renamed and its memory operand moved into the window,
 * only when its instruction set is one that the guest's CPU model has and all its operands are of known kinds; a few have
 * forms of their own; everything else becomes a callout to the interpreter. The first access that can fault comes
 * before the first change of guest state, so that a fault can restart the instruction. r8 to r10 are temporaries.
 * Called by bt_translate.c; branches are in bt_flow.c.
 */
#include "bt_emit.h"

#define ESP_STEP 65536 /* the largest constant that moves ESP without a wrap */

/* --- helpers --- */

void rewrite_callout(struct tr *t, enum bt_thunk th, uint32_t arg)
{
	emit_imm32(t, H_R10, t->eip);
	emit_imm32(t, H_R9, arg);
	emit_call_hot(t, HOT_THUNK(th));
}

/* Adds one to a counter without touching flags; r9 and r10 are lost. */
void rewrite_count(struct tr *t, enum event_kind k)
{
	struct vcpu *v = t->b->v;
	struct ea a = { H_R10, H_NONE, 0 }, inc = { H_R9, H_NONE, 1 };

	if (!v->stats.count_inline)
		return;
	t->flags &= (uint16_t)~IM_RESTART;
	emit_imm64(t, H_R10, (uint64_t)(uintptr_t)&v->stats.cell[k][MECH_INLINE].count);
	emit_op_ea(t, 0x8b, H_R9, &a, true);
	emit_lea64(t, H_R9, &inc);
	emit_op_ea(t, 0x89, H_R9, &a, true);
}

/* Guest base and index registers of a memory operand. */
static bool guest_reg(ZydisRegister r, uint8_t *out)
{
	if (r == ZYDIS_REGISTER_NONE) {
		*out = H_NONE;
		return true;
	}
	if (r < ZYDIS_REGISTER_EAX || r > ZYDIS_REGISTER_EDI)
		return false;
	*out = host_reg((unsigned)(r - ZYDIS_REGISTER_EAX));
	return true;
}

/* lea dst32, [base + index * scale + disp] */
static void emit_lea_full(struct tr *t, unsigned dst, uint8_t base, uint8_t index, uint8_t scale, int32_t disp)
{
	unsigned ss = scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;

	if (index == H_NONE && base == H_NONE) {
		emit_imm32(t, dst, (uint32_t)disp);
		return;
	}
	if (index == H_NONE) {
		struct ea a = { base, H_NONE, disp };
		emit_lea32(t, dst, &a);
		return;
	}
	unsigned rex = (dst & 8) >> 1 | (index & 8) >> 2 | (base != H_NONE ? (base & 8) >> 3 : 0);
	unsigned mod = base == H_NONE ? 0 : disp == 0 && (base & 7) != 5 ? 0 : disp >= -128 && disp < 128 ? 1 : 2;
	if (rex)
		e1(t, 0x40 | rex);
	e3(t, 0x8d, mod << 6 | (dst & 7) << 3 | 4, ss << 6 | (index & 7u) << 3 | (base == H_NONE ? 5u : base & 7u));
	if (mod == 1)
		e1(t, (uint8_t)disp);
	else if (mod == 2 || base == H_NONE)
		e4(t, (uint32_t)disp);
}

/* FS and GS: their base is added; seg_win leads into the guard zone while a limit has to be checked. */
static void emit_segment(struct tr *t, ZydisRegister seg, uint8_t base, uint8_t index, uint8_t scale, int32_t disp, struct ea *out)
{
	int i = seg == ZYDIS_REGISTER_FS ? 0 : 1;
	struct ea a = ea_hot(HOT_OFF(seg_base) + 4 * i), w = ea_hot(HOT_OFF(seg_win) + 8 * i), sum = { H_R8, H_R9, 0 };

	emit_lea_full(t, H_R8, base, index, scale, disp);
	emit_load(t, H_R9, &a);
	emit_lea32(t, H_R8, &sum);
	emit_op_ea(t, 0x8b, H_R9, &w, true);
	*out = sum;
}

/* A code segment is never writable: #GP, by the interpreter. */
static bool writes_code_segment(const ZydisDecodedOperand *op)
{
	return op->mem.segment == ZYDIS_REGISTER_CS && (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
}

/*
 * The host form of a guest memory operand; may emit an address computation into r8. A base and a small displacement go
 * through the window register at no cost: what lies outside 4 GiB hits a guard zone. All else is computed in 32 bits.
 */
bool rewrite_ea(struct tr *t, const ZydisDecodedOperand *op, struct ea *out)
{
	uint8_t base, index, scale = op->mem.scale;
	int32_t disp = (int32_t)op->mem.disp.value;

	if (t->d.address_width != 32 || !guest_reg(op->mem.base, &base) || !guest_reg(op->mem.index, &index))
		return false;
	if (writes_code_segment(op))
		return false;
	if (op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS) {
		emit_segment(t, op->mem.segment, base, index, scale, disp, out);
		return true;
	}
	if (base == H_NONE && index != H_NONE && scale <= 1) {
		base = index;
		index = H_NONE;
	}
	if (index != H_NONE || (base != H_NONE && ((t->site & SITE_WRAP) || disp < -(1 << 20) || disp > (1 << 29)))) {
		emit_lea_full(t, H_R8, base, index, scale, disp);
		*out = ea_win(H_R8, 0);
	} else if (base != H_NONE) {
		*out = ea_win(base, disp);
	} else if ((t->site & SITE_WRAP)) {
		emit_imm32(t, H_R8, (uint32_t)disp);
		*out = ea_win(H_R8, 0);
	} else {
		*out = (struct ea){ disp >= 0 ? H_WIN : H_WIN_HI, H_NONE, disp };
	}
	return true;
}

/* --- the generic form --- */

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
bool rewrite_fp(const ZydisDecodedInstruction *d)
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
bool rewrite_sse(const ZydisDecodedInstruction *d)
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
	uint8_t reg_r, reg_b;  /* 1: ModRM.reg or ModRM.rm/opcode names ESP */
	bool esp_written;      /* as 32 bits */
	uint8_t high8;         /* guest register number of AH..BH, 4..7; 0: none */
	unsigned high8_count;
	bool al_hidden;        /* uses AL or AX in a hidden operand */
};

static bool shape_reg(struct shape *s, const ZydisDecodedOperand *o)
{
	ZydisRegister r = o->reg.value;
	bool is_reg = o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG;

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
		if (is_reg)
			s->reg_r = 1;
		else
			s->reg_b = 1;
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

static void emit_opcode(struct tr *t, unsigned add)
{
	if (t->d.opcode_map == ZYDIS_OPCODE_MAP_0F)
		e1(t, 0x0f);
	e1(t, t->d.opcode == 0x82 && t->d.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT ? 0x80u : t->d.opcode + add);
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
	unsigned reg = s->reg_r ? H_ESP : t->d.raw.modrm.reg;
	bool swap = s->high8 && t->op[0].type != ZYDIS_OPERAND_TYPE_UNUSED;
	struct ea a;

	if (swap && (s->high8_count != 1 || s->al_hidden))
		return false;
	if (swap) {
		/* The address first, while the registers are whole; then AH stands in AL. */
		uint8_t base, index;

		if (t->d.address_width != 32 || writes_code_segment(s->mem))
			return false;
		if (!guest_reg(s->mem->mem.base, &base) || !guest_reg(s->mem->mem.index, &index))
			return false;
		if (s->mem->mem.segment == ZYDIS_REGISTER_FS || s->mem->mem.segment == ZYDIS_REGISTER_GS) {
			if (!rewrite_ea(t, s->mem, &a))
				return false;
		} else {
			emit_lea_full(t, H_R8, base, index, s->mem->mem.scale, (int32_t)s->mem->mem.disp.value);
			a = ea_win(H_R8, 0);
		}
		t->flags = (uint16_t)((t->flags & ~IM_RESTART) | IM_SWAP | (s->high8 - 4u) << IM_SWAPREG);
		emit_swap8(t, s->high8);
		reg = s->high8 - 4u;
	} else if (!rewrite_ea(t, s->mem, &a)) {
		return false;
	}
	emit_prefixes(t);
	if (ea_rex(&a, reg))
		e1(t, 0x40 | ea_rex(&a, reg));
	emit_opcode(t, 0);
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
	unsigned rex = (s->reg_r ? 4u : 0) | (s->reg_b ? 1u : 0);

	if (rex && s->high8)
		return false;
	emit_prefixes(t);
	if (rex)
		e1(t, 0x40 | rex);
	if (t->d.attributes & ZYDIS_ATTRIB_HAS_MODRM) {
		emit_opcode(t, 0);
		e1(t, 0xc0 | (t->d.raw.modrm.reg | (s->reg_r ? 7u : 0)) << 3 | (t->d.raw.modrm.rm | (s->reg_b ? 7u : 0)));
	} else {
		emit_opcode(t, s->reg_b ? 3 : 0); /* ESP is register 4 of the opcode; r15 is 7 */
	}
	emit_imms(t);
	if (s->esp_written)
		esp_fix(t);
	return true;
}

static bool generic(struct tr *t)
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

/* --- instructions with forms of their own --- */

/* The next instruction touches the top of the stack first: push, pop, ret. */
static bool next_touches_stack(const struct tr *t)
{
	uint8_t op = t->avail > t->d.length ? t->bytes[t->d.length] : 0;

	return (op >= 0x50 && op <= 0x5f) || op == 0xc3;
}

/*
 * ESP plus or minus a small constant. Calls and returns hang on ESP, so it moves by one 64-bit lea, and the flags are
 * computed beside it. That does not wrap at 4 GiB: a load at the new top of the stack (unless the next instruction
 * touches it anyway) makes sure that ESP cannot creep through the guard zone. Its fault is not the guest's (IM_PROBE).
 */
static bool esp_adjust(struct tr *t, int32_t delta, bool flags)
{
	struct ea top = ea_win(H_ESP, delta);

	if (delta < -ESP_STEP || delta > ESP_STEP || (t->site & SITE_SOFT))
		return false;
	t->flags = (uint16_t)((t->flags & ~IM_RESTART) | IM_PROBE);
	if (flags) {
		emit_mov32(t, H_R8, H_ESP);
		e3(t, 0x41, 0x81, 0xc0 | (t->d.mnemonic == ZYDIS_MNEMONIC_SUB ? 5u << 3 : 0)); /* add/sub r8d, imm32 */
		e4(t, (uint32_t)(t->d.mnemonic == ZYDIS_MNEMONIC_SUB ? -delta : delta));
	}
	if (!next_touches_stack(t))
		emit_op_ea(t, 0x8a, H_R8, &top, false); /* mov r8b, [r15 + delta] */
	emit_esp_add(t, delta);
	return true;
}

static bool add_sub(struct tr *t)
{
	const ZydisDecodedOperand *a = &t->op[0], *b = &t->op[1];
	int64_t imm = b->imm.value.s;

	if (a->type != ZYDIS_OPERAND_TYPE_REGISTER || a->reg.value != ZYDIS_REGISTER_ESP || b->type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
	    imm < -ESP_STEP || imm > ESP_STEP || (t->d.attributes & ZYDIS_ATTRIB_HAS_LOCK))
		return generic(t);
	return esp_adjust(t, (int32_t)(t->d.mnemonic == ZYDIS_MNEMONIC_SUB ? -imm : imm), true);
}

/* 40..4f do not exist in 64-bit mode: ff /0, /1. */
static bool inc_dec(struct tr *t)
{
	unsigned op = t->d.opcode, r = host_reg(op & 7);

	if (t->d.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || op < 0x40 || op > 0x4f)
		return generic(t);
	if (t->d.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)
		e1(t, 0x66);
	if (r & 8)
		e1(t, 0x41);
	e2(t, 0xff, 0xc0 | (op >= 0x48 ? 8u : 0) | (r & 7));
	if (r == H_ESP && t->d.operand_width == 32)
		emit_esp_fix(t);
	return true;
}

static bool lea(struct tr *t)
{
	const ZydisDecodedOperand *m = &t->op[1];
	uint8_t base, index;
	unsigned dst = host_reg(t->d.raw.modrm.reg);

	if (t->d.operand_width != 32 || t->d.address_width != 32 || !guest_reg(m->mem.base, &base) ||
	    !guest_reg(m->mem.index, &index))
		return false;
	if (dst == H_ESP && base == H_ESP && index == H_NONE && m->mem.disp.value >= -ESP_STEP && m->mem.disp.value <= ESP_STEP)
		return esp_adjust(t, (int32_t)m->mem.disp.value, false);
	emit_lea_full(t, dst, base, index, m->mem.scale, (int32_t)m->mem.disp.value);
	if (dst == H_ESP)
		emit_esp_fix(t);
	return true;
}

/* a0..a3: mov between eAX and an absolute address */
static bool mov(struct tr *t)
{
	const ZydisDecodedOperand *m = &t->op[t->d.opcode & 2 ? 0 : 1];
	struct ea a;

	if (t->d.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || t->d.opcode < 0xa0 || t->d.opcode > 0xa3)
		return generic(t);
	if (m->type != ZYDIS_OPERAND_TYPE_MEMORY || t->d.address_width != 32)
		return false;
	if (!rewrite_ea(t, m, &a))
		return false;
	if (t->d.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)
		e1(t, 0x66);
	emit_op_ea(t, (t->d.opcode & 2 ? 0x88u : 0x8au) | (t->d.opcode & 1), H_RAX, &a, false);
	return true;
}

static bool push(struct tr *t)
{
	const ZydisDecodedOperand *o = &t->op[0];
	struct ea top = ea_win(H_ESP, -4), a;

	if (t->d.operand_width != 32)
		return false;
	if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->reg.value >= ZYDIS_REGISTER_EAX && o->reg.value <= ZYDIS_REGISTER_EDI) {
		emit_store(t, host_reg((unsigned)(o->reg.value - ZYDIS_REGISTER_EAX)), &top);
	} else if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->reg.value >= ZYDIS_REGISTER_ES && o->reg.value <= ZYDIS_REGISTER_GS) {
		a = ea_hot(HOT_OFF(sel) + 4 * (int)(o->reg.value - ZYDIS_REGISTER_ES));
		emit_load(t, H_R8, &a);
		e1(t, 0x66); /* 16 bits are written, ESP moves by 32 */
		emit_store(t, H_R8, &top);
		emit_esp_add(t, -4);
		rewrite_count(t, EV_SEG_READ);
		return true;
	} else if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		emit_store_imm(t, &top, (uint32_t)o->imm.value.s);
	} else if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		if (!rewrite_ea(t, o, &a))
			return false;
		emit_load(t, H_R8, &a);
		emit_store(t, H_R8, &top);
		t->flags &= (uint16_t)~IM_RESTART;
	} else {
		return false;
	}
	emit_esp_add(t, -4);
	return true;
}

static bool pop(struct tr *t)
{
	const ZydisDecodedOperand *o = &t->op[0];
	struct ea top = ea_win(H_ESP, 0), a;

	if (t->d.operand_width != 32)
		return false;
	if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->reg.value >= ZYDIS_REGISTER_EAX && o->reg.value <= ZYDIS_REGISTER_EDI) {
		unsigned r = host_reg((unsigned)(o->reg.value - ZYDIS_REGISTER_EAX));
		emit_load(t, r, &top);
		if (r == H_ESP)
			emit_esp_fix(t);
		else
			emit_esp_add(t, 4);
		return true;
	}
	if (o->type != ZYDIS_OPERAND_TYPE_MEMORY)
		return false;
	/* The destination's address is computed with ESP already incremented. */
	if (o->mem.base == ZYDIS_REGISTER_ESP)
		t->op[0].mem.disp.value += 4;
	t->flags &= (uint16_t)~IM_RESTART;
	emit_load(t, H_R10, &top);
	if (!rewrite_ea(t, o, &a))
		return false;
	emit_store(t, H_R10, &a);
	emit_esp_add(t, 4);
	return true;
}

static bool pusha(struct tr *t)
{
	static const uint8_t order[8] = { H_RAX, H_RCX, H_RDX, H_RBX, H_ESP, H_RBP, H_RSI, H_RDI };

	for (int i = 0; i < 8; i++) {
		struct ea a = ea_win(H_ESP, -4 * (i + 1));
		emit_store(t, order[i], &a);
	}
	emit_esp_add(t, -32);
	return true;
}

/* Both ends are read first: afterwards nothing can fault. */
static bool popa(struct tr *t)
{
	static const uint8_t order[8] = { H_RDI, H_RSI, H_RBP, H_NONE, H_RBX, H_RDX, H_RCX, H_RAX };
	struct ea first = ea_win(H_ESP, 0), last = ea_win(H_ESP, 28);

	emit_load(t, H_R8, &first);
	emit_load(t, H_R8, &last);
	for (int i = 0; i < 8; i++) {
		struct ea a = ea_win(H_ESP, 4 * i);
		if (order[i] != H_NONE)
			emit_load(t, order[i], &a);
	}
	emit_esp_add(t, 32);
	return true;
}

static bool leave(struct tr *t)
{
	struct ea a = ea_win(H_RBP, 0), esp = { H_RBP, H_NONE, 4 };

	if (t->d.operand_width != 32)
		return false;
	t->flags &= (uint16_t)~IM_RESTART;
	emit_load(t, H_R8, &a);
	emit_lea32(t, H_ESP, &esp);
	emit_esp_fix(t);
	emit_mov32(t, H_RBP, H_R8);
	return true;
}

/* String instructions work on host addresses for a moment; truncating those gives the guest's, as windows are aligned. */
static bool string(struct tr *t)
{
	bool si = false, di = false;
	struct ea a = { H_RSI, H_WIN, 0 };

	if (t->d.address_width != 32 || t->d.meta.category == ZYDIS_CATEGORY_IOSTRINGOP)
		return false;
	for (unsigned i = 0; i < t->d.operand_count; i++) {
		const ZydisDecodedOperand *o = &t->op[i];
		if (o->type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		if (o->mem.segment == ZYDIS_REGISTER_FS || o->mem.segment == ZYDIS_REGISTER_GS)
			return false;
		si |= o->mem.base == ZYDIS_REGISTER_ESI;
		di |= o->mem.base == ZYDIS_REGISTER_EDI;
	}
	/* IM_RESTART: between iterations the registers are exact once truncated. */
	if (si)
		emit_lea64(t, H_RSI, &a);
	a.base = H_RDI;
	if (di)
		emit_lea64(t, H_RDI, &a);
	if (!(t->d.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)))
		t->flags &= (uint16_t)~IM_RESTART;
	if (t->d.attributes & ZYDIS_ATTRIB_HAS_REPNE)
		e1(t, 0xf2);
	else if (t->d.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE))
		e1(t, 0xf3);
	if (t->d.operand_width == 16)
		e1(t, 0x66);
	e1(t, t->d.opcode);
	if (si)
		emit_mov32(t, H_RSI, H_RSI);
	if (di)
		emit_mov32(t, H_RDI, H_RDI);
	return true;
}

static bool cli_sti(struct tr *t)
{
	struct ea vif = ea_hot(HOT_OFF(vif)), win = ea_hot(HOT_OFF(irq_window));
	bool sti = t->d.mnemonic == ZYDIS_MNEMONIC_STI;
	uint8_t *jz;

	if (t->b->view->user)
		return false;
	emit_store_imm(t, &vif, sti ? FL_IF : 0);
	rewrite_count(t, EV_INT_FLAG);
	if (!sti)
		return true;
	/* Does core wait for interrupts to come on? jrcxz tests without flags. */
	emit_mov32(t, H_R8, H_RCX);
	emit_load(t, H_RCX, &win);
	e2(t, 0xe3, 0);
	jz = t->p;
	emit_mov32(t, H_RCX, H_R8);
	rewrite_callout(t, TH_STI_WINDOW, t->d.length);
	jz[-1] = (uint8_t)(t->p - jz);
	emit_mov32(t, H_RCX, H_R8);
	t->flags &= (uint16_t)~IM_RESTART;
	t->after_sti = true;
	return true;
}

/* The host's arithmetic flags and DF, plus the virtual ones: sums of disjoint bits. */
static bool pushf(struct tr *t)
{
	struct ea top = ea_win(H_ESP, -4), a = ea_hot(HOT_OFF(vif)), sum = { H_R8, H_R9, 0 };

	if (t->d.operand_width != 32)
		return false;
	e1(t, 0x9c);                /* pushfq */
	e2(t, 0x41, 0x58);          /* pop r8 */
	emit_load(t, H_R9, &a);
	emit_lea32(t, H_R8, &sum);
	a = ea_hot(HOT_OFF(vrest));
	emit_load(t, H_R9, &a);
	emit_lea32(t, H_R8, &sum);
	emit_store(t, H_R8, &top);
	emit_esp_add(t, -4);
	rewrite_count(t, EV_FLAGS_IMAGE);
	return true;
}

/*
 * POPF in ring 0, when it changes nothing but arithmetic flags, DF and IF, and no interrupt waits for IF: all tests come
 * before the first change, so that the callout can do the whole instruction otherwise.
 */
static bool popf(struct tr *t)
{
	struct ea top = ea_win(H_ESP, 0), rest = ea_hot(HOT_OFF(vrest)), vif = ea_hot(HOT_OFF(vif)),
		window = ea_hot(HOT_OFF(irq_window)), fix = { H_R9, H_NONE, FL_IF };
	uint8_t *slow[2], *done;

	if (t->b->view->user || t->d.operand_width != 32) {
		rewrite_callout(t, TH_POPF, t->d.length);
		return true;
	}
	t->flags &= (uint16_t)~IM_RESTART;
	emit_load(t, H_R8, &top);
	emit_load(t, H_R9, &rest);
	emit_lea32(t, H_R9, &fix);
	e3(t, 0x45, 0x31, 0xc1);                    /* xor r9d, r8d */
	e3(t, 0x41, 0xf7, 0xc1);                    /* test r9d, imm32 */
	e4(t, FL_TF | FL_IOPL | FL_NT | FL_AC | FL_VIF | FL_VIP | FL_ID);
	e2(t, 0x75, 0);
	slow[0] = t->p;
	emit_mov32(t, H_R9, H_R8);
	e3(t, 0x41, 0x81, 0xe1);                    /* and r9d, FL_IF */
	e4(t, FL_IF);
	emit_mov32(t, H_R10, H_R9);
	emit_op_ea(t, 0x23, H_R10, &window, false); /* and r10d, window */
	e2(t, 0x75, 0);
	slow[1] = t->p;
	emit_store(t, H_R9, &vif);
	e3(t, 0x41, 0x81, 0xe0);                    /* and r8d, ... */
	e4(t, FL_ARITH | FL_DF);
	e3(t, 0x41, 0x81, 0xc8);                    /* or r8d, ... */
	e4(t, FL_FIXED | FL_IF);
	emit_esp_add(t, 4);
	rewrite_count(t, EV_FLAGS_IMAGE);
	e2(t, 0x41, 0x50);                          /* push r8 */
	e1(t, 0x9d);                                /* popfq */
	e2(t, 0xeb, 0);
	done = t->p;
	slow[0][-1] = (uint8_t)(t->p - slow[0]);
	slow[1][-1] = (uint8_t)(t->p - slow[1]);
	rewrite_callout(t, TH_POPF, t->d.length);
	done[-1] = (uint8_t)(t->p - done);
	return true;
}

static bool rdtsc(struct tr *t)
{
	if (t->b->v->state.tsc_offset || (t->b->view->user && (t->b->v->state.cr4 & CR4_TSD)))
		return false;
	e2(t, 0x0f, 0x31);
	rewrite_count(t, EV_RDTSC);
	return true;
}

static bool mov_from_sreg(struct tr *t)
{
	const ZydisDecodedOperand *dst = &t->op[0], *src = &t->op[1];
	struct ea sel, a;

	if (src->type != ZYDIS_OPERAND_TYPE_REGISTER || src->reg.value < ZYDIS_REGISTER_ES || src->reg.value > ZYDIS_REGISTER_GS)
		return false;
	sel = ea_hot(HOT_OFF(sel) + 4 * (int)(src->reg.value - ZYDIS_REGISTER_ES));
	if (dst->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		emit_load(t, H_R10, &sel);
		if (!rewrite_ea(t, dst, &a))
			return false;
		e1(t, 0x66);
		emit_store(t, H_R10, &a);
	} else {
		if (t->d.operand_width == 16)
			e1(t, 0x66);
		emit_load(t, host_reg(t->d.raw.modrm.rm), &sel);
		if (host_reg(t->d.raw.modrm.rm) == H_ESP && t->d.operand_width != 16)
			emit_esp_fix(t);
	}
	rewrite_count(t, EV_SEG_READ);
	return true;
}

static bool xlat(struct tr *t)
{
	struct ea sum = { H_RBX, H_R8, 0 }, a = ea_win(H_R8, 0);

	if (t->d.address_width != 32 || t->d.raw.prefix_count)
		return false;
	e4(t, 0xc0b60f44);                       /* movzx r8d, al */
	emit_lea32(t, H_R8, &sum);
	emit_op_ea(t, 0x8a, H_RAX, &a, false);
	return true;
}

/* Ports: the immediate form's port travels in the argument, DX is read by the callout. */
static bool in_out(struct tr *t)
{
	bool out = t->d.mnemonic == ZYDIS_MNEMONIC_OUT;
	unsigned size = t->d.opcode & 1 ? t->d.operand_width / 8u : 1, imm = t->d.opcode & 8 ? 0x10000u : t->bytes[t->d.raw.imm[0].offset];

	if (t->b->view->user)
		return false;
	rewrite_callout(t, out ? TH_OUT : TH_IN, imm | size << 20 | (uint32_t)t->d.length << 24);
	return true;
}

static bool nop(struct tr *t)
{
	if (t->d.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT) /* 90, and 66 90 */
		e1(t, 0x90);
	return true; /* the hint space 0f 19..1f touches nothing */
}

bool rewrite(struct tr *t)
{
	switch (t->d.mnemonic) {
	case ZYDIS_MNEMONIC_INC: case ZYDIS_MNEMONIC_DEC:
		return inc_dec(t);
	case ZYDIS_MNEMONIC_ADD: case ZYDIS_MNEMONIC_SUB:
		return add_sub(t);
	case ZYDIS_MNEMONIC_LEA:
		return lea(t);
	case ZYDIS_MNEMONIC_MOV:
		if (t->d.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && t->d.opcode == 0x8c)
			return mov_from_sreg(t);
		return mov(t);
	case ZYDIS_MNEMONIC_PUSH:
		return push(t);
	case ZYDIS_MNEMONIC_POP:
		return pop(t);
	case ZYDIS_MNEMONIC_PUSHAD:
		return pusha(t);
	case ZYDIS_MNEMONIC_POPAD:
		return popa(t);
	case ZYDIS_MNEMONIC_LEAVE:
		return leave(t);
	case ZYDIS_MNEMONIC_CLI: case ZYDIS_MNEMONIC_STI:
		return cli_sti(t);
	case ZYDIS_MNEMONIC_PUSHFD:
		return pushf(t);
	case ZYDIS_MNEMONIC_POPFD:
		return popf(t);
	case ZYDIS_MNEMONIC_RDTSC:
		return rdtsc(t);
	case ZYDIS_MNEMONIC_XLAT:
		return xlat(t);
	case ZYDIS_MNEMONIC_IN: case ZYDIS_MNEMONIC_OUT:
		return in_out(t);
	case ZYDIS_MNEMONIC_CPUID:
		rewrite_callout(t, TH_CPUID, t->d.length);
		return true;
	case ZYDIS_MNEMONIC_NOP:
		return nop(t);
	default:
		break;
	}
	if (t->d.meta.category == ZYDIS_CATEGORY_STRINGOP)
		return string(t);
	return generic(t);
}
