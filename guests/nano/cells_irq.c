/*
 * cells_irq.c - interrupts: a timer's interrupts as the interrupted code sees them, and heavy masking while one is due.
 *
 * Nothing here waits without a bound, or on a flag that PUSHF shows: loops watch a counter that the handler increments,
 * and give up (HOLE) after SPIN_LIMIT looks at it or SPIN_CYCLES cycles.
 */
#include "nano.h"

#define TIMER_HZ 2000
#define SPIN_LIMIT 200000000u
#define SPIN_CYCLES 2000000000u
#define MASK_EVERY 64 /* of the storm's mask-unmask pairs, how many share one timed region */

static volatile uint32_t ticks;
static volatile uint32_t spun, way; /* when the interrupted loop last looked; how much later the handler ran */

static void tick(void)
{
	ticks++;
}

static void tick_stamp(void)
{
	way = hal_tsc32() - spun;
	ticks++;
}

/* The longest silence in a loop of RDTSC around a tick is what the interrupt cost the code that it interrupted. */
static bool wait_tick(uint32_t *cycles)
{
	uint32_t start = ticks, begin = hal_tsc32(), last = begin;
	for (uint32_t spin = 0; spin < SPIN_LIMIT && last - begin < SPIN_CYCLES; spin++) {
		uint32_t now = hal_tsc32();
		if (ticks != start) {
			*cycles = hal_tsc32() - last; /* again: the tick may have come after `now` was read */
			return true;
		}
		last = now;
	}
	return false;
}

static const char *timer_irq(void)
{
	uint32_t cycles;
	timer_start(TIMER_HZ, tick);
	irq_on();
	while (nano.done < nano.n) {
		if (!wait_tick(&cycles)) {
			nano.hole = true;
			break;
		}
		nano_sample(cycles + nano.overhead, 1);
	}
	irq_off();
	timer_stop();
	return NULL;
}

/* One way: from the last look at the TSC in the interrupted loop to the handler. The host's own share is in it: its timer and its signal. */
static const char *irq_delivery(void)
{
	timer_start(TIMER_HZ, tick_stamp);
	irq_on();
	while (nano.done < nano.n && !nano.hole) {
		uint32_t start = ticks, begin = spun = hal_tsc32();
		do
			spun = hal_tsc32();
		while (ticks == start && spun - begin < SPIN_CYCLES);
		nano.hole = ticks == start;
		nano_sample(way + nano.overhead, 1);
	}
	irq_off();
	timer_stop();
	return NULL;
}

/* Spins masked for several periods: a tick in there means that masking does nothing. */
static bool mask_holds(void)
{
	uint32_t cycles, period, before;
	if (!wait_tick(&cycles))
		return false;
	uint32_t t0 = hal_tsc32();
	if (!wait_tick(&cycles))
		return false;
	period = hal_tsc32() - t0;
	irq_off();
	before = ticks;
	for (t0 = hal_tsc32(); hal_tsc32() - t0 < 3 * period;)
		;
	bool quiet = ticks == before;
	irq_on();
	return quiet && wait_tick(&cycles);
}

static const char *irq_mask_storm(void)
{
	ticks = 0;
	timer_start(TIMER_HZ, tick);
	irq_on();
	nano.hole = !mask_holds();
	while (nano.done < nano.n) {
		uint32_t k = nano.done == 0 ? 1 : nano.n - nano.done < MASK_EVERY ? nano.n - nano.done : MASK_EVERY;
		truth_add(RDTSC, 2);
		uint32_t t0 = fenced_tsc();
		for (uint32_t i = 0; i < k; i++) {
			irq_off();
			irq_on();
		}
		nano_sample(fenced_tsc() - t0, k);
	}
	irq_off();
	timer_stop();
	return NULL;
}

const struct cell cells_irq[] = {
	{ .name = "timer-irq", .run = timer_irq, .async = true, .divide = 10 },
	{ .name = "irq-delivery", .run = irq_delivery, .async = true, .divide = 10 },
	{ .name = "irq-mask-storm", .run = irq_mask_storm, .async = true },
	{ .name = NULL },
};
