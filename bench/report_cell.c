/*
 * report_cell.c - one cell of a table: the figure as a link to its raw rows, how it compares, its interval, its marks.
 *
 * Called by report_suite.c. Read next: report_ratio.c.
 */
#include <math.h>
#include <string.h>
#include "report_sheet.h"

/* What may be compared with native: times. */
static bool set_timed(const struct report_set *s)
{
	return !s->modelled && (!strcmp(s->metric, "cycles") || !strcmp(s->metric, "seconds"));
}

static void put_link(FILE *out, const struct report_cell *c)
{
	fprintf(out, "<a href=\"#r%u.", c->entry->machine);
	for (size_t i = 0; i < c->n; i++)
		fprintf(out, "%s%u", i ? "+" : "", c->entry[i].no);
	fputs("\" title=\"", out);
}

/* The tooltip: also what a reader without the script has to find the rows. */
static void put_title(FILE *out, const struct report_cell *c)
{
	const struct result_group *g = c->entry->g;

	if (c->n > 1) {
		fprintf(out, "the sum of %zu medians, by kind and mechanism", c->n);
	} else {
		fprintf(out, "median of %zu", g->n);
		if (g->n > 1)
			fprintf(out, ", p99 %.6g, %.6g to %.6g", g->p99, g->min, g->max);
		if (g->disturbed) {
			fprintf(out, "; %zu disturbed", g->disturbed);
			if (isfinite(g->quiet))
				fprintf(out, ", median of the others %.6g", g->quiet);
		}
		fprintf(out, "; %s line%s %u", g->key->modelled ? "modelled.csv" : "raw.csv", g->n > 1 ? "s" : "", g->key->line);
		if (g->n > 1)
			fprintf(out, " to %u", g->row[g->n - 1]->line);
	}
	fputs("\">", out);
}

#define BASE_MAX 5000 /* figures of a set that are searched for the one without a variant */

/* Of a figure with a variant, the same without: what it is compared with; or NULL. */
static const struct report_entry *base_of(const struct sheet *s, const struct report_entry *e)
{
	const struct report_set *base = s->set - 1;
	const struct result_row *k = e->g->key;

	/* A set of variants is never the first of its metric's when there is one without. */
	if (!s->set->variants || !s->has_base || base->n > BASE_MAX)
		return NULL;
	for (size_t i = 0; i < base->n; i++) {
		const struct result_row *b = base->entry[i].g->key;

		if (base->entry[i].machine == e->machine && !strcmp(b->workload, k->workload) && !strcmp(b->engine, k->engine) &&
		    !strcmp(b->origin, k->origin) && !strcmp(b->kind, k->kind) && !strcmp(b->mechanism, k->mechanism))
			return &base->entry[i];
	}
	return NULL;
}

/* How a time compares with native beside it; a variant, with the same without it. */
static void put_against(const struct sheet *s, const struct report_cell *c, const struct report_cell *native)
{
	const struct report_entry *to = base_of(s, c->entry);
	double r;

	if (!to && native && native != c)
		to = native->entry;
	if (!to || c->n != 1 || !set_timed(s->set))
		return;
	r = report_ratio(c->entry->g, to->g);
	if (isfinite(r)) {
		fputs("<small class=against>", s->p->out);
		html_ratio(s->p->out, r);
		fputs("</small> ", s->p->out);
	}
}

/* The interval below a figure. */
static void put_below(const struct sheet *s, const struct report_cell *c)
{
	const struct result_group *g = c->entry->g;
	FILE *out = s->p->out;

	if (c->n == 1 && g->n > 1 && g->median.high > g->median.low) {
		fputs("<small>", out);
		html_number(out, g->median.low, s->set->unit);
		fputs("–", out);
		html_number(out, g->median.high, s->set->unit);
		fputs("</small>", out);
	}
}

/* Whether the guest saw a wrong answer where this was timed. */
static bool cell_hole(const struct sheet *s, const struct report_cell *c)
{
	const struct result_row *k = c->entry->g->key;
	const struct result_group *g;

	if (strcmp(k->metric, "cycles") && strcmp(k->metric, "first-cycles"))
		return false;
	g = result_find(&s->p->machine[c->entry->machine], k->suite, k->workload, k->engine, "hole");
	return g && g->median.mid > 0 && !strcmp(g->key->origin, k->origin);
}

/* d: many of its samples were disturbed; w: a wrong answer. */
static void put_marks(const struct sheet *s, const struct report_cell *c)
{
	const struct result_group *g = c->entry->g;
	bool disturbed = c->n == 1 && g->disturbed && 4 * g->disturbed >= g->n, hole = cell_hole(s, c);
	FILE *out = s->p->out;

	if (!disturbed && !hole)
		return;
	fputs("<sup title=\"", out);
	if (disturbed)
		fprintf(out, "%zu of %zu samples disturbed%s", g->disturbed, g->n, hole ? "; " : "");
	if (hole)
		fputs("the guest got a wrong answer: this is what that costs", out);
	fprintf(out, "\">%s%s</sup>", disturbed ? "d" : "", hole ? "w" : "");
}

void report_cell_put(const struct sheet *s, const struct report_cell *c, const char *engine, const struct report_cell *native)
{
	FILE *out = s->p->out;
	double v = report_cell_value(c);

	fputs("<td", out);
	if (engine) {
		fputs(" data-e=\"", out);
		html_text(out, engine);
		fputs("\"", out);
	}
	if (!c->n) {
		fputs("></td>", out);
		return;
	}
	fprintf(out, " data-v=\"%.12g\">", v);
	put_against(s, c, native);
	put_link(out, c);
	put_title(out, c);
	if (s->set->modelled)
		fputs("≈\u202f", out);
	html_number(out, v, s->set->unit);
	fputs("</a>", out);
	put_marks(s, c);
	put_below(s, c);
	fputs("</td>", out);
}
