/*
 * suite_compute.c - the suite `compute`: what an engine costs a guest that only computes.
 *
 * Kernel by kernel, each engine runs the same object files in a child of its own; native runs them in a 32-bit Linux program. The
 * first repetition in a child is a figure of its own ("first-cycles": translation and page faults are in it) and the warm-up of the
 * others ("cycles", one sample a repetition). Every engine must compute the same checksum, or it has no figure and the run's status is
 * not 0. Bochs's repetitions are timed from outside, by when their lines come. Read next: guests/compute/compute.c.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <x86intrin.h>
#include "counts.h"

#define REPS 5
#define REPS_QUICK 2

/* x87, sse and repmovs are left out of geometric means: summary.c has that list. */
static const char *const kernels[] = { "intloop", "stream", "sieve", "sha256", "quicksort", "fib", "chase", "hash", "matmul", "btree",
	"bytecode", "x87", "sse", "repmovs" };

struct compute_run {
	struct bench *b;
	const struct task *t;
	char sum[16];
	unsigned warm;
	uint64_t last; /* TSC when the line before came */
	bool any, ended, changed; /* changed: not the same checksum in all repetitions */
};

static void compute_line(void *ctx, const char *text, pid_t pid)
{
	struct compute_run *r = ctx;
	char name[32], sum[16];
	unsigned rep;
	double cycles;
	uint64_t now = __rdtsc(), last = r->last;

	r->last = now;
	if (!strncmp(text, "COMPUTE-END", 11)) {
		if (engine_find(r->t->engine)->outside)
			kill(pid, SIGTERM); /* it has no end of its own */
		r->ended = true;
	}
	if (sscanf(text, "COMPUTE %31s rep=%u cycles=%lf sum=%15s", name, &rep, &cycles, sum) != 4 || strcmp(name, r->t->part))
		return;
	if (engine_find(r->t->engine)->outside) /* its own TSC says nothing of the host's time */
		cycles = (double)(now - last);
	r->changed |= r->any && strcmp(sum, r->sum);
	r->any = true;
	memcpy(r->sum, sum, sizeof(sum));
	r->warm += rep != 0;
	bench_sample(r->b, &(struct sample){ .workload = r->t->part, .metric = rep ? "cycles" : "first-cycles", .unit = "cycles",
		.rep = rep ? rep - 1 : 0, .timed = true, .value = cycles });
}

static bool engine_usable(struct bench *b, const struct suite *s, const struct engine *e)
{
	struct engine_command cmd;
	const char *why;

	if (!bench_wants(b, s, e->name))
		return false;
	why = engine_command(e, &bench_options_of(b)->paths, "compute", "", &cmd);
	if (why)
		bench_missing(b, s, e->name, "", "%s", why);
	return !why;
}

/* One kernel on one engine; bt also without one of its mechanisms each, in as few rounds as make a median. */
static int kernel_plan(struct bench *b, struct task t, const char *kernel)
{
	int err;

	strcpy(t.part, kernel);
	err = bench_task(b, &t);
	t.last = true;
	for (size_t i = 0; !err && !bench_options_of(b)->quick && !strcmp(t.engine, "bt") && ablations[i].variant; i++) {
		snprintf(t.variant, sizeof(t.variant), "%s", ablations[i].variant);
		err = bench_task(b, &t);
	}
	return err;
}

static int compute_plan(struct bench *b, const struct suite *s)
{
	for (size_t i = 0; i < engine_count; i++) {
		struct task t = { .suite = s, .engine = engines[i].name, .last = engines[i].slow };

		if (!engine_usable(b, s, &engines[i]))
			continue;
		for (size_t k = 0; k < sizeof(kernels) / sizeof(kernels[0]); k++) {
			int err = list_has(bench_options_of(b)->only, kernels[k]) ? kernel_plan(b, t, kernels[k]) : 0;

			if (err)
				return err;
		}
	}
	return 0;
}

static const char *compute_take(struct bench *b, const struct task *t)
{
	const struct bench_options *o = bench_options_of(b);
	unsigned reps = o->reps ? o->reps : o->quick ? REPS_QUICK : REPS;
	struct compute_run r = { .b = b, .t = t };
	const char *const without[] = { ablation_option(t->variant), NULL };
	struct engine_command plain, cmd;
	struct child_run c = { .argv = cmd.argv, .timeout_s = 120, .line = compute_line, .ctx = &r };
	const char *wrong, *other, *theirs;
	char words[160];

	snprintf(words, sizeof(words), "reps=%u only=%s%s", reps + 1, t->part, o->huge_pages ? " thp=1" : "");
	wrong = engine_command(engine_find(t->engine), &o->paths, "compute", words, &plain);
	if (wrong)
		return wrong;
	if (!counts_command(&cmd, &plain, NULL, without))
		return "its command line is too long";
	if (bench_child(b, &c))
		return "its process could not be started";
	if (!r.ended || !r.warm)
		return bench_why(b, &c, "the kernel did not come to its end");
	if (r.changed)
		return bench_wrong(b, t, t->part, "the checksum changed from one repetition to the next");
	other = bench_agree(b, t, t->part, r.sum, &theirs);
	if (other)
		return bench_wrong(b, t, t->part, "it computed the checksum %s, and %s computed %s", r.sum, other, theirs);
	return NULL;
}

const struct suite suite_compute = {
	"compute", "compute kernels: the same object files on every engine and natively", 31, 5, compute_plan, compute_take,
};
