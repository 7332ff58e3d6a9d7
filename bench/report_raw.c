/*
 * report_raw.c - the samples behind each figure, packed as JSON within the page, one script element a machine.
 *
 *   {"file": ["raw.csv", "modelled.csv"], "group": [[modelled, title…, [median, low, high, p99, min, max, quiet], n, run…]…]}
 *   a run: [round, calib_before, calib_after, disturbed, [line, rep, value, line, rep, value…]]
 *
 * The samples of one child share a round and a calibration: a run. Lines are differences to the one before within the group.
 * When all would be more than REPORT_RAW_BYTES, the groups with most samples keep only their first ones; n still says how
 * many there are. report.js unpacks it when a figure is opened. Called by report.c.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "report.h"

/* Equal, or both unknown. */
static bool same(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static bool same_run(const struct result_row *a, const struct result_row *b)
{
	return a->round == b->round && a->disturbed == b->disturbed && same(a->calib_before, b->calib_before) &&
		same(a->calib_after, b->calib_after);
}

static void put_figures(FILE *out, const struct result_group *g)
{
	const double v[] = { g->median.mid, g->median.low, g->median.high, g->p99, g->min, g->max, g->quiet };

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		fputc(i ? ',' : '[', out);
		html_json_number(out, v[i]);
	}
	fputc(']', out);
}

static void put_title(FILE *out, const struct result_row *k)
{
	const char *const part[] = { k->suite, k->workload, k->variant, k->engine, k->origin, k->metric, k->kind, k->mechanism, k->unit };

	fprintf(out, "[%d", k->modelled);
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		fputc(',', out);
		html_json(out, part[i]);
	}
}

static void put_group(FILE *out, const struct result_group *g, size_t limit)
{
	const struct result_row *last = NULL;
	unsigned line = 0;

	put_title(out, g->key);
	fputc(',', out);
	put_figures(out, g);
	fprintf(out, ",%zu", g->n);
	for (size_t i = 0; i < g->n && i < limit; i++) {
		const struct result_row *row = g->row[i];

		if (!last || !same_run(last, row)) {
			fprintf(out, "%s,[%u,", last ? "]]" : "", row->round);
			html_json_number(out, row->calib_before);
			fputc(',', out);
			html_json_number(out, row->calib_after);
			fprintf(out, ",%d,[", row->disturbed);
		} else {
			fputc(',', out);
		}
		fprintf(out, "%d,%u,", (int)(row->line - line), row->rep);
		html_json_number(out, row->value);
		line = row->line;
		last = row;
	}
	fputs(last ? "]]]" : "]", out);
}

static void put_machine(FILE *out, const struct report *p, unsigned m, size_t limit)
{
	const struct result *r = &p->machine[m];

	fprintf(out, "<script type=\"application/json\" id=\"raw-%u\">{\"name\":", m);
	html_json(out, r->name);
	fputs(",\"file\":[\"raw.csv\",\"modelled.csv\"],\"group\":[", out);
	for (size_t i = 0; i < r->groups; i++) {
		fputs(i ? ",\n" : "\n", out);
		put_group(out, &r->group[i], limit);
	}
	fputs("]}</script>\n", out);
}

/* All machines with at most limit samples a group, in memory. 0 or -ENOMEM. */
static int pack(const struct report *p, size_t limit, char **text, size_t *n)
{
	FILE *f = open_memstream(text, n);
	int bad;

	if (!f)
		return -ENOMEM;
	for (unsigned m = 0; m < p->n; m++)
		put_machine(f, p, m, limit);
	bad = ferror(f);
	if (fclose(f) || bad) {
		free(*text);
		return -ENOMEM;
	}
	return 0;
}

int report_raw(const struct report *p)
{
	size_t limit = 0, n;
	char *text;
	int r;

	for (unsigned m = 0; m < p->n; m++)
		for (size_t i = 0; i < p->machine[m].groups; i++)
			if (p->machine[m].group[i].n > limit)
				limit = p->machine[m].group[i].n;
	while (!(r = pack(p, limit, &text, &n)) && n > REPORT_RAW_BYTES && limit) {
		free(text);
		limit /= 2;
	}
	if (r)
		return r;
	fwrite(text, 1, n, p->out);
	free(text);
	return 0;
}
