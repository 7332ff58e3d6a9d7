/*
 * diff_words.c - the sentence on two runs: how much more, which kind, in which symbol, more often or dearer each.
 *
 * First the kind that explains most, over all symbols; then whether one symbol has most of it. Read next: docs/attribution.md.
 */
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include "diff.h"

#define TOLD 3         /* kinds at most */
#define TOLD_SHARE 0.8 /* or until so much is explained */

struct words {
	char *text;
	size_t at, room;
};

__attribute__((format(printf, 2, 3)))
static void put(struct words *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(w->text + w->at, w->room - w->at, fmt, ap);
	va_end(ap);
	if (n > 0)
		w->at = w->at + (size_t)n < w->room ? w->at + (size_t)n : w->room - 1;
}

/* All rows of a kind and mechanism together. */
struct kind_sum {
	struct diff_row sum;
	const struct diff_row *most; /* the row with the greatest effect */
	size_t symbols;
};

static bool same_kind(const struct diff_row *a, const struct diff_row *b)
{
	return !strcmp(a->kind, b->kind) && !strcmp(a->mechanism, b->mechanism) && !strcmp(a->reason, b->reason);
}

/* The rows of the kind of row i; false where an earlier row has told of it. */
static bool kind_add(const struct diff *d, size_t i, struct kind_sum *k)
{
	*k = (struct kind_sum){ .sum = { .kind = d->row[i].kind, .mechanism = d->row[i].mechanism, .reason = d->row[i].reason }, .most = &d->row[i] };
	for (size_t j = 0; j < d->rows; j++) {
		const struct diff_row *r = &d->row[j];

		if (!same_kind(r, &d->row[i]) || r->clock)
			continue;
		if (j < i)
			return false;
		for (int s = 0; s < 2; s++) {
			k->sum.count[s] += r->count[s];
			k->sum.cycles[s] += isnan(r->cycles[s]) ? 0 : r->cycles[s];
		}
		k->sum.share += r->share;
		k->symbols += r->effect != 0;
	}
	return true;
}

static size_t kinds_make(const struct diff *d, struct kind_sum k[TOLD])
{
	size_t n = 0;

	for (size_t i = 0; i < d->rows && !d->row[i].clock; i++) {
		struct kind_sum now;
		size_t at;

		if (!kind_add(d, i, &now) || !now.sum.share)
			continue;
		for (at = n < TOLD ? n++ : TOLD; at && k[at - 1].sum.share < now.sum.share; at--)
			if (at < TOLD)
				k[at] = k[at - 1];
		if (at < TOLD)
			k[at] = now;
	}
	return n;
}

/* "1,200 more (3,000 against 1,800)". */
static void put_counts(struct words *w, const double count[2])
{
	char a[DIFF_TEXT], b[DIFF_TEXT], c[DIFF_TEXT];
	double more = count[1] - count[0];

	if (more == 0)
		put(w, "as many as before (%s)", diff_count(count[0], a));
	else
		put(w, "%s %s (%s against %s)", diff_count(fabs(more), a), more > 0 ? "more" : "fewer", diff_count(count[1], b), diff_count(count[0], c));
}

static void put_each(struct words *w, const struct diff *d, const struct diff_row *r)
{
	char a[DIFF_TEXT], b[DIFF_TEXT], c[DIFF_TEXT];

	if (!d->costs)
		return;
	if (!r->count[0] || !r->count[1]) {
		double each = r->count[0] ? r->each[0] : r->each[1];

		if (!isnan(each))
			put(w, ", %s cycles each", diff_count(each, a));
	} else if (isnan(r->each[0]) || isnan(r->each[1]))
		put(w, ", of unknown cost");
	else if (r->dearer)
		put(w, ", each %s (%s cycles against %s)", diff_change_text(r->each[0], r->each[1] / d->drift, c), diff_count(r->each[1] / d->drift, a),
			diff_count(r->each[0], b));
	else
		put(w, ", each as dear as before");
}

static void put_kind(struct words *w, const struct diff *d, const struct kind_sum *k)
{
	double part = k->sum.share > 0 ? k->most->share / k->sum.share : 0;
	bool unnamed = !strcmp(k->most->symbol, DIFF_NO_SYMBOL);
	char kind[DIFF_TEXT], mech[DIFF_TEXT], symbol[DIFF_TEXT];

	put(w, "%.0f %% of what changed is %s", 100 * k->sum.share, diff_clean(k->sum.kind, kind));
	if (!d->across)
		put(w, " (%s)", diff_clean(*k->sum.reason ? k->sum.reason : k->sum.mechanism, mech));
	if (!d->by_symbol || part > 0.9)
		put(w, "%s%s: ", !d->by_symbol ? "" : unnamed ? "" : " in ", !d->by_symbol || unnamed ? "" : diff_clean(k->most->symbol, symbol));
	else if (part > 0.3)
		put(w, ", %.0f %% of it %s%s: ", 100 * part, unnamed ? "counted without an address" : "in ",
			unnamed ? "" : diff_clean(k->most->symbol, symbol));
	else {
		put(w, ", spread over %zu symbols: ", k->symbols);
		put_counts(w, k->sum.count);
		return;
	}
	put_counts(w, k->most->count);
	put_each(w, d, k->most);
}

static void put_total(struct words *w, const struct diff *d)
{
	const char *unit = d->costs ? "VMM cycles" : "events", *per = d->opt.operations[0] > 0 ? " an operation" : "";
	double r = (d->total[0] + d->effect) / d->total[0];
	char x[DIFF_TEXT], y[DIFF_TEXT];

	if (!(d->total[0] > 0) || r <= 0)
		put(w, "%s%s%s in B", d->total[0] > 0 ? "almost no " : "", unit, per);
	else if (r >= 2)
		put(w, "%.3g times as many %s%s in B as in A", r, unit, per);
	else
		put(w, "%.*f %% %s %s%s in B than in A", fabs(r - 1) < 0.1 ? 1 : 0, 100 * fabs(r - 1), r >= 1 ? "more" : "fewer", unit, per);
	put(w, " (%s on A's %s)", diff_signed(d->effect, x), diff_count(d->total[0], y));
}

static void words_same(struct words *w, const struct diff *d)
{
	char a[DIFF_TEXT];

	if (d->equal)
		put(w, "No difference: the counts of all %zu rows are equal%s", d->rows,
			d->costs ? ", and none costs noticeably more or less each" : "");
	else
		put(w, "Hardly a difference: what changed is %s %% of the %s", diff_count(100 * d->gross / fmax(d->total[0], d->total[1]), a),
			d->costs ? "VMM's cycles" : "events");
	put(w, ".");
}

void diff_words(struct diff *d)
{
	struct words w = { d->sentence, 0, sizeof(d->sentence) };
	const char *backend = json_string_value(json_object_get(d->side[1].run, "backend"));
	struct kind_sum k[TOLD];
	double told = 0;
	size_t n;

	if (backend && json_equal(json_object_get(d->side[0].run, "backend"), json_object_get(d->side[1].run, "backend"))) {
		char name[DIFF_TEXT];

		put(&w, "%s: ", diff_clean(backend, name));
	}
	if (!d->different) {
		words_same(&w, d);
		return;
	}
	put_total(&w, d);
	n = kinds_make(d, k);
	for (size_t i = 0; i < n && told < TOLD_SHARE; i++) {
		put(&w, "%s ", i ? "; then" : ".");
		put_kind(&w, d, &k[i]);
		told += k[i].sum.share;
	}
	put(&w, ".");
}
