/*
 * vtx.h - what the files of backend-vtx share. Nothing outside this directory includes it.
 *
 * vtx.c makes and ends VMs, vtx_run.c runs them, vtx_state.c moves registers, vtx_msr.c answers for the MSRs that KVM hands
 * to us, vtx_stats.c counts and asks KVM what it counted, vtx_reasons.c names the exits. Read next: vtx_run.c.
 */
#pragma once
#include <linux/kvm.h>
#include "core/vm.h"

/* What is behind /dev/kvm; the names are those of the kernel modules. */
enum vtx_engine { ENGINE_NONE, ENGINE_INTEL, ENGINE_AMD, ENGINE_PVM, ENGINE_OTHER };

/* vtx_host.c */
const char *vtx_engine_name(enum vtx_engine engine); /* "kvm_intel" ... */
enum vtx_engine vtx_engine_detect(void);
/* Whether KVM keeps shadow page tables: the module's ept (npt) parameter is off. */
bool vtx_shadow_paging(enum vtx_engine engine);
void vtx_describe(struct vcpu *v, FILE *out);

struct vtx_vm {
	int kvm, vm;
	enum vtx_engine engine;
	bool irqchip; /* KVM's own interrupt controllers: the named variant */
};

/* A KVM binary statistics file (Linux: Documentation/virt/kvm/api.rst, 4.133), its names read before the jail closes. */
struct vtx_statfile {
	int fd;
	unsigned n;
	uint32_t data_offset;
	struct vtx_statdesc { char name[48]; uint32_t offset; } *desc;
};

/* The kvm:kvm_exit histogram of this thread, where tracefs may be written. */
struct vtx_tracepoint {
	int trigger, hist; /* descriptors, or -1 */
	int tid;
	bool vmx;          /* the reasons are VMX's */
	bool split_io;     /* also ask for the direction of I/O: KVM handles some alone */
	bool on;
};

struct vtx_hist_row {
	uint32_t reason;
	bool has_detail;   /* a part of that reason's exits: detail is the qualification or the interruption information */
	uint64_t detail, count;
};
struct vtx_hist {
	struct vtx_hist_row row[256];
	unsigned n;
	uint64_t dropped;
};

struct vtx_reason;

struct vtx_vcpu {
	int fd;
	struct kvm_run *run;
	size_t run_size;
	enum vtx_engine engine;
	bool shadow;      /* KVM keeps shadow page tables: MMIO leaves the guest as a page fault */
	bool time;        /* take cycles: not in a nested machine, whose clock is emulated */
	bool unfinished;  /* KVM completes the last exit's instruction at the next KVM_RUN */
	bool stashed;     /* that completion brought another exit, which vtx_run is to return first */
	bool not_ready;   /* run->ready_for_interrupt_injection is out of date */
	/* The exit whose handling is being timed: from KVM_RUN's return to the next entry. */
	struct { enum event_kind kind; const struct vtx_reason *reason; gva_t eip; uint64_t t0; } timed;
	uint64_t exits_seen[EV_COUNT]; /* returns of KVM_RUN; a REP INS is one, and many events */
	struct vtx_statfile vm_stats, vcpu_stats;
	struct vtx_tracepoint tp;
};

static inline struct vtx_vm *vtx_vm(const struct vm *vm) { return vm->priv; }
static inline struct vtx_vcpu *vtx_vcpu(const struct vcpu *v) { return v->priv; }

/* ioctl that is tried again when a signal comes between; the value, or -errno. */
int vtx_ioctl(int fd, unsigned long request, void *arg);

/* vtx_run.c */
int vtx_run(struct vcpu *v, struct exit *e);
int vtx_inject(struct vcpu *v, uint8_t vector);
bool vtx_ready(struct vcpu *v);
void vtx_kick(struct vcpu *v, void *ucontext);
/* Lets KVM finish the instruction of the last exit, so that registers can be read. 0 or -errno. */
int vtx_finish(struct vcpu *v);

/* vtx_state.c */
int vtx_set_cpuid(struct vcpu *v);
int vtx_pull(struct vcpu *v, unsigned groups);
int vtx_push(struct vcpu *v, unsigned groups);

/* vtx_msr.c */
int vtx_msr_filter(struct vm *vm); /* which MSRs come to us; 0 or -errno */
int vtx_msr_exit(struct vcpu *v);  /* KVM_EXIT_X86_RDMSR and WRMSR; 0 or -errno */

/* vtx_stats.c */
int vtx_stats_open(struct vcpu *v); /* before the jail closes; 0 or -errno */
void vtx_stats_close(struct vcpu *v);
void vtx_stats_start(struct vcpu *v);
void vtx_stats_collect(struct vcpu *v);
/* Counts n events of kind k that left the guest to us, and starts the clock of their handling. */
void vtx_count(struct vcpu *v, enum event_kind k, uint64_t n);
/* Stops that clock: the guest is about to be entered again. */
void vtx_count_end(struct vcpu *v);

/* vtx_tracepoint.c */
void vtx_tracepoint_open(struct vtx_tracepoint *t, enum vtx_engine engine, bool split_io);
void vtx_tracepoint_close(struct vtx_tracepoint *t);
void vtx_tracepoint_start(struct vtx_tracepoint *t);
/* Reads and removes the histogram; false when there is none. */
bool vtx_tracepoint_read(struct vtx_tracepoint *t, struct vtx_hist *h);

/* vtx_reasons.c */
/* A hardware exit reason: its name, and the kind of event that it means where KVM alone handles it. */
struct vtx_reason {
	uint32_t number;
	const char *name;
	enum event_kind kind;
};
const struct vtx_reason *vtx_reason_find(enum vtx_engine engine, uint32_t number);
/* The hardware reason by which an event of this kind left the guest to us; NULL when the engine's is not known. */
const struct vtx_reason *vtx_reason_of(enum vtx_engine engine, bool shadow, enum event_kind k);

/* rules.c */
#define VTX_RULES 54
extern const struct backend_rule vtx_rules[VTX_RULES];
