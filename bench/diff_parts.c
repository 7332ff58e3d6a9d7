/*
 * diff_parts.c - what the guest itself timed: cells, and phases between lines of its console, matched by name. Both sides'
 * n-th of a name belong together. Kept are those that changed by more than a single run's noise.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "diff.h"

static const json_t *nth_named(const json_t *rows, const char *key, const char *name, size_t nth)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *r = json_array_get(rows, i);

		if (!strcmp(json_string_value(json_object_get(r, key)), name) && !nth--)
			return r;
	}
	return NULL;
}

/* How many of the rows before i have i's name. */
static size_t nth_of(const json_t *rows, const char *key, size_t i)
{
	const char *name = json_string_value(json_object_get(json_array_get(rows, i), key));
	size_t n = 0;

	for (size_t k = 0; k < i; k++)
		n += !strcmp(json_string_value(json_object_get(json_array_get(rows, k), key)), name);
	return n;
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static double event_count(const json_t *phase, const json_t *like)
{
	const json_t *events = json_object_get(phase, "events");

	for (size_t i = 0; i < json_array_size(events); i++) {
		const json_t *e = json_array_get(events, i);

		if (json_equal(json_object_get(e, "kind"), json_object_get(like, "kind")) &&
			json_equal(json_object_get(e, "mechanism"), json_object_get(like, "mechanism")))
			return number_of(e, "count");
	}
	return 0;
}

/* The kind of a phase whose count changed most. */
static void phase_kind(struct diff_part *p, const json_t *a, const json_t *b)
{
	double most = 0;

	for (int s = 0; s < 2; s++) {
		const json_t *events = json_object_get(s ? b : a, "events");

		for (size_t i = 0; i < json_array_size(events); i++) {
			const json_t *e = json_array_get(events, i);
			double n[2] = { event_count(a, e), event_count(b, e) };

			if (fabs(n[1] - n[0]) <= most)
				continue;
			most = fabs(n[1] - n[0]);
			p->kind = json_string_value(json_object_get(e, "kind"));
			p->mechanism = json_string_value(json_object_get(e, "mechanism"));
			p->count[0] = n[0];
			p->count[1] = n[1];
		}
	}
}

static bool changed(const struct diff *d, const double v[2])
{
	double r = v[1] / d->drift / v[0];

	return v[0] > 0 && v[1] > 0 && (r > DIFF_NOISE || r < 1 / DIFF_NOISE);
}

static int parts_make(const struct diff *d, const char *rows, const char *name, const char *value, struct diff_part **out, size_t *n)
{
	const json_t *a = json_object_get(d->side[0].run, rows), *b = json_object_get(d->side[1].run, rows);
	struct diff_part *p = calloc(json_array_size(a) + 1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*out = p;
	for (size_t i = 0; i < json_array_size(a) && i < 1000; i++) { /* matching is quadratic */
		const json_t *x = json_array_get(a, i), *y;
		struct diff_part *now = &p[*n];

		now->name = json_string_value(json_object_get(x, name));
		y = nth_named(b, name, now->name, nth_of(a, name, i));
		if (!y)
			continue;
		now->value[0] = number_of(x, value);
		now->value[1] = number_of(y, value);
		if (!changed(d, now->value))
			continue;
		phase_kind(now, x, y);
		++*n;
	}
	return 0;
}

int diff_parts(struct diff *d)
{
	int r;

	for (int i = 0; i < 2; i++)
		if (strcmp(json_string_value(json_object_get(d->side[i].run, "origin")) ?: "", "measured"))
			return 0;
	r = parts_make(d, "cells", "name", "steady", &d->cell, &d->cells);
	return r ? r : parts_make(d, "phases", "line", "cycles", &d->phase, &d->phases);
}
