/*
 * decode.c - from bytes to a handler: Zydis decodes, this file keeps what the handlers need.
 *
 * Zydis says whether the bytes are an instruction at all, how long it is, and to which instruction set it belongs; what
 * the CPU model does not have (cpuid.c) is #UD. The two tables at the end map opcodes to handlers. Decoded instructions
 * are kept in a cache by where their page lies and compared with the bytes in memory at each use, so that no write, by
 * whomever, needs to invalidate anything. Read next: ops.h, then the interp_*.c file of the group.
 */
#include <Zydis/Zydis.h>
#include "ops.h"

static op_fn *const map_one[256];
static op_fn *const map_0f[256];

static void decoder_init(ZydisDecoder *d, bool code32)
{
	/* Later extensions that reuse encodings which are NOPs, BSF and BSR here. */
	static const ZydisDecoderMode off[] = { ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CET, ZYDIS_DECODER_MODE_LZCNT,
		ZYDIS_DECODER_MODE_TZCNT, ZYDIS_DECODER_MODE_CLDEMOTE };

	ZydisDecoderInit(d, code32 ? ZYDIS_MACHINE_MODE_LEGACY_32 : ZYDIS_MACHINE_MODE_LEGACY_16,
		code32 ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_16);
	for (unsigned i = 0; i < ARRAY_LEN(off); i++)
		ZydisDecoderEnableMode(d, off[i], ZYAN_FALSE);
}

/* The instruction sets of the CPU model, and which of them need the FPU file. */
static int model_has(ZydisISASet set, enum isa *isa)
{
	*isa = ISA_INT;
	switch (set) {
	case ZYDIS_ISA_SET_I86: case ZYDIS_ISA_SET_I186: case ZYDIS_ISA_SET_I286PROTECTED: case ZYDIS_ISA_SET_I286REAL:
	case ZYDIS_ISA_SET_I386: case ZYDIS_ISA_SET_I486: case ZYDIS_ISA_SET_I486REAL: case ZYDIS_ISA_SET_PENTIUMREAL:
	case ZYDIS_ISA_SET_PPRO: case ZYDIS_ISA_SET_CMOV: case ZYDIS_ISA_SET_FAT_NOP: case ZYDIS_ISA_SET_PAUSE:
	case ZYDIS_ISA_SET_LAHF: case ZYDIS_ISA_SET_RDPMC: case ZYDIS_ISA_SET_PREFETCH_NOP: case ZYDIS_ISA_SET_SSE_PREFETCH:
	case ZYDIS_ISA_SET_CLFSH: case ZYDIS_ISA_SET_FXSAVE:
		return 1;
	case ZYDIS_ISA_SET_X87: case ZYDIS_ISA_SET_FCMOV:
		*isa = ISA_X87;
		return 1;
	case ZYDIS_ISA_SET_PENTIUMMMX:
		*isa = ISA_MMX;
		return 1;
	case ZYDIS_ISA_SET_SSE: case ZYDIS_ISA_SET_SSE2: case ZYDIS_ISA_SET_SSE2MMX: case ZYDIS_ISA_SET_SSEMXCSR:
		*isa = ISA_SSE;
		return 1;
	default:
		return 0;
	}
}

/* Prefixes: the last of each group wins. Returns the segment override, or REG_NONE. */
static uint8_t take_prefixes(struct insn *i, const ZydisDecodedInstruction *z, bool code32)
{
	uint8_t seg = REG_NONE;

	i->opsz = i->adsz = code32 ? 4 : 2;
	for (unsigned k = 0; k < z->raw.prefix_count; k++) {
		switch (z->raw.prefixes[k].value) {
		case 0x66: i->opsz = code32 ? 2 : 4; i->prefix |= PFX_OPSIZE; break;
		case 0x67: i->adsz = code32 ? 2 : 4; break;
		case 0xf0: i->prefix |= PFX_LOCK; break;
		case 0xf2: i->prefix = (i->prefix & ~PFX_REP) | PFX_REPNE; break;
		case 0xf3: i->prefix = (i->prefix & ~PFX_REPNE) | PFX_REP; break;
		case 0x26: seg = S_ES; break;
		case 0x2e: seg = S_CS; break;
		case 0x36: seg = S_SS; break;
		case 0x3e: seg = S_DS; break;
		case 0x64: seg = S_FS; break;
		case 0x65: seg = S_GS; break;
		}
	}
	return seg;
}

static void take_modrm16(struct insn *i, uint8_t override)
{
	static const uint8_t base[8] = { R_EBX, R_EBX, R_EBP, R_EBP, REG_NONE, REG_NONE, R_EBP, R_EBX };
	static const uint8_t index[8] = { R_ESI, R_EDI, R_ESI, R_EDI, R_ESI, R_EDI, REG_NONE, REG_NONE };

	i->base = base[i->rm];
	i->index = index[i->rm];
	if (i->rm == 6 && i->mod == 0)
		i->base = REG_NONE;
	i->seg = override != REG_NONE ? override : i->base == R_EBP ? S_SS : S_DS;
}

static void take_modrm32(struct insn *i, const ZydisDecodedInstruction *z, uint8_t override)
{
	i->base = i->rm;
	if (i->rm == 4) {
		i->base = z->raw.sib.base;
		i->index = z->raw.sib.index == 4 ? REG_NONE : z->raw.sib.index;
		i->scale = z->raw.sib.scale;
	}
	if (i->mod == 0 && i->base == R_EBP)
		i->base = REG_NONE;
	i->seg = override != REG_NONE ? override : i->base == R_EBP || i->base == R_ESP ? S_SS : S_DS;
}

static void take_modrm(struct insn *i, const ZydisDecodedInstruction *z, uint8_t override)
{
	i->base = i->index = REG_NONE;
	i->seg = override != REG_NONE ? override : S_DS;
	i->disp = (uint32_t)z->raw.disp.value;
	if (i->adsz == 2 && (i->op & ~3) == 0xa0)
		i->disp &= 0xffff; /* an absolute offset is not sign-extended */
	if (!(z->attributes & ZYDIS_ATTRIB_HAS_MODRM))
		return;
	i->mod = z->raw.modrm.mod;
	i->reg = z->raw.modrm.reg;
	i->rm = z->raw.modrm.rm;
	i->raw_modrm = z->raw.modrm.offset;
	if (i->mod == 3)
		return;
	if (i->adsz == 4)
		take_modrm32(i, z, override);
	else
		take_modrm16(i, override);
}

/* Branch displacements and the sign-extended byte forms (6a, 6b, 83) are extended here. */
static void take_imm(struct insn *i, const ZydisDecodedInstruction *z)
{
	uint32_t v = (uint32_t)z->raw.imm[0].value.u;

	if (z->raw.imm[0].is_relative || i->op == 0x6a || i->op == 0x6b || i->op == 0x83) {
		if (z->raw.imm[0].size == 8)
			v = (uint32_t)(int8_t)v;
		else if (z->raw.imm[0].size == 16)
			v = (uint32_t)(int16_t)v;
	}
	i->imm = v;
	i->imm2 = (uint32_t)z->raw.imm[1].value.u;
}

/* What the FPU and SIMD file must know of the operands: memory size and direction, general registers, alignment. */
static bool take_fpu(struct insn *i, const ZydisDecoder *d, const ZydisDecoderContext *ctx, const ZydisDecodedInstruction *z)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeOperands(d, ctx, z, op, z->operand_count)))
		return false;
	for (unsigned k = 0; k < z->operand_count; k++) {
		bool write = op[k].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;

		if (op[k].type == ZYDIS_OPERAND_TYPE_MEMORY && op[k].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT) {
			i->msize = op[k].size / 8;
			i->fp |= write ? FP_MEM_W : FP_MEM_R;
		} else if (op[k].type == ZYDIS_OPERAND_TYPE_REGISTER &&
			   ZydisRegisterGetClass(op[k].reg.value) == ZYDIS_REGCLASS_GPR32) {
			i->fp |= op[k].encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG ? FP_GPR_REG : FP_GPR_RM;
			if (write)
				i->fp |= FP_GPR_W;
		} else if (op[k].type == ZYDIS_OPERAND_TYPE_REGISTER &&
			   ZydisRegisterGetClass(op[k].reg.value) == ZYDIS_REGCLASS_MMX) {
			i->fp |= FP_MMX;
		}
	}
	if (z->raw.imm[0].size)
		i->fp |= FP_IMM;
	/* Exception classes 1, 2 and 4 (SDM vol. 2, 2.4): legacy SSE forms fault on a misaligned 16-byte operand. */
	if (i->isa == ISA_SSE && i->msize == 16 && z->mnemonic != ZYDIS_MNEMONIC_MOVUPS && z->mnemonic != ZYDIS_MNEMONIC_MOVUPD &&
	    z->mnemonic != ZYDIS_MNEMONIC_MOVDQU)
		i->fp |= FP_ALIGN;
	return true;
}

/* Which kind of event the instruction is when it completes; handlers refine it where the operands decide. */
static uint8_t event_of(const struct insn *i)
{
	switch (i->op) {
	case 0x1a2: return EV_CPUID;
	case 0x131: return EV_RDTSC;
	case 0x120: return EV_CR_READ;
	case 0x122: case 0x106: return EV_CR_WRITE;
	case 0x121: case 0x123: return EV_DR_ACCESS;
	case 0x132: return EV_MSR_READ;
	case 0x130: return EV_MSR_WRITE;
	case 0x8e: case 0x07: case 0x17: case 0x1f: case 0x1a1: case 0x1a9: case 0xc4: case 0xc5: case 0x1b2: case 0x1b4: case 0x1b5:
		return EV_SEG_LOAD;
	case 0x8c: case 0x06: case 0x0e: case 0x16: case 0x1e: case 0x1a0: case 0x1a8:
		return EV_SEG_READ;
	case 0x102: case 0x103: case 0x63: return EV_SEG_QUERY;
	case 0x9a: case 0xea: case 0xca: case 0xcb: return EV_FAR_BRANCH;
	case 0xfa: case 0xfb: return EV_INT_FLAG;
	case 0x9c: case 0x9d: return EV_FLAGS_IMAGE;
	case 0xcf: return EV_IRET;
	case 0x134: return EV_SYSCALL_ENTRY;
	case 0x135: return EV_USER_RETURN;
	case 0xf4: return EV_HLT;
	case 0x108: case 0x109: return EV_CACHE_CTL;
	default: return KIND_NONE;
	}
}

/* Groups whose members are counted as they decide themselves: c->kind must be looked at, though nothing is known yet. */
static bool kind_late(uint16_t op)
{
	return op == 0x100 || op == 0x101 || op == 0xff;
}

static op_fn *handler_of(const struct insn *i, const ZydisDecodedInstruction *z, enum isa isa)
{
	if (isa != ISA_INT && i->op != 0x9b)
		return (i->op >> 8) == 1 && (i->op & 0xff) == 0xae ? op_group15 : op_fpu;
	if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
		return map_one[z->opcode];
	return z->opcode_map == ZYDIS_OPCODE_MAP_0F ? map_0f[z->opcode] : NULL;
}

bool insn_decode(struct insn *i, const uint8_t *bytes, unsigned avail, bool code32, int *status)
{
	ZydisDecoder d;
	ZydisDecoderContext ctx;
	ZydisDecodedInstruction z;
	ZyanStatus st;
	enum isa isa;

	decoder_init(&d, code32);
	st = ZydisDecoderDecodeInstruction(&d, &ctx, bytes, avail, &z);
	*status = st == ZYDIS_STATUS_NO_MORE_DATA ? DECODE_SHORT : st == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? DECODE_LONG : DECODE_BAD;
	if (!ZYAN_SUCCESS(st) || z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || !model_has(z.meta.isa_set, &isa))
		return false;
	memset(i, 0, sizeof(*i));
	memcpy(i->bytes, bytes, z.length);
	i->len = z.length;
	i->op = (uint16_t)((z.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT ? 0 : 0x100) | z.opcode);
	if (i->op >= 0xd8 && i->op <= 0xdf)
		isa = ISA_X87; /* FCOMI and its kin came with the P6, and are listed there */
	i->isa = (uint8_t)isa;
	i->fn = handler_of(i, &z, isa);
	if (!i->fn)
		return false;
	take_modrm(i, &z, take_prefixes(i, &z, code32));
	take_imm(i, &z);
	if (i->fn == op_fpu && !take_fpu(i, &d, &ctx, &z))
		return false;
	i->kind = event_of(i);
	i->late = kind_late(i->op);
	return true;
}

/* --- fetch --- */

/* Bytes of the instruction that lie on the next page are wanted only if the decoder asks for them. */
static void decode_at(struct step *c, struct insn *i, const uint8_t *p, unsigned room, uint32_t lin, bool code32)
{
	uint8_t buf[16] = { 0 };
	unsigned n = room < 15 ? room : 15;
	int status;

	memcpy(buf, p, n);
	if (insn_decode(i, buf, n, code32, &status))
		return;
	if (status == DECODE_SHORT && n < 15) {
		uint32_t addr, err = virt_read(c->v, lin + n, buf + n, 15 - n, ACCESS_X | c->user, &addr);

		if (err)
			step_page_fault(c, addr, err);
		if (insn_decode(i, buf, 15, code32, &status))
			return;
	}
	if (status == DECODE_LONG || status == DECODE_SHORT)
		step_gp(c, 0);
	step_ud(c);
}

static const uint8_t *fetch_page(struct step *c, uint32_t lin)
{
	uint32_t err = 0, off = lin & (PAGE_SIZE - 1);
	const struct interp_tlb_entry *e = tlb_get(c->v, lin, ACCESS_X | c->user, &err);

	if (!e)
		step_page_fault(c, lin, err);
	if (!e->host)
		step_crash(c, "the guest ran to eip %#x, guest-physical %#llx, where there is no memory", c->eip,
			(unsigned long long)e->page.a + off);
	return e->host + off;
}

const struct insn *insn_fetch_slow(struct step *c)
{
	const struct segment *cs = &c->s->seg[S_CS];
	uint32_t lin = (uint32_t)cs->base + c->eip, room = PAGE_SIZE - (lin & (PAGE_SIZE - 1)), last;
	bool code32 = cs->attr & SEG_DB;
	struct insn *i = &c->scratch;
	const uint8_t *p;
	uint64_t tag;

	if (c->eip > cs->limit)
		step_gp(c, 0);
	p = fetch_page(c, lin);
	tag = insn_tag(p, code32);
	if (c->in->cache && room >= 16)
		i = insn_slot(c->in, p);
	if (i == &c->scratch || i->tag != tag || !insn_matches(i, p)) {
		i->tag = 0;
		decode_at(c, i, p, room, lin, code32);
		i->tag = tag;
	}
	last = c->eip + i->len - 1;
	if (last > cs->limit || last < c->eip)
		step_gp(c, 0);
	return i;
}

/* --- opcodes --- */

#define X8(n, fn) [n] = fn, [n + 1] = fn, [n + 2] = fn, [n + 3] = fn, [n + 4] = fn, [n + 5] = fn, [n + 6] = fn, [n + 7] = fn
#define X6(n, fn) [n] = fn, [n + 1] = fn, [n + 2] = fn, [n + 3] = fn, [n + 4] = fn, [n + 5] = fn
#define X4(n, fn) [n] = fn, [n + 1] = fn, [n + 2] = fn, [n + 3] = fn
#define X2(n, fn) [n] = fn, [n + 1] = fn

static op_fn *const map_one[256] = {
	X6(0x00, op_alu), X6(0x08, op_alu), X6(0x10, op_alu), X6(0x18, op_alu), X6(0x20, op_alu), X6(0x28, op_alu),
	X6(0x30, op_alu), X6(0x38, op_alu),
	[0x06] = op_push_seg, [0x0e] = op_push_seg, [0x16] = op_push_seg, [0x1e] = op_push_seg,
	[0x07] = op_pop_seg, [0x17] = op_pop_seg, [0x1f] = op_pop_seg,
	[0x27] = op_daa, [0x2f] = op_das, [0x37] = op_aaa, [0x3f] = op_aas,
	X8(0x40, op_inc_reg), X8(0x48, op_dec_reg), X8(0x50, op_push_reg), X8(0x58, op_pop_reg),
	[0x60] = op_pusha, [0x61] = op_popa, [0x62] = op_bound, [0x63] = op_arpl,
	[0x68] = op_push_imm, [0x69] = op_imul3, [0x6a] = op_push_imm, [0x6b] = op_imul3, X2(0x6c, op_ins), X2(0x6e, op_outs),
	X8(0x70, op_jcc), X8(0x78, op_jcc),
	X4(0x80, op_alu_imm), X2(0x84, op_test), X2(0x86, op_xchg), X2(0x88, op_mov_rm_r), X2(0x8a, op_mov_r_rm),
	[0x8c] = op_mov_from_seg, [0x8d] = op_lea, [0x8e] = op_mov_to_seg, [0x8f] = op_pop_rm,
	X8(0x90, op_xchg_eax), [0x98] = op_cbw, [0x99] = op_cwd, [0x9a] = op_call_far, [0x9b] = op_fwait,
	[0x9c] = op_pushf, [0x9d] = op_popf, [0x9e] = op_sahf, [0x9f] = op_lahf,
	X4(0xa0, op_mov_moffs), X2(0xa4, op_movs), X2(0xa6, op_cmps), X2(0xa8, op_test_imm), X2(0xaa, op_stos), X2(0xac, op_lods),
	X2(0xae, op_scas), X8(0xb0, op_mov_imm), X8(0xb8, op_mov_imm),
	X2(0xc0, op_shift), X2(0xc2, op_ret), X2(0xc4, op_load_far), X2(0xc6, op_mov_rm_imm), [0xc8] = op_enter, [0xc9] = op_leave,
	X2(0xca, op_ret_far), [0xcc] = op_int3, [0xcd] = op_int, [0xce] = op_into, [0xcf] = op_iret,
	X4(0xd0, op_shift), [0xd4] = op_aam, [0xd5] = op_aad, [0xd6] = op_salc, [0xd7] = op_xlat, X8(0xd8, op_fpu),
	X4(0xe0, op_loop), X2(0xe4, op_in), X2(0xe6, op_out), [0xe8] = op_call, [0xe9] = op_jmp, [0xea] = op_jmp_far, [0xeb] = op_jmp,
	X2(0xec, op_in), X2(0xee, op_out),
	[0xf1] = op_icebp, [0xf4] = op_hlt, [0xf5] = op_flag, X2(0xf6, op_group3), X2(0xf8, op_flag), [0xfa] = op_cli, [0xfb] = op_sti,
	X2(0xfc, op_flag), [0xfe] = op_group4, [0xff] = op_group5,
};

static op_fn *const map_0f[256] = {
	[0x00] = op_group6, [0x01] = op_group7, [0x02] = op_lar, [0x03] = op_lsl, [0x06] = op_clts, X2(0x08, op_wbinvd),
	[0x0b] = op_ud, [0x0d] = op_nop, X8(0x18, op_nop),
	[0x20] = op_mov_from_cr, [0x21] = op_mov_from_dr, [0x22] = op_mov_to_cr, [0x23] = op_mov_to_dr,
	[0x30] = op_wrmsr, [0x31] = op_rdtsc, [0x32] = op_rdmsr, [0x33] = op_rdpmc, [0x34] = op_sysenter, [0x35] = op_sysexit,
	X8(0x40, op_cmov), X8(0x48, op_cmov), X8(0x80, op_jcc), X8(0x88, op_jcc), X8(0x90, op_setcc), X8(0x98, op_setcc),
	[0xa0] = op_push_seg, [0xa1] = op_pop_seg, [0xa2] = op_cpuid, [0xa3] = op_bt, X2(0xa4, op_shld),
	[0xa8] = op_push_seg, [0xa9] = op_pop_seg, [0xab] = op_bt, X2(0xac, op_shrd), [0xae] = op_group15, [0xaf] = op_imul2,
	X2(0xb0, op_cmpxchg), [0xb2] = op_load_far, [0xb3] = op_bt, [0xb4] = op_load_far, [0xb5] = op_load_far, X2(0xb6, op_movzx),
	[0xb9] = op_ud, [0xba] = op_bt_imm, [0xbb] = op_bt, [0xbc] = op_bsf, [0xbd] = op_bsr, X2(0xbe, op_movsx),
	X2(0xc0, op_xadd), [0xc7] = op_cmpxchg8b, X8(0xc8, op_bswap), [0xff] = op_ud,
};
