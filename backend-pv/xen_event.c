/*
 * xen_event.c - event channels, the upcall, time and sleep.
 *
 * evtchn_upcall_mask in shared_info is the guest's interrupt flag, in memory: clearing it takes no exit. An upcall is
 * delivered before guest code is entered, when one is pending and not masked. Sources: xen/event_channel.h,
 * xen/sched.h, xen/xen.h. Called by pv.c (xen_before_entry) and as hypercalls. Read next: xen_traps.c (xen_upcall).
 */
#include <poll.h>
#include <string.h>
#include "core/console.h"
#include "xen_back.h"

#define VIRQ_TIMER 0
#define VIRQS 24

enum { OP_BIND_INTERDOMAIN, OP_BIND_VIRQ, OP_BIND_PIRQ, OP_CLOSE, OP_SEND, OP_STATUS, OP_ALLOC_UNBOUND,
	OP_BIND_IPI, OP_BIND_VCPU, OP_UNMASK, OP_RESET };
enum { SCHED_YIELD, SCHED_BLOCK, SCHED_SHUTDOWN, SCHED_POLL, SCHED_REMOTE_SHUTDOWN, SCHED_SHUTDOWN_CODE };

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
	const struct port *p;

	if (!port_used(x, port) || (p = &x->port[port])->state == PORT_VIRQ)
		return -XEN_EINVAL;
	if (p->state == PORT_IPI)
		xen_event_send(v, port);
	switch (p->state == PORT_INTERDOMAIN ? (enum port_back)p->back : BACK_NONE) {
	case BACK_STORE: xen_store_event(v); break;
	case BACK_CONSOLE: xen_console_event(v); break;
	case BACK_BLOCK: xen_block_event(v); break;
	case BACK_LOOP: xen_event_send(v, p->remote); break;
	case BACK_NONE: break; /* nobody there yet, or any more: as if it were lost, as Xen has it */
	}
	return 0;
}

/* The other end of a loop becomes unbound again; a back end loses its notifications. */
static int32_t port_close(struct xen *x, uint32_t port)
{
	struct port *p;

	if (!port_used(x, port))
		return -XEN_EINVAL;
	p = &x->port[port];
	if (p->state == PORT_INTERDOMAIN && p->back == BACK_LOOP && p->remote != port)
		x->port[p->remote] = (struct port){ .state = PORT_UNBOUND, .remote = DOMID_SELF };
	*p = (struct port){ .state = PORT_FREE };
	x->shared->evtchn_pending[port / 32] &= ~(1u << port % 32);
	return 0;
}

bool xen_event_bind(struct vcpu *v, uint32_t port, enum port_back back)
{
	struct xen *x = xen_of(v);

	if (!port || port >= XEN_EVENTS || x->port[port].state != PORT_UNBOUND || x->port[port].remote != 0)
		return false;
	x->port[port] = (struct port){ .state = PORT_INTERDOMAIN, .back = (uint8_t)back };
	return true;
}

void xen_event_unbind(struct vcpu *v, uint32_t port)
{
	struct port *p = &xen_of(v)->port[port];

	if (p->state == PORT_INTERDOMAIN && p->back == BACK_BLOCK)
		*p = (struct port){ .state = PORT_UNBOUND };
}

/* alloc_unbound { u16 dom, remote_dom; u32 port }: only for the guest itself; who may bind it is domain 0 or the guest. */
static int32_t alloc_unbound(struct vcpu *v, struct xen *x, const uint32_t *arg, uint32_t at)
{
	uint32_t dom = arg[0] & 0xffff, remote = arg[0] >> 16;
	int32_t port;

	if (dom != DOMID_SELF && dom != XEN_DOMID)
		return dom ? -XEN_ESRCH : -XEN_EPERM;
	if (remote != 0 && remote != DOMID_SELF && remote != XEN_DOMID)
		return -XEN_ESRCH;
	port = port_new(x, PORT_UNBOUND, 0);
	if (port > 0)
		x->port[port].remote = remote ? DOMID_SELF : 0;
	return port_return(v, x, port, at);
}

/* bind_interdomain { u16 remote_dom; u32 remote_port; u32 local_port }: no domain but the guest has ports to offer. */
static int32_t bind_interdomain(struct vcpu *v, struct xen *x, const uint32_t *arg, uint32_t at)
{
	uint32_t dom = arg[0] & 0xffff, remote = arg[1];
	int32_t port, r;

	if (dom != DOMID_SELF && dom != XEN_DOMID)
		return dom ? -XEN_ESRCH : -XEN_EINVAL;
	if (!remote || remote >= XEN_EVENTS || x->port[remote].state != PORT_UNBOUND || x->port[remote].remote != DOMID_SELF)
		return -XEN_EINVAL;
	port = port_new(x, PORT_INTERDOMAIN, 0);
	if ((r = port_return(v, x, port, at)))
		return r;
	x->port[port].back = x->port[remote].back = BACK_LOOP;
	x->port[port].remote = remote;
	x->port[remote].state = PORT_INTERDOMAIN;
	x->port[remote].remote = (uint32_t)port;
	xen_event_send(v, (uint32_t)port); /* Xen sends one, lest a notification was lost before */
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

/* status { u16 dom; u32 port; u32 status, vcpu; union { u16 dom | { u16 dom; u32 port } | u32 virq } } */
static int32_t port_status(struct vcpu *v, struct xen *x, const uint32_t *arg, uint32_t at)
{
	static const uint32_t code[] = { [PORT_FREE] = 0, [PORT_UNBOUND] = 1, [PORT_INTERDOMAIN] = 2, [PORT_VIRQ] = 4, [PORT_IPI] = 5 };
	const struct port *p = &x->port[arg[1] % XEN_EVENTS];
	uint32_t out[4] = { code[p->state] }, dom = arg[0] & 0xffff;

	if (dom != DOMID_SELF && dom != XEN_DOMID)
		return dom ? -XEN_ESRCH : -XEN_EPERM;
	if (arg[1] >= XEN_EVENTS)
		return -XEN_EINVAL;
	if (p->state == PORT_VIRQ)
		out[2] = p->virq;
	else if (p->state == PORT_UNBOUND)
		out[2] = p->remote ? XEN_DOMID : 0;
	else if (p->state == PORT_INTERDOMAIN && p->back == BACK_LOOP) {
		out[2] = XEN_DOMID;
		out[3] = p->remote;
	}
	return xen_guest_write(v, at + 8, out, sizeof(out)) ? 0 : -XEN_EFAULT;
}

static int32_t ports_reset(struct xen *x, uint32_t dom)
{
	if (dom != DOMID_SELF && dom != XEN_DOMID)
		return dom ? -XEN_ESRCH : -XEN_EPERM;
	for (uint32_t i = 1; i < XEN_EVENTS; i++)
		port_close(x, i);
	return 0;
}

/* event_channel_op(cmd, arg) */
int32_t xen_event_channel_op(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint32_t arg[2] = { 0 };

	if (a[0] == OP_RESET) { /* { u16 dom } */
		if (!xen_guest_read(v, a[1], arg, 2))
			return -XEN_EFAULT;
		return ports_reset(x, arg[0]);
	}
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
	case OP_ALLOC_UNBOUND:
		return alloc_unbound(v, x, arg, a[1] + 4);
	case OP_BIND_INTERDOMAIN:
		return bind_interdomain(v, x, arg, a[1] + 8);
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

/* The old form: one pointer to { cmd, arg }. */
int32_t xen_event_channel_op_compat(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint32_t b[6] = { 0, a[0] + 4 };

	return xen_guest_read(v, a[0], &b[0], 4) ? xen_event_channel_op(v, x, b) : -XEN_EFAULT;
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

static bool poll_ready(const struct xen *x)
{
	for (unsigned i = 0; i < ARRAY_LEN(x->poll_port); i++)
		if (x->shared->evtchn_pending[i] & x->poll_port[i])
			return true;
	return false;
}

static void poll_fire(void *ctx)
{
	((struct xen *)ctx)->poll_over = true;
}

/* poll { ports, nr; u64 timeout }: sleeps until one of the ports is pending, masked or not, or an upcall is due, or the time has come. */
static int32_t sched_poll(struct vcpu *v, struct xen *x, uint32_t at)
{
	struct { uint32_t ports, nr; uint64_t timeout; } __attribute__((packed)) p;
	uint32_t port;

	if (!xen_guest_read(v, at, &p, sizeof(p)))
		return -XEN_EFAULT;
	if (p.nr > 128)
		return -XEN_EINVAL;
	memset(x->poll_port, 0, sizeof(x->poll_port));
	for (uint32_t i = 0; i < p.nr; i++) {
		if (!xen_guest_read(v, p.ports + i * 4, &port, 4))
			return -XEN_EFAULT;
		if (port >= XEN_EVENTS)
			return -XEN_EINVAL;
		x->poll_port[port / 32] |= 1u << port % 32;
	}
	if (poll_ready(x) || (p.timeout && p.timeout <= clock_now(&v->vm->clock)))
		return 0;
	x->poll_timer.fire = poll_fire;
	x->poll_timer.ctx = x;
	clock_arm(&v->vm->clock, &x->poll_timer, p.timeout ? p.timeout : CLOCK_NEVER);
	xen_count(v, EV_HLT);
	x->blocked = x->polling = true;
	x->poll_over = false;
	return 0;
}

int32_t xen_sched_op(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint32_t reason;

	switch (a[0]) {
	case SCHED_YIELD:
		return 0;
	case SCHED_BLOCK:
		xen_count(v, EV_HLT);
		x->info->evtchn_upcall_mask = 0;
		x->blocked = true;
		x->polling = false;
		return 0;
	case SCHED_SHUTDOWN:
		return xen_guest_read(v, a[1], &reason, 4) ? shutdown(v, reason) : -XEN_EFAULT;
	case SCHED_POLL:
		return sched_poll(v, x, a[1]);
	case SCHED_REMOTE_SHUTDOWN:
		return -XEN_EPERM; /* for domain 0 */
	case SCHED_SHUTDOWN_CODE: /* what a shutdown to come shall be called: it says so itself */
		return xen_guest_read(v, a[1], &reason, 4) ? 0 : -XEN_EFAULT;
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
	xen_time_update(v);
}

/* Input would wake the guest, or is for ringlab: Ctrl-A X. */
static bool listens(const struct vcpu *v)
{
	return console_input_open(v->vm) && (xen_console_wants(v) || (v->vm->cfg.console_escape && !console_input_waits(v->vm)));
}

/* The guest blocked and nothing is pending: sleeps until the next timer, then lets the run loop fire it. */
static void sleep_until_timer(struct vcpu *v)
{
	struct clock *c = &v->vm->clock;
	uint64_t next = clock_next(c), now = clock_now(c), wait = next > now ? next - now : 0;
	struct pollfd in = { .fd = listens(v) ? v->vm->cfg.console_in : -1, .events = POLLIN };
	struct timespec ts = { (time_t)(wait / 1000000000ull), (long)(wait % 1000000000ull) };

	console_flush(v->vm);
	if (next == CLOCK_NEVER && in.fd < 0) {
		vm_stop(v->vm, END_CRASH, 0, "the guest blocked, and no timer and no input can wake it");
		return;
	}
	if (ppoll(&in, 1, next == CLOCK_NEVER ? NULL : &ts, NULL) > 0) {
		console_poll(v->vm);
		xen_console_input(v);
	}
}

/* Whether what the vCPU waits for has not come yet. A poll may wait with upcalls masked; a block never does. */
static bool still_blocked(const struct xen *x)
{
	if (x->info->evtchn_upcall_pending && !(x->polling && x->info->evtchn_upcall_mask))
		return false;
	return !x->polling || !(x->poll_over || poll_ready(x));
}

static void wake(struct vcpu *v)
{
	struct xen *x = xen_of(v);

	if (x->polling)
		clock_arm(&v->vm->clock, &x->poll_timer, CLOCK_NEVER);
	x->blocked = x->polling = false;
	xen_runstate(v, RUNSTATE_RUNNING);
}

enum step xen_before_entry(struct vcpu *v, struct exit *e)
{
	struct xen *x = xen_of(v);
	struct vcpu_info_x86_32 *info = x->info;

	if (x->blocked && still_blocked(x)) {
		xen_runstate(v, RUNSTATE_BLOCKED);
		sleep_until_timer(v);
		e->reason = EXIT_KICK;
		return STEP_EXIT;
	}
	if (x->blocked)
		wake(v);
	if (!info->evtchn_upcall_pending || info->evtchn_upcall_mask || !x->event_eip)
		return STEP_GO;
	xen_time_update(v);
	if (xen_upcall(v))
		return STEP_GO;
	exit_crash(e, GVA(v->state.rip), "the event upcall has no usable handler: callback %#x:%#x, kernel stack %#x:%#x", x->event_cs, x->event_eip,
		x->kernel_ss, x->kernel_sp);
	return STEP_EXIT;
}
