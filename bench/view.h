/*
 * view.h - a result looked at as tables and plots need it: workloads by engines, ratios within a round, counts by kind.
 *
 * Called by summary.c, plots.c and their parts. Read next: view.c.
 */
#pragma once
#include "result.h"

#define VIEW_COLUMNS 24

/*
 * Who made the figures: "vtx" of a nested machine is another column than a measured one, and so is a nested machine of another kind, such as
 * one without EPT.
 */
struct view_column {
	const char *engine, *origin, *variant;
};

/* The groups of one suite and metric: default variant (of a nested machine any), of raw.csv. "exits" has "exits-total" with it. */
struct view {
	const struct result *r;
	const char *suite, *metric;
	const struct result_group **group;
	size_t n;
	const char **workload;         /* in the order of their first appearance */
	size_t workloads;
	struct view_column column[VIEW_COLUMNS]; /* in the order of engine_names */
	unsigned columns;
};

/* suite NULL: all of them, and then workloads of the same name are one. 0 or -ENOMEM; -E2BIG: more figures than a reader could want. */
int view_make(struct view *v, const struct result *r, const char *suite, const char *metric);
void view_free(struct view *v);
/* NULL: there is none. Of metrics by kind, any. */
const struct result_group *view_at(const struct view *v, const char *workload, const struct view_column *c);
/* The column of the engine (of any origin, the first), or NULL. */
const struct view_column *view_column_of(const struct view *v, const char *engine);
/* Whether the guest got a wrong answer there (metric "hole"), so that what it cost says nothing. */
bool view_hole(const struct view *v, const char *workload, const struct view_column *c);
/* What others are compared with for this workload: native where it has it, else qemu-tcg, else NULL. */
const struct view_column *view_reference(const struct view *v, const char *workload);

/* Medians of a group by round: value[round - first …]; NAN where it has none. *n rounds. To be freed; NULL: no memory. */
double *group_rounds(const struct result_group *g, unsigned *n);
/* The median over the rounds of a/b within a round, with its interval, and how many rounds there were. NANs: none in common. */
struct interval group_ratio(const struct result_group *a, const struct result_group *b, unsigned *rounds);
/* The geometric mean within each round of a[i]/b[i] over those i that have both; its median over the rounds that have them all. */
struct interval groups_geomean(const struct result_group *const *a, const struct result_group *const *b, size_t n);

/* What a workload on an engine took, by kind: of "exits" or "vmm-cycles". The mechanism is that with most of them. */
struct view_kind {
	const char *kind, *mechanism;
	double value;
};
/* The largest first; returns how many, at most max (the smallest are left out), and the total of all. -1: nothing is known. */
int view_kinds(const struct view *v, const char *workload, const struct view_column *c, struct view_kind *out, int max, double *total);

/* --- view_modelled.c: modelled.csv --- */

#define GENERATIONS_MAX 16
/* The CPU generations that there are modelled cycles of, the oldest first; how many. Those that model.c knows. */
unsigned modelled_generations(const struct result *r, const char *generation[GENERATIONS_MAX]);
/* Whether group i is the first modelled one of its suite, workload and engine. */
bool modelled_first(const struct result *r, size_t i);
/* The sum over kinds of what key's workload costs on a generation, in cycles an operation; NAN: nothing is known. */
double modelled_sum(const struct result *r, const struct result_row *key, const char *generation);

/* "bt", "vtx (nested)", "vtx ept=0 (nested)" */
const char *column_name(char out[64], const struct view_column *c);
bool column_same(const struct view_column *a, const struct view_column *b);
int engine_rank(const char *engine); /* the order in tables and colours in plots, from 0 */
