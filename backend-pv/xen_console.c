/*
 * xen_console.c - the console ring: output to the host's console, and what is typed into the guest's ring.
 *
 * One page, two rings, indices that run freely (xen/io/console.h). Output is taken when the guest notifies its port. Input is looked for
 * then too, when the guest sleeps, and 50 times a second once the guest has used the ring: what does not fit stays with the host.
 * Called by xen_event.c. Read next: core/console.c.
 */
#include <poll.h>
#include <string.h>
#include "core/console.h"
#include "xen_back.h"

#define IN 1024u
#define OUT 2048u
#define POLL_NS 20000000ull
#define SPINS 10000u       /* traps of a guest that only looks at the clock, before it is taken to be waiting */
#define PAUSE_NS 1000000ull

struct ring { /* struct xencons_interface */
	uint8_t in[IN], out[OUT];
	uint32_t in_cons, in_prod, out_cons, out_prod;
};

static struct ring *ring_of(struct vcpu *v)
{
	return mem_ptr(&v->vm->mem, GPA((uint64_t)xen_of(v)->console_mfn << PAGE_SHIFT), PAGE_SIZE);
}

/* True when there was something. */
static bool drain(struct vcpu *v, struct ring *r)
{
	uint32_t cons = r->out_cons, prod = r->out_prod, all = prod - cons;

	if (all > OUT) /* a wild producer: no more than the ring holds */
		cons = prod - OUT;
	for (uint32_t n; cons != prod; cons += n) {
		uint32_t at = cons % OUT;
		n = prod - cons < OUT - at ? prod - cons : OUT - at;
		console_write(v->vm, r->out + at, n);
	}
	r->out_cons = cons;
	return all;
}

static uint32_t room(const struct ring *r)
{
	uint32_t used = r->in_prod - r->in_cons;

	return used > IN ? 0 : IN - used;
}

bool xen_console_wants(const struct vcpu *v)
{
	struct xen *x = ((struct pv *)v->vm->priv)->xen;

	return x->back->console_used && room(ring_of((struct vcpu *)(uintptr_t)v));
}

void xen_console_input(struct vcpu *v)
{
	struct ring *r = ring_of(v);
	uint32_t prod = r->in_prod;
	uint8_t buf[64];

	if (!xen_of(v)->back->console_used)
		return;
	for (uint32_t space; (space = room(r)); r->in_prod = prod) {
		size_t n = console_read(v->vm, buf, space < sizeof(buf) ? space : sizeof(buf));
		if (!n)
			break;
		for (size_t i = 0; i < n; i++)
			r->in[prod++ % IN] = buf[i];
	}
	if (r->in_prod != r->in_cons)
		xen_event_send(v, xen_of(v)->console_port);
}

/* Looks for input whatever the guest does; what it wrote is not held back either. */
static void poll_fire(void *ctx)
{
	struct vcpu *v = ctx;

	console_flush(v->vm);
	xen_console_input(v);
	if (console_input_open(v->vm))
		clock_arm(&v->vm->clock, &xen_of(v)->back->console_timer, clock_now(&v->vm->clock) + POLL_NS);
}

void xen_console_event(struct vcpu *v)
{
	struct xen_back *b = xen_of(v)->back;

	if (!b->console_used) {
		b->console_used = true;
		b->console_timer.fire = poll_fire;
		b->console_timer.ctx = v;
		poll_fire(v);
	}
	if (drain(v, ring_of(v)))
		xen_event_send(v, xen_of(v)->console_port);
	if (room(ring_of(v)))
		xen_console_input(v);
}

/*
 * GRUB waits for a key by CPUID and RDTSC, without a hypercall. Where CPUID faults that is a host signal each time, a hundred
 * thousand a second: so a guest that uses the console and has done nothing else for that long gets its answer a millisecond later, or
 * when a key is typed.
 */
void xen_console_spin(struct vcpu *v)
{
	struct xen_back *b = xen_of(v)->back;
	uint64_t calls = v->stats.cell[EV_HYPERCALL][MECH_TRAP].count + v->stats.cell[EV_HYPERCALL][MECH_HYPERCALL].count;
	struct pollfd in = { .fd = console_input_open(v->vm) && xen_console_wants(v) ? v->vm->cfg.console_in : -1, .events = POLLIN };
	struct timespec ts = { 0, PAUSE_NS };

	if (calls != b->spin_calls || !b->console_used) {
		b->spin_calls = calls;
		b->spins = 0;
		return;
	}
	if (++b->spins < SPINS)
		return;
	console_flush(v->vm);
	if (ppoll(&in, 1, &ts, NULL) > 0)
		xen_console_input(v);
}
