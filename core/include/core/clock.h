/*
 * clock.h - guest time: device timers on the host's monotonic clock.
 *
 * Devices arm timers; the run loop fires them. While the guest runs, a POSIX timer for the earliest deadline sends
 * SIG_KICK to the vCPU's thread. While it is halted, the run loop sleeps until that deadline.
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

struct clock {
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
uint64_t clock_next(const struct clock *c);
void clock_run(struct clock *c); /* fires all that are due */
