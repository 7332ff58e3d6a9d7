/*
 * linux.h - what the files of `ringlab-bench linux` share. Read next: linux.c.
 */
#pragma once
#include "rows.h"

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

/* linux_stats.c: what `ringlab run --stats` counted, by name */
struct linux_counts {
	double traps, callouts, fills, translations, interpreted, pt_writes, misses;
};
bool linux_counts_read(const char *path, struct linux_counts *c); /* the whole run's; false: no such file, or not ours */
/* Prints, below title, what each operation of the session cost in host traps: at first, and in its steady state. False as above. */
bool linux_phases_print(const char *path, const char *title);
