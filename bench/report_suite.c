/*
 * report_suite.c - the tables: for each suite and metric the engines of one machine side by side, or the machines.
 *
 * Each figure is a link to its raw rows ("#r0.12": machine 0, group 12), and its tooltip says where in raw.csv they are. Cells
 * carry the exact value for sorting (data-v) and their engine for the filter (data-e). Modelled figures have tables of their own,
 * a badge, and a sign before each number. Called by report.c. Read next: report_cell.c, report_raw.c, report.js.
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include "report_sheet.h"

static const char *const metric_text[][2] = {
	{ "cycles", "Cost of an operation, steady state" },
	{ "first-cycles", "Cost of the first one" },
	{ "seconds", "Time" },
	{ "milestone", "Milestones, since the process started" },
	{ "exits", "Exits" },
	{ "exits-total", "Exits, all kinds together" },
	{ "vmm-cycles", "Cycles within the VMM" },
	{ "modelled-cycles", "Modelled cost of an operation" },
	{ "events", "Beside the exits" },
	{ "hw-exits", "VM exits by the hardware's reason" },
	{ "hole", "Wrong answers that the guest saw" },
	{ "bytes", "Memory" },
	{ "cpu-seconds", "CPU time" },
};

static void put_metric(FILE *out, const char *metric)
{
	for (size_t i = 0; i < sizeof(metric_text) / sizeof(metric_text[0]); i++)
		if (!strcmp(metric, metric_text[i][0])) {
			fputs(metric_text[i][1], out);
			return;
		}
	html_text(out, metric);
}

/* By kind and mechanism: may be added up. */
static bool set_of_kinds(const struct report_set *s)
{
	return !strcmp(s->metric, "exits") || !strcmp(s->metric, "vmm-cycles") || !strcmp(s->metric, "hw-exits") || !strcmp(s->metric, "events");
}

static void put_badge(FILE *out, const char *origin)
{
	if (strcmp(origin, "measured")) {
		fputs(" <span class=\"badge ", out);
		fputs(!strcmp(origin, "modelled") ? "modelled" : "nested", out);
		fputs("\">", out);
		html_text(out, origin);
		fputs("</span>", out);
	}
}

/* A machine against the first one, of their medians. */
static void put_machine_ratio(const struct sheet *s, const struct report_cell *first, const struct report_cell *c)
{
	double r = report_cell_value(c) / report_cell_value(first);

	if (!isfinite(r)) {
		fputs("<td class=ratio></td>", s->p->out);
		return;
	}
	fprintf(s->p->out, "<td class=ratio data-v=\"%.12g\">", r);
	html_ratio(s->p->out, r);
	fputs("</td>", s->p->out);
}

static void put_head_text(const struct sheet *s)
{
	FILE *out = s->p->out;

	fputs("<thead><tr><th scope=col>workload</th>", out);
	if (s->variants)
		fprintf(out, "<th scope=col>%s</th>", s->set->modelled ? "costs of" : "variant");
	if (s->kinds)
		fputs("<th scope=col>kind</th><th scope=col>mechanism</th>", out);
	if (s->t->flags & TABLE_MACHINES)
		fputs("<th scope=col>engine</th>", out);
}

static void put_head(const struct sheet *s)
{
	FILE *out = s->p->out;

	put_head_text(s);
	for (size_t i = 0; i < s->t->cols; i++) {
		const struct report_column *c = &s->t->col[i];

		if (s->t->flags & TABLE_MACHINES) {
			fprintf(out, "<th scope=col class=num title=\"");
			html_text(out, s->p->machine[c->machine].name);
			fprintf(out, "\"><span class=key>%c</span></th>", 'A' + c->machine);
			if (i)
				fprintf(out, "<th scope=col class=num>%c∕%c</th>", 'A' + c->machine, 'A' + s->t->col[0].machine);
		} else {
			fputs("<th scope=col class=num data-e=\"", out);
			html_text(out, c->engine);
			fputs("\">", out);
			html_text(out, c->engine);
			put_badge(out, c->origin);
			fputs("</th>", out);
		}
	}
	fputs("</tr></thead>\n", out);
}

static void put_text_cell(FILE *out, const char *text)
{
	fputs("<td>", out);
	html_text(out, text);
	fputs("</td>", out);
}

/* The native figure beside a cell, or NULL. */
static const struct report_cell *native_of(const struct sheet *s, size_t row)
{
	for (size_t i = 0; i < s->t->cols; i++) {
		const struct report_cell *c = &s->t->cell[row * s->t->cols + i];

		if (!(s->t->flags & TABLE_MACHINES) && c->n == 1 && !strcmp(s->t->col[i].engine, "native"))
			return c;
	}
	return NULL;
}

static void put_row(const struct sheet *s, size_t row)
{
	const struct result_row *k = s->t->row[row]->g->key;
	const struct report_cell *cell = &s->t->cell[row * s->t->cols], *native = native_of(s, row);
	bool machines = s->t->flags & TABLE_MACHINES;
	FILE *out = s->p->out;

	fprintf(out, "<tr%s", row && !strcmp(s->t->row[row - 1]->g->key->workload, k->workload) ? " class=same" : "");
	if (machines) {
		fputs(" data-e=\"", out);
		html_text(out, k->engine);
		fputs("\"", out);
	}
	fputs("><th scope=row>", out);
	html_text(out, k->workload);
	fputs("</th>", out);
	if (s->variants)
		put_text_cell(out, k->variant);
	if (s->kinds) {
		put_text_cell(out, k->kind);
		put_text_cell(out, k->mechanism);
	}
	if (machines) {
		fputs("<td>", out);
		html_text(out, k->engine);
		put_badge(out, k->origin);
		fputs("</td>", out);
	}
	for (size_t i = 0; i < s->t->cols; i++) {
		report_cell_put(s, &cell[i], machines ? NULL : s->t->col[i].engine, native);
		if (machines && i)
			put_machine_ratio(s, &cell[0], &cell[i]);
	}
	fputs("</tr>\n", out);
}

/* One table. 0 or -ENOMEM. */
static int put_table(const struct report *p, const struct report_set *set, bool has_base, int machine, unsigned flags)
{
	struct report_table t;
	struct sheet s = { p, set, &t, .has_base = has_base };
	int r = report_table(&t, set, machine, flags);

	if (r == -E2BIG) {
		fprintf(p->out, "<p class=notice>There are too many engines and workloads for a table here: %zu figures.</p>\n", set->n);
		return 0;
	}
	if (r)
		return r;
	for (size_t i = 0; i < t.n; i++) {
		s.variants |= *t.entry[i].g->key->variant != 0;
		s.kinds |= (flags & TABLE_KINDS) && *t.entry[i].g->key->kind;
	}
	fprintf(p->out, "<div class=wrap><table class=\"data%s\">", set->modelled ? " modelled" : "");
	put_head(&s);
	fputs("<tbody>\n", p->out);
	for (size_t i = 0; i < t.rows; i++)
		put_row(&s, i);
	fputs("</tbody></table></div>\n", p->out);
	report_table_free(&t);
	return 0;
}

static int put_table_details(const struct report *p, const struct report_set *set, bool has_base, int machine, unsigned flags, const char *title)
{
	int r;

	fputs("<details><summary>", p->out);
	if (machine >= 0 && p->n > 1) {
		fprintf(p->out, "<span class=key>%c</span> ", 'A' + machine);
		html_text(p->out, p->machine[machine].name);
		fputs(": ", p->out);
	}
	fprintf(p->out, "%s</summary>\n", title);
	r = put_table(p, set, has_base, machine, flags);
	fputs("</details>\n", p->out);
	return r;
}

static bool set_has(const struct report_set *s, unsigned machine)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->entry[i].machine == machine)
			return true;
	return false;
}

static int put_set(const struct report *p, const struct report_set *set, bool has_base)
{
	unsigned kinds = set_of_kinds(set) ? 0 : TABLE_KINDS, side = p->n > 1 ? TABLE_MACHINES : 0;
	int r;

	fputs("<h3>", p->out);
	put_metric(p->out, set->metric);
	if (set->variants)
		fputs(", variants", p->out);
	if (set->modelled)
		put_badge(p->out, "modelled");
	fputs(" <small>", p->out);
	html_text(p->out, set->unit);
	fputs("</small></h3>\n", p->out);
	r = put_table(p, set, has_base, -1, kinds | side);
	if (!r && !kinds)
		r = put_table_details(p, set, has_base, -1, TABLE_KINDS | side, "by kind and mechanism");
	for (unsigned m = 0; m < p->n && !r && p->n > 1; m++)
		if (set_has(set, m))
			r = put_table_details(p, set, has_base, (int)m, kinds, "engines side by side");
	return r;
}

int report_suites(const struct report *p, const struct report_sets *s)
{
	bool open = false;
	int r = 0;

	for (size_t i = 0; i < s->sets && !r; i++) {
		const struct report_set *set = &s->set[i];
		bool first = !i || strcmp(set->suite, set[-1].suite) || set->modelled != set[-1].modelled;

		if (first && open)
			fputs("</section>\n", p->out);
		if (first) {
			fprintf(p->out, "<section id=\"%s%zu\" class=\"suite%s\" data-s=\"", set->modelled ? "m" : "s", i, set->modelled ? " modelled" : "");
			html_text(p->out, set->suite);
			fputs("\"><h2>", p->out);
			html_text(p->out, set->suite);
			fputs(set->modelled ? ", modelled <span class=\"badge modelled\">modelled</span></h2>\n<p>These figures are computed, not "
				"measured: counts of exits times what others have published an exit to cost on each CPU.</p>\n" : "</h2>\n", p->out);
			open = true;
		}
		r = put_set(p, set, !first && set->variants && !set[-1].variants && !strcmp(set->metric, set[-1].metric) &&
			!strcmp(set->unit, set[-1].unit));
	}
	if (open)
		fputs("</section>\n", p->out);
	if (!s->sets)
		fputs("<section><p class=notice>There is not one sample in what was given: nothing was measured yet.</p></section>\n", p->out);
	return r;
}
