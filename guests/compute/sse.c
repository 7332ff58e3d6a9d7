/* sse.c - matrix multiplication in single precision, four at a time (an extra: needs SSE, enabled by the guest's kernel). */
#include "compute.h"

#pragma GCC target("sse2,fpmath=sse")

#define N 96

typedef float four __attribute__((vector_size(16)));

static float (*const a)[N] = (float (*)[N])compute_arena;
static four (*const b)[N / 4] = (four (*)[N / 4])(compute_arena + sizeof(float[N][N]));

/* Guests do not keep the stack aligned to 16 bytes. */
__attribute__((force_align_arg_pointer)) void sse_setup(void)
{
	uint32_t seed = 10;

	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			a[i][j] = (float)(int32_t)(compute_random(&seed) >> 24);
			((float *)b[i])[j] = (float)(int32_t)(compute_random(&seed) >> 24);
		}
}

/* All values are small integers, so every order of evaluation gives the same sum. */
__attribute__((force_align_arg_pointer)) uint32_t sse_run(void)
{
	uint32_t sum = 0;

	for (int i = 0; i < N; i++)
		for (int j = 0; j < N / 4; j++) {
			four s = { 0, 0, 0, 0 };

			for (int k = 0; k < N; k++) {
				float x = a[i][k];

				s += (four){ x, x, x, x } * b[k][j];
			}
			for (int l = 0; l < 4; l++)
				sum = sum * 31 + (uint32_t)(int32_t)s[l];
		}
	return sum;
}
