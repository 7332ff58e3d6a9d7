/*
 * paper.h - `ringlab bench --paper NAME`: our figures beside those of a paper, and what agrees, computed.
 *
 * A paper is data (paper_NAME.c): its operations, its figures with where they stand in it, and reasons for disagreement that are printed
 * where a factor calls for them. Read next: paper.c, paper_table.c.
 */
#pragma once
#include <stdio.h>
#include "bench.h"

struct result;

/* Where a paper's figure is from; printed with it. */
enum figure_from {
	FIGURE_NONE,    /* its text gives no number */
	FIGURE_TEXT,    /* a number of its text */
	FIGURE_DERIVED, /* worked out of its text: "fifteen times faster than native" */
	FIGURE_AT_LEAST /* its text gives a lower bound */
};

struct figure {
	double cycles; /* NAN: none */
	enum figure_from from;
};

enum { PAPER_NATIVE, PAPER_SOFTWARE, PAPER_HARDWARE, PAPER_COLUMNS };

struct paper_row {
	const char *name;        /* as the paper calls it */
	const char *cell;        /* ours in guests/nano */
	const char *instead;     /* the cell where an engine has none of that name, or NULL */
	struct figure theirs[PAPER_COLUMNS];
	const char *says;        /* what the text says, in short */
	const char *untimed;     /* kind of events that only prepare the operation, outside the timed region, or NULL */
	unsigned untimed_reason; /* and their hardware reason */
	const char *kin;         /* how our cell differs from theirs, or NULL */
	const char *why_cheaper, *why_dearer; /* of bt against their software VMM, beyond half an order of magnitude */
	const char *why_model;   /* of the modelled hardware column, outside the model's bounds */
};

struct paper {
	const char *name, *title, *machine, *source, *figures; /* figures: what is in the text and what is not */
	const struct paper_row *row;
	size_t rows;
};

extern const struct paper paper_adams_agesen;
const struct paper *paper_find(const char *name);

/* Exits of one operation on VT-x, counted in the nested machine, without those of its untimed preparation. */
struct exits {
	double per_op;       /* NAN: not known */
	const char *origin;  /* "nested": of this run; "recorded" */
};

/* What stands beside the paper: a result directory, and counts that were recorded for machines without VT-x. */
struct paper_data {
	const struct result *r;
	struct json_t *recorded; /* nano-exits.json, or NULL */
};

/* paper_data.c: the median of a cell on an engine (its own cell, or the row's other one: *instead); NAN: there is none. */
double paper_cycles(const struct paper_data *d, const struct paper_row *row, const char *engine, bool *instead);
/* With EPT or without. */
struct exits paper_exits(const struct paper_data *d, const struct paper_row *row, bool ept);
/* Spearman's rank correlation of n pairs, ties with their mean rank; NAN below three pairs or without any difference. */
double rank_correlation(const double *a, const double *b, size_t n);

/* paper_table.c */
void paper_print(const struct paper *p, const struct paper_data *d, FILE *f);

/* Where recorded counts are, by the path of the binary. */
void paper_recorded(const char *ringlab, char *out, size_t n);
/* Runs what the paper needs of the suite nano, or takes the result directory o->from; an exit status of docs/exits.md. */
int bench_paper(const struct bench_options *o, const char *name);
/*
 * Writes DIR/paper.md from the other files of DIR; recorded: the directory of recorded counts. 0, or -errno after filling why with a
 * sentence; then there is no paper.md.
 */
int paper_write(const char *dir, const char *name, const char *recorded, char *why, size_t n);
