/*
 * diff_print.c - the tables of `ringlab diff` on two runs, and its JSON (docs/attribution.md names the keys).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "diff.h"

#define SYMBOL_COLUMNS 26

static const char *mech_short(const char *name)
{
	static const struct { const char *name, *brief; } brief[] = {
		{ "VM exit", "exit" }, { "host trap", "trap" }, { "callout", "call" }, { "hypercall", "hyper" }, { "inline", "inline" },
		{ "native", "native" }, { "host-kernel emulation", "hkern" }, { "interpreter", "interp" }, { "", "any" },
	};

	for (size_t i = 0; i < sizeof(brief) / sizeof(brief[0]); i++)
		if (!strcmp(name, brief[i].name))
			return brief[i].brief;
	return name;
}

static void side_print(const struct diff *d, int i, FILE *out)
{
	static const char *const keys[] = { "guest", "backend", "interface", "engine", "origin" };
	const struct diff_side *s = &d->side[i];
	double seconds = json_number_value(json_object_get(s->run, "run_seconds"));
	char clean[DIFF_TEXT];

	fprintf(out, "%c: %s:", 'A' + i, s->path);
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		const char *t = json_string_value(json_object_get(s->run, keys[k]));

		if (t && (k != 3 || strcmp(t, json_string_value(json_object_get(s->run, "backend")) ?: "")))
			fprintf(out, "%s%s", k ? k == 2 ? ":" : ", " : " ", diff_clean(t, clean));
	}
	if (seconds > 0)
		fprintf(out, ", %.3g s", seconds);
	fputc('\n', out);
}

static void row_print(const struct diff *d, const struct diff_row *r, FILE *out)
{
	char kind[DIFF_TEXT], symbol[DIFF_TEXT], mech[DIFF_TEXT], n0[DIFF_TEXT], n1[DIFF_TEXT], e0[DIFF_TEXT], e1[DIFF_TEXT], x[DIFF_TEXT];
	char share[16] = "";

	if (r->clock)
		snprintf(share, sizeof(share), "clock");
	else if (r->share > 0)
		snprintf(share, sizeof(share), "%.1f%%", 100 * r->share);
	fprintf(out, "%6s %-18.18s %-6.6s ", share, diff_clean(r->kind, kind), mech_short(diff_clean(r->mechanism, mech)));
	if (d->by_symbol || *r->reason)
		fprintf(out, "%-*.*s ", SYMBOL_COLUMNS, SYMBOL_COLUMNS, diff_clean(d->by_symbol ? r->symbol : r->reason, symbol));
	else
		fprintf(out, "%*s ", SYMBOL_COLUMNS, "");
	fprintf(out, "%10s %10s %9s %9s%c %10s\n", diff_count(r->count[0], n0), diff_count(r->count[1], n1), diff_count(r->each[0], e0),
		diff_count(r->each[1], e1), r->dearer ? '!' : ' ', diff_signed(r->effect, x));
}

static bool row_shown(const struct diff_row *r)
{
	return r->effect != 0 || r->count[0] != r->count[1];
}

static void rows_print(const struct diff *d, FILE *out)
{
	size_t shown = 0, more = 0;

	for (size_t i = 0; i < d->rows; i++) {
		if (!row_shown(&d->row[i]))
			continue;
		if (shown == d->opt.top) {
			more++;
			continue;
		}
		if (!shown++)
			fprintf(out, "\n%6s %-18s %-6s %-*s %10s %10s %9s %9s  %10s\n", "share", "kind", "how", SYMBOL_COLUMNS,
				d->by_symbol ? "symbol" : "", "count A", "count B", "each A", "each B", d->costs ? "cycles" : "events");
		row_print(d, &d->row[i], out);
	}
	if (more)
		fprintf(out, "%zu more rows differ; --top shows more\n", more);
	if (shown)
		fprintf(out, "share: of all that changed. each: VMM cycles of one event%s\n", d->costs ? "; !: noticeably dearer or cheaper" : "");
}

static void parts_print(const char *title, const struct diff_part *p, size_t n, FILE *out)
{
	char name[DIFF_TEXT], a[DIFF_TEXT], b[DIFF_TEXT], c[DIFF_TEXT];

	if (n)
		fprintf(out, "\n%s\n", title);
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%-40.40s %12s %12s  %s", diff_clean(p[i].name, name), diff_count(p[i].value[0], a), diff_count(p[i].value[1], b),
			diff_change_text(p[i].value[0], p[i].value[1], c));
		if (p[i].kind)
			fprintf(out, "; %s %s", diff_clean(p[i].kind, name), diff_signed(p[i].count[1] - p[i].count[0], a));
		fputc('\n', out);
	}
}

/* The clock on the wall, and how much of it was the VMM's. */
static void time_print(const struct diff *d, FILE *out)
{
	double s[2], c[2];
	char text[DIFF_TEXT];

	for (int i = 0; i < 2; i++) {
		s[i] = json_number_value(json_object_get(d->side[i].run, "run_seconds"));
		c[i] = json_number_value(json_object_get(d->side[i].run, "run_cycles")) / (d->opt.operations[i] > 0 ? d->opt.operations[i] : 1);
	}
	if (!(s[0] > 0) || !(s[1] > 0))
		return;
	fprintf(out, "Time of the run: %.3g s against %.3g s (%s)", s[1], s[0], diff_change_text(s[0], s[1], text));
	if (d->costs && c[0] > 0 && c[1] > 0)
		fprintf(out, ", of which %.1f %% and %.1f %% in the VMM, for what is timed here", 100 * d->total[1] / c[1], 100 * d->total[0] / c[0]);
	fprintf(out, ".\n");
}

static void runs_print(const struct diff *d, FILE *out)
{
	for (int i = 0; i < 2; i++)
		side_print(d, i, out);
	for (unsigned i = 0; i < d->notes; i++)
		fprintf(out, "note: %s\n", d->note[i]);
	if (d->drift != 1)
		fprintf(out, "note: one event of any kind took %.2f times as long in B: the host, more likely than the guest; this is taken off\n", d->drift);
	if (d->opt.operations[0] > 0)
		fprintf(out, "note: counts and cycles are those of one of %g operations in A, of %g in B\n", d->opt.operations[0], d->opt.operations[1]);
	rows_print(d, out);
	parts_print("what the guest timed itself: steady cycles of cells that changed by more than a quarter", d->cell, d->cells, out);
	parts_print("phases whose cycles changed by more than a quarter, and the kind that changed most", d->phase, d->phases, out);
	fputc('\n', out);
	diff_wrap(out, d->sentence);
	time_print(d, out);
}

void diff_print(const struct diff *d, FILE *out)
{
	if (d->side[0].is_result)
		diff_results_print(d, out);
	else
		runs_print(d, out);
}

/* --- JSON --- */

static json_t *real(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *row_json(const struct diff_row *r)
{
	return json_pack("{s:s,s:s,s:s?,s:s?,s:b,s:b,s:{s:o,s:o,s:o},s:{s:o,s:o,s:o},s:o,s:o}", "kind", r->kind, "mechanism", r->mechanism,
		"symbol", *r->symbol ? r->symbol : NULL, "hw_reason", *r->reason ? r->reason : NULL, "clock", (int)r->clock, "dearer", (int)r->dearer,
		"a", "count", real(r->count[0]), "cycles", real(r->cycles[0]), "each", real(r->each[0]),
		"b", "count", real(r->count[1]), "cycles", real(r->cycles[1]), "each", real(r->each[1]),
		"difference", real(r->effect), "share", real(r->share));
}

static json_t *parts_json(const struct diff_part *p, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, json_pack("{s:s,s:f,s:f,s:s?,s:s?}", "name", p[i].name, "a", p[i].value[0], "b", p[i].value[1],
			"kind", p[i].kind, "mechanism", p[i].mechanism));
	return a;
}

static void runs_json(const struct diff *d, json_t *o)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < d->rows; i++)
		if (row_shown(&d->row[i]))
			json_array_append_new(rows, row_json(&d->row[i]));
	json_object_set_new(o, "unit", json_string(d->costs ? "cycles" : "events"));
	json_object_set_new(o, "drift", real(d->drift));
	json_object_set_new(o, "effect", real(d->effect));
	json_object_set_new(o, "total", json_pack("{s:o,s:o}", "a", real(d->total[0]), "b", real(d->total[1])));
	json_object_set_new(o, "rows", rows);
	json_object_set_new(o, "cells", parts_json(d->cell, d->cells));
	json_object_set_new(o, "phases", parts_json(d->phase, d->phases));
}

/* Paths, and sentences with names that were cut, may be no UTF-8: then without what is not ASCII. */
static json_t *text_json(const char *text)
{
	json_t *j = json_string(text);
	char *clean = j ? NULL : strdup(text);

	for (char *p = clean; p && *p; p++)
		*p = (unsigned char)*p < 0x80 ? *p : '?';
	if (clean)
		j = json_string(clean);
	free(clean);
	return j;
}

json_t *diff_json(const struct diff *d)
{
	json_t *notes = json_array(), *o;

	for (unsigned i = 0; i < d->notes; i++)
		json_array_append_new(notes, text_json(d->note[i]));
	o = json_pack("{s:o,s:o,s:s,s:b,s:o,s:o}", "a", text_json(d->side[0].path), "b", text_json(d->side[1].path), "of", d->side[0].is_result ? "results" : "runs",
		"different", (int)d->different, "sentence", text_json(d->sentence), "notes", notes);
	if (!o)
		return NULL;
	if (d->side[0].is_result)
		diff_results_json(d, o);
	else
		runs_json(d, o);
	return o;
}
