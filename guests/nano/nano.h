/*
 * nano.h - how a cell of the nano-benchmark is written and timed.
 *
 * A cell performs one operation n times: the first alone, for the cost of the first execution, then in batches, each timed
 * by a fenced pair of RDTSC. Every operation is counted in the ground truth before the region that times it, so that
 * counting costs nothing where a few cycles matter. Read next: nano.c, then cells_cpu.c.
 */
#pragma once
#include "x86.h"

#define SAMPLES_MAX 4096

struct nano {
	uint32_t n;        /* operations to perform */
	uint32_t done;     /* operations performed */
	uint32_t first;    /* cycles of the first */
	uint32_t overhead; /* of an empty timed region */
	uint32_t samples;  /* valid in sample[] */
	bool hole;         /* the effect that the guest sees is not what the architecture says */
	bool det;          /* deterministic mode */
	uint32_t sample[SAMPLES_MAX]; /* cycles for one operation, batches divided out */
};
extern struct nano nano; /* USER_DATA: cells in user mode write it too */

struct cell {
	const char *name;
	const char *(*run)(void); /* NULL, or the reason why the cell was skipped */
	bool async;               /* takes interrupts: not in deterministic mode */
	uint8_t divide;           /* performs n / divide operations */
};

extern const struct cell cells_cpu[], cells_user[], cells_memory[], cells_irq[], cells_xen[];

/* RDTSC between fences, not counted: region_begin/region_end count the two of a region. */
static inline __attribute__((always_inline)) uint32_t fenced_tsc(void)
{
	uint32_t lo;
	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(lo) : : "edx", "memory");
	return lo;
}

static inline __attribute__((always_inline)) void nano_sample(uint32_t cycles, uint32_t operations)
{
	uint32_t net = cycles > nano.overhead ? cycles - nano.overhead : 0;
	if (operations > 1)
		net = (net + operations / 2) / operations;
	if (nano.done == 0)
		nano.first = net;
	else if (nano.samples < SAMPLES_MAX)
		nano.sample[nano.samples++] = net;
	nano.done += operations;
}

/*
 * Performs nano.n operations. pre(k) counts k of them in the truth and prepares, outside the timed region; one performs
 * one, many performs `batch`. All are inlined. post runs after each region, untimed, and may be NULL.
 */
static inline __attribute__((always_inline))
void nano_measure(unsigned batch, void (*pre)(uint32_t k), void (*one)(void), void (*many)(void), void (*post)(void))
{
	while (nano.done < nano.n) {
		bool single = nano.done == 0 || batch == 1 || nano.n - nano.done < batch;
		uint32_t k = single ? 1 : batch, t0, t1;
		pre(k);
		truth_add(RDTSC, 2);
		if (single) {
			t0 = fenced_tsc();
			one();
			t1 = fenced_tsc();
		} else {
			t0 = fenced_tsc();
			many();
			t1 = fenced_tsc();
		}
		if (batch > 1 && single && nano.done > batch)
			nano.done++; /* what is left over after the batches is done, but would drown them in the median */
		else
			nano_sample(t1 - t0, k);
		if (post)
			post();
	}
}
