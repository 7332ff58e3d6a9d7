/*
 * plot_dots.c - the plots of one figure a row and series, as points with intervals: cost, compute, ablations, techniques.
 *
 * dots.gp draws them all. A plot of points on a logarithmic axis shows small and large side by side, which bars cannot.
 * Called by plots.c. Read next: dots.gp.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "plot_data.h"

#define NO_MEMORY (-12)

void dots_heading(struct dots *d, const char *text)
{
	if (d->row)
		d->row++;
	fprintf(d->set, "set arrow from graph 0, first %d to graph 1, first %d nohead lc rgb '#a0a0a0' lw 1 back\n", -d->row, -d->row);
	fprintf(d->set, "set label '%s' at graph 0, first %d offset -1,0.1 right font font_name.':Bold,'.(font_size + 1) noenhanced\n", text, -d->row);
	d->row++;
}

void dots_row(struct dots *d, const char *text)
{
	set_ytick(d->set, -d->row, text);
	d->row++;
}

bool dots_point(struct dots *d, const char *series, const struct interval *v)
{
	unsigned i = 0;

	if (!(v->mid > 0) || !(v->low > 0))
		return false;
	while (i < d->count && strcmp(d->series[i], series))
		i++;
	if (i == DOTS_SERIES)
		return false;
	if (i == d->count)
		d->series[d->count++] = series;
	d->low[i] = d->low[i] > 0 ? fmin(d->low[i], v->low) : v->low;
	d->high[i] = fmax(d->high[i], v->high);
	fprintf(d->data, "%.10g %.10g %.10g %d %u\n", v->mid, v->low, v->high, 1 - d->row, i + 1);
	return true;
}

static bool is_emulator(const char *engine)
{
	return !strcmp(engine, "qemu-tcg") || !strcmp(engine, "bochs") || !strcmp(engine, "interp");
}

void dots_end(struct dots *d, bool engines)
{
	set_array(d->set, "series_name", d->series, d->count);
	set_number(d->set, "series", d->count);
	set_number(d->set, "rows", d->row);
	fprintf(d->set, "array colour[%u]\narray point[%u]\n", d->count + 1, d->count + 1);
	/* place: where the series is in the legend and within its row, from 1: engines in their order. */
	fprintf(d->set, "array place[%u]\n", d->count + 1);
	for (unsigned i = 0; i < d->count; i++) {
		unsigned place = 1;

		for (unsigned k = 0; k < d->count; k++)
			place += engines ? engine_rank(d->series[k]) < engine_rank(d->series[i]) : k < i;
		fprintf(d->set, "place[%u] = %u\n", i + 1, place);
	}
	fprintf(d->set, "array emulator[%u]\narray series_low[%u]\narray series_high[%u]\n", d->count + 1, d->count + 1, d->count + 1);
	for (unsigned i = 0; i < d->count; i++)
		fprintf(d->set, "emulator[%u] = %d\nseries_low[%u] = %.10g\nseries_high[%u] = %.10g\n", i + 1, is_emulator(d->series[i]), i + 1, d->low[i],
			i + 1, d->high[i]);
	for (unsigned i = 0; i < d->count; i++)
		fprintf(d->set, "colour[%u] = %s(%u)\npoint[%u] = %s(%u)\n", i + 1, engines ? "engine_colour" : "series_colour",
			engines ? (unsigned)engine_rank(d->series[i]) + 1 : i + 1, i + 1, engines ? "engine_point" : "series_point",
			engines ? (unsigned)engine_rank(d->series[i]) + 1 : i + 1);
}

/* --- cost of an operation --- */

static const char *const cost_suites[] = { "nano", "kernel", "devices", "linux" };

/* A suite's rows: a point for each engine. only: a prefix of engine names, or NULL for all. Returns how many points. */
static int cost_rows(struct dots *d, const struct view *v, const char *suite, const char *only)
{
	bool headed = false;
	int points = 0;

	for (size_t w = 0; w < v->workloads; w++) {
		bool rowed = false;

		for (unsigned c = 0; c < v->columns; c++) {
			const struct result_group *g = view_at(v, v->workload[w], &v->column[c]);

			if (!g || !(g->median.mid > 0) || view_hole(v, v->workload[w], &v->column[c]) || (only && strncmp(v->column[c].engine, only, strlen(only))))
				continue;
			if (d->data && !headed)
				dots_heading(d, suite);
			if (d->data && !rowed)
				dots_row(d, v->workload[w]);
			headed = rowed = true;
			points++;
			if (d->data)
				dots_point(d, v->column[c].engine, &g->median);
		}
	}
	return points;
}

static int cost_write(const struct result *r, struct dots *d, const char *only)
{
	int points = 0;

	for (size_t i = 0; i < sizeof(cost_suites) / sizeof(cost_suites[0]); i++) {
		struct view v;
		int e = view_make(&v, r, cost_suites[i], "cycles");

		if (e)
			return e;
		points += cost_rows(d, &v, cost_suites[i], only);
		view_free(&v);
	}
	return points;
}

int plot_cost_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n)
{
	struct dots d = { .data = data, .set = set };
	int points = cost_write(r, &d, NULL);

	if (points < 0)
		return points;
	if (!points) {
		snprintf(why, n, "none of the suites nano, kernel, devices and linux measured the cycles of an operation");
		return 0;
	}
	if (data) {
		set_heading(set, r, "What one operation costs, as the guest measures it");
		dots_end(&d, true);
	}
	return 1;
}

int plot_techniques_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n)
{
	struct dots d = { .data = data, .set = set };
	int points = cost_write(r, &d, "pv-");

	if (points < 0)
		return points;
	if (!points) {
		snprintf(why, n, "no technique of pv was measured by nano, kernel, devices or linux");
		return 0;
	}
	if (data) {
		set_heading(set, r, "Techniques of direct execution (pv): what one operation costs with each");
		dots_end(&d, true);
	}
	return 1;
}

/* --- compute against native --- */

static const struct result_group *compute_group(const struct view *v, const char *workload, const struct view_column *c)
{
	return c ? view_at(v, workload, c) : NULL;
}

static void compute_geomean(struct dots *d, const struct view *v, const struct view_column *native)
{
	const struct result_group **a = calloc(v->workloads, sizeof(*a)), **b = calloc(v->workloads, sizeof(*b));

	dots_heading(d, "all of them");
	dots_row(d, "geometric mean");
	for (unsigned c = 0; a && b && c < v->columns; c++) {
		struct interval m;
		size_t k = 0;

		for (size_t w = 0; w < v->workloads; w++) {
			a[k] = compute_group(v, v->workload[w], &v->column[c]);
			b[k] = compute_group(v, v->workload[w], native);
			k += a[k] && b[k];
		}
		m = groups_geomean(a, b, k);
		if (&v->column[c] != native && k > 1)
			dots_point(d, v->column[c].engine, &m);
	}
	free(a);
	free(b);
}

static int compute_rows(struct dots *d, const struct view *v)
{
	const struct view_column *native = view_column_of(v, "native");
	int points = 0;

	if (!native)
		return 0;
	for (size_t w = 0; w < v->workloads; w++) {
		const struct result_group *base = compute_group(v, v->workload[w], native);
		bool rowed = false;

		for (unsigned c = 0; base && c < v->columns; c++) {
			const struct result_group *g = compute_group(v, v->workload[w], &v->column[c]);
			struct interval ratio;

			if (!g || g == base || isnan((ratio = group_ratio(g, base, NULL)).mid))
				continue;
			points++;
			if (!d->data)
				continue;
			if (!rowed)
				dots_row(d, v->workload[w]);
			rowed = true;
			dots_point(d, v->column[c].engine, &ratio);
		}
	}
	if (points && d->data)
		compute_geomean(d, v, native);
	return points;
}

int plot_compute_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n)
{
	struct dots d = { .data = data, .set = set };
	struct view v;
	int points, e = view_make(&v, r, "compute", "cycles");

	if (e)
		return e;
	points = compute_rows(&d, &v);
	view_free(&v);
	if (!points) {
		snprintf(why, n, "the suite compute has no kernel that both native and another engine ran in one round");
		return 0;
	}
	if (data) {
		set_heading(set, r, "Compute against native");
		dots_end(&d, true);
	}
	return 1;
}

/* --- ablations --- */

static bool is_ablation(const struct result_group *g)
{
	const struct result_row *k = g->key;

	return !k->modelled && *k->variant && !strcmp(k->engine, "bt") && (!strcmp(k->metric, "cycles") || !strcmp(k->metric, "seconds"));
}

/* All variants of one workload, in one row. */
static void ablation_row(struct dots *d, const struct result *r, const struct result_row *key)
{
	const struct result_group *base = result_find(r, key->suite, key->workload, key->engine, key->metric);
	bool rowed = false;
	char text[300];

	for (size_t i = 0; base && i < r->groups; i++) {
		const struct result_row *k = r->group[i].key;
		struct interval ratio;

		if (!is_ablation(&r->group[i]) || strcmp(k->workload, key->workload) || strcmp(k->suite, key->suite) || strcmp(k->metric, key->metric) ||
			isnan((ratio = group_ratio(&r->group[i], base, NULL)).mid))
			continue;
		snprintf(text, sizeof(text), "%s: %s", k->suite, k->workload);
		if (!rowed)
			dots_row(d, text);
		rowed = true;
		dots_point(d, k->variant, &ratio);
	}
}

/* Whether an earlier group is of the same row. */
static bool ablation_seen(const struct result *r, size_t i)
{
	const struct result_row *k = r->group[i].key;

	for (size_t j = 0; j < i; j++)
		if (is_ablation(&r->group[j]) && !strcmp(r->group[j].key->workload, k->workload) && !strcmp(r->group[j].key->suite, k->suite) &&
			!strcmp(r->group[j].key->metric, k->metric))
			return true;
	return false;
}

int plot_ablations_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n)
{
	struct dots d = { .data = data, .set = set };
	bool any = false;

	for (size_t i = 0; i < r->groups; i++) {
		const struct result_row *k = r->group[i].key;
		const struct result_group *base = is_ablation(&r->group[i]) ? result_find(r, k->suite, k->workload, k->engine, k->metric) : NULL;

		if (!base || isnan(group_ratio(&r->group[i], base, NULL).mid))
			continue;
		any = true;
		if (data && !ablation_seen(r, i))
			ablation_row(&d, r, k);
	}
	if (!any) {
		snprintf(why, n, "no suite ran bt with something switched off beside bt as it is");
		return 0;
	}
	if (data) {
		set_heading(set, r, "Ablations of bt: time with one thing switched off");
		dots_end(&d, false);
	}
	return 1;
}
