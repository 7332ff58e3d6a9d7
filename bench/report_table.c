/*
 * report_table.c - the figures of all machines sorted into sets (one suite, metric and unit), and a set laid out as a table.
 *
 * A table of one machine has a column for each engine; where machines are compared, the rows name the engine and the columns
 * are machines. Rows keep the order in which workloads first appear in raw.csv. Read next: report_suite.c, which prints them.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "report.h"

static const char *const suite_order[] = { "nano", "compute", "devices", "kernel", "linux", "startup", NULL };
static const char *const metric_order[] = { "cycles", "seconds", "milestone", "exits", "exits-total", "vmm-cycles", "first-cycles", "modelled-cycles", NULL };
static const char *const engine_order[] = { "native", "vtx", "bt", "pv-xen", "pv-previrt", "pv-patch", "pv-trap", "interp", "qemu-tcg",
	"bochs", NULL };

static int rank(const char *const *order, const char *name)
{
	int i;

	for (i = 0; order[i] && strcmp(order[i], name); i++)
		;
	return i;
}

static int compare_by(const char *const *order, const char *a, const char *b)
{
	int d = rank(order, a) - rank(order, b);

	return d ? d : strcmp(a, b);
}

static int compare_sets(const struct report_entry *a, const struct report_entry *b)
{
	const struct result_row *x = a->g->key, *y = b->g->key;
	int d = x->modelled - y->modelled;

	if (!d)
		d = compare_by(suite_order, x->suite, y->suite);
	if (!d)
		d = compare_by(metric_order, x->metric, y->metric);
	if (!d)
		d = strcmp(x->unit, y->unit);
	return d || x->modelled ? d : (*x->variant != 0) - (*y->variant != 0);
}

static int compare_places(const struct report_entry *a, const struct report_entry *b)
{
	return (a->at > b->at) - (a->at < b->at);
}

static int compare_entries(const void *a, const void *b)
{
	int d = compare_sets(a, b);

	return d ? d : compare_places(a, b);
}

int report_sets(struct report_sets *s, const struct report *p)
{
	size_t n = 0;

	*s = (struct report_sets){ 0 };
	for (unsigned m = 0; m < p->n; m++)
		s->entries += p->machine[m].groups;
	s->entry = calloc(s->entries + 1, sizeof(*s->entry));
	s->set = calloc(s->entries + 1, sizeof(*s->set));
	if (!s->entry || !s->set) {
		report_sets_free(s);
		return -ENOMEM;
	}
	for (unsigned m = 0; m < p->n; m++)
		for (size_t i = 0; i < p->machine[m].groups; i++, n++)
			s->entry[n] = (struct report_entry){ .g = &p->machine[m].group[i], .machine = m, .no = (unsigned)i, .at = n };
	qsort(s->entry, n, sizeof(*s->entry), compare_entries);
	for (size_t i = 0; i < n; i++) {
		const struct result_row *k = s->entry[i].g->key;

		if (!i || compare_sets(&s->entry[i - 1], &s->entry[i]))
			s->set[s->sets++] = (struct report_set){ &s->entry[i], 0, k->suite, k->metric, k->unit, k->modelled,
				!k->modelled && *k->variant };
		s->set[s->sets - 1].n++;
	}
	return 0;
}

void report_sets_free(struct report_sets *s)
{
	free(s->entry);
	free(s->set);
	*s = (struct report_sets){ 0 };
}

static int compare_workloads(const struct report_entry *a, const struct report_entry *b)
{
	int d = strcmp(a->g->key->workload, b->g->key->workload);

	return d ? d : strcmp(a->g->key->variant, b->g->key->variant);
}

/* Two entries are in the same row when this is 0. */
static int compare_rows(const struct report_entry *a, const struct report_entry *b, unsigned flags)
{
	const struct result_row *x = a->g->key, *y = b->g->key;
	int d = compare_workloads(a, b);

	if (!d && (flags & TABLE_KINDS) && !(d = strcmp(x->kind, y->kind)))
		d = strcmp(x->mechanism, y->mechanism);
	if (!d && (flags & TABLE_MACHINES) && !(d = compare_by(engine_order, x->engine, y->engine)))
		d = strcmp(x->origin, y->origin);
	return d;
}

static int compare_for_rows(const void *a, const void *b, void *flags)
{
	int d = compare_rows(a, b, *(unsigned *)flags);

	return d ? d : compare_places(a, b);
}

static int compare_columns(const void *a, const void *b)
{
	const struct report_column *x = a, *y = b;
	int d = (x->machine > y->machine) - (x->machine < y->machine);

	if (!d)
		d = compare_by(engine_order, x->engine, y->engine);
	return d ? d : strcmp(x->origin, y->origin);
}

static int compare_cells(const void *a, const void *b)
{
	const struct report_entry *x = a, *y = b;
	int d = (x->row > y->row) - (x->row < y->row);

	if (!d)
		d = (x->col > y->col) - (x->col < y->col);
	return d ? d : compare_places(a, b);
}

/* Where a row of the table goes: its workload's first appearance, then its own. */
struct place {
	size_t workload, row;
	const struct report_entry *entry;
};

static int compare_row_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->workload != y->workload)
		return x->workload > y->workload ? 1 : -1;
	return (x->row > y->row) - (x->row < y->row);
}

/* Of t->entry, sorted by rows: where each row goes. Returns the number of rows; entries get the number of theirs in that order. */
static size_t rows_find(struct report_table *t, struct place *place)
{
	size_t n = 0, first = 0;

	for (size_t i = 0; i < t->n; i++) {
		struct report_entry *e = &t->entry[i];

		if (!i || compare_rows(e - 1, e, t->flags)) {
			if (i && compare_workloads(e - 1, e))
				first = n;
			/* Engines have an order of their own: that of a rotated run says nothing. */
			place[n] = (struct place){ e->at, t->flags & TABLE_MACHINES ? n : e->at, e };
			if (e->at < place[first].workload)
				place[first].workload = e->at;
			n++;
		}
		e->row = n - 1;
	}
	for (size_t i = 1; i < n; i++) /* the first row of a workload holds the earliest place of them all */
		if (!compare_workloads(place[i - 1].entry, place[i].entry))
			place[i].workload = place[i - 1].workload;
	return n;
}

static int rows_assign(struct report_table *t)
{
	struct place *place = calloc(t->n + 1, sizeof(*place));
	size_t *where = calloc(t->n + 1, sizeof(*where));
	int r = place && where ? 0 : -ENOMEM;

	if (!r) {
		t->rows = rows_find(t, place);
		qsort(place, t->rows, sizeof(*place), compare_row_places);
		for (size_t i = 0; i < t->rows; i++)
			where[place[i].entry->row] = i;
		for (size_t i = 0; i < t->n; i++)
			t->entry[i].row = where[t->entry[i].row];
	}
	free(place);
	free(where);
	return r;
}

static int columns_assign(struct report_table *t)
{
	struct report_column *col = calloc(t->n + 1, sizeof(*col));

	if (!col)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++) {
		const struct report_entry *e = &t->entry[i];

		col[i] = t->flags & TABLE_MACHINES ? (struct report_column){ "", "", e->machine } :
			(struct report_column){ e->g->key->engine, e->g->key->origin, 0 };
	}
	t->col = col;
	qsort(col, t->n, sizeof(*col), compare_columns);
	for (size_t i = 0; i < t->n; i++)
		if (!i || compare_columns(&col[t->cols - 1], &col[i]))
			col[t->cols++] = col[i];
	for (size_t i = 0; i < t->n; i++) {
		const struct report_entry *e = &t->entry[i];
		struct report_column key = t->flags & TABLE_MACHINES ? (struct report_column){ "", "", e->machine } :
			(struct report_column){ e->g->key->engine, e->g->key->origin, 0 };

		t->entry[i].col = (size_t)((struct report_column *)bsearch(&key, col, t->cols, sizeof(*col), compare_columns) - col);
	}
	return 0;
}

static int cells_fill(struct report_table *t)
{
	if (t->rows && t->cols > TABLE_CELLS_MAX / t->rows)
		return -E2BIG;
	t->row = calloc(t->rows + 1, sizeof(*t->row));
	t->cell = calloc(t->rows * t->cols + 1, sizeof(*t->cell));
	if (!t->row || !t->cell)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++) {
		const struct report_entry *e = &t->entry[i];
		struct report_cell *c = &t->cell[e->row * t->cols + e->col];

		if (!c->n++)
			c->entry = e;
		if (!t->row[e->row])
			t->row[e->row] = e;
	}
	return 0;
}

int report_table(struct report_table *t, const struct report_set *s, int machine, unsigned flags)
{
	int r;

	*t = (struct report_table){ .flags = flags, .entry = calloc(s->n + 1, sizeof(*t->entry)) };
	if (!t->entry)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		if ((machine < 0 || s->entry[i].machine == (unsigned)machine) &&
		    ((flags & TABLE_KINDS) || strcmp(s->entry[i].g->key->mechanism, "inline")))
			t->entry[t->n++] = s->entry[i];
	qsort_r(t->entry, t->n, sizeof(*t->entry), compare_for_rows, &flags);
	r = rows_assign(t);
	if (!r)
		r = columns_assign(t);
	if (!r) {
		qsort(t->entry, t->n, sizeof(*t->entry), compare_cells);
		r = cells_fill(t);
	}
	if (r)
		report_table_free(t);
	return r;
}

void report_table_free(struct report_table *t)
{
	free(t->entry);
	free(t->col);
	free(t->row);
	free(t->cell);
	*t = (struct report_table){ 0 };
}

double report_cell_value(const struct report_cell *c)
{
	double sum = 0;

	if (!c->n)
		return NAN;
	for (size_t i = 0; i < c->n; i++)
		sum += c->entry[i].g->median.mid;
	return sum;
}
