/*
 * cli_timeline.c - `run --timeline`: its option, its part of the JSON, and the chart for humans.
 *
 * The chart has one row for each kind and mechanism, the most frequent first, and time from left to right; each row has its own
 * scale, for a rare kind has a story too. It is printed after the run, in the jail: no qsort, no locale files. Called by cli_see.c
 * and cli_stats.c. Read next: timeline.c.
 */
#include <stdlib.h>
#include <string.h>
#include "cli.h"
#include "core/timeline.h"

#define CHART_COLUMNS 44 /* with names and count a line of 79 */
#define CHART_ROWS 24

int see_timeline(struct see *s, const char *width_ms)
{
	char *end = NULL;

	s->timeline_ms = width_ms ? strtod(width_ms, &end) : TIMELINE_WIDTH_MS;
	if (width_ms && (!*width_ms || *end || !(s->timeline_ms >= TIMELINE_WIDTH_MS_MIN && s->timeline_ms <= TIMELINE_WIDTH_MS_MAX)))
		return cli_usage("run", "--timeline=%s: give the width of a bucket in milliseconds, from 0.1 to 1000000, or nothing", width_ms);
	return 0;
}

static json_t *bucket_json(const struct timeline_bucket *b)
{
	json_t *events = json_array();

	for (int k = 0; k < EV_COUNT; k++)
		for (int m = 0; m < MECH_COUNT; m++)
			if (b->count[k][m])
				json_array_append_new(events, json_pack("{s:s,s:s,s:I}", "kind", event_kind_name[k], "mechanism", event_mech_name[m],
					"count", (json_int_t)b->count[k][m]));
	return json_pack("{s:f,s:f,s:o}", "t_s", b->t_s, "width_s", b->width_s, "events", events);
}

json_t *timeline_json(const struct timeline *t)
{
	struct timeline_bucket b;
	json_t *a = json_array();

	for (size_t i = 0; i < timeline_buckets(t); i++) {
		timeline_bucket(t, i, &b);
		json_array_append_new(a, bucket_json(&b));
	}
	if (timeline_rest(t, &b))
		json_array_append_new(a, bucket_json(&b));
	return a;
}

/* --- the chart --- */

struct chart_row {
	uint8_t kind, mech;
	uint64_t count;
	double column[CHART_COLUMNS];
};

static int row_by_count(const void *a, const void *b)
{
	const struct chart_row *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return (x->kind << 8 | x->mech) - (y->kind << 8 | y->mech);
}

/* A bucket that lies across columns gives each its share. */
static void row_add(struct chart_row *r, const struct timeline_bucket *b, uint64_t count, double column_s)
{
	double from = b->t_s / column_s, to = (b->t_s + b->width_s) / column_s;

	r->count += count;
	for (int c = (int)from; c < CHART_COLUMNS && c < to; c++) {
		double l = from > c ? from : c, h = to < c + 1 ? to : c + 1;

		if (h > l && to > from)
			r->column[c] += (double)count * (h - l) / (to - from);
	}
}

static bool terminal_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *v = getenv(names[i]);

		if (v && *v)
			return strcasestr(v, "utf-8") || strcasestr(v, "utf8");
	}
	return false;
}

static void count_print(uint64_t n)
{
	if (n < 100000)
		fprintf(stderr, "%8llu", (unsigned long long)n);
	else if (n < 100000000)
		fprintf(stderr, "%6.1f k", (double)n / 1e3);
	else
		fprintf(stderr, "%6.0f M", (double)n / 1e6);
}

static void row_print(const struct chart_row *r, bool utf8)
{
	static const char *const bar[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }, *const ascii[] = { ".", ":", "-", "=", "+", "*", "%", "#" };
	double max = 0;

	for (int c = 0; c < CHART_COLUMNS; c++)
		max = r->column[c] > max ? r->column[c] : max;
	fprintf(stderr, "%-18s %-6s ", event_kind_name[r->kind], mech_brief(event_mech_name[r->mech]));
	for (int c = 0; c < CHART_COLUMNS; c++) {
		int level = max > 0 ? (int)(r->column[c] / max * 7.999) : 0;

		fputs(r->column[c] <= 0 ? " " : (utf8 ? bar : ascii)[level], stderr);
	}
	fputc(' ', stderr);
	count_print(r->count);
	fputc('\n', stderr);
}

static void axis_print(double all_s)
{
	char left[24], right[24], unit[4] = "s";
	double scale = 1;

	if (all_s < 1) {
		scale = 1e3;
		snprintf(unit, sizeof(unit), "ms");
	}
	snprintf(left, sizeof(left), "|0 %s", unit);
	snprintf(right, sizeof(right), "%.3g %s|", all_s * scale, unit);
	fprintf(stderr, "%-25s %s%*s %8s\n", "", left, CHART_COLUMNS - (int)strlen(left), right, "count");
}

/* Rows that have events; the caller frees *rows. */
static size_t chart_fill(const struct timeline *t, double column_s, struct chart_row **rows)
{
	struct chart_row *r = calloc(EV_COUNT * MECH_COUNT, sizeof(*r));
	struct timeline_bucket b;
	size_t n = 0;

	for (size_t i = 0; r && i < timeline_buckets(t); i++) {
		timeline_bucket(t, i, &b);
		for (int k = 0; k < EV_COUNT; k++)
			for (int m = 0; m < MECH_COUNT; m++)
				if (b.count[k][m])
					row_add(&r[k * MECH_COUNT + m], &b, b.count[k][m], column_s);
	}
	for (int i = 0; r && i < EV_COUNT * MECH_COUNT; i++)
		if (r[i].count) {
			r[i].kind = (uint8_t)(i / MECH_COUNT);
			r[i].mech = (uint8_t)(i % MECH_COUNT);
			r[n++] = r[i];
		}
	*rows = r;
	return n;
}

/* By insertion: rows are few, and too large for sort_array. */
static void chart_sort(struct chart_row *rows, const struct chart_row **order, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = i;

		for (; at && row_by_count(order[at - 1], &rows[i]) > 0; at--)
			order[at] = order[at - 1];
		order[at] = &rows[i];
	}
}

void timeline_print(const struct timeline *t)
{
	const struct chart_row *order[EV_COUNT * MECH_COUNT];
	struct timeline_bucket b;
	struct chart_row *rows;
	size_t n, last = timeline_buckets(t);
	double all_s;

	if (!last)
		return;
	timeline_bucket(t, last - 1, &b);
	all_s = b.t_s + b.width_s;
	n = chart_fill(t, all_s / CHART_COLUMNS, &rows);
	chart_sort(rows, order, n);
	fprintf(stderr, "\nevents over time; each row has a scale of its own, and a column is %.3g ms\n", all_s / CHART_COLUMNS * 1e3);
	axis_print(all_s);
	for (size_t i = 0; i < n && i < CHART_ROWS; i++)
		row_print(order[i], terminal_utf8());
	if (n > CHART_ROWS)
		fprintf(stderr, "%zu rarer kinds are not shown; --stats has them\n", n - CHART_ROWS);
	if (timeline_rest(t, &b))
		fprintf(stderr, "not shown: what the VMM learned at the end of the run only; --stats has it, as one bucket over all of the run\n");
	free(rows);
}
