/*
 * translate.c - what a translator makes of code: a loop that chains, an instruction that turns out to touch a device.
 *
 * For the demonstration binary-translation. demo_sum is plain code with a loop and a call; demo_device reads 1000 times, with one instruction,
 * first from memory and then from an address where a device is. Command line: n=1000.
 */
#include "hal.h"
#include "native.h"

#define DEVICE 0xfe900000u /* nobody answers there: reads are all ones */
#define PTE_UNCACHED 0x18u

static uint8_t window[PAGE] __attribute__((aligned(PAGE)));

static __attribute__((noinline, used)) uint32_t demo_twice(uint32_t x)
{
	__asm__ volatile("" : "+r"(x));
	return 2 * x;
}

static __attribute__((noinline, used)) uint32_t demo_sum(uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += demo_twice(i);
	return sum;
}

static __attribute__((noinline, used)) uint32_t demo_device(volatile uint32_t *at)
{
	return *at;
}

int guest_main(void)
{
	uint32_t n = hal_number("n", 1000), memory = 7, sum, first, t0, all, turns;

	demo_sum(n);
	t0 = raw_tsc32();
	sum = demo_sum(n);
	turns = raw_tsc32() - t0;
	for (uint32_t i = 0; i < n; i++)
		demo_device(&memory);
	page_set(window, DEVICE, PTE_KERNEL | PTE_UNCACHED, true);
	*(volatile uint32_t *)window; /* by another instruction: maps the page, and has the VMM say that nobody answers there */
	t0 = raw_tsc32();
	demo_device((volatile uint32_t *)window);
	first = raw_tsc32() - t0;
	t0 = raw_tsc32();
	for (uint32_t i = 1; i < n; i++)
		demo_device((volatile uint32_t *)window);
	all = raw_tsc32() - t0;
	truth_add(MMIO, n + 1);
	truth_add(RDTSC, 6);
	printf("sum %u\nsum-cycles-each %u\ndevice-reads %u\nfirst-read-cycles %u\nlater-reads-cycles %u\n", sum, n ? turns / n : 0, n, first, n > 1 ? all / (n - 1) : 0);
	return 0;
}
