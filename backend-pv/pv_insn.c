/*
 * pv_insn.c - one instruction through Zydis, and the list of those that are sensitive.
 *
 * Sensitive (Popek and Goldberg 1974; for x86 Robin and Irvine 2000): what reads or changes interrupt flag, segments,
 * descriptor tables, control registers, or leaves the level; and what the virtual CPU does not have, but the host's may (system
 * calls of other ABIs, protection keys, hypercalls of other hypervisors). Opcodes are told apart by their bytes, because one
 * mnemonic may be harmless or not by its operands. Called by pv_patch_scan.c and pv_holes.c.
 */
#include "pv_insn.h"
#include <Zydis/Zydis.h>
#include <stdio.h>

#define OP_SEG_MEM 3u /* ModRM.reg of FF: far CALL, and 5: far JMP */

/* Opcodes of one byte. */
static bool sensitive_one(uint8_t op, const ZydisDecodedInstruction *z)
{
	switch (op) {
	case 0x06: case 0x0e: case 0x16: case 0x1e: case 0x07: case 0x17: case 0x1f: /* PUSH, POP of a segment register */
	case 0x6c: case 0x6d: case 0x6e: case 0x6f:                                  /* INS, OUTS */
	case 0x8c: case 0x8e:                                                        /* MOV from and to a segment register */
	case 0x9a: case 0xea: case 0xca: case 0xcb: case 0xcf:                       /* far CALL, JMP, RET; IRET */
	case 0x9c: case 0x9d:                                                        /* PUSHF, POPF */
	case 0xc4: case 0xc5:                                                        /* LES, LDS */
	case 0xcc: case 0xcd: case 0xce: case 0xf1:                                  /* INT3, INT, INTO, INT1 */
	case 0xe4: case 0xe5: case 0xe6: case 0xe7: case 0xec: case 0xed: case 0xee: case 0xef: /* IN, OUT */
	case 0xf4: case 0xfa: case 0xfb:                                             /* HLT, CLI, STI */
		return true;
	case 0xff:
		return z->raw.modrm.reg == OP_SEG_MEM || z->raw.modrm.reg == 5;
	default:
		return false;
	}
}

/* Opcodes behind 0F. */
static bool sensitive_0f(uint8_t op, const ZydisDecodedInstruction *z)
{
	switch (op) {
	case 0x00: case 0x01: case 0x02: case 0x03: /* SLDT.., SGDT.. and all that lives beside them; LAR, LSL */
	case 0x05: case 0x06: case 0x07: case 0x08: case 0x09:
	case 0x20: case 0x21: case 0x22: case 0x23: /* MOV to and from CR and DR */
	case 0x30: case 0x32: case 0x33: case 0x34: case 0x35: case 0x37:
	case 0x78: case 0x79:
	case 0xa0: case 0xa1: case 0xa8: case 0xa9: case 0xa2: case 0xaa:
	case 0xb2: case 0xb4: case 0xb5:
		return true;
	case 0xae: /* XSAVE, XRSTOR, XSAVEOPT; FXSAVE and the fences are the guest's own business */
		return z->raw.modrm.mod != 3 && z->raw.modrm.reg >= 4 && z->raw.modrm.reg <= 6;
	case 0xc7: /* all but CMPXCHG8B */
		return z->raw.modrm.mod == 3 || z->raw.modrm.reg != 1;
	default:
		return false;
	}
}

/* Of the sensitive ones, those that ring 3 may execute: they read or change the host's state, and nobody hears of it. */
static bool unprivileged(const ZydisDecodedInstruction *z)
{
	uint8_t op = z->opcode, reg = z->raw.modrm.reg;

	if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return true;
	if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
		return !(op >= 0x6c && op <= 0x6f) && !(op >= 0xe4 && op <= 0xe7) && !(op >= 0xec && op <= 0xef) &&
			op != 0xf4 && op != 0xfa && op != 0xfb;
	switch (op) {
	case 0x00: return reg <= 1 || reg == 4 || reg == 5;
	case 0x01: return z->raw.modrm.mod == 3 ? reg != 6 : reg <= 1 || reg == 4;
	case 0x02: case 0x03: case 0x05: case 0x34: case 0xa0: case 0xa1: case 0xa8: case 0xa9: case 0xa2: case 0xae: case 0xb2:
	case 0xb4: case 0xb5: case 0xc7:
		return true;
	default: return false;
	}
}

static bool is_sensitive(const ZydisDecodedInstruction *z)
{
	if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return true; /* VEX and its kin: the virtual CPU has none of them */
	if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
		return sensitive_one(z->opcode, z);
	return z->opcode_map == ZYDIS_OPCODE_MAP_0F && sensitive_0f(z->opcode, z);
}

/* Near branches by opcode; the operand-size prefix would cut EIP to 16 bits, and nobody knows where that leads. */
static void take_flow(const ZydisDecodedInstruction *z, uint32_t la, struct insn_info *out)
{
	bool one = z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT, narrow = z->operand_width == 16;
	uint8_t op = z->opcode, reg = z->raw.modrm.reg;

	out->target = la + z->length + (uint32_t)z->raw.imm[0].value.s;
	if (one && op == 0xe8)
		out->flow = narrow ? FLOW_CALL_UNKNOWN : FLOW_CALL;
	else if (one && (op == 0xe9 || op == 0xeb))
		out->flow = narrow ? FLOW_JUMP_UNKNOWN : FLOW_JUMP;
	else if ((one && ((op & 0xf0) == 0x70 || (op >= 0xe0 && op <= 0xe3))) ||
			(z->opcode_map == ZYDIS_OPCODE_MAP_0F && (op & 0xf0) == 0x80))
		out->flow = z->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE ? FLOW_JUMP_UNKNOWN : FLOW_COND;
	else if (one && (op == 0xc2 || op == 0xc3 || op == 0xca || op == 0xcb || op == 0xcf))
		out->flow = FLOW_RETURN;
	else if (one && op == 0xff && (reg == 4 || reg == 5))
		out->flow = FLOW_JUMP_UNKNOWN;
	else if (one && (op == 0x9a || (op == 0xff && (reg == 2 || reg == 3))))
		out->flow = FLOW_CALL_UNKNOWN;
	else if (one && op == 0xea)
		out->flow = FLOW_JUMP_UNKNOWN;
	else if (z->opcode_map == ZYDIS_OPCODE_MAP_0F && (op == 0x0b || op == 0xb9 || op == 0xff))
		out->flow = FLOW_STOP;
	else if (z->opcode_map == ZYDIS_OPCODE_MAP_0F && (op == 0x35 || op == 0x07))
		out->flow = FLOW_RETURN;
	out->above = out->flow == FLOW_COND && z->mnemonic == ZYDIS_MNEMONIC_JNBE;
}

/* The far jump of a flat kernel's start: its target is known if CS has base 0, as a Multiboot kernel's has. */
static void take_far(const uint8_t *bytes, const ZydisDecodedInstruction *z, struct insn_info *out)
{
	if (z->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || z->opcode != 0xea || z->operand_width != 32)
		return;
	const uint8_t *p = bytes + z->length - 6;
	out->flow = FLOW_JUMP;
	out->target = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void take_table(const ZydisDecodedInstruction *z, struct insn_info *out)
{
	const uint8_t op = z->opcode, mod = z->raw.modrm.mod, reg = z->raw.modrm.reg, rm = z->raw.modrm.rm;

	out->cmp_reg = out->table_reg = NO_REG;
	if (z->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || z->operand_width != 32)
		return;
	if ((op == 0x83 || op == 0x81) && mod == 3 && reg == 7) {
		out->cmp_reg = rm;
		out->cmp_bound = (uint32_t)z->raw.imm[0].value.s;
	} else if (op == 0x3d) {
		out->cmp_reg = 0;
		out->cmp_bound = (uint32_t)z->raw.imm[0].value.s;
	} else if (op == 0xff && reg == 4 && mod == 0 && rm == 4 && z->raw.sib.base == 5 && z->raw.sib.index != 4 && z->raw.sib.scale == 2 &&
			z->address_width == 32 && !(z->attributes & ZYDIS_ATTRIB_HAS_SEGMENT)) {
		out->table_reg = z->raw.sib.index;
		out->table = (uint32_t)z->raw.disp.value;
	}
}

static bool decode(const uint8_t *bytes, unsigned n, ZydisDecodedInstruction *z)
{
	ZydisDecoder d;
	ZydisDecoderContext ctx;

	if (!ZYAN_SUCCESS(ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32)))
		return false;
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, &ctx, bytes, n, z));
}

bool insn_info(const uint8_t *bytes, unsigned n, uint32_t la, struct insn_info *out)
{
	ZydisDecodedInstruction z;

	if (!decode(bytes, n < INSN_MAX ? n : INSN_MAX, &z))
		return false;
	*out = (struct insn_info){ .len = z.length, .mnemonic = (uint16_t)z.mnemonic, .flow = FLOW_NEXT };
	out->sensitive = is_sensitive(&z);
	out->unprivileged = out->sensitive && unprivileged(&z);
	take_flow(&z, la, out);
	take_far(bytes, &z, out);
	take_table(&z, out);
	/* Only what surely leaves the general registers alone: comparisons, tests, branches, and no-operations. */
	out->writes = out->cmp_reg == NO_REG && out->table_reg == NO_REG && out->flow != FLOW_COND && z.mnemonic != ZYDIS_MNEMONIC_NOP &&
		z.mnemonic != ZYDIS_MNEMONIC_TEST;
	return true;
}

/* What the mnemonic alone does not tell: the names of rules.c. */
static const char *special_name(const ZydisDecodedInstruction *z)
{
	uint8_t op = z->opcode, reg = z->raw.modrm.reg;

	if (z->opcode_map == ZYDIS_OPCODE_MAP_0F) {
		if (op == 0xa0 || op == 0xa8)
			return "push seg";
		if (op == 0xa1 || op == 0xa9)
			return "pop seg";
		return op == 0x20 || op == 0x22 ? "mov cr" : op == 0x21 || op == 0x23 ? "mov dr" : NULL;
	}
	if (z->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
		return NULL;
	switch (op) {
	case 0x06: case 0x0e: case 0x16: case 0x1e: return "push seg";
	case 0x07: case 0x17: case 0x1f: return "pop seg";
	case 0x8c: return "mov from seg";
	case 0x8e: return "mov to seg";
	case 0x9a: return "far call";
	case 0xea: return "far jmp";
	case 0xca: case 0xcb: return "far ret";
	case 0xff: return reg == OP_SEG_MEM ? "far call" : reg == 5 ? "far jmp" : NULL;
	case 0x9c: return "pushf";
	case 0x9d: return "popf";
	case 0xcf: return "iret";
	case 0x6c: case 0x6d: return "ins";
	case 0x6e: case 0x6f: return "outs";
	default: return NULL;
	}
}

const char *insn_name(const uint8_t *bytes, unsigned n, char *buf, unsigned size)
{
	ZydisDecodedInstruction z;
	const char *name = NULL;

	if (decode(bytes, n < INSN_MAX ? n : INSN_MAX, &z)) {
		name = special_name(&z);
		if (!name)
			name = ZydisMnemonicGetString(z.mnemonic);
	}
	snprintf(buf, size, "%s", name ? name : "?");
	return buf;
}
