/*
 * xen_vcpu.c - vcpu_op: timers of the vCPU's own, where its vcpu_info lies, and how it has spent its time.
 *
 * One vCPU, always up. Sources: xen/vcpu.h. Called through xen_hypercall.c's table, and by xen_event.c when the vCPU sleeps and wakes.
 */
#include <string.h>
#include "xen.h"

#define VIRQ_TIMER 0
#define FUTURE 1u /* VCPU_SSHOTTMR_future: a time that has passed is an error */
#define PERIOD_MIN 1000000ull /* ns: Xen's own bound */
#define XEN_ETIME 62

enum { OP_INITIALISE, OP_UP, OP_DOWN, OP_IS_UP, OP_RUNSTATE, OP_RUNSTATE_AREA, OP_PERIODIC, OP_STOP_PERIODIC, OP_SINGLESHOT,
	OP_STOP_SINGLESHOT, OP_VCPU_INFO, OP_NMI, OP_PHYSID, OP_TIME_AREA };

struct runstate { /* vcpu_runstate_info of a 32-bit guest */
	uint32_t state;
	uint64_t since, time[4];
} __attribute__((packed));
_Static_assert(sizeof(struct runstate) == 44, "vcpu_runstate_info, 32 bits");

/* ---- runstate ---- */

static struct runstate runstate_now(struct vcpu *v)
{
	struct xen *x = xen_of(v);
	struct runstate r = { .state = x->run.state, .since = x->run.since };

	memcpy(r.time, x->run.time, sizeof(r.time));
	r.time[r.state] += clock_now(&v->vm->clock) - r.since;
	return r;
}

/* The area that the guest has registered shows the times up to the last change; a page that is gone loses an update, no more. */
void xen_runstate(struct vcpu *v, uint32_t state)
{
	struct xen *x = xen_of(v);
	uint64_t now = clock_now(&v->vm->clock);
	struct runstate r;

	if (state == x->run.state)
		return;
	x->run.time[x->run.state] += now - x->run.since;
	x->run.since = now;
	x->run.state = state;
	if (!x->run.va)
		return;
	r = (struct runstate){ .state = state, .since = now };
	memcpy(r.time, x->run.time, sizeof(r.time));
	xen_guest_write(v, x->run.va, &r, sizeof(r));
}

/* { union { handle h; ptr v; u64 p } }: 0 takes it back. */
static int32_t runstate_area(struct vcpu *v, struct xen *x, uint32_t at)
{
	struct runstate r = runstate_now(v);
	uint32_t va;

	if (!xen_guest_read(v, at, &va, 4))
		return -XEN_EFAULT;
	if (va && !xen_guest_write(v, va, &r, sizeof(r)))
		return -XEN_EFAULT;
	x->run.va = va;
	return 0;
}

/* ---- timers: VIRQ_TIMER, as set_timer_op's ---- */

static void single_fire(void *ctx)
{
	xen_event_virq(ctx, VIRQ_TIMER);
}

static void periodic_fire(void *ctx)
{
	struct vcpu *v = ctx;
	struct xen *x = xen_of(v);
	uint64_t now = clock_now(&v->vm->clock);

	xen_event_virq(v, VIRQ_TIMER);
	do /* missed ticks are gone */
		x->period_next += x->period;
	while (x->period_next <= now);
	clock_arm(&v->vm->clock, &x->periodic, x->period_next);
}

static int32_t periodic(struct vcpu *v, struct xen *x, uint64_t period)
{
	if ((period && period < PERIOD_MIN) || period >> 56)
		return -XEN_EINVAL;
	x->period = period;
	x->period_next = clock_now(&v->vm->clock) + period;
	x->periodic.fire = periodic_fire;
	x->periodic.ctx = v;
	clock_arm(&v->vm->clock, &x->periodic, period ? x->period_next : CLOCK_NEVER);
	return 0;
}

/* { u64 timeout_abs_ns; u32 flags }; the same timer as set_timer_op's */
static int32_t singleshot(struct vcpu *v, struct xen *x, uint32_t at)
{
	struct { uint64_t when; uint32_t flags; } __attribute__((packed)) s;

	if (!xen_guest_read(v, at, &s, sizeof(s)))
		return -XEN_EFAULT;
	if ((s.flags & FUTURE) && s.when < clock_now(&v->vm->clock))
		return -XEN_ETIME;
	x->timer.fire = single_fire;
	x->timer.ctx = v;
	clock_arm(&v->vm->clock, &x->timer, s.when);
	return 0;
}

/* ---- register_vcpu_info { u64 mfn; u32 offset, rsvd }: once, to a page of the guest's own, which stays writable memory for good ---- */

static int32_t vcpu_info(struct vcpu *v, struct xen *x, uint32_t at)
{
	struct { uint64_t mfn; uint32_t offset, rsvd; } __attribute__((packed)) r;
	struct vcpu_info_x86_32 *to;

	if (!xen_guest_read(v, at, &r, sizeof(r)))
		return -XEN_EFAULT;
	if (x->info != (struct vcpu_info_x86_32 *)&x->shared->vcpu_info[0] || r.offset > PAGE_SIZE - sizeof(*to))
		return -XEN_EINVAL;
	if (r.offset & 3 || r.mfn >= x->frames || !xen_frame_hold(v, (uint32_t)r.mfn))
		return -XEN_EINVAL;
	to = mem_ptr(&v->vm->mem, GPA((r.mfn << PAGE_SHIFT) + r.offset), sizeof(*to));
	if (!to) {
		xen_frame_release(v, (uint32_t)r.mfn);
		return -XEN_EINVAL;
	}
	memcpy(to, x->info, sizeof(*to));
	x->info = to;
	/* Xen sets these, lest an event be lost on the way. */
	to->evtchn_upcall_pending = 1;
	to->evtchn_pending_sel = UINT32_MAX;
	return 0;
}

/* vcpu_op(cmd, vcpu, arg) */
int32_t xen_vcpu_op(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	struct runstate r;
	uint64_t period;

	if (a[1])
		return -XEN_ENOENT;
	switch (a[0]) {
	case OP_INITIALISE:
		return -17; /* EEXIST: it is */
	case OP_UP:
		return 0;
	case OP_IS_UP:
		return 1;
	case OP_RUNSTATE:
		r = runstate_now(v);
		return xen_guest_write(v, a[2], &r, sizeof(r)) ? 0 : -XEN_EFAULT;
	case OP_RUNSTATE_AREA:
		return runstate_area(v, x, a[2]);
	case OP_PERIODIC:
		return xen_guest_read(v, a[2], &period, 8) ? periodic(v, x, period) : -XEN_EFAULT;
	case OP_STOP_PERIODIC:
		return periodic(v, x, 0);
	case OP_SINGLESHOT:
		return singleshot(v, x, a[2]);
	case OP_STOP_SINGLESHOT:
		clock_arm(&v->vm->clock, &x->timer, CLOCK_NEVER);
		return 0;
	case OP_VCPU_INFO:
		return vcpu_info(v, x, a[2]);
	}
	return -XEN_ENOSYS; /* down: there is no other to bring it up again; NMIs, physical numbers: not here */
}
