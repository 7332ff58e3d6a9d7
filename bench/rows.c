/*
 * rows.c - figures by row and engine, compared round by round: medians, intervals, bars and the geometric mean.
 *
 * A ratio is of two figures of the same round, because the speed of the host drifts. Called by linux.c and kernel.c.
 */
#include <math.h>
#include <string.h>
#include "rows.h"

struct row *rows_get(struct rows *r, const char *name)
{
	struct row *row;

	for (unsigned i = 0; i < r->n; i++)
		if (!strcmp(r->row[i].name, name))
			return &r->row[i];
	if (r->n == ROWS_MAX)
		return &r->row[ROWS_MAX - 1];
	row = &r->row[r->n++];
	snprintf(row->name, sizeof(row->name), "%s", name);
	row->bar = NAN;
	for (int i = 0; i < COLS_MAX; i++)
		row->now[i] = NAN;
	return row;
}

void rows_note(struct rows *r, int col, const char *name, double value)
{
	rows_get(r, name)->now[col] = value;
}

void rows_fail(struct rows *r, int col, const char *why)
{
	if (r->why[col])
		return;
	snprintf(r->why_text[col], sizeof(r->why_text[col]), "%s", why);
	r->why[col] = r->why_text[col];
}

void rows_close_round(struct rows *r)
{
	double log_sum[COLS_MAX] = { 0 };
	unsigned n[COLS_MAX] = { 0 };

	for (unsigned i = 0; i < r->n; i++) {
		struct row *row = &r->row[i];

		for (int c = 0; c < COLS_MAX && r->col[c]; c++) {
			if (isnan(row->now[c]))
				continue;
			series_add(&row->v[c], row->now[c]);
			if (r->raw)
				fprintf(r->raw, "%s\t%s\t%s\t%.4f\n", r->title, r->col[c], row->name, row->now[c]);
			if (!c || isnan(row->now[0]) || !(row->now[c] > 0))
				continue;
			series_add(&row->ratio[c], row->now[0] / row->now[c]);
			if (!row->extra) {
				log_sum[c] += log(row->now[0] / row->now[c]);
				n[c]++;
			}
		}
	}
	for (int c = 1; c < COLS_MAX && r->col[c]; c++)
		if (n[c])
			series_add(&r->geomean[c], exp(log_sum[c] / n[c]));
	for (unsigned i = 0; i < r->n; i++)
		for (int c = 0; c < COLS_MAX; c++)
			r->row[i].now[c] = NAN;
	r->round++;
}

static void bar_print(double v, double bar)
{
	if (isnan(bar) || isnan(v))
		putchar('\n');
	else
		printf("  %4.2f %s\n", bar, v <= bar ? "met" : "NOT MET");
}

static void row_print(const struct rows *r, const struct row *row)
{
	printf("%-24s%c", row->name, row->extra ? '*' : ' ');
	for (int c = 0; r->col[c]; c++)
		if (row->v[c].n)
			printf(" %12.*f", r->digits, series_quantile(&row->v[c], 0.5));
		else
			printf(" %12s", "-");
	for (int c = 1; r->col[c]; c++) {
		struct interval v = series_median_interval(&row->ratio[c]);

		if (r->lean && c != r->reference)
			continue;
		if (row->ratio[c].n)
			printf("  %6.3f [%6.3f,%6.3f]", v.mid, v.low, v.high);
		else
			printf("  %-22s", "-");
	}
	bar_print(series_quantile(&row->ratio[r->reference], 0.5), row->bar);
}

static void geomean_print(const struct rows *r)
{
	printf("%-25s", "geometric mean");
	for (int c = 0; r->col[c]; c++)
		printf(" %12s", "");
	for (int c = 1; r->col[c]; c++) {
		struct interval v = series_median_interval(&r->geomean[c]);

		if (r->geomean[c].n)
			printf("  %6.3f [%6.3f,%6.3f]", v.mid, v.low, v.high);
		else
			printf("  %-22s", "-");
	}
	bar_print(series_quantile(&r->geomean[r->reference], 0.5), r->geomean_bar);
}

void rows_print(const struct rows *r)
{
	bool any = false;
	char head[40];

	if (!r->round)
		return;
	printf("\n%s, %s; medians of %u rounds, ratios within a round; bar: %s/%s\n%-25s", r->title, r->unit, r->round, r->col[0],
		r->col[r->reference], "");
	for (int c = 0; r->col[c]; c++)
		printf(" %12s", r->col[c]);
	for (int c = 1; r->col[c]; c++) {
		if (r->lean && c != r->reference)
			continue;
		snprintf(head, sizeof(head), "%s/%s [95 %%]", r->col[0], r->col[c]);
		printf("  %-22s", head);
	}
	printf("  bar\n");
	for (unsigned i = 0; i < r->n; i++)
		row_print(r, &r->row[i]);
	if (!isnan(r->geomean_bar))
		geomean_print(r);
	for (unsigned i = 0; i < r->n; i++)
		any |= r->row[i].extra;
	if (any && !isnan(r->geomean_bar))
		printf("* not in the geometric mean\n");
	for (int c = 0; r->col[c]; c++)
		if (r->why[c])
			printf("%s: %s\n", r->col[c], r->why[c]);
}

void rows_free(struct rows *r)
{
	for (unsigned i = 0; i < r->n; i++)
		for (int c = 0; c < COLS_MAX; c++) {
			series_free(&r->row[i].v[c]);
			series_free(&r->row[i].ratio[c]);
		}
	for (int c = 0; c < COLS_MAX; c++)
		series_free(&r->geomean[c]);
}
