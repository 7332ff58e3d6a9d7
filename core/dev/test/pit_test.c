/* The 8254's six modes, as its data sheet has them; interrupts that neither drift nor pile up. */
#include <criterion/criterion.h>
#include "rig.h"

static struct rig *r;
static uint64_t base; /* ns at which the count under test was written */

static void setup(void)
{
	r = rig_new();
	rig_pic_init(r);
	rig_out(r, 0x61, 1); /* GATE 2 */
	base = 0;
}

static void teardown(void)
{
	rig_free(r);
}

TestSuite(pit, .init = setup, .fini = teardown);

/* The middle of tick t. */
static uint64_t tick_ns(uint64_t t)
{
	return t * 1000000000ull / 1193182 + 500;
}

static uint64_t loaded_at; /* the tick of the write */

static void program(unsigned counter, unsigned mode, uint16_t count)
{
	rig_out(r, 0x43, counter << 6 | 0x30 | mode << 1);
	rig_out(r, 0x40 + counter, count & 0xff);
	rig_out(r, 0x40 + counter, count >> 8);
}

static void start(unsigned counter, unsigned mode, uint16_t count)
{
	loaded_at = 10000;
	r->now = tick_ns(loaded_at);
	program(counter, mode, count);
}

/* To n ticks after the counting element was loaded, which is one tick after the write. */
static void after(uint64_t n)
{
	rig_until(r, tick_ns(loaded_at + 1 + n));
}

static unsigned count_of(unsigned counter)
{
	unsigned low;

	rig_out(r, 0x43, counter << 6);
	low = rig_in(r, 0x40 + counter);
	return low | rig_in(r, 0x40 + counter) << 8;
}

static bool out2(void)
{
	return rig_in(r, 0x61) & 0x20;
}

static unsigned status_of(unsigned counter)
{
	rig_out(r, 0x43, 0xe0 | 2u << counter);
	return rig_in(r, 0x40 + counter);
}

Test(pit, mode_0_goes_high_at_terminal_count_and_counts_on)
{
	start(2, 0, 100);
	after(0);
	cr_assert(!out2());
	cr_assert_eq(count_of(2), 100);
	after(99);
	cr_assert(!out2());
	cr_assert_eq(count_of(2), 1);
	after(100);
	cr_assert(out2());
	after(102);
	cr_assert_eq(count_of(2), 0xfffe);
	cr_assert(out2(), "OUT stays high");
}

Test(pit, mode_0_gate_suspends)
{
	start(2, 0, 100);
	after(40);
	rig_out(r, 0x61, 0);
	after(500);
	cr_assert_eq(count_of(2), 60);
	cr_assert(!out2());
	rig_out(r, 0x61, 1);
	after(559);
	cr_assert(!out2());
	after(560);
	cr_assert(out2());
}

Test(pit, mode_1_is_a_retriggerable_one_shot)
{
	start(2, 1, 50);
	after(10);
	cr_assert(out2(), "nothing happens before the trigger");
	cr_assert(status_of(2) & 0x40, "the count is not loaded yet");
	rig_out(r, 0x61, 0);
	rig_out(r, 0x61, 1);
	after(12);
	cr_assert(!out2());
	after(40);
	rig_out(r, 0x61, 0);
	rig_out(r, 0x61, 1);
	after(40 + 50);
	cr_assert(!out2(), "triggered anew at 40, loaded one tick later");
	after(40 + 51);
	cr_assert(out2());
}

Test(pit, mode_2_is_low_for_one_tick_in_n)
{
	unsigned low = 0;

	start(2, 2, 10);
	for (unsigned i = 0; i < 100; i++) {
		after(i);
		low += !out2();
		cr_assert_eq(count_of(2), 10 - i % 10);
	}
	cr_assert_eq(low, 10);
}

Test(pit, mode_2_takes_a_new_count_at_the_end_of_the_period)
{
	start(2, 2, 100);
	after(30);
	rig_out(r, 0x42, 10);
	rig_out(r, 0x42, 0);
	cr_assert(status_of(2) & 0x40);
	after(99);
	cr_assert_eq(count_of(2), 1);
	after(100);
	cr_assert_eq(count_of(2), 10);
	cr_assert(!(status_of(2) & 0x40));
}

Test(pit, mode_2_gate_stops_and_restarts)
{
	start(2, 2, 100);
	after(99);
	cr_assert(!out2());
	rig_out(r, 0x61, 0);
	cr_assert(out2(), "a low gate sets OUT at once");
	after(500);
	rig_out(r, 0x61, 1);
	after(501);
	cr_assert_eq(count_of(2), 100, "a rising gate reloads");
}

Test(pit, mode_3_is_a_square_wave)
{
	unsigned high = 0;

	start(2, 3, 10);
	for (unsigned i = 0; i < 100; i++) {
		after(i);
		high += out2();
		cr_assert_eq(count_of(2), 10 - 2 * (i % 5));
	}
	cr_assert_eq(high, 50);
}

Test(pit, mode_3_with_an_odd_count_is_high_for_one_more)
{
	unsigned high = 0;

	start(2, 3, 9);
	for (unsigned i = 0; i < 90; i++) {
		after(i);
		high += out2();
		cr_assert(!(count_of(2) & 1), "it counts by twos from an even number");
	}
	cr_assert_eq(high, 50);
}

Test(pit, mode_3_takes_a_new_count_at_the_half)
{
	start(2, 3, 100);
	after(10);
	rig_out(r, 0x42, 20);
	rig_out(r, 0x42, 0);
	after(49);
	cr_assert(out2());
	after(50);
	cr_assert(!out2());
	after(59);
	cr_assert(!out2());
	after(60);
	cr_assert(out2(), "the low half is already the new one");
}

Test(pit, mode_4_strobes_once)
{
	start(2, 4, 30);
	after(29);
	cr_assert(out2());
	after(30);
	cr_assert(!out2());
	after(31);
	cr_assert(out2());
	after(30 + 65536);
	cr_assert(out2(), "it counts on, but strobes no more");
}

Test(pit, mode_5_strobes_after_a_trigger)
{
	start(2, 5, 30);
	after(100);
	cr_assert(out2());
	rig_out(r, 0x61, 0);
	rig_out(r, 0x61, 1);
	after(100 + 31);
	cr_assert(!out2());
	after(100 + 32);
	cr_assert(out2());
}

Test(pit, zero_means_65536)
{
	start(2, 0, 0);
	after(65535);
	cr_assert(!out2());
	after(65536);
	cr_assert(out2());
}

Test(pit, a_latched_count_stands_until_it_is_read)
{
	start(2, 2, 1000);
	after(100);
	rig_out(r, 0x43, 0x80);
	after(200);
	rig_out(r, 0x43, 0x80); /* ignored: one is latched already */
	after(300);
	cr_assert_eq(rig_in(r, 0x42), 900 & 0xff);
	cr_assert_eq(rig_in(r, 0x42), 900 >> 8);
	cr_assert_eq(rig_in(r, 0x42), 700 & 0xff, "then the count itself");
}

Test(pit, read_back_latches_status_before_count)
{
	start(2, 2, 1000);
	after(100);
	rig_out(r, 0x43, 0xc8); /* count and status of counter 2 */
	cr_assert_eq(rig_in(r, 0x42), 0x80 | 0x30 | 2 << 1);
	cr_assert_eq(rig_in(r, 0x42), 900 & 0xff);
	cr_assert_eq(rig_in(r, 0x42), 900 >> 8);
}

Test(pit, modes_6_and_7_are_2_and_3)
{
	start(2, 7, 1000);
	cr_assert_eq(status_of(2) & 0x0e, 3 << 1);
	start(2, 6, 1000);
	cr_assert_eq(status_of(2) & 0x0e, 2 << 1);
}

Test(pit, single_byte_access)
{
	r->now = tick_ns(loaded_at = 10000);
	rig_out(r, 0x43, 0x94); /* counter 2, LSB only, mode 2 */
	rig_out(r, 0x42, 50);
	after(10);
	cr_assert_eq(rig_in(r, 0x42), 40);
	cr_assert_eq(rig_in(r, 0x42), 40);
	r->now = tick_ns(loaded_at = 20000);
	rig_out(r, 0x43, 0xa4); /* MSB only */
	rig_out(r, 0x42, 2);
	after(10);
	cr_assert_eq(rig_in(r, 0x42), 1);
}

/* Interrupts */

static unsigned ticks_taken(void)
{
	unsigned n = 0;

	while (rig_ack(r) == 0x20) {
		n++;
		rig_out(r, 0x20, 0x20);
	}
	return n;
}

Test(pit, a_periodic_interrupt_does_not_drift)
{
	uint64_t second = 1000000000ull;
	unsigned n = 0;

	r->now = 0;
	program(0, 2, 1193); /* 1000.15 Hz */
	for (uint64_t t = 0; t < 100 * second; t += 333333) {
		rig_until(r, t);
		n += ticks_taken();
	}
	cr_assert_leq(n, 100016);
	cr_assert_geq(n, 100014, "%u interrupts in 100 s", n);
}

Test(pit, a_stalled_host_leaves_one_interrupt)
{
	start(0, 2, 1193);
	after(5);
	/* The host is away for a second; then timers fire at the time it is now. */
	r->now += 1000000000ull;
	clock_run(&r->vm.clock);
	cr_assert_eq(ticks_taken(), 1);
	clock_run(&r->vm.clock);
	cr_assert_eq(ticks_taken(), 0);
	cr_assert_gt(clock_next(&r->vm.clock), r->now);
	cr_assert_leq(clock_next(&r->vm.clock) - r->now, 1000000u + 20000);
}

Test(pit, an_unacknowledged_interrupt_stays_one)
{
	start(0, 3, 1193);
	after(1193 * 50 + 10);
	cr_assert_eq(ticks_taken(), 1);
}

Test(pit, one_shots_fire_once)
{
	start(0, 0, 500);
	after(499);
	cr_assert_eq(ticks_taken(), 0);
	after(501);
	cr_assert_eq(ticks_taken(), 1);
	after(200000);
	cr_assert_eq(ticks_taken(), 0);
	start(0, 4, 500);
	ticks_taken(); /* leaving mode 0's low raises OUT */
	after(499);
	cr_assert_eq(ticks_taken(), 0);
	after(502);
	cr_assert_eq(ticks_taken(), 1);
	after(200000);
	cr_assert_eq(ticks_taken(), 0);
}

Test(pit, reprogramming_disarms)
{
	start(0, 2, 1000);
	after(10);
	rig_out(r, 0x43, 0x30); /* mode 0, and no count */
	after(5000);
	cr_assert_eq(ticks_taken(), 0);
	cr_assert_eq(clock_next(&r->vm.clock), CLOCK_NEVER);
}

Test(pit, very_short_periods_do_not_become_a_storm)
{
	unsigned fires = 0;

	start(0, 2, 2);
	for (uint64_t end = r->now + 10000000; clock_next(&r->vm.clock) < end; fires++)
		rig_until(r, clock_next(&r->vm.clock));
	cr_assert_leq(fires, 10000000 / 20000);
	cr_assert_geq(fires, 10000000 / 20000 / 2);
}

Test(pit, nothing_fires_before_it_is_programmed)
{
	cr_assert_eq(clock_next(&r->vm.clock), CLOCK_NEVER);
}

Test(pit, port_61_refresh_bit_toggles)
{
	unsigned changes = 0, last = rig_in(r, 0x61) & 0x10;

	for (unsigned i = 0; i < 1000; i++) {
		r->now += 1000;
		unsigned v = rig_in(r, 0x61) & 0x10;
		changes += v != last;
		last = v;
	}
	cr_assert(changes >= 65 && changes <= 67, "1 ms has 66 refresh requests, saw %u", changes);
	rig_out(r, 0x61, 0x03);
	cr_assert_eq(rig_in(r, 0x61) & 0x0f, 3);
}
