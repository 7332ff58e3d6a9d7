/*
 * plan.h - `ringlab bench`: suites plan tasks, the runner runs them interleaved, each task emits samples.
 *
 * A task is one child process: one part of a suite on one engine. A suite plans the tasks of one round; the runner repeats
 * them, rotating the engines, with a calibration loop before and after each, and appends what a task measured to raw.csv when the
 * task has ended, so that a run that is cut off loses one task at most. docs/results.md has the files. Read next: runner.c.
 */
#pragma once
#include "bench.h"
#include "core/types.h"

struct bench; /* a run: options, plan, files (runner.c) */
struct task;

struct suite {
	const char *name, *text;
	unsigned rounds, quick_rounds;
	/* Adds the tasks of one round, by bench_task; a part that cannot run on an engine is noted by bench_missing. 0 or -errno. */
	int (*plan)(struct bench *b, const struct suite *s);
	/* Runs one task and emits its samples, by bench_sample. NULL, or a sentence why there is no result. */
	const char *(*take)(struct bench *b, const struct task *t);
};

extern const struct suite *const bench_suites[]; /* suites.c: those that there are; ends with NULL */
extern const struct suite suite_nano, suite_compute, suite_devices, suite_kernel, suite_linux, suite_startup;

/* Where numbers come from; never mixed in a table without saying so. */
#define ORIGIN_MEASURED "measured"
#define ORIGIN_NESTED "nested"     /* counts of a nested machine with VT-x: real counts, no times */
#define ORIGIN_MODELLED "modelled" /* computed (modelled.csv only) */

struct task {
	const struct suite *suite;
	const char *engine;   /* "native", "vtx", "bt", "pv-xen" … as in engine.c */
	char part[48];        /* what of the suite: a kernel's name, "boot" … */
	char variant[32];     /* "": the default; else what is different: "no-chain" */
	bool once;            /* in the first round only: a run that counts, and does not time */
	bool last;            /* slow: as few rounds as make a median (3) */
	unsigned round;       /* set by the runner, from 0 */
};

/* bt without one of its mechanisms each: a task's variant, and the option of `ringlab run`. Ends with a NULL variant. */
struct ablation {
	const char *variant, *option;
};
extern const struct ablation ablations[]; /* suites.c */
const char *ablation_option(const char *variant); /* NULL: it is none */

/* Copies *t. 0 or -ENOMEM. */
int bench_task(struct bench *b, const struct task *t);
/*
 * Whether an engine is asked for (--backends; the interpreter only by name) and its backend can run here. Where it cannot, that is noted as
 * missing. Suites ask before they plan a task for it.
 */
bool bench_wants(struct bench *b, const struct suite *s, const char *engine);
/* Notes why a part of a suite (part "": all of it) has no figures on an engine; env.json and summary.md list it. */
__attribute__((format(printf, 5, 6)))
void bench_missing(struct bench *b, const struct suite *s, const char *engine, const char *part, const char *fmt, ...);

/* What a suite measured; everything else in the row (suite, engine, round, calibration) comes from the task. */
struct sample {
	const char *workload;  /* "cli-sti", "read ata qd=1", "fork-exec" */
	const char *metric;    /* docs/results.md: "cycles", "first-cycles", "seconds", "exits", "vmm-cycles" … */
	const char *unit;      /* "cycles", "s", "1/op" … */
	const char *kind, *mechanism; /* of the taxonomy, for "exits" and "vmm-cycles"; NULL elsewhere */
	const char *origin;    /* NULL: measured */
	unsigned rep;          /* of several samples of one process, from 0 */
	bool timed;            /* false: a count, which the calibration says nothing about */
	double value;
};
/* Valid during take; kept until the task has ended well. */
void bench_sample(struct bench *b, const struct sample *s);

/* One row of timeline.csv: in the run of workload, between t_s and t_s + width_s, this happened count times. */
void bench_timeline(struct bench *b, const char *workload, double t_s, double width_s, const char *kind, const char *mechanism, double count);

/*
 * Runs a child as the options say (c->cpu and c->no_huge_pages are set here; a child's time-out stays the caller's), with the
 * calibration loop around it. As child_run. Samples emitted from its start to the start of the next child get its calibration.
 */
int bench_child(struct bench *b, struct child_run *c);
/* "what: status 7: the child's last words", or that it was stopped for time, or by the user; valid until the next task. */
const char *bench_why(struct bench *b, const struct child_run *c, const char *what);
double bench_tsc_hz(const struct bench *b); /* measured once, at the start */
const struct bench_options *bench_options_of(const struct bench *b);
/* A directory for a task's own files (statistics, images); emptied and removed at the end of the run. */
const char *bench_scratch(struct bench *b);
/* Ctrl-C has been pressed: take may return early, with any sentence. */
bool bench_interrupted(const struct bench *b);
/*
 * Engines must agree: records what this task's engine has for a figure's answer. NULL, or the engine that had another one before, and
 * what it had.
 */
const char *bench_agree(struct bench *b, const struct task *t, const char *what, const char *answer, const char **theirs);
/*
 * An engine gave a wrong answer: said on stderr at once, noted as missing, and the run's status will not be 0. Returns the sentence, for
 * take to return.
 */
__attribute__((format(printf, 4, 5)))
const char *bench_wrong(struct bench *b, const struct task *t, const char *workload, const char *fmt, ...);
