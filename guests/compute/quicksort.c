/* quicksort.c - quicksort of random words: unpredictable branches, shallow recursion, good locality. */
#include "compute.h"

#define WORDS 30000u

static __attribute__((noinline)) void sort(int32_t *v, int32_t lo, int32_t hi)
{
	while (lo < hi) {
		int32_t i = lo, j = hi, pivot = v[lo + (hi - lo) / 2];

		while (i <= j) {
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i <= j) {
				int32_t t = v[i];

				v[i++] = v[j];
				v[j--] = t;
			}
		}
		if (j - lo < hi - i) { /* recurse into the smaller part */
			sort(v, lo, j);
			lo = i;
		} else {
			sort(v, i, hi);
			hi = j;
		}
	}
}

uint32_t quicksort_run(void)
{
	int32_t *v = (int32_t *)compute_arena;
	uint32_t seed = 2, sum = 0;

	for (uint32_t i = 0; i < WORDS; i++)
		v[i] = (int32_t)compute_random(&seed);
	sort(v, 0, WORDS - 1);
	for (uint32_t i = 1; i < WORDS; i++)
		sum = sum * 31 + (uint32_t)v[i] + (v[i] < v[i - 1]);
	return sum;
}
