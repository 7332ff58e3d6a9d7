/*
 * steps.c - a guest whose work is known: each function causes one kind of event, as often as the command line says.
 *
 * For attribution (`run --top`, `ringlab diff`): make one step longer, and the difference between the two runs must name that
 * function and that kind. Command line: ports=N cpuid=N faults=N flips=N (1000 each), loops=N (100000, no event at all).
 * Read next: docs/attribution.md.
 */
#include "hal.h"
#include "x86.h"

#define STEP __attribute__((noinline, noclone))
#define PORT_SCRATCH 0x3ff /* the UART's scratch register */

static char page[PAGE] __attribute__((aligned(4096)));
static uint32_t page_frame;

STEP static uint32_t read_ports(uint32_t n)
{
	uint32_t sum = 0;

	while (n--)
		sum += inb(PORT_SCRATCH);
	return sum;
}

STEP static uint32_t ask_cpu(uint32_t n)
{
	uint32_t sum = 0;

	while (n--)
		sum += cpuid(0, 0).a;
	return sum;
}

static bool map_page(struct trap_frame *f)
{
	if (trap_cr2() - (uint32_t)page >= sizeof page)
		return false;
	page_set(page, page_frame, PTE_KERNEL, false);
	return true;
}

/* The page goes away and is touched; the handler brings it back. */
STEP static uint32_t touch_page(uint32_t n)
{
	uint32_t sum = 0;

	page_frame = page_pa(page);
	trap_set(14, map_page);
	while (n--) {
		page_set(page, 0, 0, true);
		sum += *(volatile char *)page;
	}
	trap_set(14, NULL);
	return sum;
}

STEP static void flip_interrupts(uint32_t n)
{
	while (n--) {
		irq_on();
		irq_off();
	}
}

STEP static uint32_t compute(uint32_t n)
{
	uint32_t x = 1;

	while (n--) {
		x = x * 1664525u + 1013904223u;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

int guest_main(void)
{
	uint32_t sum = read_ports(hal_number("ports", 1000)) + ask_cpu(hal_number("cpuid", 1000)) + touch_page(hal_number("faults", 1000));

	flip_interrupts(hal_number("flips", 1000));
	sum += compute(hal_number("loops", 100000));
	printf("STEPS done%s\n", sum == 1 ? "!" : "");
	return 0;
}
