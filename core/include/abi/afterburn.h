/*
 * afterburn.h - what tools/afterburn leaves in an ELF file for the loader: one record for each sensitive instruction.
 *
 * The section AFTERBURN_SECTION (not allocated: it costs a running guest nothing) is an array of struct afterburn_record. A
 * site is `len` bytes of code at `addr`: one instruction, `insn_len` bytes at `addr + insn_at`, and nothing but NOPs around it. On
 * bare hardware the site is what it says; under pv's `previrt` the loader overwrites all of it. docs/previrt.md has the story;
 * who writes: tools/afterburn; who reads: core/afterburn.c.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define AFTERBURN_SECTION ".ringlab.afterburn"
#define AFTERBURN_VERSION 1

struct afterburn_record {
	uint32_t addr;     /* linear address of the site */
	uint8_t len;       /* bytes that may be overwritten */
	uint8_t insn_at;   /* where in the site the instruction begins */
	uint8_t insn_len;  /* its length, prefixes included */
	uint8_t kind;      /* enum afterburn_kind */
	uint16_t flags;    /* AFTERBURN_* */
	uint16_t version;  /* AFTERBURN_VERSION, in each: sections of many objects are concatenated */
};
#define AFTERBURN_FLAGS_DEAD 1u /* the arithmetic flags are not read after this instruction before they are written */

#ifndef __ASSEMBLER__
_Static_assert(sizeof(struct afterburn_record) == 12, "the assembler writes it");
_Static_assert(offsetof(struct afterburn_record, kind) == 7 && offsetof(struct afterburn_record, version) == 10, "likewise");
#endif

/*
 * X(ID, name, least length of a site, NOPs before rather than behind). INT and far CALL push the address that follows them, and STI and
 * loads of SS hold interrupts off for the one instruction that follows, and POPF may set TF: their NOPs come first. All others keep their label, which
 * exception tables may name. 7 bytes are a far jump or a move from an absolute address, 8 a store to one, 22 a store, a comparison and a
 * conditional jump.
 */
#define AFTERBURN_KINDS(X) \
	X(CLI, "cli", 8, 0) X(STI, "sti", 22, 1) X(PUSHF, "pushf", 7, 0) X(POPF, "popf", 7, 1) \
	X(IRET, "iret", 7, 0) X(HLT, "hlt", 7, 0) X(INT, "int", 7, 1) X(SYSEXIT, "sysexit", 7, 0) \
	X(LGDT, "lgdt", 7, 0) X(LIDT, "lidt", 7, 0) X(LLDT, "lldt", 7, 0) X(LTR, "ltr", 7, 0) \
	X(SGDT, "sgdt", 7, 0) X(SIDT, "sidt", 7, 0) X(SLDT, "sldt", 7, 0) X(STR, "str", 7, 0) \
	X(SMSW, "smsw", 7, 0) X(LMSW, "lmsw", 7, 0) X(CLTS, "clts", 7, 0) X(INVLPG, "invlpg", 7, 0) \
	X(CR_READ, "mov from cr", 7, 0) X(CR_WRITE, "mov to cr", 7, 0) X(DR, "mov dr", 7, 0) \
	X(WBINVD, "wbinvd", 7, 0) X(RDMSR, "rdmsr", 7, 0) X(WRMSR, "wrmsr", 7, 0) X(RDPMC, "rdpmc", 7, 0) \
	X(IN, "in", 7, 0) X(OUT, "out", 7, 0) X(INS, "ins", 7, 0) X(OUTS, "outs", 7, 0) \
	X(SEG_READ, "mov from seg", 7, 0) X(SEG_PUSH, "push seg", 7, 0) X(SEG_LOAD, "mov to seg", 7, 0) X(SEG_POP, "pop seg", 7, 0) \
	X(LDS, "lds", 7, 0) X(FAR_JMP, "far jmp", 7, 0) X(FAR_CALL, "far call", 7, 1) X(FAR_RET, "far ret", 7, 0) \
	X(LAR, "lar", 7, 0) X(LSL, "lsl", 7, 0) X(VERR, "verr", 7, 0) X(VERW, "verw", 7, 0) \
	X(CPUID, "cpuid", 7, 0) X(RDTSC, "rdtsc", 7, 0) X(PTE, "page-table write", 7, 0)

#ifndef __ASSEMBLER__
enum afterburn_kind {
	AB_NONE,
#define X(id, name, least, before) AB_##id,
	AFTERBURN_KINDS(X)
#undef X
	AB_COUNT
};
#endif
