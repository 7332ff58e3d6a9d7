/*
 * afterburn.c - sites of a pre-virtualized image: what is sensitive, where the records are, and whether one holds.
 *
 * A record is a claim in a file, and files are hostile: nothing is patched before the bytes have been decoded (Zydis) and found to
 * be what the record says, with nothing but NOPs around. Called by pv's `previrt` interface, by afterburn_check.c and by
 * tools/afterburn. Read next: abi/afterburn.h.
 */
#include "core/afterburn.h"
#include <gelf.h>
#include <string.h>

const char *const afterburn_kind_name[AB_COUNT] = {
	[AB_NONE] = "none",
#define X(id, name, least, before) [AB_##id] = name,
	AFTERBURN_KINDS(X)
#undef X
};

const uint8_t afterburn_least[AB_COUNT] = {
#define X(id, name, least, before) [AB_##id] = least,
	AFTERBURN_KINDS(X)
#undef X
};

const char *const afterburn_wrong_text[AB_WRONGS] = {
	[AB_OK] = "right",
	[AB_BAD_VERSION] = "of another version of afterburn",
	[AB_BAD_KIND] = "of no known kind",
	[AB_TOO_SHORT] = "too short for its replacement",
	[AB_BAD_EXTENT] = "with an instruction that does not lie in it",
	[AB_NOT_DECODED] = "where there is no instruction of that length",
	[AB_OTHER_INSN] = "where another instruction stands",
	[AB_NOT_NOPS] = "with more than NOPs around its instruction",
};

/* ---- what is sensitive ---- */

static bool is_class(const ZydisDecodedOperand *op, ZydisRegisterClass class)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && ZydisRegisterGetClass(op->reg.value) == class;
}

static enum afterburn_kind classify_mov(const ZydisDecodedOperand *ops)
{
	if (is_class(&ops[0], ZYDIS_REGCLASS_CONTROL))
		return AB_CR_WRITE;
	if (is_class(&ops[1], ZYDIS_REGCLASS_CONTROL))
		return AB_CR_READ;
	if (is_class(&ops[0], ZYDIS_REGCLASS_DEBUG) || is_class(&ops[1], ZYDIS_REGCLASS_DEBUG))
		return AB_DR;
	if (is_class(&ops[0], ZYDIS_REGCLASS_SEGMENT))
		return AB_SEG_LOAD;
	return is_class(&ops[1], ZYDIS_REGCLASS_SEGMENT) ? AB_SEG_READ : AB_NONE;
}

enum afterburn_kind afterburn_classify(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *ops)
{
	switch (i->mnemonic) {
	case ZYDIS_MNEMONIC_CLI: return AB_CLI;
	case ZYDIS_MNEMONIC_STI: return AB_STI;
	case ZYDIS_MNEMONIC_PUSHF: case ZYDIS_MNEMONIC_PUSHFD: return AB_PUSHF;
	case ZYDIS_MNEMONIC_POPF: case ZYDIS_MNEMONIC_POPFD: return AB_POPF;
	case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD: return AB_IRET;
	case ZYDIS_MNEMONIC_HLT: return AB_HLT;
	case ZYDIS_MNEMONIC_INT: return AB_INT;
	case ZYDIS_MNEMONIC_SYSEXIT: return AB_SYSEXIT;
	case ZYDIS_MNEMONIC_LGDT: return AB_LGDT;
	case ZYDIS_MNEMONIC_LIDT: return AB_LIDT;
	case ZYDIS_MNEMONIC_LLDT: return AB_LLDT;
	case ZYDIS_MNEMONIC_LTR: return AB_LTR;
	case ZYDIS_MNEMONIC_SGDT: return AB_SGDT;
	case ZYDIS_MNEMONIC_SIDT: return AB_SIDT;
	case ZYDIS_MNEMONIC_SLDT: return AB_SLDT;
	case ZYDIS_MNEMONIC_STR: return AB_STR;
	case ZYDIS_MNEMONIC_SMSW: return AB_SMSW;
	case ZYDIS_MNEMONIC_LMSW: return AB_LMSW;
	case ZYDIS_MNEMONIC_CLTS: return AB_CLTS;
	case ZYDIS_MNEMONIC_INVLPG: return AB_INVLPG;
	case ZYDIS_MNEMONIC_MOV: return classify_mov(ops);
	case ZYDIS_MNEMONIC_WBINVD: case ZYDIS_MNEMONIC_INVD: return AB_WBINVD;
	case ZYDIS_MNEMONIC_RDMSR: return AB_RDMSR;
	case ZYDIS_MNEMONIC_WRMSR: return AB_WRMSR;
	case ZYDIS_MNEMONIC_RDPMC: return AB_RDPMC;
	case ZYDIS_MNEMONIC_IN: return AB_IN;
	case ZYDIS_MNEMONIC_OUT: return AB_OUT;
	case ZYDIS_MNEMONIC_INSB: case ZYDIS_MNEMONIC_INSW: case ZYDIS_MNEMONIC_INSD: return AB_INS;
	case ZYDIS_MNEMONIC_OUTSB: case ZYDIS_MNEMONIC_OUTSW: case ZYDIS_MNEMONIC_OUTSD: return AB_OUTS;
	case ZYDIS_MNEMONIC_PUSH: return is_class(&ops[0], ZYDIS_REGCLASS_SEGMENT) ? AB_SEG_PUSH : AB_NONE;
	case ZYDIS_MNEMONIC_POP: return is_class(&ops[0], ZYDIS_REGCLASS_SEGMENT) ? AB_SEG_POP : AB_NONE;
	case ZYDIS_MNEMONIC_LDS: case ZYDIS_MNEMONIC_LES: case ZYDIS_MNEMONIC_LFS: case ZYDIS_MNEMONIC_LGS: case ZYDIS_MNEMONIC_LSS:
		return AB_LDS;
	case ZYDIS_MNEMONIC_JMP: return i->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? AB_FAR_JMP : AB_NONE;
	case ZYDIS_MNEMONIC_CALL: return i->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? AB_FAR_CALL : AB_NONE;
	case ZYDIS_MNEMONIC_RET: return i->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? AB_FAR_RET : AB_NONE;
	case ZYDIS_MNEMONIC_LAR: return AB_LAR;
	case ZYDIS_MNEMONIC_LSL: return AB_LSL;
	case ZYDIS_MNEMONIC_VERR: return AB_VERR;
	case ZYDIS_MNEMONIC_VERW: return AB_VERW;
	case ZYDIS_MNEMONIC_CPUID: return AB_CPUID;
	case ZYDIS_MNEMONIC_RDTSC: return AB_RDTSC;
	default: return AB_NONE;
	}
}

bool afterburn_is_store(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *ops)
{
	switch (i->mnemonic) {
	case ZYDIS_MNEMONIC_MOV: case ZYDIS_MNEMONIC_XCHG: case ZYDIS_MNEMONIC_AND: case ZYDIS_MNEMONIC_OR: case ZYDIS_MNEMONIC_XOR:
	case ZYDIS_MNEMONIC_BTS: case ZYDIS_MNEMONIC_BTR: case ZYDIS_MNEMONIC_BTC: case ZYDIS_MNEMONIC_CMPXCHG: case ZYDIS_MNEMONIC_CMPXCHG8B:
		break;
	default:
		return false;
	}
	if (afterburn_classify(i, ops) != AB_NONE)
		return false;
	for (unsigned k = 0; k < i->operand_count_visible; k++)
		if (ops[k].type == ZYDIS_OPERAND_TYPE_MEMORY && (ops[k].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			return true;
	return false;
}

/* NOP in its forms, and what assemblers use in its place: LEA of a register to itself. */
static bool is_nop(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *ops)
{
	if (i->mnemonic == ZYDIS_MNEMONIC_NOP)
		return true;
	if (i->mnemonic == ZYDIS_MNEMONIC_XCHG)
		return i->length <= 2 && ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER && ops[1].type == ops[0].type &&
			ops[0].reg.value == ops[1].reg.value;
	return i->mnemonic == ZYDIS_MNEMONIC_LEA && i->address_width == 32 && ops[0].size == 32 && ops[0].reg.value == ops[1].mem.base &&
		ops[1].mem.index == ZYDIS_REGISTER_NONE && !ops[1].mem.disp.value;
}

/* ---- one record ---- */

static bool all_nops(const ZydisDecoder *d, const uint8_t *code, unsigned n)
{
	ZydisDecodedInstruction i;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];

	for (unsigned at = 0; at < n; at += i.length)
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(d, code + at, n - at, &i, ops)) || !is_nop(&i, ops))
			return false;
	return true;
}

enum afterburn_wrong afterburn_verify(const struct afterburn_record *r, const uint8_t *code)
{
	ZydisDecoder d;
	ZydisDecodedInstruction i;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];

	if (r->version != AFTERBURN_VERSION)
		return AB_BAD_VERSION;
	if (r->kind == AB_NONE || r->kind >= AB_COUNT)
		return AB_BAD_KIND;
	if (r->len < afterburn_least[r->kind])
		return AB_TOO_SHORT;
	if (!r->insn_len || r->insn_len > 15 || r->insn_at + r->insn_len > r->len)
		return AB_BAD_EXTENT;
	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, code + r->insn_at, r->insn_len, &i, ops)) || i.length != r->insn_len)
		return AB_NOT_DECODED;
	if (r->kind == AB_PTE ? !afterburn_is_store(&i, ops) : afterburn_classify(&i, ops) != r->kind)
		return AB_OTHER_INSN;
	unsigned end = r->insn_at + r->insn_len;
	return all_nops(&d, code, r->insn_at) && all_nops(&d, code + end, r->len - end) ? AB_OK : AB_NOT_NOPS;
}

/* ---- where the records are ---- */

static const uint8_t *section_find(Elf *elf, const void *file, size_t n, size_t *size, const char **why)
{
	size_t names;
	GElf_Shdr sh;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	for (Elf_Scn *s = elf_nextscn(elf, NULL); s; s = elf_nextscn(elf, s)) {
		const char *name = gelf_getshdr(s, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;
		if (!name || strcmp(name, AFTERBURN_SECTION))
			continue;
		if (sh.sh_type != SHT_PROGBITS || sh.sh_offset > n || sh.sh_size > n - sh.sh_offset) {
			*why = "the section " AFTERBURN_SECTION " does not lie in the file: it is damaged or cut short";
			return NULL;
		}
		if (sh.sh_size % sizeof(struct afterburn_record)) {
			*why = "the size of the section " AFTERBURN_SECTION " is no multiple of a record's: it is damaged or cut short";
			return NULL;
		}
		*size = sh.sh_size;
		return (const uint8_t *)file + sh.sh_offset;
	}
	return NULL;
}

const uint8_t *afterburn_section(const void *file, size_t n, size_t *size, const char **why)
{
	const uint8_t *found;

	*why = NULL;
	*size = 0;
	if (n < SELFMAG || memcmp(file, ELFMAG, SELFMAG))
		return NULL;
	elf_version(EV_CURRENT);
	Elf *elf = elf_memory((char *)(uintptr_t)file, n);
	if (!elf)
		return NULL;
	found = elf_kind(elf) == ELF_K_ELF ? section_find(elf, file, n, size, why) : NULL;
	elf_end(elf);
	return found;
}
