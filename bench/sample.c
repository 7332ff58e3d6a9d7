/*
 * sample.c - medians, quantiles and bootstrap intervals of measured series.
 *
 * Medians because a virtual machine's noise is one-sided and long-tailed; the percentile bootstrap (Efron 1979) because
 * nothing is known of the distribution.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

#define RESAMPLES 2000
#define RESAMPLED_MAX 1000 /* samples; beyond, the bootstrap's limit is used */

int series_add(struct series *s, double v)
{
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		double *grown = realloc(s->v, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->v = grown;
		s->room = room;
	}
	s->v[s->n++] = v;
	return 0;
}

void series_free(struct series *s)
{
	free(s->v);
	memset(s, 0, sizeof(*s));
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double sorted_quantile(const double *v, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;

	if (i + 1 >= n)
		return v[n - 1];
	return v[i] + (at - (double)i) * (v[i + 1] - v[i]);
}

double series_quantile(const struct series *s, double q)
{
	double *v, r;

	if (!s->n || !(v = malloc(s->n * sizeof(*v))))
		return NAN;
	memcpy(v, s->v, s->n * sizeof(*v));
	qsort(v, s->n, sizeof(*v), compare_doubles);
	r = sorted_quantile(v, s->n, q);
	free(v);
	return r;
}

/* Where the bootstrap interval of a median goes as n grows: the order statistics at n/2 -+ 1.96 sqrt(n)/2. */
static struct interval large_interval(const struct series *s)
{
	double half = 0.98 / sqrt((double)s->n);

	return (struct interval){ series_quantile(s, 0.5), series_quantile(s, 0.5 - half), series_quantile(s, 0.5 + half) };
}

static bool all_equal(const struct series *s)
{
	for (size_t i = 1; i < s->n; i++)
		if (s->v[i] != s->v[0])
			return false;
	return true;
}

struct interval series_median_interval(const struct series *s)
{
	struct interval r = { NAN, NAN, NAN };
	uint64_t seed = 0x9e3779b97f4a7c15u;
	double *medians, *draw;

	if (!s->n)
		return r;
	if (all_equal(s)) /* a count */
		return (struct interval){ s->v[0], s->v[0], s->v[0] };
	if (s->n > RESAMPLED_MAX)
		return large_interval(s);
	medians = malloc(RESAMPLES * sizeof(*medians));
	draw = malloc(s->n * sizeof(*draw));
	if (medians && draw) {
		for (size_t i = 0; i < RESAMPLES; i++) {
			for (size_t j = 0; j < s->n; j++) {
				seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
				draw[j] = s->v[seed % s->n];
			}
			qsort(draw, s->n, sizeof(*draw), compare_doubles);
			medians[i] = sorted_quantile(draw, s->n, 0.5);
		}
		qsort(medians, RESAMPLES, sizeof(*medians), compare_doubles);
		r.mid = series_quantile(s, 0.5);
		r.low = sorted_quantile(medians, RESAMPLES, 0.025);
		r.high = sorted_quantile(medians, RESAMPLES, 0.975);
	}
	free(medians);
	free(draw);
	return r;
}
