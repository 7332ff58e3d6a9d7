/*
 * clock.h - guest time: device timers on the host's monotonic clock.
 *
 * Devices arm timers; the run loop fires them. While the guest runs, a POSIX timer for the earliest deadline sends
 * SIG_KICK to the vCPU's thread. While it is halted, the run loop sleeps until that deadline.
 *
 * With vm_config.count_insns time is virtual instead: it goes on with the instructions that the guest executes, and with
 * clock_skip while it is halted. Then two runs of one guest see the same times, whatever engine runs them.
 */
#pragma once
#include <time.h>
#include "core/types.h"

#define CLOCK_NEVER UINT64_MAX

struct clock_timer {
	uint64_t deadline; /* ns since the VM's start, or CLOCK_NEVER */
	void (*fire)(void *ctx);
	void *ctx;
	struct clock_timer *next;
	bool registered;
};

/*
 * Guest instructions, counted exactly: a backend's run leaves with EXIT_KICK before it executes one with left == 0, and
 * takes one from left for each that it begins (an instruction that raises an exception counts, and a repeated string
 * instruction is one). limit - left have been executed.
 */
struct insn_count {
	bool on;
	uint64_t limit, left;
};

#define CLOCK_INSN_NS 10u /* virtual time: what one instruction takes */

struct clock {
	struct insn_count *insns; /* time is virtual; else NULL */
	uint64_t skipped_ns;      /* virtual time spent halted */
	uint64_t start_ns;
	struct clock_timer *timers;
	timer_t host_timer;
	bool have_host_timer;
	uint64_t armed; /* the deadline that the host timer is set to */
};

int clock_init(struct clock *c);
void clock_fini(struct clock *c);
/* Binds the host timer to the calling thread, which is the vCPU's. */
int clock_bind_thread(struct clock *c, void *vcpu);
uint64_t clock_now(const struct clock *c); /* ns since the VM's start */
/* Registers t on first use. deadline in ns since the VM's start; CLOCK_NEVER disarms. */
void clock_arm(struct clock *c, struct clock_timer *t, uint64_t deadline);
/* The last ns nanoseconds did not happen for the guest: a debugger held it. */
void clock_stood(struct clock *c, uint64_t ns);
uint64_t clock_next(const struct clock *c);
void clock_run(struct clock *c); /* fires all that are due */
/* Virtual time: lets the guest execute instructions until `insns` have been executed in all, or a timer is due. */
void clock_allow(struct clock *c, uint64_t insns);
void clock_skip(struct clock *c, uint64_t to); /* virtual time: nothing is executed until `to` */
