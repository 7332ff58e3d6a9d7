/* stream.c - copy, scale, add and triad over arrays larger than the second-level cache (after McCalpin's STREAM). */
#include "compute.h"

#define WORDS (1u << 20) /* 4 MiB each */
#define A ((uint32_t *)compute_arena)
#define GAP   (WORDS + 4096 + 16) /* so that equal indices do not fall into equal cache sets or TLB entries */
#define B (A + GAP)
#define C (B + GAP)

void stream_setup(void)
{
	for (uint32_t i = 0; i < WORDS; i++) {
		A[i] = i;
		B[i] = i * 3;
		C[i] = i ^ 0x5555;
	}
}

uint32_t stream_run(void)
{
	uint32_t *a = A, *b = B, *c = C, sum = 0;

	for (uint32_t i = 0; i < WORDS; i++)
		c[i] = i ^ 0x5555;
	for (uint32_t i = 0; i < WORDS; i++)
		b[i] = 3 * c[i];
	for (uint32_t i = 0; i < WORDS; i++)
		c[i] = i + b[i];
	for (uint32_t i = 0; i < WORDS; i++)
		a[i] = b[i] + 3 * c[i];
	for (uint32_t i = 0; i < WORDS; i += 16)
		sum = sum * 31 + a[i];
	return sum;
}
