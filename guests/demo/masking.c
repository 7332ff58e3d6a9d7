/*
 * masking.c - a kernel that masks interrupts heavily: what each CLI and STI costs, and how late an interrupt is that came meanwhile.
 *
 * The guest of `ringlab demo interrupt-virtualization`. n pairs of CLI and STI, timed; an interrupt that is due while they are closed, again and
 * again: did it wait, and how long after STI did its handler run? Then the pair that kernels use where they do not know whether interrupts
 * are open: save the flags, close, restore the flags (PUSHF, CLI, POPF). In the Xen build all of these are stores to evtchn_upcall_mask.
 * Builds: XEN PREVIRT
 */
#include "median.h"
#include "x86.h"
#ifdef HAL_XEN
#include "xen.h"
#else
#include "native.h"
#endif

#define TIMER_HZ 1000
#define ROUNDS 15 /* of delivery */
#define BATCH 16  /* pairs in one timed region */
#define SPIN_CYCLES 2000000000u

static volatile uint32_t ticks, opened, latency;

static void tick(void)
{
	latency = hal_tsc32() - opened;
	ticks++;
}

#ifdef HAL_XEN
static volatile uint8_t *mask_byte(void)
{
	return &xen_shared.vcpu_info[0].evtchn_upcall_mask;
}

static __attribute__((noinline)) void cli_sti(void)
{
	irq_off();
	irq_on();
}

static inline uint32_t flags_save(void)
{
	uint32_t was = *mask_byte();
	irq_off();
	return was;
}

static inline void flags_restore(uint32_t was)
{
	if (!was)
		irq_on();
}
#else
/* A critical section, to be shown. The last NOP ends STI's shadow: an interrupt that waits comes before the RET. */
__asm__(".text; .globl critical; .type critical, @function; critical: cli; nop; sti; nop; ret; .size critical, . - critical");

static __attribute__((noinline)) void cli_sti(void)
{
	truth_add(INT_FLAG, 2);
	__asm__ volatile("call critical" : : : "memory");
}

static inline uint32_t flags_save(void)
{
	uint32_t was;
	truth_add(FLAGS_IMAGE, 1);
	truth_add(INT_FLAG, 1);
	__asm__ volatile("pushfl; popl %0; cli" : "=r"(was) : : "memory");
	return was;
}

static inline void flags_restore(uint32_t was)
{
	popf(was);
}
#endif

static __attribute__((noipa)) void save_restore(void)
{
	uint32_t was = flags_save();
	flags_restore(was);
}

static uint32_t pairs(uint32_t n, void (*pair)(void))
{
	static uint32_t s[256];
	uint32_t k = 0;

	for (uint32_t done = 0; done < n; done += BATCH) {
		uint32_t t0 = hal_tsc32();
		for (uint32_t i = 0; i < BATCH; i++)
			pair();
		t0 = hal_tsc32() - t0;
		if (k < ARRAY_LEN(s))
			s[k++] = t0 / BATCH;
	}
	return median(s, k);
}

static bool wait_tick(void)
{
	uint32_t start = ticks, begin = hal_tsc32();

	while (ticks == start)
		if (hal_tsc32() - begin > SPIN_CYCLES)
			return false;
	return true;
}

static void spin(uint32_t cycles)
{
	for (uint32_t t0 = hal_tsc32(); hal_tsc32() - t0 < cycles;)
		;
}

/* Closed for two periods, so that a tick is surely due; then open. Prints how many came while closed, and how late the one that waited was. */
static void delivery(void)
{
	uint32_t s[ROUNDS], closed = 0, waited = 0, period;

	irq_on();
	if (!wait_tick())
		return;
	uint32_t t0 = hal_tsc32();
	wait_tick();
	period = hal_tsc32() - t0;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		irq_off();
		uint32_t before = ticks;
		spin(2 * period);
		closed += ticks - before;
		before = ticks;
		opened = hal_tsc32();
		irq_on();
		for (uint32_t begin = hal_tsc32(); ticks == before && hal_tsc32() - begin < SPIN_CYCLES;)
			;
		if (ticks != before)
			s[waited++] = latency;
	}
	printf("came-while-closed %u\ncame-after-opening %u\nlatency-cycles %u\n", closed, waited, median(s, waited));
}

/* With interrupts open: save, close, restore. Do they come again? And with interrupts closed: do they stay away? */
static void nesting(void)
{
	irq_on();
	uint32_t was = flags_save();
	flags_restore(was);
	uint32_t start = ticks;
	for (uint32_t t0 = hal_tsc32(); ticks == start && hal_tsc32() - t0 < 50000000u;)
		;
	printf("restore-opens %u\n", ticks != start);
	irq_off();
	was = flags_save();
	flags_restore(was);
	start = ticks;
	spin(20000000);
	printf("restore-keeps-closed %u\n", ticks == start);
	irq_off();
}

int guest_main(void)
{
	uint32_t n = hal_number("n", 1000);

	irq_off();
	printf("pair-cycles %u\n", pairs(n, cli_sti));
	irq_off();
	printf("save-restore-cycles %u\n", pairs(n, save_restore));
	if (!hal_flag("pairs")) {
		timer_start(TIMER_HZ, tick);
		delivery();
		nesting();
		timer_stop();
	}
	irq_off();
	return 0;
}
