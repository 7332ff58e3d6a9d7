/*
 * report_ratio.c - one figure against another of the same run: within each round, because the host's speed drifts.
 *
 * docs/results.md, "How the tables are made". Called by report_suite.c.
 */
#include <math.h>
#include <stdlib.h>
#include "report.h"

struct timed {
	unsigned round;
	double value;
};

static int compare_timed(const void *a, const void *b)
{
	const struct timed *x = a, *y = b;

	if (x->round != y->round)
		return x->round > y->round ? 1 : -1;
	return (x->value > y->value) - (x->value < y->value);
}

/* A group's samples by round and value; NULL without memory. */
static struct timed *sorted(const struct result_group *g)
{
	struct timed *t = calloc(g->n + 1, sizeof(*t));

	for (size_t i = 0; t && i < g->n; i++)
		t[i] = (struct timed){ g->row[i]->round, g->row[i]->value };
	if (t)
		qsort(t, g->n, sizeof(*t), compare_timed);
	return t;
}

/* The median of the round that begins at t[*at], which moves on to the next. */
static double round_median(const struct timed *t, size_t n, size_t *at)
{
	size_t from = *at, to = from;

	while (to < n && t[to].round == t[from].round)
		to++;
	*at = to;
	return (t[from + (to - from - 1) / 2].value + t[from + (to - from) / 2].value) / 2;
}

double report_ratio(const struct result_group *a, const struct result_group *b)
{
	struct timed *x = sorted(a), *y = sorted(b);
	struct series ratio = { 0 };
	double r = NAN;

	for (size_t i = 0, j = 0; x && y && i < a->n && j < b->n;) {
		if (x[i].round == y[j].round) {
			double of = round_median(x, a->n, &i), to = round_median(y, b->n, &j);

			if (to > 0 && series_add(&ratio, of / to))
				break;
		} else if (x[i].round < y[j].round) {
			round_median(x, a->n, &i);
		} else {
			round_median(y, b->n, &j);
		}
	}
	if (ratio.n)
		r = series_quantile(&ratio, 0.5);
	series_free(&ratio);
	free(x);
	free(y);
	return r;
}
