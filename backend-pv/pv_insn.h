/*
 * pv_insn.h - what a scanner must know of one instruction: how long it is, where control goes, and whether it is sensitive.
 *
 * Shared by the scanner of `patch` (pv_patch_scan.c) and the audit of `trap` (pv_holes.c). Read next: pv_insn.c.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum insn_flow {
	FLOW_NEXT,         /* goes on behind itself */
	FLOW_JUMP,         /* to target, always */
	FLOW_COND,         /* to target, or on */
	FLOW_CALL,         /* to target; and on behind itself, if that returns */
	FLOW_CALL_UNKNOWN, /* near and indirect, or far */
	FLOW_JUMP_UNKNOWN,
	FLOW_RETURN,       /* RET, RETF, IRET, SYSEXIT */
	FLOW_STOP,         /* UD2 and its kin */
};

#define INSN_MAX 15
#define NO_REG 0xff

struct insn_info {
	uint8_t len;
	uint8_t flow;       /* enum insn_flow */
	bool sensitive;     /* reads or changes what the VMM virtualizes: `patch` puts a trap on it */
	bool unprivileged;  /* of these, one that ring 3 may run: x86 does not trap it by itself */
	uint16_t mnemonic;  /* ZydisMnemonic */
	uint32_t target;    /* JUMP, COND, CALL: linear, CS base included */
	/* For jump tables: `cmp $bound, reg`, `ja` and `jmp *table(,reg,4)`. */
	uint8_t cmp_reg, table_reg; /* NO_REG: none */
	bool above;         /* COND: taken when above */
	bool writes;        /* may write a general register other than ESP */
	uint32_t cmp_bound, table;
};

/* Decodes 32-bit code of at most n bytes, which begins at linear address la. False: not an instruction, or longer than n. */
bool insn_info(const uint8_t *bytes, unsigned n, uint32_t la, struct insn_info *out);
/* The instruction as text without operands: "pushf", "mov from seg", "far ret": as rules.c names it. Returns buf. */
const char *insn_name(const uint8_t *bytes, unsigned n, char *buf, unsigned size);
