/*
 * runner.h - the inside of a run: what plan.c, take.c, rundir.c, env.c, progress.c and runner.c share. Suites see plan.h only.
 *
 * A run lives in a staging directory, DIR.partial, until it ends: run.json says what was asked for, raw.csv and timeline.csv grow by whole
 * tasks, journal.tsv has a line for each task that has ended, with the sizes that the two files had then. A run that is cut
 * off is taken up again from there: whatever lies behind those sizes is cut away. Read next: runner.c.
 */
#pragma once
#include <jansson.h>
#include <time.h>
#include "core/vm.h" /* say */
#include "plan.h"

#define WHY_MAX 400
#define SLOW_ROUNDS 3     /* of a task that is `last` */
#define QUICK_GRACE_S 15  /* that a child may run over the budget of --quick */
#define QUICK_CHILD_S 30  /* the most that --quick gives to any child */
#define TRIES 2           /* a task that failed so often is not tried again */
#define DISTURBED 1.1     /* a calibration loop this much above the best one of the run tells of a disturbed phase */

struct missing {
	const struct suite *suite;
	char engine[24], part[48], why[WHY_MAX];
};

/* A planned task, and what has become of it. */
struct entry {
	struct task task;
	unsigned rounds;          /* how many it is to have */
	unsigned ended, failures; /* rounds that are over, and how many of them ended badly */
	uint64_t over[32];        /* which rounds are over, a bit each */
	double seconds;           /* of all that are over */
};

#define ROUNDS_MAX (32 * 64)

/* The calibration loop before and after one child. */
struct brackets {
	double before, after;
	bool shared; /* others had a good part of the CPU */
};

struct held_sample {
	struct sample s;
	char workload[64], metric[24], unit[24], kind[64], mechanism[32], origin[16];
	size_t child; /* which brackets are its own */
};

struct file {
	char path[4200];
	int fd;
	long long size; /* of what belongs to ended tasks */
};

struct rundir {
	char dir[4096];     /* where the results go */
	char staging[4160]; /* where they are made */
	struct file raw, time, journal;
	int lock;           /* run.json, locked */
	json_t *run;        /* what run.json says */
};

/* What the first engine had for an answer; the others must have the same. */
struct answer {
	const struct suite *suite;
	const char *engine;
	char what[64], text[64];
};

/* The host's noise over the whole run. */
struct calibration {
	struct series all; /* each loop, before and after each child that gave a timed sample */
	unsigned disturbed, samples;
};

struct bench {
	const struct bench_options *o;
	struct entry *entry;
	size_t entries;
	struct missing *missing;
	size_t missings, missings_told; /* told: those that the journal has, or that planning finds again */
	struct rundir rundir;
	json_t *doctor;       /* ringlab doctor --json, or NULL */
	char scratch[64];
	int scratch_fd;       /* locked: a scratch directory without a lock is what a killed run left */
	double calib_best, tsc_hz, steal;
	struct calibration calibration;
	char why[WHY_MAX];    /* of the task under way */

	/* the task under way */
	const struct task *task;
	struct held_sample *held;
	size_t helds, held_room;
	struct brackets *child;
	size_t children;
	struct answer *answer; /* of the whole run */
	size_t answers;
	char *time_text;      /* its rows of timeline.csv */
	size_t time_size;
	FILE *time_rows;

	int stop_fd;          /* a signalfd: readable when the user wants an end */
	bool stopped, wrong;  /* wrong: an engine computed something else than the others */
	bool broken;          /* the host failed us: said already */
	double t0;            /* when this process began, seconds */
	time_t began;

	/* progress.c */
	bool terminal;
	double told, task_t0;
	const struct entry *now;
};

/* scratch.c: 0, or -errno, which has been said; its end; and a directory with all that is in it. */
int scratch_make(struct bench *b);
void scratch_end(struct bench *b);
void tree_remove(const char *path);

/* written.c: what is made of the samples when a run ends: 0; -errno, which has been said, when it must not be published. */
int written_make(struct bench *b);
/* What --paper is for: its tables on standard output, too. */
void written_paper(const struct bench *b);

/* plan.c */
int plan_make(struct bench *b);
struct entry *plan_entry(struct bench *b, const char *suite, const char *part, const char *variant, const char *engine);
bool entry_over(const struct entry *e, unsigned round);
void entry_end(struct entry *e, unsigned round, bool well, double seconds);
/* The next task: round by round, the tasks of one part beside each other, in an order that rotates with the round. NULL: all are done. */
struct entry *plan_next(struct bench *b, unsigned *round);
void plan_count(const struct bench *b, size_t *planned, size_t *done);
double plan_seconds_left(const struct bench *b); /* as far as ended tasks tell; NAN: not at all */
json_t *plan_json(const struct bench *b);
json_t *plan_rounds(const struct bench *b); /* of each suite: the rounds that all its parts have */
void plan_free(struct bench *b);

/* take.c: one task */
/* Runs it and keeps its samples. NULL, or a sentence why there is no result. */
const char *take_run(struct bench *b, const struct task *t);
void take_free(struct bench *b);
/* The rows of raw.csv that it measured: allocated text, or NULL without memory. */
char *take_rows(struct bench *b, size_t *size);
double calibrate(struct bench *b);

/* rundir.c: files. All return 0, or -errno after saying why. */
extern const char rundir_raw_head[], rundir_time_head[];
int file_open(struct bench *b, struct file *f, const char *name, const char *head, long long size);
/* The task has ended: its rows, and a line in the journal. */
int rundir_task(struct bench *b, const struct entry *e, const char *why, double seconds);
/* Everything is in: marks disturbed samples by the best calibration of the whole run. */
int rundir_mark(struct bench *b);
/* Takes the directory to its place. */
int rundir_publish(struct bench *b, bool complete);
void rundir_close(struct bench *b);
int json_write(const char *dir, const char *name, const json_t *j);

/* resume.c: as rundir.c */
int rundir_new(struct bench *b);                            /* a new staging directory for what is planned */
int rundir_find(struct bench *b, struct bench_options *o);  /* o->resume: what was asked for then, into *o */
int rundir_again(struct bench *b);                          /* after planning: what has ended */
void run_host(char *out, size_t n);

/* env.c */
json_t *env_make(const struct bench *b, bool complete);
json_t *doctor_read(const struct bench_options *o);
double steal_seconds(void);
void utc_text(char out[40], time_t t);

/* progress.c */
void progress_begin(struct bench *b);
void progress_task(struct bench *b, const struct entry *e); /* it begins now */
void progress_tick(void *b); /* time goes by within a task */
void progress_say(struct bench *b, const char *text); /* on a terminal only */
void progress_end(struct bench *b); /* the line is gone; others may write */
void duration_text(char *out, size_t n, double seconds); /* "2 min 31 s" */
