/*
 * interp_io.c - IN and OUT: who may (IOPL and the I/O permission bitmap), and the bus.
 *
 * The string forms are interp_string.c's and use the same three functions.
 */
#include "ops.h"

/* SDM vol. 1, 18.5.2: two bytes of the bitmap are read, whatever the size; all bits of the access must be clear. */
static bool bitmap_allows(struct step *c, uint16_t port, unsigned size)
{
	const struct segment *tr = &c->s->seg[S_TR];
	uint16_t base, bits;
	uint32_t at;

	if (!(tr->attr & SEG_P) || (tr->attr & 13) != 9 || tr->limit < 103)
		return false;
	if (sys_read(c->v, (uint32_t)tr->base + 102, &base, 2, &c->fault))
		step_fault(c);
	at = base + port / 8u;
	if (at + 1 > tr->limit)
		return false;
	if (sys_read(c->v, (uint32_t)tr->base + at, &bits, 2, &c->fault))
		step_fault(c);
	return !((bits >> (port & 7)) & ((1u << size) - 1));
}

void port_check(struct step *c, uint16_t port, unsigned size)
{
	if (CPL(c->s) > iopl(c->s) && !bitmap_allows(c, port, size))
		step_gp(c, 0);
}

uint32_t port_in(struct step *c, uint16_t port, unsigned size)
{
	struct stats *st = &c->v->stats;
	uint64_t t0 = c->in->count ? stat_begin(st, EV_PORT_IN, c->in->mech) : 0;
	uint32_t v = bus_port_in(&c->v->vm->bus, port, size);

	if (unlikely(c->debug))
		debug_io(c->in, port, size);

	stat_end(st, EV_PORT_IN, c->in->mech, GVA(c->eip), t0);
	return v;
}

void port_out(struct step *c, uint16_t port, unsigned size, uint32_t value)
{
	struct stats *st = &c->v->stats;
	uint64_t t0 = c->in->count ? stat_begin(st, EV_PORT_OUT, c->in->mech) : 0;

	bus_port_out(&c->v->vm->bus, port, size, value & size_mask(size));
	if (unlikely(c->debug))
		debug_io(c->in, port, size);
	stat_end(st, EV_PORT_OUT, c->in->mech, GVA(c->eip), t0);
}

/* A run of a string instruction at once, where the device can; counted by elements, and timed as one. */
uint32_t port_string(struct step *c, uint16_t port, unsigned size, bool write, void *buf, uint32_t n)
{
	enum event_kind k = write ? EV_PORT_OUT : EV_PORT_IN;
	struct stats *st = &c->v->stats;
	uint64_t t0 = __rdtsc();

	if (unlikely(c->debug))
		return 0;
	n = bus_port_string(&c->v->vm->bus, port, size, write, buf, n);
	if (!n || !c->in->count)
		return n;
	t0 = stat_begin(st, k, c->in->mech) ? t0 : 0;
	st->cell[k][c->in->mech].count += n - 1;
	stat_end(st, k, c->in->mech, GVA(c->eip), t0);
	return n;
}

/* e4 e5 by an immediate, ec ed by DX */
static uint16_t port_number(const struct step *c)
{
	return c->i->op & 8 ? (uint16_t)c->s->gpr[R_EDX] : (uint8_t)c->i->imm;
}

void op_in(struct step *c)
{
	unsigned size = size_w(c->i);
	uint16_t port = port_number(c);

	port_check(c, port, size);
	reg_set(c->s, R_EAX, port_in(c, port, size), size);
}

void op_out(struct step *c)
{
	unsigned size = size_w(c->i);
	uint16_t port = port_number(c);

	port_check(c, port, size);
	port_out(c, port, size, (uint32_t)c->s->gpr[R_EAX]);
}
