/*
 * bench.h - what the benchmarks share: samples, children, engines.
 *
 * A benchmark runs each engine in a child process, interleaved round by round, and compares within a round, because the
 * speed of the host drifts. Read next: plan.h, then suite_compute.c, the simplest suite.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* sample.c: numbers and what is said about them */
struct series {
	double *v;
	size_t n, room;
};

struct interval {
	double mid, low, high;
};

int series_add(struct series *s, double v); /* 0 or -ENOMEM */
void series_free(struct series *s);
double series_quantile(const struct series *s, double q); /* linear between neighbours; NAN when empty */
/* The median and its 95 % percentile-bootstrap interval (2,000 resamples, a fixed seed, so that it repeats; above 1,000 samples its limit). */
struct interval series_median_interval(const struct series *s);

/* proc.c: children */
struct child_run {
	char *const *argv;
	int cpu;             /* pinned to it; -1: anywhere */
	bool no_huge_pages;  /* PR_SET_THP_DISABLE */
	unsigned timeout_s;
	int stop_fd;         /* when this becomes readable, the child is stopped (status -2); 0: none */
	/* Called for each line of the child's standard output, without the newline. pid may be looked at: the child lives. */
	void (*line)(void *ctx, const char *text, pid_t pid);
	void *ctx;
	/* Called about once a second while it lives, or NULL. */
	void (*tick)(void *ctx);
	void *tick_ctx;

	/* results */
	int status;          /* exit status; 128 + signal; -1 when it was stopped for time, -2 by stop_fd */
	uint64_t tsc_start, tsc_end; /* around fork and wait */
	double seconds;
	double cpu_seconds;  /* user and system time, of its children too */
	long max_rss_kib;
	long preempted;      /* involuntary context switches */
	char error[256];     /* the last line of its standard error */
};

int child_run(struct child_run *c); /* 0, or -errno when it could not be started */
double seconds_now(void);           /* of a clock that only goes forward */
bool cpu_usable(int cpu);
int cpu_choose(void);               /* the last CPU this process may use */

/* calib.c: how disturbed was the machine? */
double calib_measure(void); /* TSC cycles of a fixed dependent loop of about a millisecond */
double tsc_hz(void);        /* TSC cycles a second, measured over 20 ms, once */

/* engine.c: what can run a guest image */
#define ENGINE_ARGS 64

struct engine {
	const char *name;   /* column title: "native", "bt", "pv-trap" ... */
	const char *note;   /* what is compared, for the legend */
	bool slow;          /* an emulator: fewer rounds */
	bool outside;       /* its guest's TSC is not the host's: only when a line of the console comes tells of time */
};

struct engine_paths {
	char ringlab[4096]; /* the binary */
	char guests[4096];  /* the directory of guest images */
	char images[4096];   /* the directory of kernels and initial RAM disks that scripts/linux-guest made */
};

extern const struct engine engines[];
extern const size_t engine_count;

const struct engine *engine_find(const char *name);
/*
 * The command that runs guest (a name such as "compute") with the given words as its command line. Strings live in
 * *store. Returns NULL, or a sentence why this engine cannot run it here.
 */
struct engine_command {
	char *argv[ENGINE_ARGS];
	char store[16384];
};
const char *engine_command(const struct engine *e, const struct engine_paths *p, const char *guest, const char *words,
	struct engine_command *out);

/* For those that build a command word by word: b->c is filled; words that do not fit are left out, and the run fails. */
struct command_builder {
	struct engine_command *c;
	size_t args, used;
};
__attribute__((format(printf, 2, 3)))
const char *command_add(struct command_builder *b, const char *fmt, ...); /* returns its copy of the word */
void command_add_words(struct command_builder *b, const char *words);    /* each of a blank-separated list */

/* Options that all benchmarks take. */
struct bench_options {
	struct engine_paths paths;
	unsigned rounds, reps;
	const char *engines; /* comma-separated, or NULL for all that can run */
	const char *only;    /* kernels or cells, comma-separated, or NULL */
	bool huge_pages;
	int cpu;

	/* `ringlab bench` (runner.c) */
	const char *suites;  /* comma-separated, or NULL for all */
	const char *out;     /* where the results go, or NULL: results/<date>-<host>-<commit> */
	const char *resume;  /* a run to go on with, or NULL */
	const char *command; /* the command line, for env.json */
	bool quick;          /* an end within budget_s: a first round of everything, then as many rounds as fit */
	bool count_nested;   /* --nested: exits counted by a nested machine with VT-x too */
	double budget_s;     /* for measuring; 0: none */
	unsigned timeout_s;  /* of a child, when that is shorter than its suite's own; 0: none */
	const char *paper;   /* a paper whose figures stand beside ours in paper.md, or NULL (paper.c) */
	const char *from;    /* --paper: a result directory to take instead of measuring, or NULL */
};

#define QUICK_SECONDS 140 /* budget_s of --quick; the rest of three minutes is for starting and for the plots */

/* runner.c: the whole run; an exit status of docs/exits.md. */
int bench_run(const struct bench_options *o);
/* written.c: modelled.csv, plots and summary.md of a result directory anew, from its samples. 0 or -errno, said on stderr. */
int bench_redraw(const char *dir);
/* env.c: what is known of this machine, as in env.json, on stdout. */
int bench_env(const struct bench_options *o);

/* Whether the comma-separated list names it; NULL names all. */
bool list_has(const char *list, const char *name);
