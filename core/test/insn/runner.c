/*
 * runner.c - fills batches with tests, runs them on the oracle and the engine at the same time, compares and reports.
 *
 * The first differences are run again alone, or after the fewest tests of their batch that it takes, cut down (shrink.c) and
 * printed (report.c); later ones are only counted.
 * Called by the test programs and the campaign. Read next: worker.c, compare.c.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "itest.h"

#define REPORTS_DEFAULT 5

struct it_runner {
	struct it_batch *batch; /* shared with both children */
	int batch_fd;
	struct it_worker *oracle, *engine;
	struct it_exec ox, ex;
	struct it_report report;
	unsigned reports_left;
	uint32_t dirty_from, dirty_to; /* code bytes that are not INT3 */
	bool fresh;           /* runner_one starts both sides anew: an engine that has learned from a test may hide the difference */
	struct itest *before; /* tests that runner_one runs first, because the difference needs them */
	uint32_t befores;
};

struct it_runner *runner_open(const struct it_exec *oracle, const struct it_exec *engine, char *why)
{
	struct it_runner *r = calloc(1, sizeof(*r));
	const char *reports = getenv("ITEST_REPORTS");

	r->ox = *oracle;
	r->ex = *engine;
	r->reports_left = reports ? (unsigned)atoi(reports) : REPORTS_DEFAULT;
	r->batch = shared_create(sizeof(*r->batch), &r->batch_fd);
	if (!r->batch) {
		free(r);
		return NULL;
	}
	memset(r->batch->code, 0xcc, IT_CODE_SIZE);
	r->oracle = worker_start(&r->ox, r->batch, r->batch_fd, why);
	r->engine = r->oracle ? worker_start(&r->ex, r->batch, r->batch_fd, why) : NULL;
	if (r->engine)
		return r;
	worker_stop(r->oracle);
	munmap(r->batch, sizeof(*r->batch));
	close(r->batch_fd);
	free(r);
	return NULL;
}

void runner_close(struct it_runner *r)
{
	worker_stop(r->oracle);
	worker_stop(r->engine);
	munmap(r->batch, sizeof(*r->batch));
	close(r->batch_fd);
	free(r);
}

const struct it_report *runner_report(const struct it_runner *r)
{
	return &r->report;
}

unsigned runner_fill(const struct it_runner *r)
{
	return r->batch->n;
}

struct itest *runner_slot(struct it_runner *r)
{
	if (r->batch->n == IT_BATCH)
		runner_flush(r);
	memset(&r->batch->test[r->batch->n], 0, sizeof(struct itest));
	return &r->batch->test[r->batch->n++];
}

/* Writes the tests' code into the region, over INT3s, and says which part of it changed. */
static void lay_code(struct it_runner *r)
{
	struct it_batch *b = r->batch;
	uint32_t from = UINT32_MAX, to = 0;

	if (r->dirty_to)
		memset(b->code + r->dirty_from, 0xcc, r->dirty_to - r->dirty_from);
	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t at = b->test[i].eip - IT_CODE, len = b->test[i].len;

		if (at >= IT_CODE_SIZE)
			continue;
		len = len > IT_CODE_SIZE - at ? IT_CODE_SIZE - at : len;
		memcpy(b->code + at, b->test[i].code, len);
		from = at < from ? at : from;
		to = at + len > to ? at + len : to;
	}
	b->code_from = !r->dirty_to || from < r->dirty_from ? from : r->dirty_from;
	b->code_to = to > r->dirty_to ? to : r->dirty_to;
	r->dirty_from = from;
	r->dirty_to = to;
	if (b->code_from > b->code_to)
		b->code_from = b->code_to = 0;
}

static void run_batch(struct it_runner *r)
{
	lay_code(r);
	worker_submit(r->oracle);
	worker_submit(r->engine);
	worker_wait(r->oracle);
	worker_wait(r->engine);
}

/* The test's oracle: the host, or the rule that an instruction which the model lacks is #UD. */
static unsigned judge(struct it_runner *r, uint32_t i, struct iresult *a, struct iresult *b)
{
	const struct itest *t = &r->batch->test[i];
	const char *open;
	unsigned d;

	*a = worker_out(r->oracle)->result[i];
	*b = worker_out(r->engine)->result[i];
	if (t->expect_ud)
		expect_ud(t, a);
	if (a->kind == IT_SKIP || b->kind == IT_SKIP)
		return 0;
	d = compare(t, a, b);
	open = d ? compare_open(t, a, b, d) : NULL;
	if (!open)
		return d;
	a->kind = IT_SKIP;
	snprintf(a->why, sizeof(a->why), "%s", open);
	return 0;
}

static void restart(struct it_runner *r)
{
	char why[128];

	worker_stop(r->oracle);
	worker_stop(r->engine);
	r->oracle = worker_start(&r->ox, r->batch, r->batch_fd, why);
	r->engine = worker_start(&r->ex, r->batch, r->batch_fd, why);
	if (!r->oracle || !r->engine) {
		fprintf(stderr, "cannot start the engines again: %s\n", why);
		abort();
	}
}

unsigned runner_one(struct it_runner *r, const struct itest *t, struct iresult *a, struct iresult *b)
{
	struct iresult ra, rb;
	unsigned d;

	if (r->fresh)
		restart(r);
	r->batch->n = r->befores + 1;
	if (r->befores)
		memcpy(r->batch->test, r->before, r->befores * sizeof(*r->before));
	r->batch->test[r->befores] = *t;
	run_batch(r);
	d = judge(r, r->befores, &ra, &rb);
	if (a)
		*a = ra;
	if (b)
		*b = rb;
	r->batch->n = 0;
	return d;
}

static void print_memory(FILE *f, const struct it_runner *r)
{
	const uint8_t *a = worker_out(r->oracle)->image, *b = worker_out(r->engine)->image;
	unsigned shown = 0;

	for (unsigned o = 0; o < IT_RW_SIZE && shown < 16; o++) {
		uint32_t linear = 0;

		if (a[o] == b[o])
			continue;
		for (unsigned i = 0; i < IT_REGIONS; i++) {
			if (o / PAGE_SIZE - it_regions[i].image_page < it_regions[i].pages)
				linear = it_regions[i].linear + o - it_regions[i].image_page * PAGE_SIZE;
		}
		fprintf(f, "  memory %08x: %02x | %02x\n", linear, a[o], b[o]);
		shown++;
	}
}

/* Leaves out all of the tests before t that it fails without. False: it does not fail again at all. */
static bool fewest_before(struct it_runner *r, const struct itest *t, const struct itest *batch, uint32_t n)
{
	struct itest *keep = malloc((n + 1) * sizeof(*keep));

	r->before = malloc((n + 1) * sizeof(*keep));
	memcpy(r->before, batch, n * sizeof(*keep));
	r->befores = n;
	if (!runner_one(r, t, NULL, NULL)) {
		free(keep);
		return false;
	}
	for (uint32_t chunk = (n + 1) / 2; chunk; chunk = chunk == 1 ? 0 : (chunk + 1) / 2) {
		for (uint32_t i = 0; i < r->befores;) {
			uint32_t cut = chunk < r->befores - i ? chunk : r->befores - i, all = r->befores;

			memcpy(keep, r->before, all * sizeof(*keep));
			memmove(r->before + i, r->before + i + cut, (all - i - cut) * sizeof(*keep));
			r->befores = all - cut;
			if (runner_one(r, t, NULL, NULL))
				continue;
			memcpy(r->before, keep, all * sizeof(*keep));
			r->befores = all;
			i += cut;
		}
	}
	free(keep);
	return true;
}

static void forget_before(struct it_runner *r)
{
	free(r->before);
	r->before = NULL;
	r->befores = 0;
	r->fresh = false;
}

static void report_one(struct it_runner *r, const struct itest *batch, uint32_t index)
{
	struct itest t = batch[index], whole = t;
	struct iresult a, b;
	unsigned d;

	r->fresh = true;
	if (!runner_one(r, &t, NULL, NULL)) {
		if (!fewest_before(r, &t, batch, index)) {
			forget_before(r);
			fprintf(stderr, "differed in its batch, and does not again:\n");
			report_case(stderr, &t);
			return;
		}
		fprintf(stderr, "\nfails only after:\n");
		for (uint32_t i = 0; i < r->befores; i++)
			report_case(stderr, &r->before[i]);
	}
	shrink(r, &t);
	d = runner_one(r, &t, &a, &b);
	report_difference(stderr, &t, &a, &b, r->ox.name, r->ex.name, d);
	if ((d & DIFF_MEM) && !t.expect_ud)
		print_memory(stderr, r);
	report_case(stderr, &t);
	if (getenv("ITEST_WHOLE")) {
		fprintf(stderr, "  before it was cut down:\n");
		report_case(stderr, &whole);
	}
	forget_before(r);
}

void runner_flush(struct it_runner *r)
{
	struct itest *batch = NULL;
	uint32_t failed[IT_BATCH];
	unsigned fails = 0, n = r->batch->n;

	if (!n)
		return;
	run_batch(r);
	for (uint32_t i = 0; i < n; i++) {
		const struct itest *t = &r->batch->test[i];
		struct iresult a, b;
		unsigned d = judge(r, i, &a, &b);

		if ((a.kind == IT_SKIP || b.kind == IT_SKIP) && getenv("ITEST_SKIPS"))
			fprintf(stderr, "skipped: %s%s\n", a.why, b.why);
		r->report.tests++;
		r->report.insns += t->insns;
		r->report.skipped += a.kind == IT_SKIP || b.kind == IT_SKIP;
		r->report.missing += t->expect_ud;
		r->report.by_vector[a.kind == IT_VECTOR ? a.vector : 0xff]++;
		r->report.compared += a.kind != IT_SKIP && b.kind != IT_SKIP;
		if (!d)
			continue;
		r->report.failed++;
		if (fails < r->reports_left) {
			failed[fails++] = i;
		}
	}
	if (fails) {
		batch = malloc(n * sizeof(*batch));
		memcpy(batch, r->batch->test, n * sizeof(*batch));
	}
	for (unsigned i = 0; i < fails; i++)
		report_one(r, batch, failed[i]);
	r->reports_left -= fails;
	r->batch->n = 0;
	free(batch);
}
