/*
 * xen_event.c - event channels, the upcall, time and sleep.
 *
 * evtchn_upcall_mask in shared_info is the guest's interrupt flag, in memory: clearing it takes no exit. An upcall is
 * delivered before guest code is entered, when one is pending and not masked. Sources: xen/event_channel.h,
 * xen/sched.h, xen/xen.h. Called by pv.c (xen_before_entry) and as hypercalls. Read next: xen_traps.c (xen_upcall).
 */
#include "xen.h"
#include <poll.h>
#include <string.h>
#include "core/console.h"

#define VIRQ_TIMER 0
#define VIRQS 24

enum { OP_BIND_INTERDOMAIN, OP_BIND_VIRQ, OP_BIND_PIRQ, OP_CLOSE, OP_SEND, OP_STATUS, OP_ALLOC_UNBOUND,
	OP_BIND_IPI, OP_BIND_VCPU, OP_UNMASK };
enum { SCHED_YIELD, SCHED_BLOCK, SCHED_SHUTDOWN, SCHED_POLL };

/* ---- pending bits ---- */

static void upcall_if_pending(struct vcpu *v, uint32_t port)
{
	struct xen *x = xen_of(v);
	struct shared_info_x86_32 *s = x->shared;

	if (!(s->evtchn_pending[port / 32] >> port % 32 & 1) || (s->evtchn_mask[port / 32] >> port % 32 & 1))
		return;
	x->info->evtchn_pending_sel |= 1u << port / 32;
	x->info->evtchn_upcall_pending = 1;
}

void xen_event_send(struct vcpu *v, uint32_t port)
{
	xen_of(v)->shared->evtchn_pending[port / 32] |= 1u << port % 32;
	upcall_if_pending(v, port);
}

void xen_event_virq(struct vcpu *v, uint32_t virq)
{
	struct xen *x = xen_of(v);

	for (uint32_t i = 1; i < XEN_EVENTS; i++)
		if (x->port[i].state == PORT_VIRQ && x->port[i].virq == virq)
			xen_event_send(v, i);
}

/* ---- event_channel_op ---- */

static int32_t port_new(struct xen *x, enum port_state state, uint8_t virq)
{
	for (uint32_t i = 1; i < XEN_EVENTS; i++)
		if (x->port[i].state == PORT_FREE) {
			x->port[i] = (struct port){ .state = (uint8_t)state, .virq = virq };
			return (int32_t)i;
		}
	return -XEN_ENOSPC;
}

static bool virq_bound(const struct xen *x, uint32_t virq)
{
	for (uint32_t i = 1; i < XEN_EVENTS; i++)
		if (x->port[i].state == PORT_VIRQ && x->port[i].virq == virq)
			return true;
	return false;
}

/* Gives a new port its number in the caller's argument. */
static int32_t port_return(struct vcpu *v, struct xen *x, int32_t port, uint32_t at)
{
	if (port > 0 && !xen_guest_write(v, at, &port, 4)) {
		x->port[port].state = PORT_FREE;
		return -XEN_EFAULT;
	}
	return port > 0 ? 0 : port;
}

static bool port_used(const struct xen *x, uint32_t port)
{
	return port && port < XEN_EVENTS && x->port[port].state != PORT_FREE;
}

static int32_t port_send(struct vcpu *v, struct xen *x, uint32_t port)
{
	if (!port_used(x, port) || x->port[port].state == PORT_VIRQ)
		return -XEN_EINVAL;
	if (x->port[port].state == PORT_IPI)
		xen_event_send(v, port);
	else if (port == x->console_port)
		xen_console_ring_drain(v);
	return 0;
}

static int32_t port_close(struct xen *x, uint32_t port)
{
	if (!port_used(x, port))
		return -XEN_EINVAL;
	x->port[port].state = PORT_FREE;
	x->shared->evtchn_pending[port / 32] &= ~(1u << port % 32);
	return 0;
}

int32_t xen_event_unmask(struct vcpu *v, uint32_t port)
{
	if (port >= XEN_EVENTS)
		return -XEN_EINVAL;
	xen_of(v)->shared->evtchn_mask[port / 32] &= ~(1u << port % 32);
	upcall_if_pending(v, port);
	return 0;
}

/* status: { dom, port, status, vcpu, ... } */
static int32_t port_status(struct vcpu *v, struct xen *x, const uint32_t *arg, uint32_t at)
{
	static const uint32_t code[] = { [PORT_FREE] = 0, [PORT_UNBOUND] = 1, [PORT_INTERDOMAIN] = 2, [PORT_VIRQ] = 4, [PORT_IPI] = 5 };
	uint32_t out[3];

	if (arg[1] >= XEN_EVENTS)
		return -XEN_EINVAL;
	out[0] = code[x->port[arg[1]].state];
	out[1] = 0;
	out[2] = x->port[arg[1]].virq;
	return xen_guest_write(v, at + 8, out, sizeof(out)) ? 0 : -XEN_EFAULT;
}

/* event_channel_op(cmd, arg). The old form (one pointer to { cmd, ... }) is number 16, and refused. */
int32_t xen_event_channel_op(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint32_t arg[3] = { 0 };

	if (!xen_guest_read(v, a[1], arg, a[0] == OP_CLOSE || a[0] == OP_SEND || a[0] == OP_UNMASK ? 4 : 8))
		return -XEN_EFAULT;
	switch (a[0]) {
	case OP_BIND_VIRQ: /* { virq, vcpu, port } */
		if (arg[0] >= VIRQS || arg[1])
			return -XEN_EINVAL;
		if (virq_bound(x, arg[0]))
			return -17; /* EEXIST */
		return port_return(v, x, port_new(x, PORT_VIRQ, (uint8_t)arg[0]), a[1] + 8);
	case OP_BIND_IPI: /* { vcpu, port } */
		return arg[0] ? -XEN_ENOENT : port_return(v, x, port_new(x, PORT_IPI, 0), a[1] + 4);
	case OP_ALLOC_UNBOUND: /* { u16 dom, u16 remote, port } */
		return port_return(v, x, port_new(x, PORT_UNBOUND, 0), a[1] + 4);
	case OP_CLOSE:
		return port_close(x, arg[0]);
	case OP_SEND:
		return port_send(v, x, arg[0]);
	case OP_STATUS:
		return port_status(v, x, arg, a[1]);
	case OP_BIND_VCPU: /* { port, vcpu } */
		return port_used(x, arg[0]) && !arg[1] ? 0 : -XEN_EINVAL;
	case OP_UNMASK:
		return xen_event_unmask(v, arg[0]);
	}
	return -XEN_ENOSYS;
}

/* ---- time ---- */

#define CALIBRATION_NS 200000u

/* The pair (TSC, ns), and the factor between them, measured since the VM was made. struct vcpu_time_info. */
void xen_time_update(struct vcpu *v)
{
	const struct pv *x = v->vm->priv;
	struct vcpu_time_info_x86_32 *t = &x->xen->info->time;
	uint64_t ns, tsc;

	while (clock_now(&v->vm->clock) - x->ns_start < CALIBRATION_NS)
		;
	tsc = __rdtsc();
	ns = clock_now(&v->vm->clock);
	t->version |= 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (!t->tsc_to_system_mul || ns - x->ns_start < 1000000000ull) {
		/* (tsc << shift) * mul >> 32 = ns: with shift -1, mul is 2^33 ns/tick, below 2^32 from 2 GHz on; with 0, 1 GHz on. */
		long double rate = (long double)(ns - x->ns_start) / (long double)(tsc - x->tsc_start);
		int shift = 0;
		while (rate * 4294967296.0L >= 4294967295.0L) {
			rate /= 2;
			shift++;
		}
		t->tsc_to_system_mul = (uint32_t)(rate * 4294967296.0L);
		t->tsc_shift = (int8_t)shift;
	}
	t->tsc_timestamp = tsc;
	t->system_time = ns;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->version++;
}

static void timer_fire(void *ctx)
{
	xen_event_virq(ctx, VIRQ_TIMER);
}

/* set_timer_op(low, high): absolute system time, 0 for none. The past means now. */
int32_t xen_set_timer_op(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint64_t at = (uint64_t)a[1] << 32 | a[0];

	x->timer.fire = timer_fire;
	x->timer.ctx = v;
	clock_arm(&v->vm->clock, &x->timer, at ? at : CLOCK_NEVER);
	return 0;
}

/* ---- sched_op ---- */

static int32_t shutdown(struct vcpu *v, uint32_t reason)
{
	static const char *const why[] = { "poweroff", "reboot", "suspend", "crash", "watchdog", "soft reset" };

	if (reason == 0)
		vm_stop(v->vm, END_EXIT, 0, "the guest shut down: poweroff");
	else
		vm_stop(v->vm, END_CRASH, 0, "the guest shut down: reason %u (%s)", reason, reason < ARRAY_LEN(why) ? why[reason] : "unknown");
	return 0;
}

/* poll: { ports, nr, timeout }; returns at once when one is pending, else as block, with a time-out. */
static int32_t sched_poll(struct vcpu *v, struct xen *x, uint32_t at)
{
	struct { uint32_t ports, nr; uint64_t timeout; } __attribute__((packed)) p;
	uint32_t port;

	if (!xen_guest_read(v, at, &p, sizeof(p)))
		return -XEN_EFAULT;
	if (p.nr > 128)
		return -XEN_EINVAL;
	for (uint32_t i = 0; i < p.nr; i++) {
		if (!xen_guest_read(v, p.ports + i * 4, &port, 4))
			return -XEN_EFAULT;
		if (port >= XEN_EVENTS)
			return -XEN_EINVAL;
		if (x->shared->evtchn_pending[port / 32] >> port % 32 & 1)
			return 0;
	}
	/* Nothing pending: as a yield that lets timers run. A guest polls in a loop, and each turn comes here. */
	struct timespec ts = { 0, 100000 };
	ppoll(NULL, 0, &ts, NULL);
	v->attention = 1;
	return 0;
}

int32_t xen_sched_op(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint32_t reason;

	switch (a[0]) {
	case SCHED_YIELD:
		return 0;
	case SCHED_BLOCK:
		stat_count(&v->stats, EV_HLT, MECH_HYPERCALL);
		x->info->evtchn_upcall_mask = 0;
		x->blocked = true;
		return 0;
	case SCHED_SHUTDOWN:
		return xen_guest_read(v, a[1], &reason, 4) ? shutdown(v, reason) : -XEN_EFAULT;
	case SCHED_POLL:
		return sched_poll(v, x, a[1]);
	}
	return -XEN_ENOSYS;
}

/* The old form: (cmd, arg) with the shutdown reason by value. */
int32_t xen_sched_op_compat(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	return a[0] == SCHED_SHUTDOWN ? shutdown(v, a[1]) : xen_sched_op(v, x, a);
}

/* ---- before every entry ---- */

/* The host interrupted guest code: an upcall that follows is owed to that. */
void xen_kicked(struct vcpu *v)
{
	xen_of(v)->last_mech = MECH_TRAP;
}

/* The guest blocked and nothing is pending: sleeps until the next timer, then lets the run loop fire it. */
static void sleep_until_timer(struct vcpu *v)
{
	struct clock *c = &v->vm->clock;
	uint64_t next = clock_next(c), now = clock_now(c), wait = next > now ? next - now : 0;
	struct pollfd in = { .fd = console_input_open(v->vm) ? v->vm->cfg.console_in : -1, .events = POLLIN };
	struct timespec ts = { (time_t)(wait / 1000000000ull), (long)(wait % 1000000000ull) };

	console_flush(v->vm);
	if (next == CLOCK_NEVER && in.fd < 0) {
		vm_stop(v->vm, END_CRASH, 0, "the guest blocked, and no timer and no input can wake it");
		return;
	}
	ppoll(&in, 1, next == CLOCK_NEVER ? NULL : &ts, NULL);
}

enum step xen_before_entry(struct vcpu *v, struct exit *e)
{
	struct xen *x = xen_of(v);
	struct vcpu_info_x86_32 *info = x->info;

	if (x->blocked && !info->evtchn_upcall_pending) {
		sleep_until_timer(v);
		e->reason = EXIT_KICK;
		return STEP_EXIT;
	}
	x->blocked = false;
	if (!info->evtchn_upcall_pending || info->evtchn_upcall_mask || !x->event_eip)
		return STEP_GO;
	xen_time_update(v);
	if (xen_upcall(v))
		return STEP_GO;
	exit_crash(e, GVA(v->state.rip), "the event upcall has no usable handler: callback %#x:%#x, kernel stack %#x:%#x", x->event_cs, x->event_eip,
		x->kernel_ss, x->kernel_sp);
	return STEP_EXIT;
}
