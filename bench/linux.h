/*
 * linux.h - what the files of `ringlab-bench linux` share. Read next: linux.c.
 */
#pragma once
#include "bench.h"

/* Lines of the guest's console: the kernel's first, and the first of our init. */
#define LINUX_FIRST_LINE "Linux version"
#define LINUX_READY_LINE "ringlab: init"

/* One run of a Linux guest. */
struct linux_guest {
	const char *engine;   /* "bt", "interp" or "qemu-tcg" */
	const char *flavour;  /* "686" or "686-pae" */
	const char *session;  /* what init is to do, NULL: nothing */
	const char *options;  /* more options of `ringlab run`, blank-separated, or NULL */
	const char *stats;    /* where `ringlab run --stats` writes, or NULL */
	bool until_ready;     /* ends when init has begun */
	unsigned timeout_s;
	void (*line)(void *ctx, const char *text); /* each line of the console, without the kernel's time stamp; may be NULL */
	void *ctx;

	/* results */
	double ready_s, kernel_s; /* from before fork, and from the kernel's first line, to init's; NAN when not reached */
	double cpu_s; /* CPU time that it took of the host, which others' load disturbs less */
	char why[400];
};

/* NULL, or a sentence why this engine cannot run it here. */
const char *linux_command(const struct bench_options *o, const struct linux_guest *g, struct engine_command *out);
/* Runs it. NULL, or a sentence why there is no result. */
const char *linux_run(const struct bench_options *o, struct linux_guest *g);

/* linux_rows.c: figures of one interleaved run, by row and engine */
#define ROWS_MAX 40
#define COLS_MAX 6

struct row {
	char name[40];
	double bar;                     /* of the first column against the reference; NAN: none */
	double now[COLS_MAX];           /* this round's; NAN: none */
	struct series v[COLS_MAX], ratio[COLS_MAX]; /* ratio: of the first column to this one, round by round */
	bool extra;                     /* not in the geometric mean */
};

/* The first column is ours; the others are what it is compared with. */
struct rows {
	const char *title, *unit;
	int digits;                     /* after the point */
	const char *col[COLS_MAX];      /* engine names, NULL-terminated */
	const char *why[COLS_MAX];      /* why a column is empty, or NULL */
	char why_text[COLS_MAX][400];
	int reference;                  /* the column that bars are about */
	double geomean_bar;             /* NAN: none */
	struct row row[ROWS_MAX];
	unsigned n;
	struct series geomean[COLS_MAX];
	unsigned round;
	FILE *raw;
};

struct row *rows_get(struct rows *r, const char *name); /* found, or added; NULL when there is no room */
void rows_note(struct rows *r, int col, const char *name, double value); /* this round's; a second value of a round replaces it */
void rows_fail(struct rows *r, int col, const char *why);
void rows_close_round(struct rows *r);
void rows_print(const struct rows *r);
void rows_free(struct rows *r);

/* linux_stats.c: what `ringlab run --stats` counted, by name */
struct linux_counts {
	double traps, callouts, fills, translations, interpreted, pt_writes, misses;
};
bool linux_counts_read(const char *path, struct linux_counts *c); /* the whole run's; false: no such file, or not ours */
/* Prints, below title, what each operation of the session cost in host traps: at first, and in its steady state. False as above. */
bool linux_phases_print(const char *path, const char *title);
