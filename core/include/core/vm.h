/*
 * vm.h - a virtual machine: memory, bus, interrupt lines, clock, devices, one vCPU, one backend.
 *
 * Everything hangs off struct vm; several can live in one process (one at a time for pv, which owns the low 4 GiB).
 * vm_create acquires in order and releases in reverse on failure; vm_run runs until the VM ends.
 */
#pragma once
#include <pthread.h>
#include <signal.h>
#include "core/backend.h"
#include "core/bus.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/debug.h"
#include "core/disk.h"
#include "core/interp.h"
#include "core/loader.h"
#include "core/mem.h"
#include "core/stats.h"

#define SIG_KICK (SIGRTMIN + 1)

/* Guest-linear addresses, [from, to). */
struct code_range {
	const char *name; /* as the user asked for it */
	uint32_t from, to;
};

struct symbols; /* symbols.h */

/* How a VM ends; the first reason wins. */
enum vm_end { END_NONE, END_EXIT, END_CRASH, END_TIMEOUT, END_HOST, END_INTERRUPTED };

struct vm_config {
	const struct backend_ops *ops;
	const char *interface; /* pv: "xen", "trap"; NULL chooses by the image */
	uint64_t mem_size;     /* bytes */
	uint64_t timeout_ns;   /* 0: none */
	int console_in, console_out; /* descriptors; -1: none */
	bool console_escape;         /* console_in is a terminal: Ctrl-A is for ringlab (console.c) */
	bool count_inline;
	bool coverage;               /* pv, patch: describe tells what was proved to be code */
	uint64_t holes;              /* pv, trap: single-step so many instructions, and note what goes wrong unseen; 0: off */
	bool count_insns;            /* vcpu.insns is kept and time is virtual: bt and interp, for lockstep */
	bool user_kvm_irqchip;       /* vtx: KVM's in-kernel interrupt controllers, a named variant */
	const char *user_isolation;  /* pv: "keys", "unmap", "limits"; NULL chooses the best the host has */
	const char *disk_path;       /* a raw disk image, or NULL */
	enum disk_mode disk_mode;
	const char *shmem;           /* memory shared with the guest by a PCI device: a file, or a size; or NULL */
	const struct code_range *listing; /* code whose translations are kept and printed; set before the run */
	unsigned listings;
	struct symbols *symbols; /* names for that; may be NULL */
	struct bt_tuning {
		uint64_t code_cache; /* bytes, 0: default */
		bool no_chain, no_adapt, no_retpred, no_traces, one_insn_blocks;
	} bt;
};

struct dev_set; /* dev.h */
struct console; /* console.h */
struct timeline; /* timeline.h */
struct gdb;     /* gdb.h */

struct vcpu {
	struct vm *vm;
	void *priv;             /* the backend's */
	struct cpu_state state;
	struct stats stats;
	struct insn_count insns; /* where vm_config.count_insns asks for it */
	struct interp interp;   /* the reference interpreter's settings and soft TLB for this vCPU */

	/* Bytes that signal handlers and devices set, and backends test at instruction boundaries. */
	volatile uint8_t attention;  /* leave run() soon: the run loop clears it before the next run */
	volatile uint8_t irq_window; /* return EXIT_IRQ_WINDOW once an interrupt can be taken */
	struct debug debug;          /* what a debugger asks for */
};

struct vm {
	struct vm_config cfg;
	const struct backend_ops *ops;
	void *priv; /* the backend's */
	struct mem mem;
	struct bus bus;
	struct clock clock;
	struct dev_set *dev;
	struct console *console;
	struct disk *disk;      /* vm_config.disk_path, or NULL: what every kind of disk controller reads and writes */
	struct phases *phases; /* phase.h: counters at certain console lines, or NULL */
	struct timeline *timeline; /* timeline.h: counters at intervals, or NULL */
	struct gdb *gdb;    /* a debugger is attached, or was; else NULL */
	struct image image; /* what was loaded */
	const char *append; /* the load request's command line, for a backend that builds a domain in start; may be NULL */
	struct vcpu vcpu;   /* one, for now */

	enum vm_end end;
	int status;     /* END_EXIT: the value written to the debug-exit port */
	char why[256];  /* the sentence for every other end */
	uint64_t run_ns, run_cycles; /* how long vm_run took, by the clock and in TSC cycles */
	struct clock_timer timeout;
	volatile sig_atomic_t interrupted; /* vm_interrupt was called */
	pthread_t thread;                  /* the vCPU's, once vm_run has begun */
	volatile sig_atomic_t running;
	struct sigaction old_kick;
};

int vm_create(struct vm **out, const struct vm_config *cfg); /* 0 or -errno */
void vm_destroy(struct vm *vm);

/* Loads a guest image and sets the entry state; 0, or -errno with a sentence in vm->why. */
int vm_load(struct vm *vm, const struct load_request *req);

/* Runs until the VM ends. 0 (see vm->end) or -errno. */
int vm_run(struct vm *vm);

/* Ends the VM: the first call wins. Also sets attention. */
__attribute__((format(printf, 4, 5)))
void vm_stop(struct vm *vm, enum vm_end end, int status, const char *fmt, ...);
/* From any thread: asks the run loop to end with END_INTERRUPTED. */
void vm_interrupt(struct vm *vm);

/* The time-stamp counter before the guest's own offset: the host's, or with virtual time a clock of 1 GHz. */
static inline uint64_t vm_tsc(const struct vm *vm)
{
	return vm->clock.insns ? clock_now(&vm->clock) : __rdtsc();
}

/* A device wrote guest RAM. */
void vm_mem_written(struct vm *vm, gpa_t gpa, uint64_t len);

/* One line on stderr, prefixed "ringlab: "; for what a user should know once. */
__attribute__((format(printf, 1, 2)))
void say(const char *fmt, ...);
