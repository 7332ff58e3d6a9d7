/*
 * suite_nano.c - the suite `nano`: what each privileged or trapping operation costs, timed by the guest itself.
 *
 * One child performs every cell n times. The first execution of a cell is a figure of its own ("first-cycles"); it is also the warm-up, for
 * what comes after it is the steady state ("cycles": the guest's median). Where the guest found that the effect was not the
 * architecture's, the cell has a row "hole" too: its cost is that of a wrong answer. QEMU TCG runs the very same image. Read next:
 * guests/nano/nano.h, counts.c.
 */
#include <errno.h>
#include <string.h>
#include "counts.h"

struct nano_run {
	struct bench *b;
	bool any, ended;
};

static void cell_sample(struct bench *b, const char *cell, const char *metric, double cycles)
{
	bench_sample(b, &(struct sample){ .workload = cell, .metric = metric, .unit = "cycles", .timed = true, .value = cycles });
}

static void nano_line(void *ctx, const char *text, pid_t pid)
{
	struct nano_run *r = ctx;
	double first, steady;
	char cell[32];

	if (!strncmp(text, "NANO end", 8)) {
		r->ended = true;
		return;
	}
	if (sscanf(text, "NANO %31s n=%*u first=%lf steady=%lf", cell, &first, &steady) != 3 || !list_has(bench_options_of(r->b)->only, cell))
		return;
	r->any = true;
	cell_sample(r->b, cell, "first-cycles", first);
	cell_sample(r->b, cell, "cycles", steady);
	if (strstr(text, " HOLE"))
		bench_sample(r->b, &(struct sample){ .workload = cell, .metric = "hole", .unit = "truth", .value = 1 });
}

/* Exits of each cell: see counts.c. */
static int counts_plan(struct bench *b, const struct suite *s, const char *engine)
{
	struct task t = { .suite = s, .engine = engine, .part = "counts", .once = true };

	return counts_there(engine) ? bench_task(b, &t) : 0;
}

static int nano_plan(struct bench *b, const struct suite *s)
{
	for (size_t i = 0; i < engine_count; i++) {
		struct task t = { .suite = s, .engine = engines[i].name, .part = "cells", .last = engines[i].slow };
		struct engine_command cmd;
		const char *why;
		int err;

		if (!strcmp(t.engine, "native") || !bench_wants(b, s, t.engine))
			continue;
		if (engines[i].outside) {
			bench_missing(b, s, t.engine, t.part, "cells time themselves, and this engine's TSC is not the host's");
			continue;
		}
		why = engine_command(&engines[i], &bench_options_of(b)->paths, "nano", "", &cmd);
		if (why)
			bench_missing(b, s, t.engine, t.part, "%s", why);
		else if ((err = bench_task(b, &t)) || (err = counts_plan(b, s, t.engine)))
			return err;
	}
	return nested_plan(b, s);
}

static const char *nano_take(struct bench *b, const struct task *t)
{
	struct nano_run r = { .b = b };
	struct engine_command cmd;
	struct child_run c = { .argv = cmd.argv, .timeout_s = 60, .line = nano_line, .ctx = &r };
	const char *wrong;

	if (nested_is(t))
		return nested_take(b, t);
	if (!strcmp(t->part, "counts"))
		return counts_nano(b, t);
	wrong = engine_command(engine_find(t->engine), &bench_options_of(b)->paths, "nano", "n=1000", &cmd);
	if (wrong)
		return wrong;
	if (bench_child(b, &c))
		return "its process could not be started";
	if (!r.ended)
		return bench_why(b, &c, "nano did not come to its end");
	return r.any ? NULL : "--only names no cell that it has";
}

const struct suite suite_nano = {
	"nano", "single operations: system calls, faults, CLI and STI, page tables, ports; timed by the guest", 7, 5, nano_plan, nano_take,
};
