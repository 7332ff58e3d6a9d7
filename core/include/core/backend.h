/*
 * backend.h - the seam: what core asks of a CPU backend, and what it tells about itself.
 *
 * A backend is one directory, one `const struct backend_ops`, and one line in core/main.c. All functions but probe and
 * kick are called on the vCPU's thread. Host failures are -errno; guest misbehaviour is always an exit.
 */
#pragma once
#include <stdio.h>
#include "core/cpu.h"
#include "core/exit.h"
#include "core/stats.h"

struct vm;
struct vcpu;

/* How a backend deals with one instruction: a row of its rules.c. `ringlab explain` prints it; a test checks it. */
struct backend_rule {
	const char *mnemonic;   /* lower case, as Zydis prints it: "cpuid", "mov cr", "pop ss" */
	const char *interface;  /* pv: "xen", "trap" ...; otherwise NULL, which means all */
	enum event_kind kind;
	enum event_mech mech;
	const char *handler;    /* function name: a symbol of the ringlab binary; NULL for NATIVE */
	const char *file;       /* "backend-bt/callout.c" */
	const char *guest;      /* "insn/cpuid", a name of guests.cfg */
	const char *note;       /* one sentence: what happens, and what is wrong about it if it is */
};
#define RULE(m, i, k, me, fn, f, g, n) \
	{ .mnemonic = (m), .interface = (i), .kind = EV_##k, .mech = MECH_##me, .handler = #fn, .file = (f), .guest = (g), .note = (n) }
#define RULE_NATIVE(m, i, k, g, n) \
	{ .mnemonic = (m), .interface = (i), .kind = EV_##k, .mech = MECH_NATIVE, .guest = (g), .note = (n) }

struct backend_ops {
	const char *name;  /* "bt" */
	const char *title; /* "binary translation" */
	const struct backend_rule *rules;
	size_t rule_count;
	bool lists_code; /* it changes guest code, and describe prints vm_config.listing */
	const char *const *interfaces; /* NULL-terminated; NULL when there is only one way */

	/* NULL when it can run here; else a sentence why not. engine (at least 64 bytes) names what runs the guest:
	 * "kvm_intel", "kvm_pvm", "bt", "pv". */
	const char *(*probe)(char *engine, size_t n);
	/*
	 * What the backend has to say. Without a vCPU: about this host, lines of "name: value" for `ringlab doctor`. With one, at
	 * the end of a run: the guest code that vm_config.listing names beside what it was translated to. May be NULL.
	 */
	void (*describe)(struct vcpu *v, FILE *out);

	int (*vm_init)(struct vm *vm);
	void (*vm_fini)(struct vm *vm);
	int (*vcpu_init)(struct vcpu *v);
	void (*vcpu_fini)(struct vcpu *v);
	/* Called after loading, before the first run: v->state holds the entry state (or, for an ELF with Xen notes under
	 * pv, the backend builds the domain from vm->image). */
	int (*start)(struct vcpu *v);
	/* Runs until one exit. 0 or -errno. Must look at v->attention once it can be kicked, before guest code runs. */
	int (*run)(struct vcpu *v, struct exit *e);
	int (*pull)(struct vcpu *v, unsigned groups); /* the truth into v->state */
	int (*push)(struct vcpu *v, unsigned groups); /* v->state into the truth */
	/* Delivers an external interrupt and counts it (IRQ_DELIVERED). Called only when ready() says so. */
	int (*inject)(struct vcpu *v, uint8_t vector);
	bool (*ready)(struct vcpu *v); /* IF set, no shadow: an interrupt could be injected now */
	/* Takes an interrupt line in place of core's 8259 pair, where the VM has controllers of the backend's own
	 * (vm_config.user_kvm_irqchip). NULL where a backend has none. */
	void (*irq_line)(struct vm *vm, unsigned line, bool level);
	/* Makes run return soon. Async-signal-safe; called from the SIG_KICK handler on the vCPU's thread with its
	 * ucontext. */
	void (*kick)(struct vcpu *v, void *ucontext);
	/* A device or the loader wrote guest RAM: drop what was derived from it. May be NULL. */
	void (*mem_written)(struct vm *vm, gpa_t gpa, uint64_t len);
	/* Fills the backend's own statistics at the end of a run (KVM's counters). May be NULL. */
	void (*collect)(struct vcpu *v);
	/* Prints the guest code around eip beside what runs in its stead, where there is such a thing. May be NULL. */
	void (*listing)(struct vcpu *v, FILE *out, uint32_t eip);
	bool counts_insns; /* run honours v->insns */
	/* System calls the run loop needs beyond core's own: -1-terminated numbers, for the jail. May be NULL. */
	const int *jail_syscalls;
};
