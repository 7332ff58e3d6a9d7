/*
 * diff_results.c - two result directories: figures whose median changed for certain, and exits an operation that changed.
 *
 * A timed figure has changed when the 95 % intervals of its two medians do not overlap, and there are samples enough for an interval to mean
 * something. Counts are compared as they are. Disturbed samples stay in (docs/results.md); their share is said beside each row.
 * Read next: result.h.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "diff.h"

#define SAMPLES_LEAST 3
#define COUNT_EQUAL 0.005 /* of the larger; less is rounding */

static bool is_count(const struct result_group *g)
{
	return !strcmp(g->key->metric, "exits") || !strcmp(g->key->metric, "exits-total");
}

static int key_compare(const struct result_row *x, const struct result_row *y)
{
	const char *const a[] = { x->suite, x->workload, x->engine, x->variant, x->metric, x->kind, x->mechanism, x->origin };
	const char *const b[] = { y->suite, y->workload, y->engine, y->variant, y->metric, y->kind, y->mechanism, y->origin };
	int r = 0;

	for (size_t i = 0; i < sizeof(a) / sizeof(a[0]) && !r; i++)
		r = strcmp(a[i], b[i]);
	return r;
}

static int group_compare(const void *a, const void *b)
{
	return key_compare((*(const struct result_group *const *)a)->key, (*(const struct result_group *const *)b)->key);
}

/* Groups of one side in the order of their keys. NULL: no memory. */
static const struct result_group **groups_sorted(const struct result *r)
{
	const struct result_group **g = calloc(r->groups + 1, sizeof(*g));

	for (size_t i = 0; g && i < r->groups; i++)
		g[i] = &r->group[i];
	if (g)
		qsort(g, r->groups, sizeof(*g), group_compare);
	return g;
}

static double ratio_of(const struct result_group *a, const struct result_group *b)
{
	return a->median.mid > 0 ? b->median.mid / a->median.mid : b->median.mid > 0 ? NAN : 1;
}

static void change_make(struct diff *d, const struct result_group *a, const struct result_group *b)
{
	struct diff_change *c = &d->change[d->changes];
	bool apart = a->median.high < b->median.low || b->median.high < a->median.low;

	*c = (struct diff_change){ .group = { a, b }, .ratio = ratio_of(a, b) };
	d->common++;
	if (is_count(a))
		c->significant = fabs(a->median.mid - b->median.mid) > COUNT_EQUAL * fmax(a->median.mid, b->median.mid);
	else if (a->n < SAMPLES_LEAST || b->n < SAMPLES_LEAST)
		d->few++;
	else
		c->significant = apart;
	d->changes += c->significant;
}

/* A count that only one side has is 0 on the other, if that has any count of the same workload. */
static bool counted(const struct result *r, const struct result_row *k)
{
	for (size_t i = 0; i < r->groups; i++) {
		const struct result_row *g = r->group[i].key;

		if (is_count(&r->group[i]) && !strcmp(g->workload, k->workload) && !strcmp(g->engine, k->engine) && !strcmp(g->suite, k->suite) &&
			!strcmp(g->variant, k->variant) && !strcmp(g->origin, k->origin))
			return true;
	}
	return false;
}

static void change_lone(struct diff *d, int side, const struct result_group *g)
{
	if (!is_count(g) || !(g->median.mid > 0) || !counted(&d->side[!side].result, g->key)) {
		d->only[side]++;
		return;
	}
	d->common++;
	d->change[d->changes++] = (struct diff_change){ .group = { side ? NULL : g, side ? g : NULL }, .ratio = side ? NAN : 0, .significant = true };
}

static double size_of(const struct diff_change *c)
{
	return c->ratio > 0 ? fabs(log(c->ratio)) : INFINITY; /* from nothing, or to nothing */
}

static const struct result_group *any_of(const struct diff_change *c)
{
	return c->group[0] ? c->group[0] : c->group[1];
}

/* Timed figures before counts; each sorted by how much they changed. */
static int change_compare(const void *a, const void *b)
{
	const struct diff_change *x = a, *y = b;
	bool cx = is_count(any_of(x)), cy = is_count(any_of(y));
	double sx = size_of(x), sy = size_of(y);

	if (cx != cy)
		return cx ? 1 : -1;
	if (sx != sy)
		return sx > sy ? -1 : 1;
	return key_compare(any_of(x)->key, any_of(y)->key);
}

static void note_env(struct diff *d, const char *key, const char *what)
{
	const json_t *a = json_object_get(d->side[0].result.env, key), *b = json_object_get(d->side[1].result.env, key);
	char *x, *y, cx[DIFF_TEXT], cy[DIFF_TEXT];

	if (json_equal(a, b) || (!a && !b))
		return;
	x = json_dumps(a, JSON_ENCODE_ANY | JSON_COMPACT);
	y = json_dumps(b, JSON_ENCODE_ANY | JSON_COMPACT);
	diff_note(d, "not the same %s: %s and %s", what, x ? diff_clean(x, cx) : "none", y ? diff_clean(y, cy) : "none");
	free(x);
	free(y);
}

static bool unlike(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

	return (x || y) && !json_equal(x, y);
}

static void notes_results(struct diff *d)
{
	const json_t *a = d->side[0].result.env, *b = d->side[1].result.env;

	note_env(d, "cpu", "CPU, so that cycles are of two machines");
	note_env(d, "host", "host");
	note_env(d, "kernel", "kernel");
	note_env(d, "commit", "commit");
	note_env(d, "kvm_module", "module behind /dev/kvm");
	note_env(d, "huge_pages", "setting of huge pages");
	if (unlike(a, b, "mitigations"))
		diff_note(d, "not the same mitigations");
	if (unlike(a, b, "peers"))
		diff_note(d, "not the same versions of the peers");
	for (int i = 0; i < 2; i++)
		if (json_is_false(json_object_get(d->side[i].result.env, "complete")))
			diff_note(d, "%c was ended early", 'A' + i);
	double x = json_number_value(json_object_get(json_object_get(a, "calibration"), "best")),
		y = json_number_value(json_object_get(json_object_get(b, "calibration"), "best"));
	if (x > 0 && y > 0 && fabs(y / x - 1) > 0.05)
		diff_note(d, "the calibration loop took %.2f times as long in B at its best: the machine itself differed", y / x);
}

/* "and" for each kind of change; the first one named. */
static void words_results(struct diff *d)
{
	size_t timed = 0, counts = 0, slower = 0, at = 0;
	char w[DIFF_TEXT], e[DIFF_TEXT], m[DIFF_TEXT], how[DIFF_TEXT];

	for (size_t i = 0; i < d->changes; i++) {
		bool c = is_count(any_of(&d->change[i]));

		counts += c;
		timed += !c;
		slower += !c && d->change[i].ratio > 1;
	}
	d->different = d->changes > 0;
	if (d->few == d->common) {
		snprintf(d->sentence, sizeof(d->sentence), "Nothing can be told: of %zu figures in both, none has %d samples on each side. Measure more rounds.",
			d->common, SAMPLES_LEAST);
		return;
	}
	if (!d->different) {
		snprintf(d->sentence, sizeof(d->sentence), "No difference: of %zu figures in both, no timed one has a median outside the other's 95 %% "
			"interval%s, and all counts are equal.", d->common - d->few, d->few ? " (of those with samples enough)" : "");
		return;
	}
	at = (size_t)snprintf(d->sentence, sizeof(d->sentence), "Of %zu figures in both, %zu timed ones changed for certain (%zu grew, %zu shrank) and "
		"%zu counts.", d->common, timed, slower, timed - slower, counts);
	if (timed) {
		const struct diff_change *c = &d->change[0];
		const struct result_row *k = c->group[0]->key;

		snprintf(d->sentence + at, sizeof(d->sentence) - at, " Most: %s on %s, %s %s (intervals do not overlap).", diff_clean(k->workload, w),
			diff_clean(k->engine, e), diff_clean(k->metric, m), diff_change_text(c->group[0]->median.mid, c->group[1]->median.mid, how));
	}
}

int diff_results(struct diff *d, char *why, size_t n)
{
	const struct result *r[2] = { &d->side[0].result, &d->side[1].result };
	const struct result_group **a = groups_sorted(r[0]), **b = groups_sorted(r[1]);
	size_t i = 0, k = 0;

	d->change = calloc(r[0]->groups + r[1]->groups + 1, sizeof(*d->change));
	if (!a || !b || !d->change) {
		free(a);
		free(b);
		snprintf(why, n, "no memory for the figures of two result directories");
		return -ENOMEM;
	}
	while (i < r[0]->groups || k < r[1]->groups) {
		int c = i == r[0]->groups ? 1 : k == r[1]->groups ? -1 : key_compare(a[i]->key, b[k]->key);

		if (!c)
			change_make(d, a[i++], b[k++]);
		else if (c < 0)
			change_lone(d, 0, a[i++]);
		else
			change_lone(d, 1, b[k++]);
	}
	free(a);
	free(b);
	if (!d->common) {
		snprintf(why, n, "%.200s and %.200s have no figure in common: there is nothing to compare", r[0]->dir, r[1]->dir);
		return -EINVAL;
	}
	qsort(d->change, d->changes, sizeof(*d->change), change_compare);
	notes_results(d);
	words_results(d);
	return 0;
}

/* --- what is printed --- */

static void median_text(const struct result_group *g, char buf[DIFF_TEXT])
{
	char mid[DIFF_TEXT], low[DIFF_TEXT], high[DIFF_TEXT];

	if (!g)
		snprintf(buf, DIFF_TEXT, "0");
	else if (is_count(g))
		snprintf(buf, DIFF_TEXT, "%.40s", diff_count(g->median.mid, mid));
	else
		snprintf(buf, DIFF_TEXT, "%.28s [%.28s, %.28s]", diff_count(g->median.mid, mid), diff_count(g->median.low, low),
			diff_count(g->median.high, high));
}

static void change_print(const struct diff_change *c, FILE *out)
{
	const struct result_group *g = any_of(c);
	const struct result_row *k = g->key;
	char w[DIFF_TEXT], e[DIFF_TEXT], m[DIFF_TEXT], a[DIFF_TEXT], b[DIFF_TEXT], v[DIFF_TEXT], name[2 * DIFF_TEXT + 4], noise[60] = "";

	snprintf(name, sizeof(name), "%s%s%s", diff_clean(k->workload, w), *k->variant ? " " : "", diff_clean(k->variant, v));
	median_text(c->group[0], a);
	median_text(c->group[1], b);
	for (int i = 0; i < 2 && !is_count(g); i++)
		if (c->group[i]->disturbed)
			snprintf(noise + strlen(noise), sizeof(noise) - strlen(noise), "  %c %.0f %% disturbed", 'A' + i,
				100 * (double)c->group[i]->disturbed / (double)c->group[i]->n);
	fprintf(out, "%-28.28s %-10.10s ", name, diff_clean(k->engine, e));
	if (is_count(g))
		fprintf(out, "%-18.18s %-9.9s ", diff_clean(*k->kind ? k->kind : k->metric, m), diff_clean(k->mechanism, v));
	else
		fprintf(out, "%-14.14s ", diff_clean(k->metric, m));
	fprintf(out, "%*s %*s", is_count(g) ? 10 : 30, a, is_count(g) ? 10 : 30, b);
	if (c->ratio > 0)
		fprintf(out, " %8.3f", c->ratio);
	else
		fprintf(out, " %8s", "-");
	fprintf(out, "%s%s\n", noise, k->modelled ? "  modelled" : !strcmp(k->origin, "nested") ? "  nested" : "");
}

static void changes_print(const struct diff *d, bool counts, FILE *out)
{
	size_t shown = 0, more = 0;

	for (size_t i = 0; i < d->changes; i++) {
		if (is_count(any_of(&d->change[i])) != counts)
			continue;
		if (shown == d->opt.top) {
			more++;
			continue;
		}
		if (!shown++ && counts)
			fprintf(out, "\nexits an operation that changed\n%-28s %-10s %-18s %-9s %10s %10s %8s\n", "workload", "engine", "kind", "mechanism",
				"A", "B", "B/A");
		else if (shown == 1)
			fprintf(out, "\nmedians that changed for certain: the 95 %% intervals do not overlap\n%-28s %-10s %-14s %30s %30s %8s\n", "workload",
				"engine", "metric", "A", "B", "B/A");
		change_print(&d->change[i], out);
	}
	if (more)
		fprintf(out, "%zu more changed; --top shows more\n", more);
}

/* How disturbed the host was, over all timed samples. */
static void noise_print(const struct diff *d, FILE *out)
{
	for (int s = 0; s < 2; s++) {
		const struct result *r = &d->side[s].result;
		size_t timed = 0, disturbed = 0;

		for (size_t i = 0; i < r->groups; i++)
			if (!is_count(&r->group[i])) {
				timed += r->group[i].n;
				disturbed += r->group[i].disturbed;
			}
		fprintf(out, "%c: %s: %zu figures, %zu timed samples, %.0f %% of them disturbed\n", 'A' + s, r->dir, r->groups, timed,
			timed ? 100 * (double)disturbed / (double)timed : 0);
	}
}

void diff_results_print(const struct diff *d, FILE *out)
{
	noise_print(d, out);
	for (unsigned i = 0; i < d->notes; i++)
		fprintf(out, "note: %s\n", d->note[i]);
	changes_print(d, false, out);
	changes_print(d, true, out);
	if (d->only[0] || d->only[1])
		fprintf(out, "\nonly in A: %zu figures; only in B: %zu\n", d->only[0], d->only[1]);
	if (d->few)
		fprintf(out, "%zu figures have fewer than %d samples on a side: too few to tell\n", d->few, SAMPLES_LEAST);
	fputc('\n', out);
	diff_wrap(out, d->sentence);
}

static json_t *group_json(const struct result_group *g)
{
	if (!g)
		return json_null();
	return json_pack("{s:f,s:f,s:f,s:I,s:I}", "median", g->median.mid, "low", g->median.low, "high", g->median.high, "n", (json_int_t)g->n,
		"disturbed", (json_int_t)g->disturbed);
}

void diff_results_json(const struct diff *d, json_t *o)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < d->changes; i++) {
		const struct diff_change *c = &d->change[i];
		const struct result_row *k = any_of(c)->key;

		json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o,s:o}", "suite", k->suite, "workload", k->workload,
			"variant", k->variant, "engine", k->engine, "origin", k->origin, "metric", k->metric, "kind", k->kind, "mechanism", k->mechanism,
			"a", group_json(c->group[0]), "b", group_json(c->group[1]), "ratio", isfinite(c->ratio) ? json_real(c->ratio) : json_null()));
	}
	json_object_set_new(o, "changes", rows);
	json_object_set_new(o, "common", json_integer((json_int_t)d->common));
	json_object_set_new(o, "few", json_integer((json_int_t)d->few));
	json_object_set_new(o, "only", json_pack("{s:I,s:I}", "a", (json_int_t)d->only[0], "b", (json_int_t)d->only[1]));
}
