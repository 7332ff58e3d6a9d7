/* intloop.c - an integer loop in registers: what an engine adds to straight arithmetic. No memory, one branch. */
#include "compute.h"

#define ROUNDS 1500000u

uint32_t intloop_run(void)
{
	uint32_t x = 12345, sum = 0;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		x = x * 1664525u + 1013904223u;
		sum ^= x >> 13;
		sum = (sum << 5) | (sum >> 27);
		sum += i & x;
	}
	return sum;
}
