/* matmul.c - integer matrix multiplication: a tight loop of loads, multiplies and adds. */
#include "compute.h"

#define N 160

static uint32_t (*const a)[N] = (uint32_t (*)[N])compute_arena;
static uint32_t (*const b)[N] = (uint32_t (*)[N])(compute_arena + sizeof(uint32_t[N][N]));
static uint32_t (*const c)[N] = (uint32_t (*)[N])(compute_arena + 2 * sizeof(uint32_t[N][N]));

void matmul_setup(void)
{
	uint32_t seed = 5;

	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			a[i][j] = compute_random(&seed);
			b[i][j] = compute_random(&seed);
		}
}

uint32_t matmul_run(void)
{
	uint32_t sum = 0;

	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			uint32_t s = 0;

			for (int k = 0; k < N; k++)
				s += a[i][k] * b[k][j];
			c[i][j] = s;
		}
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++)
			sum = sum * 31 + c[i][j];
	return sum;
}
