/*
 * compute.c - `ringlab-bench compute`: what an engine costs a guest that only computes.
 *
 * Kernel by kernel, each engine runs the same object files in a child of its own, in an order that rotates from round to
 * round. A sample is the quickest warm repetition of a child, because what else runs on the host only ever adds; a
 * round's ratio is its sample against native's of the same round; the table has medians over rounds. All repetitions are in
 * --raw. Checksums must agree, or the run fails.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"

#define KERNELS_MAX 24
#define ENGINES_MAX 8
#define SLOW_ROUNDS 3 /* of an emulator */
#define PREEMPTED_MAX 2

static const struct kernel {
	const char *name;
	bool extra; /* left out of the geometric mean */
} kernels[] = {
	{ "intloop", false }, { "stream", false }, { "sieve", false }, { "sha256", false }, { "quicksort", false },
	{ "fib", false }, { "chase", false }, { "hash", false }, { "matmul", false }, { "btree", false },
	{ "bytecode", false }, { "x87", true }, { "sse", true }, { "repmovs", true },
};
#define KERNELS (sizeof(kernels) / sizeof(kernels[0]))

/* Of one kernel on one engine. */
struct result {
	struct series cycles; /* each round's quickest warm repetition */
	struct series cold;   /* each round's first repetition against native's quickest */
	struct series ratio;  /* each round's quickest against native's quickest */
	double round;         /* this round's quickest, NAN when it has none */
	double round_cold;
};

struct column {
	const struct engine *e;
	const char *why; /* NULL, or why it has no figures */
	char why_text[320];
	struct result k[KERNELS];
	struct series geomean;
};

struct compute {
	const struct bench_options *o;
	FILE *raw;
	struct column col[ENGINES_MAX];
	size_t cols;
	uint32_t sum[KERNELS];
	bool have_sum[KERNELS], mismatch;
	double calib_best;
	unsigned samples, disturbed;
};

/* What the callback collects of one child. */
struct sample {
	const char *kernel;
	struct series warm;
	double cold;
	uint32_t sum;
	bool any, ended, bad;
};

static void sample_line(void *ctx, const char *text, pid_t pid)
{
	struct sample *s = ctx;
	unsigned rep, sum;
	char name[32];
	double cycles;

	if (sscanf(text, "COMPUTE %31s rep=%u cycles=%lf sum=%x", name, &rep, &cycles, &sum) == 4 && !strcmp(name, s->kernel)) {
		if (s->any && sum != s->sum)
			s->bad = true;
		s->sum = sum;
		s->any = true;
		if (!rep)
			s->cold = cycles;
		else
			series_add(&s->warm, cycles);
	} else if (!strncmp(text, "COMPUTE-END", 11)) {
		s->ended = true;
	}
}

static void column_fail(struct column *col, const char *kernel, const struct child_run *run)
{
	snprintf(col->why_text, sizeof(col->why_text), "%s ended with status %d%s%s", kernel, run->status,
		run->error[0] ? ": " : "", run->error);
	col->why = col->why_text;
}

static void sum_check(struct compute *c, size_t k, const struct column *col, uint32_t sum)
{
	if (c->have_sum[k] && c->sum[k] != sum) {
		fprintf(stderr, "ringlab-bench: %s on %s computed %08x, others %08x: the engine is wrong\n", kernels[k].name,
			col->e->name, sum, c->sum[k]);
		c->mismatch = true;
	}
	c->sum[k] = sum;
	c->have_sum[k] = true;
}

/* One child: kernel k on one engine. Leaves the round's figures in the column, or says why there are none. */
static void sample_take(struct compute *c, struct column *col, size_t k, unsigned round)
{
	struct result *r = &col->k[k];
	struct sample s = { .kernel = kernels[k].name };
	struct engine_command cmd;
	struct child_run run = { .argv = cmd.argv, .cpu = c->o->cpu, .no_huge_pages = !c->o->huge_pages, .timeout_s = 120,
		.line = sample_line, .ctx = &s };
	char words[160];
	double before, after;

	snprintf(words, sizeof(words), "reps=%u only=%s%s", c->o->reps + 1, kernels[k].name, c->o->huge_pages ? " thp=1" : "");
	col->why = engine_command(col->e, &c->o->paths, "compute", words, &cmd);
	if (col->why)
		return;
	before = calib_measure();
	if (child_run(&run)) {
		col->why = "its process could not be started";
		return;
	}
	after = calib_measure();
	if (!s.ended || !s.warm.n) {
		column_fail(col, kernels[k].name, &run);
	} else {
		r->round = series_quantile(&s.warm, 0);
		r->round_cold = s.cold;
		series_add(&r->cycles, r->round);
		c->mismatch |= s.bad;
		sum_check(c, k, col, s.sum);
		if (c->raw) {
			fprintf(c->raw, "%u\t%s\t%s\t-1\t%.0f\t%08x\t%.0f\t%.0f\n", round, col->e->name, s.kernel, s.cold, s.sum, before, after);
			for (size_t i = 0; i < s.warm.n; i++)
				fprintf(c->raw, "%u\t%s\t%s\t%zu\t%.0f\t%08x\t%.0f\t%.0f\n", round, col->e->name, s.kernel, i, s.warm.v[i], s.sum,
					before, after);
		}
	}
	c->samples++;
	c->calib_best = fmin(c->calib_best, fmin(before, after));
	c->disturbed += fmax(before, after) > 1.1 * c->calib_best || run.preempted > PREEMPTED_MAX;
	series_free(&s.warm);
}

/* Ratios of the round just run; col[0] is native. */
static void round_close(struct compute *c)
{
	for (size_t i = 1; i < c->cols; i++) {
		struct column *col = &c->col[i];
		double log_sum = 0;
		unsigned n = 0;

		for (size_t k = 0; k < KERNELS; k++) {
			struct result *r = &col->k[k], *native = &c->col[0].k[k];

			if (isnan(r->round) || isnan(native->round))
				continue;
			series_add(&r->ratio, r->round / native->round);
			series_add(&r->cold, r->round_cold / native->round);
			if (!kernels[k].extra) {
				log_sum += log(r->round / native->round);
				n++;
			}
		}
		if (n)
			series_add(&col->geomean, exp(log_sum / n));
	}
}

static void round_run(struct compute *c, unsigned round)
{
	for (size_t i = 0; i < c->cols; i++)
		for (size_t k = 0; k < KERNELS; k++)
			c->col[i].k[k].round = c->col[i].k[k].round_cold = NAN;
	for (size_t k = 0; k < KERNELS; k++) {
		if (!list_has(c->o->only, kernels[k].name))
			continue;
		for (size_t j = 0; j < c->cols; j++) {
			struct column *col = &c->col[(j + round) % c->cols];

			if (!col->why && !(col->e->slow && round >= SLOW_ROUNDS))
				sample_take(c, col, k, round);
		}
	}
	round_close(c);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rround %u of %u%s", round + 1, c->o->rounds, round + 1 == c->o->rounds ? "\n" : "");
}

static void table_print(const struct compute *c)
{
	printf("\n%-10s %10s", "kernel", "native");
	for (size_t i = 1; i < c->cols; i++)
		printf("  %-24s", c->col[i].e->name);
	printf("\n%-10s %10s", "", "Mcycles");
	for (size_t i = 1; i < c->cols; i++)
		printf("  %-24s", "ratio [95 %] cold");
	putchar('\n');
	for (size_t k = 0; k < KERNELS; k++) {
		if (!list_has(c->o->only, kernels[k].name))
			continue;
		printf("%-9s%c %10.2f", kernels[k].name, kernels[k].extra ? '*' : ' ', series_quantile(&c->col[0].k[k].cycles, 0.5) / 1e6);
		for (size_t i = 1; i < c->cols; i++) {
			const struct result *r = &c->col[i].k[k];
			struct interval v = series_median_interval(&r->ratio);

			if (r->ratio.n)
				printf("  %5.2f [%5.2f,%5.2f] %5.1f ", v.mid, v.low, v.high, series_quantile(&r->cold, 0.5));
			else
				printf("  %-24s", "-");
		}
		putchar('\n');
	}
	printf("%-10s %10s", "geomean", "");
	for (size_t i = 1; i < c->cols; i++) {
		struct interval v = series_median_interval(&c->col[i].geomean);

		if (c->col[i].geomean.n)
			printf("  %5.3f [%5.3f,%5.3f]       ", v.mid, v.low, v.high);
		else
			printf("  %-24s", "-");
	}
	printf("\n* not in the geometric mean; cold: the first repetition, which includes translation and page faults\n");
	for (size_t i = 0; i < c->cols; i++)
		if (c->col[i].why)
			printf("%s: %s\n", c->col[i].e->name, c->col[i].why);
	printf("%u of %u samples disturbed (calibration loop more than 10 %% above its best, or the child preempted\n"
		"more than %d times)\n", c->disturbed, c->samples, PREEMPTED_MAX);
	if (2 * c->disturbed > c->samples)
		printf("MOST SAMPLES WERE DISTURBED: run this again on a quieter machine before believing it\n");
}

static void bar_print(const char *what, double value, double bar, bool below)
{
	if (!isnan(value))
		printf("%-58s %6.3f  %s\n", what, value, (below ? value < bar : value <= bar) ? "met" : "NOT MET");
}

static void bars_print(const struct compute *c)
{
	for (size_t i = 1; i < c->cols; i++) {
		const struct column *col = &c->col[i];
		bool pv = !strncmp(col->e->name, "pv", 2);
		struct interval v = series_median_interval(&col->geomean);
		char what[80];
		double worst = NAN;

		if (c->o->only || (strcmp(col->e->name, "bt") && !pv))
			continue;
		for (size_t k = 0; k < KERNELS; k++)
			if (!kernels[k].extra && col->k[k].ratio.n)
				worst = fmax(worst, series_quantile(&col->k[k].ratio, 0.5));
		snprintf(what, sizeof(what), "%s: geometric mean at most %s", col->e->name, pv ? "1.00 (two digits)" : "1.10");
		bar_print(what, pv ? round(v.mid * 100) / 100 : v.mid, pv ? 1.00 : 1.10, false);
		snprintf(what, sizeof(what), "%s: %s", col->e->name, pv ? "95 % interval below 1.03" : "no kernel above 1.4");
		bar_print(what, pv ? v.high : worst, pv ? 1.03 : 1.4, pv);
	}
}

static int columns_choose(struct compute *c)
{
	for (size_t i = 0; i < engine_count && c->cols < ENGINES_MAX; i++) {
		struct engine_command cmd;
		struct column *col = &c->col[c->cols];

		/* native is always there: it is what the others are held against; the interpreter only when asked for */
		if (i && (!list_has(c->o->engines, engines[i].name) || (!c->o->engines && !strcmp(engines[i].name, "interp"))))
			continue;
		col->e = &engines[i];
		col->why = engine_command(col->e, &c->o->paths, "compute", "", &cmd);
		c->cols++;
	}
	if (c->col[0].why) {
		fprintf(stderr, "ringlab-bench: compute-native is not in %s: build it first (ninja compute-native)\n", c->o->paths.guests);
		return -ENOENT;
	}
	return 0;
}

static void compute_free(struct compute *c)
{
	for (size_t i = 0; i < c->cols; i++) {
		for (size_t k = 0; k < KERNELS; k++) {
			series_free(&c->col[i].k[k].cycles);
			series_free(&c->col[i].k[k].ratio);
			series_free(&c->col[i].k[k].cold);
		}
		series_free(&c->col[i].geomean);
	}
	if (c->raw)
		fclose(c->raw);
	free(c);
}

int bench_compute(const struct bench_options *o)
{
	struct compute *c = calloc(1, sizeof(*c));
	int status;

	if (!c)
		return 1;
	c->o = o;
	c->calib_best = INFINITY;
	if (columns_choose(c)) {
		compute_free(c);
		return 1;
	}
	if (o->raw && !(c->raw = fopen(o->raw, "we"))) {
		fprintf(stderr, "ringlab-bench: cannot write %s: %s\n", o->raw, strerror(errno));
		compute_free(c);
		return 1;
	}
	if (c->raw)
		fprintf(c->raw, "round\tengine\tkernel\trep\tcycles\tsum\tcalib_before\tcalib_after\n");
	printf("compute: %u interleaved rounds of %u warm repetitions, cpu %d, huge pages %s; TSC %.0f MHz\n", o->rounds, o->reps, o->cpu,
		o->huge_pages ? "allowed (native asks for them)" : "off", tsc_hz() / 1e6);
	fflush(stdout);
	for (unsigned r = 0; r < o->rounds; r++)
		round_run(c, r);
	table_print(c);
	bars_print(c);
	status = c->mismatch;
	if (status)
		printf("checksums DISAGREE: see the messages above\n");
	compute_free(c);
	return status;
}
