/*
 * plot_time.c - the plots with time along them: milestones of booting Linux, and exits over time.
 *
 * Called by plots.c. Read next: linux-boot.gp, exits-over-time.gp.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "plot_data.h"
#include "table.h"

/* --- Linux boot --- */

#define MILESTONES 16

/* "boot 686: kernel's first line": what boots, and how far it has come. */
static const char *milestone_of(const char *workload, size_t *boot)
{
	const char *colon = strstr(workload, ": ");

	*boot = colon ? (size_t)(colon - workload) : strlen(workload);
	return colon ? colon + 2 : workload;
}

struct reached {
	double s;
	unsigned milestone; /* in boot_plot */
};

struct boot_plot {
	const char *name[MILESTONES];
	unsigned n;
	int row;
	double high;
};

static unsigned milestone_index(struct boot_plot *p, const char *name)
{
	unsigned i = 0;

	while (i < p->n && strcmp(p->name[i], name))
		i++;
	if (i == p->n && p->n < MILESTONES)
		p->name[p->n++] = name;
	return i < MILESTONES ? i : MILESTONES - 1;
}

static int reached_compare(const void *a, const void *b)
{
	double x = ((const struct reached *)a)->s, y = ((const struct reached *)b)->s;

	return (x > y) - (x < y);
}

/* One bar: from the start to each milestone in turn. */
static void boot_bar(struct boot_plot *p, const struct view *v, const char *boot, size_t length, const struct view_column *c, FILE *data, FILE *set)
{
	struct reached r[MILESTONES];
	unsigned n = 0;
	double from = 0;
	char text[300], name[64];

	for (size_t w = 0; w < v->workloads && n < MILESTONES; w++) {
		const struct result_group *g;
		size_t len;
		const char *milestone = milestone_of(v->workload[w], &len);

		if (len == length && !strncmp(v->workload[w], boot, len) && (g = view_at(v, v->workload[w], c)))
			r[n++] = (struct reached){ g->median.mid, milestone_index(p, milestone) };
	}
	if (!n)
		return;
	qsort(r, n, sizeof(*r), reached_compare);
	for (unsigned i = 0; i < n; i++) {
		fprintf(data, "%.6f %.6f %d %u\n", from, r[i].s, -p->row, r[i].milestone + 1);
		from = r[i].s;
	}
	p->high = fmax(p->high, from);
	snprintf(text, sizeof(text), "%.2f s", from);
	set_label(set, from, -p->row, "left offset 0.6,0", -1, false, "#202020", text);
	snprintf(text, sizeof(text), "%s", column_name(name, c));
	set_ytick(set, -p->row, text);
	p->row++;
}

/* Whether an earlier workload is of the same boot. */
static bool boot_seen(const struct view *v, size_t w)
{
	size_t a, b;

	milestone_of(v->workload[w], &a);
	for (size_t i = 0; i < w; i++) {
		milestone_of(v->workload[i], &b);
		if (a == b && !strncmp(v->workload[i], v->workload[w], a))
			return true;
	}
	return false;
}

static void boot_draw(const struct view *v, const struct result *r, FILE *data, FILE *set)
{
	struct boot_plot p = { 0 };
	char text[100];

	for (size_t w = 0; w < v->workloads; w++) {
		size_t length;

		milestone_of(v->workload[w], &length);
		if (boot_seen(v, w))
			continue;
		p.row += p.row ? 1 : 0;
		snprintf(text, sizeof(text), "%.*s", (int)(length < 60 ? length : 60), v->workload[w]);
		set_label(set, 0, -p.row, "left", 0, true, "#000000", text);
		p.row++;
		for (unsigned c = 0; c < v->columns; c++)
			boot_bar(&p, v, v->workload[w], length, &v->column[c], data, set);
	}
	set_array(set, "milestone", p.name, p.n);
	set_number(set, "milestones", p.n);
	set_number(set, "rows", p.row);
	set_number(set, "high", p.high);
	set_heading(set, r, "Booting Linux: when each milestone is reached");
}

int plot_boot_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n)
{
	struct view v;
	int e = view_make(&v, r, "linux", "milestone");
	bool any = v.n > 0;

	if (e)
		return e;
	if (!any)
		snprintf(why, n, "the suite linux has no milestones of a boot");
	else if (data)
		boot_draw(&v, r, data, set);
	view_free(&v);
	return any;
}

/* --- exits over time --- */

#define PANELS 8
#define BINS 200

/* One run: its bins by kind. */
struct run {
	const struct result_time *key;
	double end, width; /* of a bin that is drawn */
	double total;      /* exits */
	double *count;     /* [bin][colour] */
};

/* As counts.c has it: an event that is counted beside an exit, or that does not leave the guest, is none. */
static bool time_is_exit(const struct result_time *t)
{
	static const char *const none[] = { "interpret", "translation", "irq-delivered", "inline", "native", "host-kernel emulation" };

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (!strcmp(none[i], t->kind) || !strcmp(none[i], t->mechanism))
			return false;
	return strcmp(t->mechanism, "hypercall") || !strcmp(t->kind, "hypercall");
}

static bool time_same(const struct result_time *a, const struct result_time *b)
{
	return !strcmp(a->suite, b->suite) && !strcmp(a->workload, b->workload) && !strcmp(a->variant, b->variant) &&
		!strcmp(a->engine, b->engine) && !strcmp(a->origin, b->origin);
}

static unsigned runs_find(const struct result *r, struct run run[PANELS])
{
	unsigned n = 0, k;

	for (size_t i = 0; i < r->times; i++) {
		const struct result_time *t = &r->time[i];

		if (*t->variant) /* what a run with something switched off does is in the plot of ablations */
			continue;
		for (k = 0; k < n && !time_same(run[k].key, t); k++)
			;
		if (k == n && n == PANELS)
			continue;
		if (k == n)
			run[n++] = (struct run){ .key = t };
		run[k].end = fmax(run[k].end, t->t_s + t->width_s);
		run[k].width = fmax(run[k].width, t->width_s);
		run[k].total += time_is_exit(t) ? t->count : 0;
	}
	return n;
}

/* Spreads a count over the bins that its interval lies in, by how much of it lies there: intervals are not quite as long as each other. */
static void run_spread(struct run *run, const struct result_time *t, int colour)
{
	double from = t->t_s, end = t->t_s + t->width_s;

	while (from < end && from / run->width < BINS + 1) {
		size_t bin = (size_t)(from / run->width + 1e-9);
		double next = fmin(((double)bin + 1) * run->width, end);

		if (bin > BINS || next <= from)
			break;
		run->count[bin * (KIND_COLOURS + 1) + (size_t)colour] += t->count * (next - from) / t->width_s;
		from = next;
	}
}

/* Several intervals of the file make a bin, where the picture has no room for them all. */
static bool run_fill(const struct result *r, struct run *run, const struct kind_rank *kinds)
{
	run->width *= fmax(1, ceil(run->end / (BINS * run->width)));
	run->count = calloc((BINS + 1) * (KIND_COLOURS + 1), sizeof(*run->count));
	for (size_t i = 0; run->count && i < r->times; i++)
		if (time_same(run->key, &r->time[i]) && time_is_exit(&r->time[i]))
			run_spread(run, &r->time[i], kind_colour(kinds, r->time[i].kind));
	return run->count != NULL;
}

static void run_write(const struct run *run, unsigned i, FILE *data, FILE *set)
{
	char text[400];

	for (size_t b = 0; b <= BINS && (double)b * run->width < run->end; b++) {
		double base = 0;

		for (int k = 1; k <= KIND_COLOURS; k++) {
			double rate = run->count[b * (KIND_COLOURS + 1) + (size_t)k] / run->width;

			if (rate > 0)
				fprintf(data, "%.6f %.6f %.8g %.8g %d\n", (double)b * run->width, ((double)b + 1) * run->width, base, base + rate, k);
			base += rate;
		}
	}
	fputs("\n\n", data);
	snprintf(text, sizeof(text), "panel_title[%u]", i + 1);
	fprintf(set, "%s = ", text);
	snprintf(text, sizeof(text), "%.60s: %.60s%s%.40s on %.30s, %s", run->key->suite, run->key->workload, *run->key->variant ? ", " : "", run->key->variant,
		run->key->engine, run->key->origin);
	set_text(set, "t", text); /* "panel_title[1] = t = '…'" is an assignment of both */
	fprintf(set, "panel_end[%u] = %.8g\n", i + 1, run->end);
}

int plot_time_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n)
{
	struct kind_rank kinds = { 0 };
	struct run run[PANELS];
	unsigned runs = runs_find(r, run);
	bool ok = true;

	if (!runs) {
		snprintf(why, n, "there is no timeline.csv with rows");
		return 0;
	}
	if (!data)
		return 1;
	for (unsigned k = 0; k < runs; k++)
		for (size_t i = 0; i < r->times; i++)
			if (time_same(run[k].key, &r->time[i]) && time_is_exit(&r->time[i]) && run[k].total > 0)
				kind_weigh(&kinds, r->time[i].kind, r->time[i].count / run[k].total);
	kind_sort(&kinds);
	fprintf(set, "array panel_title[%u]\narray panel_end[%u]\n", runs, runs);
	for (unsigned i = 0; i < runs; i++) {
		ok = ok && run_fill(r, &run[i], &kinds);
		if (ok)
			run_write(&run[i], i, data, set);
		free(run[i].count);
	}
	kind_legend(set, &kinds);
	set_number(set, "panels", runs);
	set_heading(set, r, "Exits over time, by kind");
	return ok ? 1 : -ENOMEM;
}
