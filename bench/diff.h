/*
 * diff.h - `ringlab diff A B`: what differs between two runs, or between two result directories, and what explains most of it.
 *
 * Two runs: --stats or compare --json files (docs/exits.md). Two directories: of `ringlab bench` (docs/results.md). What the tables
 * and the sentence mean: docs/attribution.md. Called by core/cli_diff.c. Read next: diff_load.c, diff_runs.c, diff_results.c.
 */
#pragma once
#include <jansson.h>
#include "result.h"

#define DIFF_NOTES 16
#define DIFF_NOISE 1.25     /* a single run's costs: what is less than a quarter dearer is not called dearer */
#define DIFF_TICKS 128      /* nor is a difference of so few cycles, which the steps of the TSC and the code's alignment make */
#define DIFF_FEW 32         /* fewer events have no cost of their own, but that of their kind */
#define DIFF_SMALL 0.01     /* of the total: less is hardly a difference */
#define DIFF_FILE_MAX (64l << 20)

struct diff_options {
	const char *path[2];
	const char *backend;  /* "bt", "pv:xen", "bt,pv:xen" (A's, B's); NULL: the one that there is */
	const char *guest;    /* of a comparison of several; NULL likewise */
	bool by_count;        /* rank by events, not by cycles */
	double operations[2]; /* divide by these; 0: totals */
	unsigned top;         /* rows to print */
};

/* A or B: a file with a column, or a directory. */
struct diff_side {
	const char *path;
	bool is_result;
	json_t *doc;
	const json_t *run;    /* the COLUMN of docs/exits.md, in doc */
	struct result result;
};

/* One kind by one mechanism, by one guest symbol where both runs have them. */
struct diff_row {
	const char *kind, *mechanism, *symbol, *reason; /* symbol, reason: "" where there is none */
	bool clock;        /* the host's clock drives it: shown, never ranked */
	double count[2], cycles[2]; /* cycles: NAN where not known */
	double each[2];    /* cycles of one event; NAN where not known */
	bool dearer;       /* one event costs noticeably more or less */
	double effect;     /* B less A, in the unit of the ranking, without what is noise */
	double share;      /* of the sum of all effects' sizes */
};

/* A cell that the guest timed itself, or a phase between two lines of its console. */
struct diff_part {
	const char *name;
	double value[2];   /* cycles */
	const char *kind, *mechanism; /* a phase: the kind whose count changed most, or NULL */
	double count[2];
};

/* A figure of two result directories. */
struct diff_change {
	const struct result_group *group[2];
	double ratio;      /* of the medians, B to A; counts: NAN where A has none */
	bool significant;  /* intervals do not overlap; counts: they differ */
};

struct diff {
	struct diff_options opt;
	struct diff_side side[2];
	char note[DIFF_NOTES][320]; /* what is not alike, said first */
	unsigned notes;

	/* two runs */
#define DIFF_NO_SYMBOL "(no address)"
	bool costs;        /* both have costs, and the ranking is by them */
	bool by_symbol;
	bool across;       /* two engines or interfaces: mechanisms are not told apart */
	struct diff_row *row;      /* the greatest effect first; clock-driven ones last */
	size_t rows;
	double total[2], gross;    /* cycles or events; the sum of all effects' sizes */
	double effect;             /* the sum of all effects: how much more B has, without what is noise */
	double drift;              /* how much dearer all kinds together are in B: the host, more likely than the guest */
	bool equal, moved;         /* all counts are equal, but for the host's clock; so many are not that it matters */
	struct diff_part *cell, *phase;
	size_t cells, phases;

	/* two directories */
	struct diff_change *change;
	size_t changes;
	size_t common, only[2], few; /* figures in both, in one; with too few samples to tell */

	bool different;
	char sentence[1200];
};

/* Reads both and makes all of it; 0, or -errno after filling why with a sentence. diff_close either way. */
int diff_open(struct diff *d, const struct diff_options *o, char *why, size_t n);
void diff_close(struct diff *d);
void diff_print(const struct diff *d, FILE *out);
json_t *diff_json(const struct diff *d);
/* Whether B is worse by more than so many per cent: its total, or a figure that is timed and has changed for certain. */
bool diff_above(const struct diff *d, double percent);

/* Between the files of diff. */
__attribute__((format(printf, 2, 3))) void diff_note(struct diff *d, const char *fmt, ...);
int diff_load(struct diff *d, char *why, size_t n);                      /* diff_load.c */
int diff_shape(const struct diff_side *s, char *why, size_t n);          /* diff_shape.c: the column is what docs/exits.md says */
int diff_runs(struct diff *d, char *why, size_t n);                      /* diff_runs.c */
int diff_parts(struct diff *d);                                          /* diff_parts.c */
int diff_results(struct diff *d, char *why, size_t n);                   /* diff_results.c */
void diff_words(struct diff *d);                                         /* diff_words.c: the sentence on two runs */
void diff_results_print(const struct diff *d, FILE *out);
void diff_results_json(const struct diff *d, json_t *o);
/* diff_number.c: numbers and names as people read them; return buf */
#define DIFF_TEXT 100
const char *diff_count(double v, char buf[DIFF_TEXT]);   /* 1,234 or 12.3 M */
const char *diff_signed(double v, char buf[DIFF_TEXT]);
const char *diff_change_text(double a, double b, char buf[DIFF_TEXT]); /* "41 % more", "as much", "3.1 times as much" */
void diff_wrap(FILE *out, const char *text);                /* a paragraph in lines */
const char *diff_clean(const char *s, char buf[DIFF_TEXT]); /* without control characters, and cut */
