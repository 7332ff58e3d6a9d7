/*
 * diff.c - opens the two sides of `ringlab diff`, says how they are unlike, and has them compared.
 *
 * Read next: diff_load.c (what A and B may be), diff_runs.c, diff_results.c.
 */
#include "diff.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void diff_note(struct diff *d, const char *fmt, ...)
{
	va_list ap;

	if (d->notes == DIFF_NOTES)
		return;
	va_start(ap, fmt);
	vsnprintf(d->note[d->notes++], sizeof(d->note[0]), fmt, ap);
	va_end(ap);
}

static const char *text_of(const struct diff_side *s, const char *key)
{
	const char *t = json_string_value(json_object_get(s->run, key));

	return t ? t : "";
}

static void note_unlike(struct diff *d, const char *key, const char *what)
{
	const char *a = text_of(&d->side[0], key), *b = text_of(&d->side[1], key);
	char x[DIFF_TEXT], y[DIFF_TEXT];

	if (strcmp(a, b))
		diff_note(d, "not the same %s: %s and %s", what, *a ? diff_clean(a, x) : "none", *b ? diff_clean(b, y) : "none");
}

/* What a reader must know before a figure: none of it forbids the comparison. */
static void notes_runs(struct diff *d)
{
	note_unlike(d, "guest", "guest");
	if (!strcmp(text_of(&d->side[0], "guest"), text_of(&d->side[1], "guest")) &&
		strcmp(text_of(&d->side[0], "image_sha256"), text_of(&d->side[1], "image_sha256")))
		diff_note(d, "not the same build of the guest: the images differ");
	note_unlike(d, "engine", "engine");
	note_unlike(d, "interface", "interface");
	note_unlike(d, "origin", "origin");
	for (int i = 0; i < 2; i++) {
		char why[DIFF_TEXT], end[DIFF_TEXT];

		if (strcmp(text_of(&d->side[i], "end"), "exit"))
			diff_note(d, "%c did not end well: %s%s%s", 'A' + i, diff_clean(text_of(&d->side[i], "end"), end),
				*text_of(&d->side[i], "why") ? ", " : "", diff_clean(text_of(&d->side[i], "why"), why));
	}
	if (strcmp(text_of(&d->side[0], "console_sha256"), text_of(&d->side[1], "console_sha256")))
		diff_note(d, "the guests did not print the same");
}

int diff_open(struct diff *d, const struct diff_options *o, char *why, size_t n)
{
	int r;

	memset(d, 0, sizeof(*d));
	d->opt = *o;
	d->drift = 1;
	if ((r = diff_load(d, why, n)))
		return r;
	if (d->side[0].is_result)
		return diff_results(d, why, n);
	for (int i = 0; i < 2; i++)
		if ((r = diff_shape(&d->side[i], why, n)))
			return r;
	notes_runs(d);
	r = diff_runs(d, why, n);
	if (!r && (r = diff_parts(d)))
		snprintf(why, n, "no memory for the cells and phases");
	if (!r)
		diff_words(d);
	return r;
}

void diff_close(struct diff *d)
{
	for (int i = 0; i < 2; i++) {
		if (d->side[i].is_result)
			result_free(&d->side[i].result);
		json_decref(d->side[i].doc);
	}
	free(d->row);
	free(d->cell);
	free(d->phase);
	free(d->change);
}

bool diff_above(const struct diff *d, double percent)
{
	double limit = 1 + percent / 100;

	if (!d->side[0].is_result)
		return d->different && d->total[0] + d->effect > d->total[0] * limit;
	for (size_t i = 0; i < d->changes; i++)
		if (d->change[i].significant && d->change[i].ratio > limit)
			return true;
	return false;
}
