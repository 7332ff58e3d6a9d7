/*
 * paper_data.c - what stands beside a paper: medians of a result directory, exits counted by nested VT-x, rank correlation.
 *
 * Called by paper_table.c.
 */
#include <jansson.h>
#include <math.h>
#include <string.h>
#include "model.h"
#include "paper.h"
#include "result.h"

static double cell_cycles(const struct result *r, const char *cell, const char *engine)
{
	const struct result_group *g = cell && r ? result_find(r, "nano", cell, engine, "cycles") : NULL;

	return g && !strcmp(g->key->origin, "measured") ? g->median.mid : NAN;
}

double paper_cycles(const struct paper_data *d, const struct paper_row *row, const char *engine, bool *instead)
{
	double v = cell_cycles(d->r, row->cell, engine);

	*instead = isnan(v);
	if (*instead)
		v = cell_cycles(d->r, row->instead, engine);
	*instead &= !isnan(v);
	return v;
}

/* Counted in this run: the sum of all VM exits but those of the host's clock. */
static double exits_counted(const struct result *r, const struct paper_row *row, const char *variant)
{
	const char *cell = row->cell;
	double sum = 0;
	bool any = false;

	for (size_t i = 0; r && i < r->groups; i++) {
		const struct result_row *k = r->group[i].key;

		if (k->modelled || strcmp(k->suite, "nano") || strcmp(k->workload, cell) || strcmp(k->engine, "vtx") || strcmp(k->origin, "nested") ||
			strcmp(k->variant, variant) || strcmp(k->unit, "1/op"))
			continue;
		if (!strcmp(k->metric, "exits-total"))
			any = true;
		if (strcmp(k->metric, "exits") || strcmp(k->mechanism, "VM exit") || !strcmp(k->kind, "kick") ||
			(row->untimed && !strcmp(k->kind, row->untimed)))
			continue;
		sum += r->group[i].median.mid;
		any = true;
	}
	return any ? sum : NAN;
}

/* Of a cell's recorded total, what its untimed preparation took. */
static double exits_untimed(const json_t *cell, const struct paper_row *row)
{
	double sum = 0;
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(cell, "exits"), i, v)
		if (row->untimed && json_integer_value(json_object_get(v, "reason")) == row->untimed_reason)
			sum += json_number_value(json_object_get(v, "per_op"));
	return sum;
}

static double exits_recorded(const json_t *recorded, const struct paper_row *row, bool ept)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(recorded, "cells"), i, v) {
		const char *name = json_string_value(json_object_get(v, "cell"));
		const json_t *total = json_object_get(v, "total");

		if (name && !strcmp(name, row->cell) && json_is_true(json_object_get(v, "ept")) == ept && json_is_number(total))
			return json_number_value(total) - exits_untimed(v, row);
	}
	return NAN;
}

struct exits paper_exits(const struct paper_data *d, const struct paper_row *row, bool ept)
{
	struct exits e = { exits_counted(d->r, row, ept ? "" : MODEL_SHADOW), "nested" };

	if (isnan(e.per_op))
		e = (struct exits){ exits_recorded(d->recorded, row, ept), "recorded" };
	return e;
}

/* The rank of v[i], from 1; equal values share the mean of their ranks. */
static double rank_of(const double *v, size_t n, size_t i)
{
	size_t less = 0, equal = 0;

	for (size_t k = 0; k < n; k++) {
		less += v[k] < v[i];
		equal += v[k] == v[i];
	}
	return (double)less + (double)(equal + 1) / 2;
}

double rank_correlation(const double *a, const double *b, size_t n)
{
	double mean = (double)(n + 1) / 2, ab = 0, aa = 0, bb = 0;

	if (n < 3)
		return NAN;
	for (size_t i = 0; i < n; i++) {
		double x = rank_of(a, n, i) - mean, y = rank_of(b, n, i) - mean;

		ab += x * y;
		aa += x * x;
		bb += y * y;
	}
	return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}
