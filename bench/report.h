/*
 * report.h - `ringlab report`: result directories as one HTML page that opens from disk.
 *
 * The page refers to nothing outside itself: style, script, plots and raw rows are in it. It can be read without its script,
 * which only sorts, filters and opens raw rows. All that comes from files is escaped, and a content security policy with the
 * hashes of our own script and style is the second barrier. Read next: report.c, then report_table.c.
 */
#pragma once
#include "result.h"

#define REPORT_MACHINES_MAX 26
#define REPORT_RAW_BYTES (5u << 20)  /* raw rows of all machines; beyond, each figure shows its first ones only */
#define REPORT_PLOT_BYTES (1u << 20) /* a larger plot is left out, and the page says so */

struct report {
	const struct result *machine; /* column A, B … */
	unsigned n;
	FILE *out;
};

/* The whole page. 0, or -errno: memory, or what went wrong with out. */
int report_write(const struct report *p);
/* Reads dirs, writes the page into path by way of a temporary file beside it ("-": standard output). 0 or -errno, after filling why. */
int report_make(const char *path, const char *const *dirs, unsigned n, char *why, size_t room);

/* --- report_html.c: bytes of unknown origin made harmless --- */

/* As text or as a quoted attribute; what is not UTF-8, or a control character, becomes U+FFFD. */
void html_text(FILE *out, const char *s);
/* A JSON string with its quotes that is safe within a script element. */
void html_json(FILE *out, const char *s);
/* The shortest decimal that reads back as v; null where that is no number. */
void html_json_number(FILE *out, double v);
void html_base64(FILE *out, const void *data, size_t n);
/* For people: three or four digits and a prefix of the unit. */
void html_number(FILE *out, double v, const char *unit);
void html_ratio(FILE *out, double r); /* ×1.04 */

/* --- report_table.c: which figure goes where --- */

struct report_entry {
	const struct result_group *g;
	unsigned machine, no; /* no: its place in machine's groups */
	size_t at;            /* place among all entries */
	size_t row, col;      /* filled by report_table */
};
/* All figures of one suite, metric and unit: they share a table. */
struct report_set {
	const struct report_entry *entry;
	size_t n;
	const char *suite, *metric, *unit;
	bool modelled;
	bool variants; /* of samples with a variant: those without are in the set before, if there are any */
};
struct report_sets {
	struct report_entry *entry;
	size_t entries;
	struct report_set *set; /* measured ones first; in the order in which they are shown */
	size_t sets;
};
int report_sets(struct report_sets *s, const struct report *p); /* 0 or -ENOMEM */
void report_sets_free(struct report_sets *s);

#define TABLE_KINDS 1    /* a row for each kind and mechanism; else they are added up, but for inline ones */
#define TABLE_MACHINES 2 /* columns are machines and rows name their engine; else columns are engines */
#define TABLE_CELLS_MAX 400000

struct report_cell {
	const struct report_entry *entry; /* n of them in a row; NULL: empty */
	size_t n;
};
struct report_column {
	const char *engine, *origin;
	unsigned machine;
};
struct report_table {
	unsigned flags;
	struct report_entry *entry; /* by row and column */
	size_t n;
	const struct report_entry **row; /* one that stands for the row */
	size_t rows;
	struct report_column *col;
	size_t cols;
	struct report_cell *cell; /* rows * cols */
};
/* Those entries of the set that belong to machine (-1: all). 0, -ENOMEM, or -E2BIG: more than TABLE_CELLS_MAX cells. */
int report_table(struct report_table *t, const struct report_set *s, int machine, unsigned flags);
void report_table_free(struct report_table *t);
/* Of a cell: the median, or the sum of the medians of all its groups; NAN when empty. */
double report_cell_value(const struct report_cell *c);

/* report_ratio.c: the median over the rounds that both have of a's median to b's; NAN where they share none. */
double report_ratio(const struct result_group *a, const struct result_group *b);

/* --- parts of the page --- */

void report_machines(const struct report *p);                              /* report_machine.c */
void report_missing(const struct report *p);                               /* report_machine.c */
bool report_has_bars(const struct report *p);                              /* report_bars.c */
void report_bars(const struct report *p);                                  /* report_bars.c */
int report_suites(const struct report *p, const struct report_sets *s);    /* report_suite.c */
int report_plots(const struct report *p);                                  /* report_plot.c */
int report_raw(const struct report *p);                                    /* report_raw.c */
