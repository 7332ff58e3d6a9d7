/*
 * main.c - ringlab-primitives: measures, on this host, the primitives that the engines' costs are made of, and shows
 * what the host does with system-call and hypercall instructions that guest code under pv could execute.
 *
 * docs/hosts.md quotes its output. The behaviour part runs last, under the i386 filter that every run has.
 */
#include "primitives.h"
#include <stdio.h>
#include <stdlib.h>

struct caught caught;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	caught.sig = sig;
	caught.rip = (uint64_t)r[REG_RIP];
	caught.cs = (uint64_t)r[REG_CSGSFS] & 0xffff;
	caught.trapno = (uint64_t)r[REG_TRAPNO];
	caught.err = (uint64_t)r[REG_ERR];
	caught.rax = (uint64_t)r[REG_RAX];
	siglongjmp(caught.back, 1);
}

void catch_signals(void)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS };
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	stack_t ss = { .ss_size = 1 << 16, .ss_sp = malloc(1 << 16) };

	sigaltstack(&ss, NULL);
	for (unsigned i = 0; i < sizeof(sigs) / sizeof(*sigs); i++)
		sigaction(sigs[i], &sa, NULL);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	catch_signals();
	costs_print();
	compat_print();
	return 0;
}
