/*
 * nano.c - `ringlab-bench nano`: the nano guest's cells on each engine, as the guest itself times them, beside the bars.
 *
 * Rounds are interleaved; a cell's figure is the median over rounds of the guest's own steady-state median. QEMU TCG runs
 * the very same image. The bars are about the steady state.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

#define CELLS_MAX 48
#define ENGINES_MAX 8

struct cell {
	char name[32];
	struct series first, steady;
	bool hole;
};

struct column {
	const struct engine *e;
	const char *why;
	char why_text[320];
	struct cell cell[CELLS_MAX];
	size_t cells;
};

struct nano {
	const struct bench_options *o;
	FILE *raw;
	unsigned round;
	struct column col[ENGINES_MAX];
	size_t cols;
	unsigned samples, disturbed;
	double calib_best;
};

struct collector {
	struct nano *n;
	struct column *col;
	bool ended;
};

/* What the project holds itself to, in TSC cycles of the steady state. */
static const struct {
	const char *engine, *cell;
	double bar;
} bars[] = {
	{ "bt", "cli-sti", 10 },
	{ "bt", "syscall-int", 400 },
	{ "bt", "in", 120 },
	{ "pv-xen", "hypercall", 250 },
	{ "pv-xen", "cli-sti", 5 },
	{ "pv-previrt", "cli-sti", 5 },
};

static struct cell *cell_get(struct column *col, const char *name)
{
	for (size_t i = 0; i < col->cells; i++)
		if (!strcmp(col->cell[i].name, name))
			return &col->cell[i];
	if (col->cells == CELLS_MAX)
		return NULL;
	snprintf(col->cell[col->cells].name, sizeof(col->cell[0].name), "%s", name);
	return &col->cell[col->cells++];
}

static const struct cell *cell_find(const struct column *col, const char *name)
{
	for (size_t i = 0; i < col->cells; i++)
		if (!strcmp(col->cell[i].name, name))
			return &col->cell[i];
	return NULL;
}

static void nano_line(void *ctx, const char *text, pid_t pid)
{
	struct collector *c = ctx;
	double first, steady;
	char name[32];

	if (sscanf(text, "NANO %31s n=%*u first=%lf steady=%lf", name, &first, &steady) == 3) {
		struct cell *cell = cell_get(c->col, name);

		if (!cell)
			return;
		series_add(&cell->first, first);
		series_add(&cell->steady, steady);
		cell->hole |= strstr(text, " HOLE") != NULL;
		if (c->n->raw)
			fprintf(c->n->raw, "%u\t%s\t%s\t%.0f\t%.0f\t%s\n", c->n->round, c->col->e->name, name, first, steady,
				strstr(text, " HOLE") ? "hole" : "-");
	} else if (!strncmp(text, "NANO end", 8)) {
		c->ended = true;
	}
}

static void round_take(struct nano *n, struct column *col)
{
	struct collector c = { n, col, false };
	struct engine_command cmd;
	struct child_run run = { .argv = cmd.argv, .cpu = n->o->cpu, .no_huge_pages = !n->o->huge_pages, .timeout_s = 120,
		.line = nano_line, .ctx = &c };
	double before, after;

	col->why = engine_command(col->e, &n->o->paths, "nano", "n=1000", &cmd);
	if (col->why)
		return;
	before = calib_measure();
	if (child_run(&run)) {
		col->why = "its process could not be started";
		return;
	}
	after = calib_measure();
	n->calib_best = fmin(n->calib_best, fmin(before, after));
	n->samples++;
	n->disturbed += fmax(before, after) > 1.1 * n->calib_best;
	if (!c.ended) {
		snprintf(col->why_text, sizeof(col->why_text), "nano ended with status %d%s%s", run.status, run.error[0] ? ": " : "", run.error);
		col->why = col->why_text;
	}
}

static void figure_print(const struct cell *c)
{
	if (!c || !c->steady.n)
		printf(" %19s", "-");
	else if (c->hole)
		printf(" %19s", "HOLE");
	else
		printf(" %9.0f %9.0f", series_quantile(&c->first, 0.5), series_quantile(&c->steady, 0.5));
}

/* A row for each cell that any engine has, in the order of the first that has it. */
static void rows_print(const struct nano *n)
{
	for (size_t i = 0; i < n->cols; i++)
		for (size_t k = 0; k < n->col[i].cells; k++) {
			const char *name = n->col[i].cell[k].name;
			bool seen = !list_has(n->o->only, name);

			for (size_t j = 0; j < i; j++)
				seen |= cell_find(&n->col[j], name) != NULL;
			if (seen)
				continue;
			printf("%-22s", name);
			for (size_t j = 0; j < n->cols; j++)
				figure_print(cell_find(&n->col[j], name));
			putchar('\n');
		}
}

static void table_print(const struct nano *n)
{
	printf("\n%-22s", "TSC cycles");
	for (size_t i = 0; i < n->cols; i++)
		printf(" %19s", n->col[i].e->name);
	printf("\n%-22s", "cell");
	for (size_t i = 0; i < n->cols; i++)
		printf(" %9s %9s", "first", "steady");
	putchar('\n');
	rows_print(n);
	for (size_t i = 0; i < n->cols; i++)
		if (n->col[i].why)
			printf("%s: %s\n", n->col[i].e->name, n->col[i].why);
	printf("HOLE: the guest got a wrong answer there. %u of %u runs disturbed (calibration loop more than 10 %% above its best)\n\n",
		n->disturbed, n->samples);
}

static void bars_print(const struct nano *n)
{
	const struct column *peer = NULL;

	for (size_t i = 0; i < n->cols; i++)
		if (!strcmp(n->col[i].e->name, "qemu-tcg"))
			peer = &n->col[i];
	for (size_t b = 0; b < sizeof(bars) / sizeof(bars[0]); b++)
		for (size_t i = 0; i < n->cols; i++) {
			const struct cell *c = strcmp(n->col[i].e->name, bars[b].engine) ? NULL : cell_find(&n->col[i], bars[b].cell);
			const struct cell *theirs = peer ? cell_find(peer, bars[b].cell) : NULL;
			double v = c ? series_quantile(&c->steady, 0.5) : NAN;

			if (isnan(v))
				continue;
			printf("%-8s %-16s %7.0f  bar %4.0f  %s", bars[b].engine, bars[b].cell, v, bars[b].bar, v <= bars[b].bar ? "met" : "NOT MET");
			if (theirs)
				printf("  (qemu-tcg %.0f)", series_quantile(&theirs->steady, 0.5));
			putchar('\n');
		}
}

/* Cells that bt is held to against QEMU TCG: each at most 1, the geometric mean at most 0.35. */
static const char *const peer_cells[] = { "syscall-int", "syscall-sysenter", "in", "out", "cr3-write", "call-ret", "page-fault",
	"divide-error", "pte-invlpg", "cli-sti", "smc-call" };

/* The median over rounds of ours against theirs, within a round; samples of a cell are in the order of rounds. */
static double peer_ratio(const struct cell *ours, const struct cell *theirs, struct interval *v)
{
	struct series ratio = { 0 };

	for (size_t i = 0; i < ours->steady.n && i < theirs->steady.n; i++)
		if (theirs->steady.v[i] > 0)
			series_add(&ratio, ours->steady.v[i] / theirs->steady.v[i]);
	*v = series_median_interval(&ratio);
	series_free(&ratio);
	return v->mid;
}

static const struct column *column_named(const struct nano *n, const char *name)
{
	for (size_t i = 0; i < n->cols; i++)
		if (!strcmp(n->col[i].e->name, name))
			return &n->col[i];
	return NULL;
}

/* The steady state of bt against that of QEMU TCG. */
static void peer_print(const struct nano *n)
{
	const struct column *bt = column_named(n, "bt"), *qemu = column_named(n, "qemu-tcg");
	double log_sum = 0;
	unsigned k = 0;

	if (!bt || !qemu || !bt->cells || !qemu->cells)
		return;
	printf("\n%-18s %9s %9s  %-24s  bar\n", "steady state", "bt", "qemu-tcg", "ratio [95 %]");
	for (size_t i = 0; i < sizeof(peer_cells) / sizeof(peer_cells[0]); i++) {
		const struct cell *ours = cell_find(bt, peer_cells[i]), *theirs = cell_find(qemu, peer_cells[i]);
		struct interval v;

		if (!ours || !theirs || isnan(peer_ratio(ours, theirs, &v)))
			continue;
		printf("%-18s %9.0f %9.0f  %6.3f [%6.3f,%6.3f]   1.00  %s\n", peer_cells[i], series_quantile(&ours->steady, 0.5),
			series_quantile(&theirs->steady, 0.5), v.mid, v.low, v.high, v.mid <= 1 ? "met" : "NOT MET");
		log_sum += log(v.mid);
		k++;
	}
	if (k)
		printf("%-18s %9s %9s  %6.3f %17s   0.35  %s\n", "geometric mean", "", "", exp(log_sum / k), "", exp(log_sum / k) <= 0.35 ? "met" : "NOT MET");
}

/* What 64 page-table updates in one hypercall save, against one hypercall each, in null hypercalls. */
static void batch_print(const struct nano *n)
{
	const struct column *xen = column_named(n, "pv-xen");
	const struct cell *null = xen ? cell_find(xen, "hypercall") : NULL, *one = xen ? cell_find(xen, "pt-update-single") : NULL,
		*many = xen ? cell_find(xen, "pt-update-batched") : NULL;

	if (!null || !one || !many)
		return;
	double saved = 64 * (series_quantile(&one->steady, 0.5) - series_quantile(&many->steady, 0.5)),
		calls = 63 * series_quantile(&null->steady, 0.5);
	printf("pv-xen   64 updates in one hypercall save %.0f cycles, %.0f %% of 63 null hypercalls; bar 80 %%  %s\n", saved, 100 * saved / calls,
		saved >= 0.8 * calls ? "met" : "NOT MET");
}

static void nano_free(struct nano *n)
{
	for (size_t i = 0; i < n->cols; i++)
		for (size_t k = 0; k < n->col[i].cells; k++) {
			series_free(&n->col[i].cell[k].first);
			series_free(&n->col[i].cell[k].steady);
		}
	if (n->raw)
		fclose(n->raw);
	free(n);
}

int bench_nano(const struct bench_options *o)
{
	struct nano *n = calloc(1, sizeof(*n));

	if (!n)
		return 1;
	n->o = o;
	n->calib_best = INFINITY;
	for (size_t i = 1; i < engine_count && n->cols < ENGINES_MAX; i++)
		if (list_has(o->engines, engines[i].name) && (o->engines || strcmp(engines[i].name, "interp")))
			n->col[n->cols++].e = &engines[i];
	if (o->raw && !(n->raw = fopen(o->raw, "we"))) {
		fprintf(stderr, "ringlab-bench: cannot write %s: %s\n", o->raw, strerror(errno));
		nano_free(n);
		return 1;
	}
	if (n->raw)
		fprintf(n->raw, "round\tengine\tcell\tfirst\tsteady\thole\n");
	printf("nano: %u interleaved rounds of n=1000, cpu %d; TSC %.0f MHz\n", o->rounds, o->cpu, tsc_hz() / 1e6);
	fflush(stdout);
	for (n->round = 0; n->round < o->rounds; n->round++)
		for (size_t i = 0; i < n->cols; i++) {
			struct column *col = &n->col[(i + n->round) % n->cols];

			if (!col->why)
				round_take(n, col);
		}
	table_print(n);
	bars_print(n);
	batch_print(n);
	peer_print(n);
	nano_free(n);
	return 0;
}
