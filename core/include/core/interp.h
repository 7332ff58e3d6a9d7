/*
 * interp.h - the reference interpreter: one instruction at a time, by the book.
 *
 * It is the oracle of the differential tests, a backend of its own (`--backend interp`), and where engines send what
 * they do not do themselves. It works on v->state and guest RAM through walk_page; ports and MMIO go to the bus.
 */
#pragma once
#include "core/cpu.h"
#include "core/stats.h"

struct vcpu;
struct exit;

enum interp_result {
	INTERP_DONE,     /* executed, or an exception was delivered to the guest */
	INTERP_HLT,      /* executed HLT; RIP is after it */
	INTERP_SHUTDOWN, /* triple fault */
	INTERP_CRASH,    /* an instruction it does not know: interp.why says which */
};

/* What an engine wants to hear of while the interpreter runs for it. Each may be NULL. */
struct interp_hooks {
	void *ctx;
	void (*phys_write)(void *ctx, gpa_t gpa, unsigned len); /* after a write to guest RAM (A/D updates too) */
	void (*tlb_flush)(void *ctx, gva_t gva, bool all, bool global); /* INVLPG, MOV to CR3, CR0.PG, CR4 changes */
};

/* access: bit (1 << ACCESS_*) for each kind of access known to be allowed; host: NULL where the page is not RAM. */
#define INTERP_TLB 256
struct interp_tlb_entry {
	uint32_t tag; /* linear page number << 12 | 1; | 2: holds a data breakpoint, every access goes the slow way */
	uint8_t access;
	bool global; /* MOV to CR3 leaves it */
	gpa_t page;
	uint8_t *host;
};

struct interp_cache; /* decoded instructions, and the executable stubs of interp_fpu.c */

/*
 * Breakpoints that the interpreter looks for: the guest's own (DR0-7) and the debugger's watchpoints (v->debug). Derived
 * from those two, so never saved; interp_debug.c.
 */
#define INTERP_BREAKS 12 /* 4 and DEBUG_WATCHES */
struct interp_break {
	uint32_t lin, last; /* the first and the last byte; for IO ports */
	uint8_t kinds;      /* BREAK_* */
	bool enabled;       /* by Ln or Gn: the others show in DR6 only */
};
struct interp_debug {
	bool ignore;        /* the engine runs guest code where nobody looks: DR0-7 only keep what is written */
	bool active;        /* the next step begins in interp_debug.c; with DR7's enable bits: no engine may run guest code itself */
	bool fire;          /* an enabled one was hit by this instruction */
	uint16_t hits;      /* DR6 bits of this instruction: B0-3, BT */
	uint16_t pending;   /* DR6 bits of a trap that comes before the next instruction */
	uint8_t watch;      /* 1 + index of the debugger's watchpoint that was hit; whoever tells it clears it */
	uint32_t watch_at;
	uint32_t key[5];    /* what the list below was made from */
	unsigned watches, n;
	struct interp_break brk[INTERP_BREAKS];
};

struct interp {
	struct interp_hooks hooks;
	struct interp_debug debug;
	enum event_mech mech;  /* what events it handles are counted as: MECH_INTERP as an engine, MECH_CALLOUT for bt ... */
	bool count;            /* false: count nothing, the caller does */
	char why[160];
	struct interp_cache *cache;
	struct interp_tlb_entry tlb[INTERP_TLB];
	bool tlb_large; /* it has a part of a large page: INVLPG of any address in that page has to drop it */
};

/* Allocates the decode cache (released by interp_fini); without memory for it the interpreter is only slower. */
void interp_init(struct interp *in, enum event_mech mech);
void interp_fini(struct interp *in);

/*
 * Executes one instruction at CS:EIP. A repeated string instruction runs until it ends, faults, or v->attention is set.
 * Exceptions are delivered through the guest's IDT. Precise: on a fault nothing has changed but what the SDM says.
 */
enum interp_result interp_step(struct vcpu *v);

/*
 * An instruction that is executed at CS:EIP without being fetched there: where an engine has overwritten it. interp_decode is false
 * for bytes that are no instruction of exactly len bytes; EIP goes on by len and skip. interp_step_code is interp_step in all else.
 */
struct interp_code {
	_Alignas(64) uint8_t insn[64];
};
bool interp_decode(struct interp_code *code, const uint8_t *bytes, unsigned len, unsigned skip);
enum interp_result interp_step_code(struct vcpu *v, const struct interp_code *code);

/*
 * Executes instructions until v->attention is set, v->irq_window is set and an interrupt can be taken, or one ends with
 * anything but INTERP_DONE. With v->insns.on, also until v->insns.left is used up.
 */
enum interp_result interp_run(struct vcpu *v);

/*
 * The same, minding v->debug: e->reason is EXIT_DEBUG when a breakpoint or watchpoint was met or the step is done.
 */
enum interp_result interp_run_debugged(struct vcpu *v, struct exit *e);

/* v->debug has changed: the next step looks at it. */
void interp_debug_changed(struct vcpu *v);
/* A watchpoint of the debugger was hit since the last call: fills *e. */
bool interp_watch_hit(struct vcpu *v, struct exit *e);
/* Only the interpreter may run the guest now: a breakpoint of DR0-3 is enabled, a debug trap is pending, or the debugger watches. */
bool interp_debug_needed(const struct vcpu *v);

/* Delivers an event through the guest's IDT (gates, privilege change, TSS stack, error code): SDM vol. 3, 6.12. */
#define DELIVER_HW 0u       /* external interrupt */
#define DELIVER_EXC 1u      /* exception; rip is the faulting (or, for a trap, the next) instruction */
#define DELIVER_SOFT 2u     /* INT n, INT3, INTO: gate DPL is checked; rip is after it */
enum interp_result interp_deliver(struct vcpu *v, uint8_t vector, unsigned how, bool has_error, uint32_t error);
/* DELIVER_SOFT of an instruction that began at insn_eip, which is what a fault in the delivery reports; rip is after it. */
enum interp_result interp_deliver_soft(struct vcpu *v, uint8_t vector, uint32_t insn_eip);

/* Guest-virtual memory, with the guest's permissions (access: ACCESS_* of walk.h). 0, or WALK_FAULT | error code; CR2 is not set. */
uint32_t interp_read_virt(struct vcpu *v, gva_t gva, void *buf, unsigned len, unsigned access);
uint32_t interp_write_virt(struct vcpu *v, gva_t gva, const void *buf, unsigned len, unsigned access);
void interp_tlb_flush(struct interp *in);
