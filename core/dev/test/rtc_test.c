/* The MC146818's registers, flags and interrupts. */
#include <criterion/criterion.h>
#include <time.h>
#include "rig.h"

static struct rig *r;

static void setup(void)
{
	r = rig_new();
	rig_pic_init(r);
}

static void teardown(void)
{
	rig_free(r);
}

TestSuite(rtc, .init = setup, .fini = teardown);

#define S 1000000000ull

static uint8_t get(unsigned reg)
{
	rig_out(r, 0x70, reg);
	return rig_in(r, 0x71);
}

static void set(unsigned reg, uint8_t v)
{
	rig_out(r, 0x70, reg);
	rig_out(r, 0x71, v);
}

/* Sets the clock: 2024-02-28 23:59:50, a leap year. */
static void set_time(void)
{
	set(11, 0x82);
	set(0, 0x50);
	set(2, 0x59);
	set(4, 0x23);
	set(7, 0x28);
	set(8, 0x02);
	set(9, 0x24);
	set(0x32, 0x20);
	set(11, 0x02);
}

static bool irq8(void)
{
	bool got = rig_ack(r) == 0x28;

	if (got) {
		rig_out(r, 0xa0, 0x20);
		rig_out(r, 0x20, 0x20);
	}
	return got;
}

Test(rtc, shows_the_hosts_time)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	cr_assert_eq((get(9) >> 4) * 10 + (get(9) & 15), tm.tm_year % 100);
	cr_assert_eq(get(0x32), 0x20);
	cr_assert(get(13) & 0x80, "the battery is good");
}

Test(rtc, runs_and_carries)
{
	set_time();
	cr_assert_eq(get(0), 0x50);
	rig_until(r, r->now + 15 * S);
	cr_assert(get(0) == 0x05 || get(0) == 0x04);
	cr_assert_eq(get(2), 0x00);
	cr_assert_eq(get(4), 0x00);
	cr_assert_eq(get(7), 0x29);
	cr_assert_eq(get(8), 0x02);
	cr_assert_eq(get(6), 5, "a Thursday");
}

/* Every day of the years 1810 to 2209, against libc's calendar. */
Test(rtc, the_calendar_is_gregorian)
{
	set(11, 0x06);
	for (time_t day = -40 * 146097 / 100; day < 60 * 146097 / 100; day += 1) {
		struct tm tm;
		time_t t = day * 86400 + 45296;

		gmtime_r(&t, &tm);
		set(11, 0x86);
		set(0, (uint8_t)tm.tm_sec);
		set(2, (uint8_t)tm.tm_min);
		set(4, (uint8_t)tm.tm_hour);
		set(7, (uint8_t)tm.tm_mday);
		set(8, (uint8_t)(tm.tm_mon + 1));
		set(9, (uint8_t)((tm.tm_year + 1900) % 100));
		set(0x32, (uint8_t)((tm.tm_year + 1900) / 100));
		set(11, 0x06);
		cr_assert_eq(get(7), tm.tm_mday);
		cr_assert_eq(get(8), tm.tm_mon + 1);
		cr_assert_eq(get(9), (tm.tm_year + 1900) % 100);
		cr_assert_eq(get(0x32), (tm.tm_year + 1900) / 100);
		cr_assert_eq(get(6), tm.tm_wday + 1);
		cr_assert_eq(get(4), tm.tm_hour);
	}
}

Test(rtc, binary_and_twelve_hours)
{
	set_time();
	set(11, 0x06);
	cr_assert_eq(get(4), 23);
	cr_assert_eq(get(9), 24);
	set(11, 0x04);
	cr_assert_eq(get(4), 0x80 | 11);
	rig_until(r, r->now + 15 * S);
	cr_assert_eq(get(4), 12, "midnight is 12 AM");
}

Test(rtc, set_holds_the_registers)
{
	set_time();
	set(11, 0x82);
	rig_until(r, r->now + 15 * S);
	cr_assert_eq(get(2), 0x59);
	cr_assert(!(get(10) & 0x80));
}

Test(rtc, update_in_progress_shows_once_a_second)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < 4000; i++) {
		r->now += S / 1000;
		seen += get(10) >> 7;
	}
	cr_assert(seen >= 4 && seen <= 12, "%u of 4000 looks", seen);
}

Test(rtc, periodic_interrupt_at_its_rate)
{
	unsigned n = 0;

	set(10, 0x26); /* 1024 Hz */
	set(11, 0x42);
	get(12);
	for (uint64_t end = r->now + S; r->now < end;) {
		rig_until(r, r->now + 100000);
		if (irq8()) {
			n++;
			cr_assert_eq(get(12) & 0xc0, 0xc0);
		}
	}
	cr_assert(n >= 1022 && n <= 1026, "%u interrupts in a second", n);
}

Test(rtc, no_second_interrupt_until_register_c_is_read)
{
	set(11, 0x42);
	get(12);
	rig_until(r, r->now + S / 10);
	cr_assert(irq8());
	rig_until(r, r->now + S / 10);
	cr_assert(!irq8());
	cr_assert_eq(clock_next(&r->vm.clock), CLOCK_NEVER, "and no timer runs meanwhile");
	get(12);
	rig_until(r, r->now + S / 10);
	cr_assert(irq8());
}

Test(rtc, update_ended_interrupt)
{
	set(11, 0x12);
	get(12);
	rig_until(r, r->now + S + S / 2);
	cr_assert(irq8());
	cr_assert_eq(get(12) & 0x90, 0x90);
	cr_assert_eq(get(12), 0, "a read clears it");
}

Test(rtc, alarm)
{
	set_time();
	set(1, 0x58);
	set(3, 0x59);
	set(5, 0x23);
	set(11, 0x22);
	get(12);
	rig_until(r, r->now + 6 * S);
	cr_assert(!irq8());
	rig_until(r, r->now + 3 * S);
	cr_assert(irq8());
	cr_assert_eq(get(12) & 0xa0, 0xa0);
	/* A byte of 0xc0 and above matches anything: every minute at :05. */
	set(1, 0x05);
	set(3, 0xff);
	set(5, 0xff);
	get(12);
	rig_until(r, r->now + 4 * S);
	get(12);
	rig_until(r, r->now + 180 * S);
	cr_assert(irq8());
}

Test(rtc, flags_show_without_interrupts)
{
	set(11, 0x02);
	get(12);
	rig_until(r, r->now + 2 * S);
	cr_assert_eq(get(12), 0x50, "update ended and periodic, no IRQF");
	cr_assert(!irq8());
}

Test(rtc, memory_sizes)
{
	cr_assert_eq(get(0x15) | get(0x16) << 8, 640);
	cr_assert_eq(get(0x17) | get(0x18) << 8, 47 << 10);
	cr_assert_eq(get(0x30) | get(0x31) << 8, 47 << 10);
	cr_assert_eq(get(0x34) | get(0x35) << 8, 32 * 16);
}

Test(rtc, the_nmi_bit_is_not_part_of_the_index)
{
	set(0x80 | 0x40, 0x77);
	cr_assert_eq(get(0x40), 0x77);
	cr_assert_eq(rig_in(r, 0x70), 0xff);
}
