/*
 * view.c - a result looked at as tables and plots need it: workloads by engines, ratios within a round, counts by kind.
 *
 * Ratios are made within a round, because the speed of the host drifts from round to round.
 */
#include "view.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS_MAX 20000 /* of one suite and metric; each is looked at with each other */
#define ROUNDS_MAX 100000

static const char *const engine_names[] = { "native", "vtx", "bt", "pv-xen", "pv-previrt", "pv-patch", "pv-trap", "interp", "qemu-tcg",
	"bochs" };

int engine_rank(const char *engine)
{
	int n = sizeof(engine_names) / sizeof(engine_names[0]), i = 0;

	while (i < n && strcmp(engine_names[i], engine))
		i++;
	return i;
}

const char *column_name(char out[64], const struct view_column *c)
{
	bool plain = !strcmp(c->origin, "measured");

	snprintf(out, 64, "%.20s%s%.14s%s%.20s%s", c->engine, *c->variant ? " " : "", c->variant, plain ? "" : " (", plain ? "" : c->origin,
		plain ? "" : ")");
	return out;
}

bool column_same(const struct view_column *a, const struct view_column *b)
{
	return !strcmp(a->engine, b->engine) && !strcmp(a->origin, b->origin) && !strcmp(a->variant, b->variant);
}

static void column_add(struct view *v, const struct result_row *key)
{
	struct view_column c = { key->engine, key->origin, key->variant };
	unsigned at = v->columns;

	for (unsigned i = 0; i < v->columns; i++)
		if (column_same(&v->column[i], &c))
			return;
	if (at == VIEW_COLUMNS)
		return;
	for (; at && engine_rank(v->column[at - 1].engine) > engine_rank(c.engine); at--)
		v->column[at] = v->column[at - 1];
	v->column[at] = c;
	v->columns++;
}

static void workload_add(struct view *v, const char *workload)
{
	for (size_t i = 0; i < v->workloads; i++)
		if (!strcmp(v->workload[i], workload))
			return;
	v->workload[v->workloads++] = workload;
}

static bool group_fits(const struct view *v, const struct result_group *g)
{
	const struct result_row *k = g->key;

	if (k->modelled || (*k->variant && strcmp(k->origin, "nested")) || (v->suite && strcmp(k->suite, v->suite)))
		return false;
	return !strcmp(k->metric, v->metric) || (!strcmp(v->metric, "exits") && !strcmp(k->metric, "exits-total"));
}

int view_make(struct view *v, const struct result *r, const char *suite, const char *metric)
{
	size_t n = 0;

	*v = (struct view){ .r = r, .suite = suite, .metric = metric };
	for (size_t i = 0; i < r->groups; i++)
		n += group_fits(v, &r->group[i]);
	if (n > GROUPS_MAX)
		return -E2BIG;
	v->group = calloc(n + 1, sizeof(*v->group));
	v->workload = calloc(n + 1, sizeof(*v->workload));
	if (!v->group || !v->workload) {
		view_free(v);
		return -ENOMEM;
	}
	for (size_t i = 0; i < r->groups; i++)
		if (group_fits(v, &r->group[i])) {
			v->group[v->n++] = &r->group[i];
			workload_add(v, r->group[i].key->workload);
			column_add(v, r->group[i].key);
		}
	return 0;
}

void view_free(struct view *v)
{
	free(v->group);
	free(v->workload);
	memset(v, 0, sizeof(*v));
}

static bool group_is(const struct result_group *g, const char *workload, const struct view_column *c)
{
	return !strcmp(g->key->workload, workload) && !strcmp(g->key->engine, c->engine) && !strcmp(g->key->origin, c->origin) &&
		!strcmp(g->key->variant, c->variant);
}

const struct result_group *view_at(const struct view *v, const char *workload, const struct view_column *c)
{
	for (size_t i = 0; i < v->n; i++)
		if (group_is(v->group[i], workload, c))
			return v->group[i];
	return NULL;
}

const struct view_column *view_column_of(const struct view *v, const char *engine)
{
	for (unsigned i = 0; i < v->columns; i++)
		if (!strcmp(v->column[i].engine, engine))
			return &v->column[i];
	return NULL;
}

bool view_hole(const struct view *v, const char *workload, const struct view_column *c)
{
	const struct result_group *g = result_find(v->r, v->suite, workload, c->engine, "hole");

	return g && g->median.mid > 0 && !strcmp(g->key->origin, c->origin);
}

const struct view_column *view_reference(const struct view *v, const char *workload)
{
	static const char *const references[] = { "native", "qemu-tcg" };

	for (int i = 0; i < 2; i++) {
		const struct view_column *c = view_column_of(v, references[i]);

		if (c && view_at(v, workload, c))
			return c;
	}
	return NULL;
}

/* --- within a round --- */

double *group_rounds(const struct result_group *g, unsigned *n)
{
	struct series *s;
	double *v;

	*n = 0;
	for (size_t i = 0; i < g->n; i++)
		if (g->row[i]->round >= *n && g->row[i]->round < ROUNDS_MAX)
			*n = g->row[i]->round + 1;
	s = calloc(*n + 1, sizeof(*s));
	v = calloc(*n + 1, sizeof(*v));
	if (s && v) {
		for (size_t i = 0; i < g->n; i++)
			if (g->row[i]->round < *n)
				series_add(&s[g->row[i]->round], g->row[i]->value);
		for (unsigned i = 0; i < *n; i++)
			v[i] = series_quantile(&s[i], 0.5);
	} else {
		free(v);
		v = NULL;
	}
	for (unsigned i = 0; s && i < *n; i++)
		series_free(&s[i]);
	free(s);
	return v;
}

/* Adds the logarithms of one ratio to the sums of its rounds. */
static bool logs_add(const struct result_group *a, const struct result_group *b, double *sum, unsigned *have, unsigned rounds)
{
	unsigned na, nb;
	double *va = group_rounds(a, &na), *vb = group_rounds(b, &nb);
	bool any = false;

	for (unsigned k = 0; va && vb && k < na && k < nb && k < rounds; k++)
		if (va[k] > 0 && vb[k] > 0) {
			sum[k] += log(va[k] / vb[k]);
			have[k]++;
			any = true;
		}
	free(va);
	free(vb);
	return any;
}

struct interval groups_geomean(const struct result_group *const *a, const struct result_group *const *b, size_t n)
{
	unsigned rounds = 0, both = 0, *have;
	struct interval result;
	struct series s = { 0 };
	double *sum;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < a[i]->n; j++)
			if (a[i]->row[j]->round >= rounds && a[i]->row[j]->round < ROUNDS_MAX)
				rounds = a[i]->row[j]->round + 1;
	sum = calloc(rounds + 1, sizeof(*sum));
	have = calloc(rounds + 1, sizeof(*have));
	for (size_t i = 0; sum && have && i < n; i++)
		both += logs_add(a[i], b[i], sum, have, rounds);
	for (unsigned k = 0; sum && have && k < rounds; k++)
		if (have[k] && have[k] == both)
			series_add(&s, exp(sum[k] / have[k]));
	result = series_median_interval(&s);
	series_free(&s);
	free(sum);
	free(have);
	return result;
}

struct interval group_ratio(const struct result_group *a, const struct result_group *b, unsigned *rounds)
{
	unsigned na, nb;
	double *va = group_rounds(a, &na), *vb = group_rounds(b, &nb);
	struct interval result;
	struct series s = { 0 };

	for (unsigned i = 0; va && vb && i < na && i < nb; i++)
		if (!isnan(va[i]) && vb[i] > 0)
			series_add(&s, va[i] / vb[i]);
	result = series_median_interval(&s);
	if (rounds)
		*rounds = (unsigned)s.n;
	series_free(&s);
	free(va);
	free(vb);
	return result;
}

/* --- counts by kind --- */

static int kind_compare(const void *a, const void *b)
{
	double x = ((const struct view_kind *)a)->value, y = ((const struct view_kind *)b)->value;

	return (x < y) - (x > y);
}

#define KINDS_MAX 100

/* Adds a count to its kind; the mechanism with the largest count of a kind names it. */
static void kind_add(struct view_kind *k, double *largest, int *n, const struct result_group *g)
{
	int i = 0;

	while (i < *n && strcmp(k[i].kind, g->key->kind))
		i++;
	if (i == KINDS_MAX)
		return;
	if (i == *n) {
		k[(*n)++] = (struct view_kind){ g->key->kind, g->key->mechanism, 0 };
		largest[i] = -INFINITY;
	}
	k[i].value += g->median.mid;
	if (g->median.mid > largest[i]) {
		largest[i] = g->median.mid;
		k[i].mechanism = g->key->mechanism;
	}
}

int view_kinds(const struct view *v, const char *workload, const struct view_column *c, struct view_kind *out, int max, double *total)
{
	struct view_kind k[KINDS_MAX];
	double largest[KINDS_MAX], told = NAN;
	bool known = false;
	int n = 0;

	*total = 0;
	for (size_t i = 0; i < v->n; i++) {
		if (!group_is(v->group[i], workload, c))
			continue;
		known = true;
		if (!strcmp(v->group[i]->key->metric, "exits-total")) {
			told = v->group[i]->median.mid;
			continue;
		}
		*total += v->group[i]->median.mid;
		if (v->group[i]->median.mid > 0)
			kind_add(k, largest, &n, v->group[i]);
	}
	if (told > *total) /* kinds that are in no row of their own */
		*total = told;
	qsort(k, (size_t)n, sizeof(*k), kind_compare);
	n = n < max ? n : max;
	memcpy(out, k, (size_t)n * sizeof(*k));
	return known ? n : -1;
}
