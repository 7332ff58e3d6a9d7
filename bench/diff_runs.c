/*
 * diff_runs.c - two runs: rows by kind, mechanism and symbol, and how much each explains of the difference.
 *
 * A row's cost changes for two reasons, and they are told apart: n_B - n_A more events at the mean cost of one, and each event dearer.
 * One run is one sample, so that costs have noise of which nothing is known: what is less than a quarter dearer each counts as
 * equal, and so does what all kinds together became dearer by (the host was slower). Counts have no noise, but for what the host's
 * clock drives. Read next: diff_words.c, docs/attribution.md.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "diff.h"

#define DRIFT_ROWS 4     /* fewer kinds say nothing of the host */
#define DRIFT_EVENTS 32
#define DRIFT_LEAST 0.1

/* A row of one side, before the two are put together. */
struct raw {
	struct diff_row key;
	int side;
	double count, cycles;
};

struct raws {
	struct raw *v;
	size_t n, room;
};

static const char *const clock_kinds[] = { "kick", "irq-window", "irq-delivered" };

static bool clock_kind(const char *kind)
{
	for (size_t i = 0; i < sizeof(clock_kinds) / sizeof(clock_kinds[0]); i++)
		if (!strcmp(kind, clock_kinds[i]))
			return true;
	return false;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *t = json_string_value(json_object_get(o, key));

	return t ? t : "";
}

static double number_of(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return v && !json_is_null(v) ? json_number_value(v) : NAN;
}

/* What an event of a kind takes: its median or p99 on one side; NAN: nobody timed it. */
static double kind_cycles(const struct diff_side *s, const char *kind, const char *mech, const char *which)
{
	const json_t *events = json_object_get(s->run, "events");
	double most = -1, v = NAN;

	for (size_t i = 0; i < json_array_size(events); i++) {
		const json_t *e = json_array_get(events, i);
		double c, n = number_of(e, "count");

		if (n <= most || strcmp(text_of(e, "kind"), kind) || (*mech && strcmp(text_of(e, "mechanism"), mech)))
			continue;
		c = number_of(json_object_get(e, "cycles"), which);
		if (!isnan(c)) { /* of several hardware reasons, the most frequent */
			v = c;
			most = n;
		}
	}
	return v;
}

static int raw_add(struct raws *l, const struct raw *r)
{
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 256;
		struct raw *v = reallocarray(l->v, room, sizeof(*v));

		if (!v)
			return -ENOMEM;
		l->v = v;
		l->room = room;
	}
	l->v[l->n++] = *r;
	return 0;
}

static int raws_events(struct raws *l, const struct diff *d, int side)
{
	const json_t *events = json_object_get(d->side[side].run, "events");
	int r = 0;

	for (size_t i = 0; i < json_array_size(events) && !r; i++) {
		const json_t *e = json_array_get(events, i);
		double n = number_of(e, "count");
		struct raw w = { .key = { .kind = text_of(e, "kind"), .mechanism = text_of(e, "mechanism"), .symbol = "",
			.reason = text_of(json_object_get(e, "hw_reason"), "name") }, .side = side, .count = n };

		w.cycles = n > 0 ? n * number_of(json_object_get(e, "cycles"), "median") : 0;
		if (n > 0)
			r = raw_add(l, &w);
	}
	return r;
}

/* The cycles of a symbol's row, without what a pause of the host put into it. */
static double symbol_cycles(const struct diff_side *s, const json_t *e, double n)
{
	double c = number_of(e, "typical"), p99 = kind_cycles(s, text_of(e, "kind"), text_of(e, "mechanism"), "p99");

	c = isnan(c) ? number_of(e, "cycles") : c;
	if (!(c > 0)) /* counted, and not timed */
		return n * kind_cycles(s, text_of(e, "kind"), text_of(e, "mechanism"), "median");
	return c > n * p99 ? n * p99 : c;
}

/* The events of a side, one row a kind and mechanism, whatever the hardware reasons. */
static int raws_kinds(struct raws *l, const struct diff *d, int side)
{
	size_t from = l->n;
	int r = raws_events(l, d, side);

	for (size_t i = from; i < l->n; i++)
		for (size_t k = i + 1; k < l->n; k++) {
			struct raw *a = &l->v[i], *b = &l->v[k];

			if (strcmp(a->key.kind, b->key.kind) || strcmp(a->key.mechanism, b->key.mechanism))
				continue;
			a->count += b->count;
			a->cycles += b->cycles;
			b->count = b->cycles = 0;
		}
	return r;
}

/* A row a symbol; and what events has of a kind and mechanism, and no symbol has. */
static int raws_symbols(struct raws *l, const struct diff *d, int side)
{
	const struct diff_side *s = &d->side[side];
	const json_t *rows = json_object_get(s->run, "symbols");
	size_t from = l->n, rest;
	int r = 0;

	for (size_t i = 0; i < json_array_size(rows) && !r; i++) {
		const json_t *e = json_array_get(rows, i);
		double n = number_of(e, "count");
		struct raw w = { .key = { .kind = text_of(e, "kind"), .mechanism = text_of(e, "mechanism"), .symbol = text_of(e, "symbol"),
			.reason = "" }, .side = side, .count = n, .cycles = symbol_cycles(s, e, n) };

		if (n > 0)
			r = raw_add(l, &w);
	}
	rest = l->n;
	if (r || (r = raws_kinds(l, d, side)))
		return r;
	for (size_t i = rest; i < l->n; i++) {
		struct raw *e = &l->v[i];
		double each = e->count > 0 ? e->cycles / e->count : NAN;

		for (size_t k = from; k < rest; k++)
			if (!strcmp(l->v[k].key.kind, e->key.kind) && !strcmp(l->v[k].key.mechanism, e->key.mechanism))
				e->count -= l->v[k].count;
		e->count = e->count > 0 ? e->count : 0;
		e->cycles = e->count > 0 ? e->count * each : 0;
		e->key.symbol = DIFF_NO_SYMBOL;
		e->key.reason = "";
	}
	return 0;
}

static int raw_compare(const void *a, const void *b)
{
	const struct raw *x = a, *y = b;
	int r = strcmp(x->key.kind, y->key.kind);

	r = r ? r : strcmp(x->key.mechanism, y->key.mechanism);
	r = r ? r : strcmp(x->key.symbol, y->key.symbol);
	return r ? r : strcmp(x->key.reason, y->key.reason);
}

/* Rows of both sides with the same key become one. */
static int rows_merge(struct diff *d, struct raws *l)
{
	d->row = calloc(l->n + 1, sizeof(*d->row));
	if (!d->row)
		return -ENOMEM;
	for (size_t i = 0; i < l->n && d->across; i++)
		l->v[i].key.mechanism = l->v[i].key.reason = "";
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), raw_compare);
	for (size_t i = 0; i < l->n; i++) {
		const struct raw *w = &l->v[i];
		double ops = d->opt.operations[w->side] > 0 ? d->opt.operations[w->side] : 1;
		struct diff_row *r;

		if (!w->count)
			continue;
		if (!d->rows || raw_compare(&(struct raw){ .key = d->row[d->rows - 1] }, w)) {
			d->row[d->rows] = w->key;
			d->row[d->rows++].clock = clock_kind(w->key.kind);
		}
		r = &d->row[d->rows - 1];
		r->count[w->side] += w->count / ops;
		r->cycles[w->side] += w->cycles / ops;
	}
	for (size_t i = 0; i < d->rows; i++)
		for (int s = 0; s < 2; s++)
			d->row[i].each[s] = d->row[i].count[s] > 0 ? d->row[i].cycles[s] / d->row[i].count[s] : NAN;
	return 0;
}

/* --- how much each explains --- */

static int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median over kinds of how much dearer an event became: a change of one kind does not move it. */
static double drift_of(const struct diff *d)
{
	const json_t *events = json_object_get(d->side[0].run, "events");
	double ratio[256], mid;
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(events) && n < 256; i++) {
		const json_t *e = json_array_get(events, i);
		const char *kind = text_of(e, "kind"), *mech = text_of(e, "mechanism");
		double a = kind_cycles(&d->side[0], kind, mech, "median"), b = kind_cycles(&d->side[1], kind, mech, "median");

		if (number_of(e, "count") >= DRIFT_EVENTS && a > 0 && b > 0)
			ratio[n++] = b / a;
	}
	if (n < DRIFT_ROWS)
		return 1;
	qsort(ratio, n, sizeof(ratio[0]), double_compare);
	mid = n % 2 ? ratio[n / 2] : sqrt(ratio[n / 2 - 1] * ratio[n / 2]);
	return fabs(mid - 1) < DRIFT_LEAST ? 1 : mid;
}

/* What one event of a row costs on both sides, from whatever is known. */
static void row_costs(const struct diff *d, const struct diff_row *r, double c[2])
{
	bool few = r->count[0] < DIFF_FEW && r->count[1] < DIFF_FEW;

	for (int s = 0; s < 2; s++) {
		double kind = *r->symbol ? kind_cycles(&d->side[s], r->kind, r->mechanism, "median") : NAN;

		c[s] = isnan(r->each[s]) || (few && !isnan(kind)) ? kind : r->each[s];
		if (s)
			c[s] /= d->drift;
	}
	if (!r->count[0] || isnan(c[0]))
		c[0] = c[1];
	if (!r->count[1] || isnan(c[1]))
		c[1] = c[0];
}

static void row_effect(const struct diff *d, struct diff_row *r)
{
	double c[2], more = r->count[1] - r->count[0];

	row_costs(d, r, c);
	if (r->count[0] >= DIFF_FEW && r->count[1] >= DIFF_FEW && c[0] > 0 && c[1] > 0)
		r->dearer = (c[1] / c[0] > DIFF_NOISE || c[0] / c[1] > DIFF_NOISE) && fabs(c[1] - c[0]) > DIFF_TICKS;
	if (r->clock)
		return;
	if (!d->costs)
		r->effect = more;
	else if (!isnan(c[0]))
		r->effect = more * (c[0] + c[1]) / 2 + (r->dearer ? (c[1] - c[0]) * (r->count[0] + r->count[1]) / 2 : 0);
}

static int row_by_effect(const void *a, const void *b)
{
	const struct diff_row *x = a, *y = b;
	double e = fabs(y->effect) - fabs(x->effect), n = fabs(y->count[1] - y->count[0]) - fabs(x->count[1] - x->count[0]);

	if (x->clock != y->clock)
		return x->clock ? 1 : -1;
	if (e != 0 && !isnan(e))
		return e > 0 ? 1 : -1;
	return n > 0 ? 1 : n < 0 ? -1 : raw_compare(&(struct raw){ .key = *x }, &(struct raw){ .key = *y });
}

/* Effects, their sums and order, in the unit of the ranking. */
static void effects_make(struct diff *d)
{
	double moved = 0, all = 0;

	d->equal = true;
	d->gross = d->effect = d->total[0] = d->total[1] = 0;
	for (size_t i = 0; i < d->rows; i++) {
		struct diff_row *r = &d->row[i];

		r->effect = 0;
		row_effect(d, r);
		d->gross += fabs(r->effect);
		d->effect += r->effect;
		d->equal &= r->clock || r->count[0] == r->count[1];
		moved += r->clock ? 0 : fabs(r->count[1] - r->count[0]);
		all += r->clock ? 0 : fmax(r->count[0], r->count[1]);
		for (int s = 0; s < 2; s++)
			if (!d->costs ? !r->clock : !isnan(r->cycles[s]))
				d->total[s] += d->costs ? r->cycles[s] : r->count[s];
	}
	for (size_t i = 0; i < d->rows; i++)
		d->row[i].share = d->gross > 0 ? fabs(d->row[i].effect) / d->gross : 0;
	d->different = d->gross > DIFF_SMALL * fmax(d->total[0], d->total[1]) && d->gross > 0;
	d->moved = moved > DIFF_SMALL * all;
	qsort(d->row, d->rows, sizeof(*d->row), row_by_effect);
}

/* By cycles, if they are known and tell; else by events. */
static void effects_choose(struct diff *d)
{
	effects_make(d);
	if (!d->costs || d->different || !d->moved)
		return;
	diff_note(d, "the VMM's own cycles are hardly different, and its counts are: events are compared");
	d->costs = false;
	effects_make(d);
}

/* Costs of both sides are known and of this host's own clock. */
static bool costs_known(struct diff *d)
{
	bool known[2] = { false, false };

	for (int s = 0; s < 2; s++) {
		if (strcmp(text_of(d->side[s].run, "origin"), "measured")) {
			diff_note(d, "%c: origin %s: its counts are real and its times are not measured, so that counts are compared", 'A' + s,
				text_of(d->side[s].run, "origin"));
			return false;
		}
		for (size_t i = 0; i < d->rows; i++)
			known[s] |= d->row[i].cycles[s] > 0;
	}
	return known[0] && known[1];
}

int diff_runs(struct diff *d, char *why, size_t n)
{
	const json_t *a = json_object_get(d->side[0].run, "symbols"), *b = json_object_get(d->side[1].run, "symbols");
	struct raws l = { .n = 0 };
	int r = 0;

	for (int i = 0; i < 2; i++)
		d->across |= strcmp(text_of(d->side[0].run, i ? "engine" : "interface"), text_of(d->side[1].run, i ? "engine" : "interface")) != 0;
	if (d->across)
		diff_note(d, "two techniques: a kind is one row, by whatever mechanism");

	d->by_symbol = json_is_array(a) && json_is_array(b);
	if (json_is_array(a) != json_is_array(b))
		diff_note(d, "only %c was run with --by-symbol or --top: symbols are not compared", json_is_array(a) ? 'A' : 'B');
	for (int s = 0; s < 2 && !r; s++)
		r = d->by_symbol ? raws_symbols(&l, d, s) : raws_events(&l, d, s);
	if (!r)
		r = rows_merge(d, &l);
	free(l.v);
	if (r) {
		snprintf(why, n, "no memory for the rows of the difference");
		return r;
	}
	if (!d->rows) {
		snprintf(why, n, "neither %.200s nor %.200s has a single event: there is nothing to compare", d->side[0].path, d->side[1].path);
		return -EINVAL;
	}
	d->costs = !d->opt.by_count && costs_known(d);
	if (d->costs && !d->across)
		d->drift = drift_of(d);
	effects_choose(d);
	return 0;
}
