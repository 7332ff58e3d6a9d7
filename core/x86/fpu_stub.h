/*
 * fpu_stub.h - private to the FPU part of the interpreter: see fpu_stub.c.
 */
#pragma once
#include "ops.h"

/* What one stub works on. fx: the guest's image, 16-byte aligned; mem: its memory operand's buffer, aligned to 16. */
struct fpu_call {
	uint8_t *fx;
	const void *code;
	uint8_t *mem;
	uint64_t rax;
	uint64_t flags; /* arithmetic flags only */
};

/* The stub for these instruction bytes (at most 15). */
const void *fpu_stub_get(struct fpu_stubs *t, const uint8_t *insn, unsigned len);

/* Clobbers the host's x87, MMX and XMM registers; restores its control words. Assembly. */
void fpu_stub_call(struct fpu_call *c);
