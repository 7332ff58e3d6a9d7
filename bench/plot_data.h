/*
 * plot_data.h - what the data writers of the plots share. Read next: plot_data.c, then plot_dots.c.
 */
#pragma once
#include "plot_list.h"
#include "view.h"

/* Gnuplot assignments, with text quoted. */
void set_text(FILE *set, const char *name, const char *text);
void set_number(FILE *set, const char *name, double value);
/* heading: the machine, the commit, and what is drawn. */
void set_heading(FILE *set, const struct result *r, const char *title);
/* An array of texts, from 1. */
void set_array(FILE *set, const char *name, const char *const *text, size_t n);
/* A tick at y, a label at x and y. */
void set_ytick(FILE *set, double y, const char *text);
/* align: "left", "right", "center"; font size, bold or not; colour as #rrggbb. The position's system is the first axes'. */
void set_label(FILE *set, double x, double y, const char *align, int size, bool bold, const char *colour, const char *text);

/* plot_dots.c: rows of figures, as points with intervals on a logarithmic axis */
#define DOTS_SERIES 16

struct dots {
	FILE *data, *set;
	const char *series[DOTS_SERIES]; /* names */
	unsigned count;
	int row;                          /* of the next, from 0, downward */
	double low[DOTS_SERIES], high[DOTS_SERIES]; /* of all that is drawn of each series */
};
void dots_heading(struct dots *d, const char *text);            /* a line of its own, for a suite */
void dots_row(struct dots *d, const char *text);                /* the next row */
/* A point in the last row. series: its name, which is added if it is new. False: the value cannot be on a logarithmic axis. */
bool dots_point(struct dots *d, const char *series, const struct interval *v);
/* The settings that dots.gp reads. engines: series are engines, which have colours of their own. */
void dots_end(struct dots *d, bool engines);

/* The writers behind plots[] (plot_dots.c, plot_bars.c, plot_time.c). */
int plot_cost_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n);
int plot_compute_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n);
int plot_ablations_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n);
int plot_techniques_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n);
int plot_exits_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n);
int plot_modelled_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n);
int plot_boot_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n);
int plot_time_write(const struct result *r, FILE *data, FILE *set, char *why, size_t n);

/* Kinds in the order of their weight: colours of a stacked plot. */
#define KIND_COLOURS 10

struct kind_rank {
	const char *name[64];
	double weight[64];
	int n;
};
void kind_weigh(struct kind_rank *k, const char *kind, double weight);
void kind_sort(struct kind_rank *k);
int kind_colour(const struct kind_rank *k, const char *kind); /* from 1; KIND_COLOURS: all others */
void kind_legend(FILE *set, const struct kind_rank *k);       /* the arrays kind_name, kinds */

/* Makes gnuplot's fonts in an SVG file those of CSS, in place. 0 or -errno. */
int plot_svg_fonts(const char *path);
