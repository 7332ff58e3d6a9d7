/*
 * result.h - a result directory, read back: env.json, raw.csv, timeline.csv, modelled.csv (docs/results.md).
 *
 * Used by summary.c, the plots, `ringlab report` and `ringlab diff`. Read next: result.c.
 */
#pragma once
#include <jansson.h>
#include "bench.h"

/* A row of raw.csv or modelled.csv; strings live as long as the result. "" where a column is empty. */
struct result_row {
	const char *suite, *workload, *variant, *engine, *origin, *metric, *kind, *mechanism, *unit;
	unsigned round, rep, line; /* line: in its file, from 1; the header is line 1 */
	double value, calib_before, calib_after; /* NAN where empty */
	int disturbed; /* -1: not timed */
	bool modelled; /* from modelled.csv */
};

/* All samples of one figure: the same suite, workload, variant, engine, origin, metric, kind and mechanism. */
struct result_group {
	const struct result_row *key;  /* its first row */
	const struct result_row **row; /* all of them, in the file's order */
	size_t n, disturbed;
	struct interval median;        /* with its bootstrap interval, over all samples; disturbed ones are counted, never dropped */
	double p99, min, max;
	double quiet;                  /* the median of the undisturbed samples, NAN: there are none */
};

struct result_time {
	const char *suite, *workload, *variant, *engine, *origin, *kind, *mechanism;
	double t_s, width_s, count;
};

struct result {
	char dir[4096], name[256];     /* name: the directory's last component */
	json_t *env;
	struct result_row *row;
	size_t rows;
	struct result_group *group;    /* in the order in which they first appear */
	size_t groups;
	struct result_time *time;
	size_t times;
	char *text;                    /* what the strings point into */
};

/* 0, or -errno after filling why with a sentence: which file, which line, what is wrong with it. */
int result_read(struct result *r, const char *dir, char *why, size_t n);
void result_free(struct result *r);
/* The first group of raw.csv, without a variant, that fits; NULL: there is none. An argument that is NULL fits any. */
const struct result_group *result_find(const struct result *r, const char *suite, const char *workload, const char *engine, const char *metric);
