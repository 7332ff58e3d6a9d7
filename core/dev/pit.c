/*
 * pit.c - the 8254 programmable interval timer: three counters at 1,193,182 Hz.
 *
 * Source: Intel 8254 datasheet (order number 231164). Counter 0 drives IRQ 0; counter 2's GATE and OUT belong to port
 * 0x61. Nothing ticks here: a counter is the tick at which it was loaded and the count it was loaded with, and every
 * value is computed from clock_now when the guest reads it. Interrupts are the rising edges of OUT 0, each computed
 * from the tick of loading, so they do not drift. Edges that pass while the host is busy elsewhere are lost, as on
 * hardware where the interrupt is still pending: one is left over, never a storm.
 *
 * Left out: BCD counting; it is refused with a sentence, and the counter counts in binary.
 */
#include <errno.h>
#include <stdlib.h>
#include "core/irq.h"
#include "core/vm.h"
#include "dev/machine.h"

#define PIT_HZ 1193182ull
#define NS_PER_S 1000000000ull
/* Periodic interrupts come no closer than this, or the guest would not get on between two of them. */
#define PIT_MIN_PERIOD_NS 20000ull

enum { ACCESS_LSB = 1, ACCESS_MSB, ACCESS_BOTH };

struct counter {
	uint8_t mode;     /* 0..5 */
	uint8_t access;   /* ACCESS_*, as in the control word */
	bool gate;
	bool loaded;      /* the counting element has a count (in modes 1 and 5: was triggered) since the control word */
	bool frozen;      /* GATE is low and stops it, `held` ticks after loading */
	int64_t start;    /* the tick of loading */
	int64_t held;
	uint32_t count;   /* what was loaded: 1..65536, at least 2 in modes 2 and 3 */
	uint32_t next;    /* a count that waits for the trigger (1, 5) or for switch_at (2, 3); 0: none */
	int64_t switch_at, switch_start; /* when `next` is loaded, and the `start` that it then has */
	uint8_t write_low;
	bool write_high, read_high;      /* the second half of a two-byte access comes next */
	bool latched, status_latched;
	uint16_t latch;
	uint8_t status;
};

struct pit {
	struct vm *vm;
	struct counter c[3];
	struct clock_timer timer; /* the next rising edge of OUT 0 */
	bool out0;                /* what IRQ 0 was last told */
	bool said_bcd;
};

static int64_t ticks_of_ns(uint64_t ns)
{
	return (int64_t)(ns / NS_PER_S * PIT_HZ + ns % NS_PER_S * PIT_HZ / NS_PER_S);
}

/* The first nanosecond that belongs to tick t. */
static uint64_t ns_of_ticks(int64_t t)
{
	uint64_t u = (uint64_t)t;

	return u / PIT_HZ * NS_PER_S + (u % PIT_HZ * NS_PER_S + PIT_HZ - 1) / PIT_HZ;
}

static int64_t pit_now(const struct pit *p)
{
	return ticks_of_ns(clock_now(&p->vm->clock));
}

/* Mode 3: ticks for which OUT is high; an odd count makes that half one longer. */
static uint32_t high_half(uint32_t count)
{
	return (count + 1) / 2;
}

static int64_t counter_elapsed(const struct counter *c, int64_t now)
{
	if (c->frozen)
		return c->held;
	return now > c->start ? now - c->start : 0;
}

/* Loads a count that was waiting for the end of its predecessor's period. */
static void counter_sync(struct counter *c, int64_t now)
{
	if ((c->mode != 2 && c->mode != 3) || !c->next || c->frozen || now < c->switch_at)
		return;
	c->start = c->switch_start;
	c->count = c->next;
	c->next = 0;
}

static uint16_t counter_value(const struct counter *c, int64_t now)
{
	int64_t d = counter_elapsed(c, now), half = high_half(c->count);

	if (!c->loaded)
		return c->count;
	if (c->mode == 2)
		return c->count - d % c->count;
	if (c->mode != 3)
		return c->count - d; /* goes on through zero to 0xffff */
	d %= c->count;
	return (c->count & ~1u) - 2 * (d < half ? d : d - half);
}

static bool counter_out(const struct counter *c, int64_t now)
{
	int64_t d = counter_elapsed(c, now);

	if (!c->loaded)
		return c->mode != 0;
	switch (c->mode) {
	case 0:
	case 1:
		return d >= c->count;
	case 2:
		return c->frozen || d % c->count != c->count - 1;
	case 3:
		return c->frozen || d % c->count < high_half(c->count);
	default:
		return d != c->count;
	}
}

/* The tick of OUT's next rising edge after now, or -1 when none will come by itself. */
static int64_t counter_rise(const struct counter *c, int64_t now)
{
	int64_t d = counter_elapsed(c, now);

	if (!c->loaded || c->frozen)
		return -1;
	switch (c->mode) {
	case 0:
	case 1:
		return d < c->count ? c->start + c->count : -1;
	case 2:
	case 3:
		if (c->next) /* the new count begins either with a rising edge or, in mode 3, with its low half */
			return c->switch_start == c->switch_at ? c->switch_at : c->switch_start + c->next;
		return c->start + (d / c->count + 1) * c->count;
	default:
		return d <= c->count ? c->start + c->count + 1 : -1;
	}
}

static void pit_arm(struct pit *p, uint64_t now_ns)
{
	struct counter *c = &p->c[0];
	int64_t rise = counter_rise(c, ticks_of_ns(now_ns));
	uint64_t at = rise < 0 ? CLOCK_NEVER : ns_of_ticks(rise);

	if (at < now_ns + PIT_MIN_PERIOD_NS && (c->mode == 2 || c->mode == 3) && !c->next)
		at = ns_of_ticks(counter_rise(c, ticks_of_ns(now_ns + PIT_MIN_PERIOD_NS)));
	if (at != CLOCK_NEVER || p->timer.registered)
		clock_arm(&p->vm->clock, &p->timer, at);
}

/*
 * Counter 0 was written at now: its output may have changed, and its next edge has. The time is the write's own: a look at
 * the clock here could find a short one-shot over already, on a busy host, and its only edge would never come.
 */
static void pit_changed(struct pit *p, uint64_t now)
{
	bool out = counter_out(&p->c[0], ticks_of_ns(now));

	if (out != p->out0)
		irq_set(p->vm, 0, out);
	p->out0 = out;
	pit_arm(p, now);
}

static void pit_fire(void *ctx)
{
	struct pit *p = ctx;
	uint64_t now = clock_now(&p->vm->clock);

	counter_sync(&p->c[0], ticks_of_ns(now));
	irq_set(p->vm, 0, false);
	irq_set(p->vm, 0, true);
	p->out0 = true;
	pit_arm(p, now);
}

/* The counting element takes the count at the next clock; a low GATE keeps it from counting. */
static void counter_start(struct counter *c, uint32_t count, int64_t now)
{
	c->loaded = true;
	c->count = count;
	c->next = 0;
	c->start = now + 1;
	c->frozen = !c->gate && c->mode != 1 && c->mode != 5;
	c->held = 0;
}

/* A whole count has been written. */
static void counter_load(struct counter *c, uint16_t value, int64_t now)
{
	uint32_t count = value ? value : 0x10000;
	bool periodic = c->mode == 2 || c->mode == 3;

	if (periodic && count < 2)
		count = 2; /* 1 is illegal there */
	counter_sync(c, now);
	if (c->mode == 1 || c->mode == 5) {
		c->next = count;
	} else if (!periodic || !c->loaded) {
		counter_start(c, count, now);
	} else {
		int64_t period = c->start + counter_elapsed(c, now) / c->count * c->count;
		bool high = c->mode == 3 && counter_elapsed(c, now) % c->count < high_half(c->count);

		c->next = count;
		c->switch_at = period + (high ? high_half(c->count) : c->count);
		c->switch_start = high ? c->switch_at - high_half(count) : c->switch_at;
	}
}

static void counter_write(struct counter *c, uint8_t v, int64_t now)
{
	if (c->access == ACCESS_LSB) {
		counter_load(c, v, now);
	} else if (c->access == ACCESS_MSB) {
		counter_load(c, v << 8, now);
	} else if (!c->write_high) {
		c->write_low = v;
		c->write_high = true;
		if (c->mode == 0)
			c->loaded = false; /* stops, with OUT low, until the second byte */
	} else {
		c->write_high = false;
		counter_load(c, v << 8 | c->write_low, now);
	}
}

static uint8_t counter_read(struct counter *c, int64_t now)
{
	uint16_t v;

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	counter_sync(c, now);
	v = c->latched ? c->latch : counter_value(c, now);
	if (c->access == ACCESS_BOTH && !c->read_high) {
		c->read_high = true;
		return v;
	}
	c->latched = c->read_high = false;
	return c->access == ACCESS_LSB ? v : v >> 8;
}

static void counter_latch(struct counter *c, int64_t now)
{
	if (c->latched)
		return;
	counter_sync(c, now);
	c->latched = true;
	c->latch = counter_value(c, now);
}

static void counter_latch_status(struct counter *c, int64_t now)
{
	bool null;

	if (c->status_latched)
		return;
	counter_sync(c, now);
	null = !c->loaded || c->next || (!c->frozen && now < c->start);
	c->status_latched = true;
	c->status = counter_out(c, now) << 7 | null << 6 | c->access << 4 | c->mode << 1;
}

static void counter_gate(struct counter *c, bool gate, int64_t now)
{
	bool rising = gate && !c->gate, falling = !gate && c->gate;

	counter_sync(c, now);
	c->gate = gate;
	if (c->mode == 1 || c->mode == 5) {
		if (rising && (c->next || c->loaded))
			counter_start(c, c->next ? c->next : c->count, now);
	} else if (falling && c->loaded) {
		c->held = counter_elapsed(c, now);
		c->frozen = true;
	} else if (rising && c->loaded && (c->mode == 2 || c->mode == 3)) {
		counter_start(c, c->next ? c->next : c->count, now);
	} else if (rising && c->loaded) {
		c->frozen = false;
		c->start = now - c->held;
	}
}

/* The control word register, port 0x43. */
static void pit_control(struct pit *p, uint8_t v)
{
	uint64_t at = clock_now(&p->vm->clock);
	int64_t now = ticks_of_ns(at);
	struct counter *c = &p->c[v >> 6 & 3];
	unsigned mode = v >> 1 & 7;

	if (v >> 6 == 3) { /* read-back: the latch bits are active low */
		for (unsigned i = 0; i < 3; i++) {
			if (!(v & 2u << i))
				continue;
			if (!(v & 0x20))
				counter_latch(&p->c[i], now);
			if (!(v & 0x10))
				counter_latch_status(&p->c[i], now);
		}
		return;
	}
	if (!(v & 0x30)) {
		counter_latch(c, now);
		return;
	}
	if ((v & 1) && !p->said_bcd) {
		p->said_bcd = true;
		say("the guest asks timer counter %u to count in BCD, which is not modelled: it counts in binary", v >> 6);
	}
	*c = (struct counter){ .mode = mode > 5 ? mode - 4 : mode, .access = v >> 4 & 3, .gate = c->gate, .count = c->count };
	if (c == &p->c[0])
		pit_changed(p, at);
}

static void pit_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct pit *p = dev;
	uint64_t now;

	if (size > 1) {
		dev_split(pit_io, dev, addr, size, write, data);
		return;
	}
	if (addr > 2) {
		if (addr == 3 && write)
			pit_control(p, *data);
		return;
	}
	if (!write) {
		*data = counter_read(&p->c[addr], pit_now(p));
		return;
	}
	now = clock_now(&p->vm->clock);
	counter_write(&p->c[addr], *data, ticks_of_ns(now));
	if (addr == 0)
		pit_changed(p, now);
}

void pit_set_gate2(struct pit *p, bool gate)
{
	counter_gate(&p->c[2], gate, pit_now(p));
}

bool pit_out2(struct pit *p)
{
	int64_t now = pit_now(p);

	counter_sync(&p->c[2], now);
	return counter_out(&p->c[2], now);
}

int pit_create(struct vm *vm)
{
	struct pit *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	vm->dev->pit = p;
	p->vm = vm;
	p->out0 = true;
	p->timer = (struct clock_timer){ .deadline = CLOCK_NEVER, .fire = pit_fire, .ctx = p };
	/* Not yet programmed: OUT is high and stays so, and nothing fires. */
	for (unsigned i = 0; i < 3; i++)
		p->c[i] = (struct counter){ .mode = 3, .access = ACCESS_BOTH, .gate = i < 2, .count = 0x10000 };
	err = bus_add_port(&vm->bus, "pit", 0x40, 4, pit_io, p);
	if (err)
		pit_destroy(vm);
	return err;
}

void pit_destroy(struct vm *vm)
{
	free(vm->dev->pit);
	vm->dev->pit = NULL;
}
