/*
 * rtc.c - the MC146818 real-time clock and its CMOS RAM: ports 0x70 and 0x71, IRQ 8.
 *
 * Sources: Motorola MC146818A data sheet; for the RAM-size bytes, the layout PC firmware has used since the AT. The time
 * is the host's UTC at the VM's start plus clock_now, plus what the guest has set. Flags in register C are worked out
 * when they are looked at; a timer runs only while an enabled interrupt has not yet been raised, so that a guest which
 * never reads register C costs nothing. Bit 7 of port 0x70 masks NMIs, of which this machine has none.
 *
 * Dates are computed here: libc's gmtime_r opens the host's time zone file, for which the jail kills the process.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "core/irq.h"
#include "core/vm.h"
#include "dev/machine.h"

#define NS_PER_S 1000000000ull
#define VIRTUAL_EPOCH 1767225600 /* with virtual time: 2026-01-01 00:00 UTC */
#define RTC_IRQ 8
#define UPDATE_NS 2228000u /* UIP is set 244 us before an update, which takes 1,984 us */

enum { SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM, WEEKDAY, DAY, MONTH, YEAR, REG_A, REG_B,
	REG_C, REG_D, CENTURY = 0x32 };
enum { A_UIP = 0x80, B_24H = 2, B_BINARY = 4, B_UIE = 0x10, B_AIE = 0x20, B_PIE = 0x40, B_SET = 0x80 };
enum { C_UF = 0x10, C_AF = 0x20, C_PF = 0x40, C_IRQF = 0x80, ENABLES = B_UIE | B_AIE | B_PIE };

struct rtc {
	struct vm *vm;
	uint8_t index;
	uint8_t cmos[128];
	uint64_t start_ns;     /* the host's time of day at the VM's start */
	int64_t offset;        /* seconds the guest has set the clock ahead */
	uint64_t seen_ns;      /* flags are up to date as of this time */
	struct clock_timer timer;
};

/* A moment as the registers show it; mon and mday count from 1, wday from 0, a Sunday. */
struct moment {
	int64_t year;
	unsigned mon, mday, wday, hour, min, sec;
};

/* Days from 1970-01-01 in the Gregorian calendar. Years begin in March here, so that a leap day is the last of its year. */
static int64_t days_of_date(int64_t year, unsigned mon, unsigned mday)
{
	int64_t y = mon <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400;
	int64_t in_era = y - era * 400, in_year = (153 * ((int64_t)mon + (mon > 2 ? -3 : 9)) + 2) / 5 + (int64_t)mday - 1;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static struct moment moment_of_seconds(int64_t t)
{
	int64_t days = t / 86400 - (t % 86400 < 0), left = t - days * 86400;
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, in_era = z - era * 146097;
	int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * year + year / 4 - year / 100), m = (5 * in_year + 2) / 153;
	unsigned mon = (unsigned)(m < 10 ? m + 3 : m - 9);

	return (struct moment){ .year = year + era * 400 + (mon <= 2), .mon = mon, .mday = (unsigned)(in_year - (153 * m + 2) / 5 + 1),
		.wday = (unsigned)(((days + 4) % 7 + 7) % 7), .hour = (unsigned)(left / 3600), .min = (unsigned)(left / 60 % 60),
		.sec = (unsigned)(left % 60) };
}

/* Time of day in ns, the guest's setting left out. */
static uint64_t rtc_now(const struct rtc *r)
{
	return r->start_ns + clock_now(&r->vm->clock);
}

static int64_t rtc_seconds(const struct rtc *r)
{
	return (int64_t)(rtc_now(r) / NS_PER_S) + r->offset;
}

static uint8_t encode(const struct rtc *r, unsigned v)
{
	return r->cmos[REG_B] & B_BINARY ? v : v / 10 % 10 << 4 | v % 10;
}

static unsigned decode(const struct rtc *r, uint8_t v)
{
	return r->cmos[REG_B] & B_BINARY ? v : (v >> 4) * 10u + (v & 15);
}

static uint8_t encode_hours(const struct rtc *r, unsigned h)
{
	if (r->cmos[REG_B] & B_24H)
		return encode(r, h);
	return encode(r, h % 12 ? h % 12 : 12) | (h >= 12 ? 0x80 : 0);
}

static unsigned decode_hours(const struct rtc *r, uint8_t v)
{
	if (r->cmos[REG_B] & B_24H)
		return decode(r, v);
	return decode(r, v & 0x7f) % 12 + (v & 0x80 ? 12 : 0);
}

/* Writes the running time into its registers. */
static void time_to_registers(struct rtc *r)
{
	struct moment m = moment_of_seconds(rtc_seconds(r));

	if (r->cmos[REG_B] & B_SET)
		return;
	r->cmos[SECONDS] = encode(r, m.sec);
	r->cmos[MINUTES] = encode(r, m.min);
	r->cmos[HOURS] = encode_hours(r, m.hour);
	r->cmos[WEEKDAY] = encode(r, m.wday + 1);
	r->cmos[DAY] = encode(r, m.mday);
	r->cmos[MONTH] = encode(r, m.mon);
	r->cmos[YEAR] = encode(r, (unsigned)(m.year % 100));
	r->cmos[CENTURY] = encode(r, (unsigned)(m.year / 100));
}

/* The guest has set the time registers: the clock goes on from there. */
static void registers_to_time(struct rtc *r)
{
	/* Wild values carry into the next field, as a chip's counters would not, but no harm is done. */
	unsigned mon = decode(r, r->cmos[MONTH]) % 16;
	int64_t year = decode(r, r->cmos[CENTURY]) * 100 + decode(r, r->cmos[YEAR]);
	int64_t days = days_of_date(year, mon ? mon : 1, decode(r, r->cmos[DAY]));
	int64_t of_day = decode_hours(r, r->cmos[HOURS]) * 3600 + decode(r, r->cmos[MINUTES]) * 60 + decode(r, r->cmos[SECONDS]);

	r->offset = days * 86400 + of_day - (int64_t)(rtc_now(r) / NS_PER_S);
}

static bool is_time(unsigned reg)
{
	return reg == CENTURY || (reg <= YEAR && reg != SECONDS_ALARM && reg != MINUTES_ALARM && reg != HOURS_ALARM);
}

/* Nanoseconds between periodic interrupts, 0 for none: 32,768 Hz divided by 2^(RS-1); RS 1 and 2 repeat 8 and 9. */
static uint64_t period_ns(const struct rtc *r)
{
	unsigned rs = r->cmos[REG_A] & 15;

	if (!rs)
		return 0;
	return (NS_PER_S << (rs < 3 ? rs + 6 : rs - 1)) / 32768;
}

static bool alarm_matches(const struct rtc *r, int64_t t)
{
	struct moment m = moment_of_seconds(t);

	/* An alarm byte of 0xc0 and above matches anything. */
	return (r->cmos[SECONDS_ALARM] >= 0xc0 || r->cmos[SECONDS_ALARM] == encode(r, m.sec)) &&
		(r->cmos[MINUTES_ALARM] >= 0xc0 || r->cmos[MINUTES_ALARM] == encode(r, m.min)) &&
		(r->cmos[HOURS_ALARM] >= 0xc0 || r->cmos[HOURS_ALARM] == encode_hours(r, m.hour));
}

/* Sets the flags of what has happened since the last call, and the interrupt line. */
static void rtc_sync(struct rtc *r)
{
	uint64_t now = rtc_now(r), period = period_ns(r);
	int64_t from = (int64_t)(r->seen_ns / NS_PER_S), to = (int64_t)(now / NS_PER_S);
	uint8_t c = r->cmos[REG_C];

	if (period && now / period != r->seen_ns / period)
		c |= C_PF;
	if (to != from && !(r->cmos[REG_B] & B_SET)) {
		c |= C_UF;
		if (to - from > 86400)
			from = to - 86400; /* every time of day has come once */
		for (int64_t t = from + 1; t <= to && !(c & C_AF); t++)
			if (alarm_matches(r, t + r->offset))
				c |= C_AF;
	}
	r->seen_ns = now;
	if (c & r->cmos[REG_B] & ENABLES)
		c |= C_IRQF;
	if ((c & ~r->cmos[REG_C]) & C_IRQF)
		irq_set(r->vm, RTC_IRQ, true);
	r->cmos[REG_C] = c;
}

/* Arms the timer for the next enabled event, unless an interrupt already waits for register C to be read. */
static void rtc_arm(struct rtc *r)
{
	uint8_t b = r->cmos[REG_B];
	uint64_t now = rtc_now(r), period = period_ns(r), at = CLOCK_NEVER;

	if (!(r->cmos[REG_C] & C_IRQF)) {
		if ((b & B_PIE) && period)
			at = (now / period + 1) * period;
		if ((b & (B_UIE | B_AIE)) && !(b & B_SET) && (now / NS_PER_S + 1) * NS_PER_S < at)
			at = (now / NS_PER_S + 1) * NS_PER_S;
	}
	if (at != CLOCK_NEVER)
		at -= r->start_ns;
	if (at != CLOCK_NEVER || r->timer.registered)
		clock_arm(&r->vm->clock, &r->timer, at);
}

static void rtc_fire(void *ctx)
{
	struct rtc *r = ctx;

	rtc_sync(r);
	rtc_arm(r);
}

static uint8_t rtc_read(struct rtc *r)
{
	unsigned reg = r->index;
	uint8_t v;

	if (is_time(reg))
		time_to_registers(r);
	v = r->cmos[reg];
	if (reg == REG_A && !(r->cmos[REG_B] & B_SET) && rtc_now(r) % NS_PER_S >= NS_PER_S - UPDATE_NS)
		v |= A_UIP;
	if (reg == REG_C) {
		rtc_sync(r);
		v = r->cmos[REG_C];
		r->cmos[REG_C] = 0;
		irq_set(r->vm, RTC_IRQ, false);
		rtc_arm(r);
	}
	return v;
}

static void rtc_write(struct rtc *r, uint8_t v)
{
	unsigned reg = r->index;
	bool was_set = r->cmos[REG_B] & B_SET;

	if (reg == REG_C || reg == REG_D)
		return;
	rtc_sync(r);
	if (is_time(reg) || reg == REG_B)
		time_to_registers(r);
	r->cmos[reg] = reg == REG_A ? v & ~A_UIP : v;
	if (reg == REG_B && (v & B_SET))
		r->cmos[REG_B] &= ~B_UIE; /* as the data sheet has it: SET clears UIE */
	if ((is_time(reg) && !was_set) || (reg == REG_B && was_set && !(v & B_SET)))
		registers_to_time(r);
	if (reg == REG_A || reg == REG_B) {
		rtc_sync(r); /* a flag that stands already raises the interrupt when it is enabled */
		rtc_arm(r);
	}
}

static void rtc_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct rtc *r = dev;

	if (size > 1)
		dev_split(rtc_io, dev, addr, size, write, data);
	else if (addr > 1)
		return;
	else if (addr == 0 && write)
		r->index = *data & 0x7f;
	else if (addr == 1 && write)
		rtc_write(r, *data);
	else if (addr == 1)
		*data = rtc_read(r);
	/* the index register cannot be read: all ones */
}

static void put16(uint8_t *p, uint64_t v)
{
	v = v > 0xffff ? 0xffff : v;
	p[0] = v & 0xff;
	p[1] = v >> 8;
}

/* Memory sizes where firmware puts them, and the checksum over 0x10..0x2d. */
static void cmos_fill(struct rtc *r, uint64_t ram)
{
	uint64_t above_1m = ram > 1 << 20 ? ram - (1 << 20) : 0, above_16m = ram > 16 << 20 ? ram - (16 << 20) : 0;
	unsigned sum = 0;

	r->cmos[REG_A] = 0x26;
	r->cmos[REG_B] = B_24H;
	r->cmos[REG_D] = 0x80; /* the battery is good */
	r->cmos[0x14] = 0x02;  /* equipment: a coprocessor */
	put16(&r->cmos[0x15], 640);
	put16(&r->cmos[0x17], above_1m >> 10);
	put16(&r->cmos[0x30], above_1m >> 10);
	put16(&r->cmos[0x34], above_16m >> 16);
	for (unsigned i = 0x10; i <= 0x2d; i++)
		sum += r->cmos[i];
	r->cmos[0x2e] = sum >> 8 & 0xff;
	r->cmos[0x2f] = sum & 0xff;
}

int rtc_create(struct vm *vm)
{
	struct rtc *r = calloc(1, sizeof(*r));
	struct timespec t;
	int err;

	if (!r)
		return -ENOMEM;
	vm->dev->rtc = r;
	tzset(); /* now: gmtime_r would open the zone file at its first call, which the jail forbids by then */
	clock_gettime(CLOCK_REALTIME, &t);
	if (vm->cfg.count_insns)
		t = (struct timespec){ .tv_sec = VIRTUAL_EPOCH };
	r->vm = vm;
	r->start_ns = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec - clock_now(&vm->clock);
	r->seen_ns = rtc_now(r);
	r->timer = (struct clock_timer){ .deadline = CLOCK_NEVER, .fire = rtc_fire, .ctx = r };
	cmos_fill(r, vm->mem.size);
	err = bus_add_port(&vm->bus, "rtc", 0x70, 2, rtc_io, r);
	if (err)
		rtc_destroy(vm);
	return err;
}

void rtc_destroy(struct vm *vm)
{
	free(vm->dev->rtc);
	vm->dev->rtc = NULL;
}
