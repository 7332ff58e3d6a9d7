/*
 * limits.c - a data segment of sixteen bytes, and reads through it inside and outside: who enforces the limit?
 *
 * For the demonstration 64-bit. A thousand reads in the middle tell what the check costs when it passes. Command line: n=1000.
 */
#include "hal.h"
#include "native.h"

static uint32_t words[8] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };
static uint32_t faults;

static __attribute__((noinline, used)) uint32_t demo_read(uint32_t offset)
{
	uint32_t v;

	__asm__ volatile("movl %%gs:(%1), %0" : "=a"(v) : "r"(offset) : "memory");
	return v;
}

/* #GP in demo_read: counted, and the reading instruction is left out. */
static bool on_gp(struct trap_frame *f)
{
	faults++;
	f->eax = 0;
	for (const uint8_t *p = (const uint8_t *)f->eip; f->eip < (uint32_t)p + 15 && *(const uint8_t *)f->eip != 0xc3; f->eip++)
		;
	return true;
}

static uint32_t faults_at(uint32_t offset)
{
	uint32_t before = faults;

	demo_read(offset);
	truth_add(EXCEPTION, faults - before);
	return faults - before;
}

int guest_main(void)
{
	uint32_t n = hal_number("n", 1000), t0, sum = 0;

	trap_set(13, on_gp);
	gdt_set(SEL_SPARE, gdt_entry((uint32_t)words, 15, 0xf3, 4));
	truth_add(SEG_LOAD, 1);
	__asm__ volatile("mov %0, %%gs" : : "r"(SEL_SPARE));
	sum = demo_read(12);
	t0 = raw_tsc32();
	for (uint32_t i = 0; i < n; i++)
		sum += demo_read(i & 12);
	t0 = raw_tsc32() - t0;
	truth_add(RDTSC, 2);
	printf("inside %u\nfault-at-12 %u\nfault-at-13 %u\nfault-at-16 %u\nread-cycles %u\n", sum != 0, faults_at(12), faults_at(13), faults_at(16),
		t0 / (n ? n : 1));
	return 0;
}
