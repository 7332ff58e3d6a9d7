/* x87.c - matrix multiplication on the x87 stack (an extra: an emulator that computes floats in software shows here). */
#include "compute.h"

#define N 96

static double (*const a)[N] = (double (*)[N])compute_arena;
static double (*const b)[N] = (double (*)[N])(compute_arena + sizeof(double[N][N]));

void x87_setup(void)
{
	uint32_t seed = 8;

	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			a[i][j] = (double)(int32_t)(compute_random(&seed) >> 20);
			b[i][j] = (double)(int32_t)(compute_random(&seed) >> 20);
		}
}

/* All values are small integers, so every order of evaluation gives the same sum. */
uint32_t x87_run(void)
{
	uint32_t sum = 0;

	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			double s = 0;

			for (int k = 0; k < N; k++)
				s += a[i][k] * b[k][j];
			sum = sum * 31 + (uint32_t)(int32_t)(s / 1024.0);
		}
	return sum;
}
