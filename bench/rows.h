/*
 * rows.h - figures of one interleaved run, by row and engine: what linux.c and kernel.c print. Read next: rows.c.
 */
#pragma once
#include "bench.h"

#define ROWS_MAX 40
#define COLS_MAX 8

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
	bool lean;                      /* ratios to that column only */
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
