/*
 * summary_tables.c - the tables of one suite: medians side by side, each with what is known of it, and exits by kind.
 *
 * Called by summary.c. Read next: view.c, table.c.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "summary_private.h"
#include "table.h"

/* Metrics that have a table of medians, in this order; others, which later suites may bring, follow by their own names. */
static const struct {
	const char *metric, *title;
} metrics[] = {
	{ "cycles", "TSC cycles of one operation, steady state" },
	{ "seconds", "seconds" },
	{ "milestone", "seconds from the start of the process to the milestone" },
	{ "first-cycles", "TSC cycles of the first operation" },
	{ "bytes", "bytes of memory" },
};

#define METRICS (sizeof(metrics) / sizeof(metrics[0]))

static bool by_kind(const char *metric)
{
	return !strcmp(metric, "exits") || !strcmp(metric, "exits-total") || !strcmp(metric, "events") || !strcmp(metric, "vmm-cycles") ||
		!strcmp(metric, "hw-exits");
}

/* --- medians side by side --- */

static int matrix_print(const struct view *v, FILE *f)
{
	const char *heads[VIEW_COLUMNS + 2] = { "workload" };
	char name[VIEW_COLUMNS][64], text[32];
	bool holes = false;
	struct table *t;
	int e;

	for (unsigned i = 0; i < v->columns; i++) {
		char plain[64];

		snprintf(name[i], sizeof(name[i]), ">%.60s", column_name(plain, &v->column[i]));
		heads[i + 1] = name[i];
	}
	t = table_new(heads);
	for (size_t w = 0; w < v->workloads; w++) {
		table_cell(t, "%s", v->workload[w]);
		for (unsigned i = 0; i < v->columns; i++) {
			const struct result_group *g = view_at(v, v->workload[w], &v->column[i]);

			table_cell(t, "%s%s", g ? number_text(text, g->median.mid) : "", g && view_hole(v, v->workload[w], &v->column[i]) ? " HOLE" : "");
			holes |= view_hole(v, v->workload[w], &v->column[i]);
		}
	}
	e = table_end(t, f);
	if (holes)
		fputs("HOLE: the guest got a wrong answer there, as the technique's literature says; what it cost is the cost of the wrong answer.\n\n", f);
	return e;
}

/* --- each figure with what is known of it --- */

static void interval_cell(struct table *t, const struct interval *v)
{
	char low[32], high[32];

	if (isnan(v->mid))
		table_cell(t, " ");
	else
		table_cell(t, "[%s, %s]", number_text(low, v->low), number_text(high, v->high));
}

static void ratio_cells(struct table *t, const struct view *v, const struct result_group *g, const struct view_column *reference)
{
	const struct result_group *base = reference ? view_at(v, g->key->workload, reference) : NULL;
	struct interval ratio;
	char text[32], name[64];

	if (!base || base == g) {
		table_cell(t, "%s", base == g && base ? "reference" : "");
		table_cell(t, "%s", "");
		return;
	}
	ratio = group_ratio(g, base, NULL);
	if (isnan(ratio.mid)) {
		table_cell(t, "no round in common");
		table_cell(t, "%s", "");
		return;
	}
	table_cell(t, "%s x %s", number_text(text, ratio.mid), column_name(name, reference));
	interval_cell(t, &ratio);
}

static void figure_cells(struct table *t, const struct result_group *g)
{
	char text[32];

	table_cell(t, "%s", number_text(text, g->median.mid));
	interval_cell(t, &g->median);
	table_cell(t, "%s", number_text(text, g->p99));
	table_cell(t, "%zu", g->n);
	if (g->key->disturbed < 0)
		table_cell(t, "%s", "");
	else
		table_cell(t, "%.0f %%", 100.0 * (double)g->disturbed / (double)g->n);
	/* Only where it says something else. */
	table_cell(t, "%s", g->disturbed && fabs(g->quiet - g->median.mid) > 0.02 * fabs(g->median.mid) ? number_text(text, g->quiet) : "");
}

static int details_print(const struct view *v, FILE *f)
{
	static const char *const heads[] = { "workload", "engine", ">median", "95 % interval", ">p99", ">n", ">disturbed", ">quiet median",
		">ratio within a round", "95 % interval", NULL };
	struct table *t = table_new(heads);
	char name[64];

	for (size_t w = 0; w < v->workloads; w++) {
		const struct view_column *reference = view_reference(v, v->workload[w]);

		for (unsigned i = 0; i < v->columns; i++) {
			const struct result_group *g = view_at(v, v->workload[w], &v->column[i]);

			if (!g)
				continue;
			table_cell(t, "%s", v->workload[w]);
			table_cell(t, "%s", column_name(name, &v->column[i]));
			figure_cells(t, g);
			ratio_cells(t, v, g, reference);
		}
	}
	return table_end(t, f);
}

/* Geometric means over the workloads that both have, as one line an engine. */
static void geomeans_print(const struct view *v, FILE *f)
{
	const struct view_column *native = view_column_of(v, "native");
	const struct result_group **a = calloc(v->workloads, sizeof(*a)), **b = calloc(v->workloads, sizeof(*b));
	char name[64], mid[32], low[32], high[32];
	bool any = false;

	for (unsigned i = 0; a && b && native && i < v->columns; i++) {
		struct interval m;
		size_t n = 0;

		for (size_t w = 0; &v->column[i] != native && w < v->workloads; w++) {
			a[n] = view_at(v, v->workload[w], &v->column[i]);
			b[n] = view_at(v, v->workload[w], native);
			n += a[n] && b[n];
		}
		if (n < 2 || isnan((m = groups_geomean(a, b, n)).mid))
			continue;
		fprintf(f, "%s%s %s [%s, %s] over %zu", any ? "; " : "Geometric mean against native, within a round: ",
			column_name(name, &v->column[i]), number_text(mid, m.mid), number_text(low, m.low), number_text(high, m.high), n);
		any = true;
	}
	if (any)
		fputs(".\n\n", f);
	free(a);
	free(b);
}

static int metric_print(const struct result *r, const char *suite, const char *metric, const char *title, FILE *f)
{
	struct view v;
	int e = view_make(&v, r, suite, metric);

	if (e == -E2BIG)
		fprintf(f, "### %s: %s\n\nMore than 20,000 figures: no table; see raw.csv.\n\n", suite, title);
	if (e)
		return e == -E2BIG ? 0 : e;
	if (v.n) {
		fprintf(f, "### %s: %s\n\nMedians:\n\n", suite, title);
		e = matrix_print(&v, f);
		geomeans_print(&v, f);
		fprintf(f, "In full (unit: %s):\n\n", v.group[0]->key->unit);
		e = e ? e : details_print(&v, f);
	}
	view_free(&v);
	return e;
}

/* --- exits by kind --- */

#define KINDS_SHOWN 8

static void kinds_cell(struct table *t, const struct view_kind *k, int n, double total)
{
	double shown = 0;
	char text[1000], value[32];
	int at = 0;

	text[0] = 0;
	for (int i = 0; i < n && at < 800 && shown < 0.99 * total; i++) {
		shown += k[i].value;
		at += snprintf(text + at, sizeof(text) - (size_t)at, "%s%.40s %s (%.30s)", i ? ", " : "", k[i].kind, number_text(value, k[i].value),
			k[i].mechanism);
	}
	if (n && total - shown > 0.005 * total)
		snprintf(text + at, sizeof(text) - (size_t)at, ", others %s", number_text(value, total - shown));
	table_cell(t, "%s", text);
}

/* The views that the table of exits takes from. */
struct exits_views {
	struct view exits, events, cycles;
};

static void exits_row(struct table *t, const struct exits_views *v, const char *workload, const struct view_column *c)
{
	struct view_kind k[KINDS_SHOWN], unused[1];
	double total, cost, events;
	char text[32], name[64];
	int n = view_kinds(&v->exits, workload, c, k, KINDS_SHOWN, &total);

	if (n < 0)
		return;
	table_cell(t, "%s", workload);
	table_cell(t, "%s", column_name(name, c));
	table_cell(t, "%s", number_text(text, total));
	table_cell(t, "%s", view_at(&v->exits, workload, c)->key->unit);
	table_cell(t, "%s", view_kinds(&v->cycles, workload, c, unused, 1, &cost) < 0 ? "" : number_text(text, cost));
	kinds_cell(t, k, n, total);
	n = view_kinds(&v->events, workload, c, k, 3, &events);
	kinds_cell(t, k, n < 0 ? 0 : n, events);
}

static int exits_table(const struct exits_views *v, const char *suite, FILE *f)
{
	static const char *const heads[] = { "workload", "engine", ">exits", "unit", ">VMM cycles", "by kind (mechanism)", "beside them", NULL };
	struct table *t = table_new(heads);

	for (size_t w = 0; w < v->exits.workloads; w++)
		for (unsigned i = 0; i < v->exits.columns; i++)
			exits_row(t, v, v->exits.workload[w], &v->exits.column[i]);
	if (v->exits.n)
		fprintf(f, "### %s: exits by kind\n\nHow often the VMM was involved in one operation (1/op) or one run (1/run), and the TSC cycles that it took"
			" inside the VMM for it. Beside them: events that are no exits themselves (docs/results.md).\n\n", suite);
	return table_end(t, f);
}

static int exits_print(const struct result *r, const char *suite, FILE *f)
{
	struct exits_views v = { 0 };
	int e = view_make(&v.exits, r, suite, "exits");

	if (!e)
		e = view_make(&v.events, r, suite, "events");
	if (!e)
		e = view_make(&v.cycles, r, suite, "vmm-cycles");
	if (!e)
		e = exits_table(&v, suite, f);
	view_free(&v.exits);
	view_free(&v.events);
	view_free(&v.cycles);
	return e == -E2BIG ? 0 : e;
}

/* What the hardware of a nested machine gave as the exits' reasons. */
static int reasons_print(const struct result *r, const char *suite, FILE *f)
{
	static const char *const heads[] = { "workload", "engine", ">VM exits", "by hardware reason", NULL };
	struct table *t = table_new(heads);
	struct view v;
	int e = view_make(&v, r, suite, "hw-exits");

	for (size_t w = 0; !e && w < v.workloads; w++)
		for (unsigned i = 0; i < v.columns; i++) {
			struct view_kind k[KINDS_SHOWN];
			char text[32], name[64], list[400] = "";
			double total;
			int n = view_kinds(&v, v.workload[w], &v.column[i], k, KINDS_SHOWN, &total), at = 0;

			if (n < 0)
				continue;
			for (int j = 0; j < n && at < 300; j++)
				at += snprintf(list + at, sizeof(list) - (size_t)at, "%s%.60s %s", j ? ", " : "",
					k[j].kind + (strncmp(k[j].kind, "reason:", 7) ? 0 : 7), number_text(text, k[j].value));
			table_cell(t, "%s", v.workload[w]);
			table_cell(t, "%s", column_name(name, &v.column[i]));
			table_cell(t, "%s", number_text(text, total));
			table_cell(t, "%s", list);
		}
	if (!e && v.n)
		fprintf(f, "### %s: VM exits by hardware reason\n\nAn operation, in the nested machine; no row: none.\n\n", suite);
	view_free(&v);
	return table_end(t, f) ? -ENOMEM : e == -E2BIG ? 0 : e;
}

/* --- a suite --- */

/* Metrics of the suite that none of the tables above is for. */
static int others_print(const struct result *r, const char *suite, FILE *f)
{
	const char *done[32];
	unsigned n = 0;
	int e = 0;

	for (size_t i = 0; i < r->groups && !e && n < 32; i++) {
		const struct result_row *k = r->group[i].key;
		bool known = by_kind(k->metric) || !strcmp(k->metric, "hole") || strcmp(k->suite, suite) || k->modelled;

		for (size_t m = 0; m < METRICS; m++)
			known |= !strcmp(k->metric, metrics[m].metric);
		for (unsigned m = 0; m < n; m++)
			known |= !strcmp(k->metric, done[m]);
		if (known)
			continue;
		done[n++] = k->metric;
		e = metric_print(r, suite, k->metric, k->metric, f);
	}
	return e;
}

int summary_suite(const struct result *r, const char *suite, FILE *f)
{
	int e = 0;

	fprintf(f, "## %s\n\n", suite);
	for (size_t i = 0; i < METRICS && !e; i++)
		e = metric_print(r, suite, metrics[i].metric, metrics[i].title, f);
	if (!e)
		e = others_print(r, suite, f);
	if (!e)
		e = exits_print(r, suite, f);
	return e ? e : reasons_print(r, suite, f);
}
