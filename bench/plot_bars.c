/*
 * plot_bars.c - the plots of bars: exits an operation, stacked by kind, and modelled cycles by CPU generation.
 *
 * Called by plots.c. Read next: exits-per-op.gp, modelled.gp.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "plan.h"
#include "plot_data.h"
#include "table.h"

/* --- exits an operation ---
 *
 * A matrix: a row for each workload, a panel for each engine. Counts go from hundredths to hundreds, so that the length of a bar is
 * the logarithm of the total; within it, each kind has its share.
 */

static const char *const exits_suites[] = { "nano", "kernel", "devices" };

#define EXITS_SUITES (sizeof(exits_suites) / sizeof(exits_suites[0]))
#define EXITS_LOW 0.01   /* the left end of a panel */
#define PANEL_STEP 1.34  /* a panel is 1 wide; the rest is for the number behind the longest bar */
#define KINDS_OF_BAR 40

struct exits_plot {
	struct view view[EXITS_SUITES];
	struct view_column panel[VIEW_COLUMNS];
	unsigned panels;
	struct kind_rank kinds;
	double high;
	int row;
};

static void panel_add(struct exits_plot *p, const struct view_column *c)
{
	unsigned at = p->panels;

	for (unsigned i = 0; i < p->panels; i++)
		if (column_same(&p->panel[i], c))
			return;
	if (at == VIEW_COLUMNS)
		return;
	for (; at && engine_rank(p->panel[at - 1].engine) > engine_rank(c->engine); at--)
		p->panel[at] = p->panel[at - 1];
	p->panel[at] = *c;
	p->panels++;
}

static bool per_op(const struct view *v, const char *workload, const struct view_column *c)
{
	const struct result_group *g = view_at(v, workload, c);

	return g && !strcmp(g->key->unit, "1/op");
}

/* Looks at all bars: panels, kinds by how much of the bars is theirs, the longest bar. */
static void exits_survey(struct exits_plot *p, const struct view *v)
{
	struct view_kind k[KINDS_OF_BAR];
	double total;

	for (size_t w = 0; w < v->workloads; w++)
		for (unsigned c = 0; c < v->columns; c++) {
			int n = per_op(v, v->workload[w], &v->column[c]) ? view_kinds(v, v->workload[w], &v->column[c], k, KINDS_OF_BAR, &total) : -1;

			if (n < 0)
				continue;
			panel_add(p, &v->column[c]);
			p->high = fmax(p->high, total);
			for (int i = 0; i < n; i++)
				kind_weigh(&p->kinds, k[i].kind, k[i].value / total);
		}
}

static void exits_bar(const struct exits_plot *p, const struct view *v, const char *workload, unsigned panel, FILE *data, FILE *set)
{
	double total, at = panel * PANEL_STEP, length;
	struct view_kind k[KINDS_OF_BAR];
	char text[32];
	int n = view_kinds(v, workload, &p->panel[panel], k, KINDS_OF_BAR, &total);

	if (n < 0)
		return;
	length = total > EXITS_LOW ? log(total / EXITS_LOW) / log(p->high / EXITS_LOW) : 0;
	for (int i = 0; i < n && length > 0; i++) {
		double share = length * k[i].value / total;

		fprintf(data, "%.6f %.6f %d %d\n", at, at + share, -p->row, kind_colour(&p->kinds, k[i].kind));
		at += share;
	}
	snprintf(text, sizeof(text), "%.3g", total);
	set_label(set, panel * PANEL_STEP + length + 0.03, -p->row, "left", -2, false, "#404040", total >= 1000 ? number_text(text, rint(total)) : text);
}

static void exits_axes(const struct exits_plot *p, FILE *set)
{
	char name[64];

	for (unsigned i = 0; i < p->panels; i++) {
		double at = i * PANEL_STEP;

		fprintf(set, "set arrow from %g,0.4 to %g,%g nohead lc rgb '#808080' lw 1 back\n", at, at, -p->row + 0.5);
		/* What is not measured says so above its engine: two words beside each other would run into the next panel. */
		snprintf(name, sizeof(name), "%.30s%s%.30s", p->panel[i].engine, *p->panel[i].variant ? " " : "", p->panel[i].variant);
		set_label(set, at, 1.1, "left", 1, true, "#000000", name);
		if (strcmp(p->panel[i].origin, ORIGIN_MEASURED)) {
			snprintf(name, sizeof(name), "(%.50s)", p->panel[i].origin);
			set_label(set, at, 2.1, "left", 0, false, "#505050", name);
		}
		for (double v = EXITS_LOW; v <= p->high; v *= 100) {
			double x = at + log(v / EXITS_LOW) / log(p->high / EXITS_LOW);

			fprintf(set, "set xtics add ('%g' %.6f)\n", v, x);
			if (v > EXITS_LOW)
				fprintf(set, "set arrow from %.6f,0.4 to %.6f,%g nohead lc rgb '#d8d8d8' lw 1 back\n", x, x, -p->row + 0.5);
		}
	}
}

static void exits_draw(struct exits_plot *p, const struct result *r, FILE *data, FILE *set)
{
	for (size_t s = 0; s < EXITS_SUITES; s++) {
		const struct view *v = &p->view[s];
		bool headed = false;

		for (size_t w = 0; w < v->workloads; w++) {
			bool rowed = false;

			for (unsigned i = 0; i < p->panels; i++) {
				if (!per_op(v, v->workload[w], &p->panel[i]))
					continue;
				if (!headed) {
					p->row += p->row ? 1 : 0;
					fprintf(set, "set label '%s' at graph 0, first %d offset -1,0 right font font_name.':Bold,'.(font_size + 1)\n", exits_suites[s],
						-p->row);
					fprintf(set, "set arrow from graph 0, first %d to graph 1, first %d nohead lc rgb '#a0a0a0' lw 1 back\n", -p->row, -p->row);
					p->row++;
				}
				if (!rowed)
					set_ytick(set, -p->row, v->workload[w]);
				headed = rowed = true;
				exits_bar(p, v, v->workload[w], i, data, set);
			}
			p->row += rowed;
		}
	}
	exits_axes(p, set);
	kind_legend(set, &p->kinds);
	set_number(set, "rows", p->row);
	set_number(set, "panels", p->panels);
	set_number(set, "width", p->panels * PANEL_STEP);
	set_heading(set, r, "Exits an operation, by kind: how often the VMM was involved");
}

int plot_exits_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n)
{
	struct exits_plot p = { 0 };
	size_t made = 0;
	int e = 0;

	for (; made < EXITS_SUITES && !e; made += !e)
		e = view_make(&p.view[made], r, exits_suites[made], "exits");
	for (size_t i = 0; i < made; i++)
		exits_survey(&p, &p.view[i]);
	kind_sort(&p.kinds);
	if (!e && !p.panels)
		snprintf(why, n, "none of the suites nano, kernel and devices counted the exits of an operation");
	p.high = fmax(p.high, 1);
	if (!e && p.panels && data)
		exits_draw(&p, r, data, set);
	for (size_t i = 0; i < made; i++)
		view_free(&p.view[i]);
	return e ? e : p.panels > 0;
}

/* --- modelled cycles --- */

int plot_modelled_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n)
{
	const char *generation[GENERATIONS_MAX];
	unsigned count = modelled_generations(r, generation);
	double low = INFINITY, high = 0;
	int row = 0;
	char text[300];

	if (!count) {
		snprintf(why, n, "there is no modelled.csv with modelled-cycles, which needs counts of vtx from a nested machine");
		return 0;
	}
	if (!data)
		return 1;
	for (size_t i = 0; i < r->groups; i++) {
		const struct result_row *k = r->group[i].key;
		bool any = false;

		if (!modelled_first(r, i))
			continue;
		for (unsigned g = 0; g < count; g++) {
			double v = modelled_sum(r, k, generation[g]);

			if (!(v > 0))
				continue;
			fprintf(data, "%.10g %.6f %u\n", v, -row + 0.4 - 0.8 * (g + 0.5) / count, g + 1);
			low = fmin(low, v);
			high = fmax(high, v);
			any = true;
		}
		if (!any)
			continue;
		snprintf(text, sizeof(text), "%s: %s", k->suite, k->workload);
		set_ytick(set, -row, text);
		row++;
	}
	if (!row) {
		snprintf(why, n, "every modelled figure is 0: no operation exits");
		return 0;
	}
	set_array(set, "series_name", generation, count);
	set_number(set, "series", count);
	set_number(set, "rows", row);
	set_number(set, "low", low);
	set_number(set, "high", high);
	set_heading(set, r, "MODELLED, not measured: VT-x exit cost of one operation, by CPU generation");
	return 1;
}
