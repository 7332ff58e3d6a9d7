/*
 * insn.h - how a guest of guests/insn says what it saw: `SAW key=value`, and at the end `OK` or `WRONG ...`.
 *
 * Everything printed is the same on every run. Values that belong to the CPU model are checked only where the command
 * line does not say `model=any` (for machines other than ours).
 */
#pragma once
#include "native.h"

#define NO_ERROR 0u
enum { DE = 0, DB = 1, BP = 3, OF = 4, BR = 5, UD = 6, NM = 7, TS = 10, NP = 11, SS = 12, GP = 13, PF = 14, AC = 17 };

/* Prints the value; a wrong one goes on the list that insn_end prints. */
void expect(const char *key, uint32_t got, uint32_t want);
/* False where the command line says `model=any`: on a machine that is not ours, or less exact than the SDM. */
bool insn_our_machine(void);
/* The same, checked only when the machine should be our model. */
void expect_model(const char *key, uint32_t got, uint32_t want);
/* Runs fn(arg) in kernel mode; it must raise this exception, with this error code. */
void expect_fault(const char *key, void (*fn)(uint32_t arg), uint32_t arg, uint32_t vector, uint32_t error);
/* Runs fn(arg) in kernel mode; it must not raise any. */
void expect_fine(const char *key, void (*fn)(uint32_t arg), uint32_t arg);
/* Runs fn(arg) in kernel mode; it must return this value. */
void expect_value(const char *key, uint32_t (*fn)(uint32_t arg), uint32_t arg, uint32_t want);
/* Runs fn(arg) in user mode, where it must raise this exception; fn is USER_CODE. */
void expect_user_fault(const char *key, void (*fn)(uint32_t arg), uint32_t arg, uint32_t vector, uint32_t error);
/* Runs fn(arg) in user mode, where it must end in user_exit(want). */
void expect_user(const char *key, void (*fn)(uint32_t arg), uint32_t arg, uint32_t want);
void expect_user_flags(const char *key, void (*fn)(uint32_t arg), uint32_t arg, uint32_t eflags, uint32_t want);
/* The guest's exit status: prints OK for 0, or what was wrong for 1. */
int insn_end(void);
/* The last fault that one of these functions saw. */
extern struct fault insn_fault;

/* Functions of one piece of assembly, with the argument in EAX, for the expectations above. */
#define KERNEL_CODE(name, code) \
	static void name(uint32_t arg) { __asm__ volatile(code : "+a"(arg) : : "ecx", "edx", "memory", "cc"); }
#define KERNEL_VALUE(name, code) \
	static uint32_t name(uint32_t arg) { __asm__ volatile(code : "+a"(arg) : : "ecx", "edx", "memory", "cc"); return arg; }
#define RING3_CODE(name, code) \
	static USER_CODE void name(uint32_t arg) \
	{ \
		__asm__ volatile(code : "+a"(arg) : : "ecx", "edx", "memory", "cc"); \
		user_exit(arg); \
	}

#define FLAG_CF 0x1u
#define FLAG_ZF 0x40u
#define FLAG_TF 0x100u
#define FLAG_IF 0x200u
#define FLAG_DF 0x400u
#define FLAG_OF 0x800u
#define FLAG_IOPL 0x3000u
#define FLAG_NT 0x4000u
#define FLAG_RF 0x10000u
#define FLAG_AC 0x40000u
#define FLAG_ID 0x200000u
