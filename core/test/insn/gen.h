/* gen.h - what gen.c, gen_operands.c, gen_state.c, shrink.c and enumerate.c share. */
#pragma once
#include <Zydis/Zydis.h>
#include "itest.h"

/* A linear address for an access of size bytes: into, across and beyond the test pages. */
uint32_t gen_target(struct it_rng *r, uint32_t size);
void gen_fx(struct it_rng *r, uint8_t fx[512]);
void fx_default(uint8_t fx[512]);

/* A test being generated. */
struct gen {
	struct it_rng *r;
	struct itest *t;
	unsigned features;
	ZydisDecoder decoder;
	uint32_t written;  /* registers an instruction has written: their values are not known any more */
	uint32_t pinned;   /* registers whose initial value an instruction depends on */
	bool stack_used;
	uint8_t branch[IT_INSNS]; /* size of the relative displacement to patch, 0: none */
};

struct draw {
	ZydisDecodedInstruction in;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	uint8_t b[24];
};

/* gen_system.c: with GEN_SYSTEM. One test's odd pages and flags; an instruction or two of ring 0's; a selector. */
void system_state(struct it_rng *r, struct itest *t);
bool system_append(struct gen *g);
uint16_t system_selector(struct it_rng *r);

/* gen_operands.c */
/* The general register that reg is part of, or -1. */
int operand_gpr(ZydisRegister reg);
/* May its initial value still be chosen? */
bool operand_settable(const struct gen *g, int reg);
bool operands_write_segment(const struct draw *d);
/* Sets displacements, immediates, registers and memory for d; false: draw again. */
bool operands_fix(struct gen *g, struct draw *d);
/* Notes which registers d writes and depends on. */
void operands_written(struct gen *g, struct draw *d);
