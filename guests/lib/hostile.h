/*
 * hostile.h - how a guest of guests/hostile attacks: one attempt at a time, each with what came of it, and an end by crash.
 *
 * `ATTACK name: #GP(0x0)` or `ATTACK name: no fault`. A correct engine gives the guest the exception that a real CPU
 * would; an engine may also end the guest with a reported crash at any attempt. What must never happen is that the host
 * notices. A guest that is still alive at the end crashes itself, so that every hostile guest's end is the same.
 * hostile_escaped is for what must not be possible even for a guest alone: it ends with status 1.
 */
#pragma once
#ifdef HAL_XEN
#include "x86.h"
#include "xen.h"
#else
#include "native.h"
#endif

/* Runs fn(arg) in kernel mode, or in user mode (fn is USER_CODE); prints the outcome. True: it ended in a fault. */
bool attack(const char *name, void (*fn)(uint32_t arg), uint32_t arg);
bool attack_user(const char *name, void (*fn)(uint32_t arg), uint32_t arg);
/* The same without a word, for attempts by the thousand; attack_tally prints how many ended in a fault. */
bool attack_quiet(void (*fn)(uint32_t arg), uint32_t arg);
bool attack_user_quiet(void (*fn)(uint32_t arg), uint32_t arg);
void attack_tally(const char *name, uint32_t faults, uint32_t attempts);
/* The guest's own end: a triple fault, or a Xen shutdown for the reason "crash". */
_Noreturn int hostile_end(void);
_Noreturn void hostile_escaped(const char *what);
/* The fault of the last attempt. */
extern struct fault attack_fault;
/* A small generator of reproducible randomness (xorshift32). */
uint32_t attack_random(void);

/* Functions of one piece of assembly, with the argument in EAX. */
#define KERNEL_CODE(name, code) \
	static void name(uint32_t arg) { __asm__ volatile(code : "+a"(arg) : : "ebx", "ecx", "edx", "esi", "edi", "memory", "cc"); }
#define RING3_CODE(name, code) \
	static USER_CODE void name(uint32_t arg) \
	{ \
		__asm__ volatile(code : "+a"(arg) : : "ebx", "ecx", "edx", "esi", "edi", "memory", "cc"); \
		user_exit(arg); \
	}
