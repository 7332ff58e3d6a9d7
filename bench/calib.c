/*
 * calib.c - the host's own noise: a loop whose cost is known to be constant, timed before and after every sample.
 */
#include <x86intrin.h>
#include "bench.h"

double calib_measure(void)
{
	uint32_t x = 1;
	uint64_t t0 = __rdtsc();

	for (uint32_t i = 0; i < 400000; i++) /* one multiply and one add wait for each other */
		__asm__ volatile("imull $1664525, %0, %0\n\taddl $12345, %0" : "+r"(x));
	return (double)(__rdtsc() - t0);
}

double tsc_hz(void)
{
	double t0 = seconds_now(), t1;
	uint64_t c0 = __rdtsc();

	while ((t1 = seconds_now()) - t0 < 0.02)
		;
	return (double)(__rdtsc() - c0) / (t1 - t0);
}
