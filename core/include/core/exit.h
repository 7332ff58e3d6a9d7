/*
 * exit.h - why a backend's run returned, and the one switch that acts on it.
 */
#pragma once
#include "core/debug.h"
#include "core/types.h"

struct vcpu;

enum exit_reason {
	EXIT_KICK,       /* the host asked, or vcpu->attention was set: nothing to emulate */
	EXIT_IRQ_WINDOW, /* vcpu->irq_window was set and the guest can now take an interrupt */
	EXIT_PORT,       /* port I/O, not yet done */
	EXIT_MMIO,       /* MMIO, not yet done */
	EXIT_HLT,        /* the guest halted; RIP is after HLT */
	EXIT_SHUTDOWN,   /* triple fault */
	EXIT_CRASH,      /* the guest did what cannot go on; `crash` says what */
	EXIT_STOPPED,    /* vm_stop was called inside run (a callout wrote the debug-exit port) */
	EXIT_DEBUG,      /* vcpu->debug: a breakpoint or watchpoint was met, or the step is done */
};

struct exit {
	enum exit_reason reason;
	union {
		struct {
			uint16_t port;
			uint8_t size; /* 1, 2, 4 */
			bool write;
			uint32_t count; /* elements, for INS and OUTS */
			void *data;     /* count * size bytes, to read from or to fill */
		} port;
		struct {
			gpa_t gpa;
			uint8_t size; /* 1..8 */
			bool write;
			uint8_t data[8];
		} mmio;
		struct {
			gva_t eip;
			char why[200];
		} crash;
		struct {
			enum debug_why why;
			gva_t addr;     /* DEBUG_WATCH: what was accessed */
			uint8_t access; /* DEBUG_WATCH: the watchpoint's kind */
		} debug;
	};
};

/* Acts on one exit: 0 to go on, 1 when the VM has ended, -errno for a host failure. */
int exit_handle(struct vcpu *v, struct exit *e);

/* Fills an EXIT_CRASH. */
__attribute__((format(printf, 3, 4)))
void exit_crash(struct exit *e, gva_t eip, const char *fmt, ...);
