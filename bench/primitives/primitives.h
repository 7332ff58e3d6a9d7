/* primitives.h - the two halves of ringlab-primitives: costs in cycles, and behaviour in compatibility mode. */
#pragma once
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

/* What the last signal said. Process-wide: this is a measuring program of one thread, not a library. */
struct caught {
	sigjmp_buf back;
	int sig;
	uint64_t rip, cs, trapno, err, rax;
};
extern struct caught caught;
void catch_signals(void);

void costs_print(void);
void compat_print(void);
