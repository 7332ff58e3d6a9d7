/*
 * clock.c - device timers on the host's monotonic clock, and the host timer that kicks a running vCPU.
 *
 * Timers are few (PIT, RTC, the time-out), so a list suffices. The host timer is set only when the earliest deadline
 * has come nearer than what it is set to: a late kick costs one spurious exit, a missing one would lose time.
 */
#include "core/clock.h"
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "core/vm.h"

static uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

int clock_init(struct clock *c)
{
	*c = (struct clock){ .start_ns = monotonic_ns(), .armed = CLOCK_NEVER };
	return 0;
}

void clock_fini(struct clock *c)
{
	if (c->have_host_timer)
		timer_delete(c->host_timer);
	c->have_host_timer = false;
}

uint64_t clock_now(const struct clock *c)
{
	if (c->insns)
		return c->skipped_ns + (c->insns->limit - c->insns->left) * CLOCK_INSN_NS;
	return monotonic_ns() - c->start_ns;
}

uint64_t clock_next(const struct clock *c)
{
	uint64_t next = CLOCK_NEVER;

	for (const struct clock_timer *t = c->timers; t; t = t->next)
		if (t->deadline < next)
			next = t->deadline;
	return next;
}

/* Sets the host timer to the earliest deadline; the signal then comes through the timer's own sigev_value. */
static void clock_program(struct clock *c)
{
	uint64_t next = clock_next(c);
	struct itimerspec its = { 0 };

	if (c->insns)
		clock_allow(c, c->insns->limit);
	if (!c->have_host_timer || next >= c->armed)
		return;
	uint64_t abs = next + c->start_ns;
	its.it_value.tv_sec = (time_t)(abs / 1000000000ull);
	its.it_value.tv_nsec = (long)(abs % 1000000000ull);
	timer_settime(c->host_timer, TIMER_ABSTIME, &its, NULL);
	c->armed = next;
}

void clock_allow(struct clock *c, uint64_t insns)
{
	struct insn_count *n = c->insns;
	uint64_t done = n->limit - n->left, next = clock_next(c), due;

	if (next != CLOCK_NEVER) {
		due = next <= c->skipped_ns ? 0 : (next - c->skipped_ns + CLOCK_INSN_NS - 1) / CLOCK_INSN_NS;
		insns = due < insns ? due : insns;
	}
	n->limit = insns < done ? done : insns;
	n->left = n->limit - done;
}

void clock_skip(struct clock *c, uint64_t to)
{
	uint64_t now = clock_now(c);

	if (to > now)
		c->skipped_ns += to - now;
}

int clock_bind_thread(struct clock *c, void *vcpu)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIG_KICK, .sigev_value.sival_ptr = vcpu };

	ev._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &ev, &c->host_timer))
		return -errno;
	c->have_host_timer = true;
	c->armed = CLOCK_NEVER;
	clock_program(c);
	return 0;
}

void clock_arm(struct clock *c, struct clock_timer *t, uint64_t deadline)
{
	if (!t->registered) {
		t->next = c->timers;
		c->timers = t;
		t->registered = true;
	}
	t->deadline = deadline;
	clock_program(c);
}

void clock_stood(struct clock *c, uint64_t ns)
{
	c->start_ns += ns;
	c->armed = CLOCK_NEVER; /* the host timer is set to an earlier time than the deadline now means */
	clock_program(c);
}

void clock_run(struct clock *c)
{
	uint64_t now = clock_now(c);

	for (struct clock_timer *t = c->timers; t; t = t->next)
		if (t->deadline <= now) {
			t->deadline = CLOCK_NEVER;
			t->fire(t->ctx);
		}
	if (c->armed <= now)
		c->armed = CLOCK_NEVER; /* the host timer has fired */
	clock_program(c);
}
