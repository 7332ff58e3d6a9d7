/*
 * paper_table.c - the tables of `ringlab bench --paper`: theirs beside ours, factors, ranks, who is faster, and the model against their hardware.
 *
 * Every verdict is computed from the two figures that it is about; a paper's reasons are printed only where such a verdict asks for them.
 * Measured, counted and modelled figures never share a column. At most 100 columns wide. Called by paper.c. Read next: paper_data.c.
 */
#include <jansson.h>
#include <math.h>
#include <string.h>
#include "model.h"
#include "paper.h"
#include "result.h"

#define HALF_AN_ORDER 3.1623 /* the square root of ten: within it, "the same order of magnitude" */

static const char *const pv[] = { "pv-xen", "pv-previrt", "pv-patch", "pv-trap" };

/* --- cells --- */

static void theirs_put(FILE *f, const struct figure *v)
{
	static const char *const mark[] = { "", "", "~", ">=" };
	char text[24];

	if (v->from == FIGURE_NONE)
		snprintf(text, sizeof(text), "-");
	else
		snprintf(text, sizeof(text), "%s%.0f", mark[v->from], v->cycles);
	fprintf(f, " %8s", text);
}

static void ours_put(FILE *f, const struct paper_data *d, const struct paper_row *row, const char *engine, int width)
{
	bool instead;
	double v = paper_cycles(d, row, engine, &instead);

	if (isnan(v))
		fprintf(f, " %*s ", width - 1, "-");
	else
		fprintf(f, " %*.0f%s", width - 1, v, instead ? "*" : " ");
}

static void exits_put(FILE *f, const struct exits *e)
{
	if (isnan(e->per_op))
		fprintf(f, " %7s", "-");
	else
		fprintf(f, " %7.2f", e->per_op);
}

/* Text wrapped to 96 columns behind an indent. */
static void text_put(FILE *f, const char *lead, const char *text)
{
	int indent = (int)strlen(lead), at = indent;

	fputs(lead, f);
	while (*text) {
		int len = (int)strcspn(text, " ");

		if (at > indent && at + 1 + len > 96) {
			fprintf(f, "\n%*s", indent, "");
			at = indent;
		} else if (at > indent) {
			putc(' ', f);
			at++;
		}
		fprintf(f, "%.*s", len, text);
		at += len;
		text += len;
		text += *text == ' ';
	}
	putc('\n', f);
}

/* --- theirs beside ours --- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	return v ? v : "?";
}

static void head_print(const struct paper *p, const struct paper_data *d, FILE *f)
{
	const json_t *recorded = json_object_get(d->recorded, "recorded");

	text_put(f, "paper   ", p->title);
	fprintf(f, "theirs  %s; %s\n", p->machine, p->source);
	text_put(f, "        ", p->figures);
	if (d->r)
		fprintf(f, "ours    %s; median TSC cycles; commit %s\n", text_of(d->r->env, "cpu"), text_of(d->r->env, "commit"));
	if (recorded)
		fprintf(f, "exits   nested: %s;\n        recorded %.10s, commit %s; counts are real, and there are no times\n",
			text_of(recorded, "machine"), text_of(recorded, "date"), text_of(recorded, "commit"));
}

static void sides_print(const struct paper *p, const struct paper_data *d, FILE *f)
{
	bool any = false;

	fprintf(f, "\ncycles    |          theirs           |          ours, measured           | VM exits, nested\n");
	fprintf(f, "%-9s | %8s %8s %8s | %8s %8s %8s %8s | %7s %7s\n", "", "native", "software", "hardware", "native", "bt", "qemu-tcg", "vtx", "EPT",
		"shadow");
	for (size_t i = 0; i < p->rows; i++) {
		static const char *const engine[] = { "native", "bt", "qemu-tcg", "vtx" };
		const struct paper_row *row = &p->row[i];
		struct exits with = paper_exits(d, row, true), without = paper_exits(d, row, false);

		fprintf(f, "%-9s |", row->name);
		for (int c = 0; c < PAPER_COLUMNS; c++)
			theirs_put(f, &row->theirs[c]);
		fputs(" |", f);
		for (size_t e = 0; e < sizeof(engine) / sizeof(engine[0]); e++) {
			bool instead;

			paper_cycles(d, row, engine[e], &instead);
			any |= instead;
			ours_put(f, d, row, engine[e], 8);
		}
		fputs(" |", f);
		exits_put(f, &with);
		exits_put(f, &without);
		putc('\n', f);
	}
	fputs("-: not measured. native: what the guest's kernel does natively needs ring 0 of the machine.\n", f);
	if (any)
		fputs("*: by another of our cells: INT 80h instead of SYSENTER.\n", f);
	fputs("Ours that differ from theirs by design:\n", f);
	for (size_t i = 0; i < p->rows; i++)
		if (p->row[i].kin) {
			char lead[32];

			snprintf(lead, sizeof(lead), "  %-9s ", p->row[i].name);
			text_put(f, lead, p->row[i].kin);
		}
}

static void techniques_print(const struct paper *p, const struct paper_data *d, FILE *f)
{
	fprintf(f, "\nWhat the paper has not: techniques of direct execution (pv), measured\n%-9s |", "cycles");
	for (size_t e = 0; e < sizeof(pv) / sizeof(pv[0]); e++)
		fprintf(f, " %10s", pv[e]);
	putc('\n', f);
	for (size_t i = 0; i < p->rows; i++) {
		fprintf(f, "%-9s |", p->row[i].name);
		for (size_t e = 0; e < sizeof(pv) / sizeof(pv[0]); e++)
			ours_put(f, d, &p->row[i], pv[e], 10);
		putc('\n', f);
	}
}

/* --- the software VMM: factors and ranks --- */

/* Ours over theirs; NAN: one of them is missing. */
static double factor(const struct paper_data *d, const struct paper_row *row, const char *engine)
{
	bool instead;

	return paper_cycles(d, row, engine, &instead) / row->theirs[PAPER_SOFTWARE].cycles;
}

static void factor_print(const struct paper_row *row, double v, FILE *f)
{
	const char *why = v > HALF_AN_ORDER ? row->why_dearer : v < 1 / HALF_AN_ORDER ? row->why_cheaper : NULL;
	double orders = fabs(log10(v));

	fprintf(f, "  %-9s x %-7.3g %s\n", row->name, v, orders <= 0.5 ? "the same order of magnitude" : v < 1 ? "CHEAPER" : "DEARER");
	if (why)
		text_put(f, "            ", why);
}

static void software_print(const struct paper *p, const struct paper_data *d, const char *engine, bool reasons, FILE *f)
{
	double theirs[16], ours[16];
	size_t n = 0, near = 0;

	if (reasons)
		fprintf(f, "\nThe software VMM: ours (%s) over theirs\n", engine);
	for (size_t i = 0; i < p->rows && n < 16; i++) {
		double v = factor(d, &p->row[i], engine);

		if (isnan(v))
			continue;
		theirs[n] = p->row[i].theirs[PAPER_SOFTWARE].cycles;
		ours[n] = v * theirs[n];
		n++;
		near += v <= HALF_AN_ORDER && v >= 1 / HALF_AN_ORDER;
		if (reasons)
			factor_print(&p->row[i], v, f);
	}
	if (!n) {
		fprintf(f, "  %s: nothing was measured\n", engine);
		return;
	}
	fprintf(f, "  %-8s rank correlation (Spearman) over %zu: ", engine, n);
	if (n < 3)
		fputs("too few", f);
	else
		fprintf(f, "%.2f", rank_correlation(theirs, ours, n));
	fprintf(f, "; the same order of magnitude: %zu of %zu\n", near, n);
}

/* --- who is faster --- */

/* Modelled cycles of VM exits over the generations since 2006, with EPT (those that have it) or with shadow paging (all). */
static void modelled_range(const struct paper_data *d, const struct paper_row *row, bool ept, double *low, double *high)
{
	double exits = paper_exits(d, row, ept).per_op;

	*low = *high = NAN;
	for (size_t i = 0; i < model_cpu_count && !isnan(exits); i++) {
		const struct model_cpu *c = &model_cpus[i];
		double v = model_cycles(c, exits);

		if (c->year < 2006 || (ept && !c->ept))
			continue;
		*low = fmin(*low, v); /* of a number and NAN, the number */
		*high = fmax(*high, v);
	}
}

enum winner { NOBODY, SOFTWARE, HARDWARE, NATIVE, DEPENDS };
static const char *const winner_name[] = { "?", "software", "hardware", "native", "depends" };

static enum winner winner_theirs(const struct paper_row *row)
{
	const struct figure *s = &row->theirs[PAPER_SOFTWARE], *h = &row->theirs[PAPER_HARDWARE], *n = &row->theirs[PAPER_NATIVE];

	if (h->from == FIGURE_NONE && s->from == FIGURE_AT_LEAST)
		return HARDWARE; /* at native speed, and software dearer than that */
	if (h->from == FIGURE_NONE) /* at native speed */
		h = n;
	if (isnan(s->cycles) || isnan(h->cycles) || s->cycles == h->cycles)
		return NOBODY;
	return s->cycles < h->cycles ? SOFTWARE : HARDWARE;
}

/* Without an exit, hardware runs the operation at native speed, which is not measured here. */
static enum winner winner_ours(double bt, double low, double high)
{
	if (isnan(high))
		return NOBODY;
	if (high == 0)
		return NATIVE;
	return isnan(bt) ? NOBODY : bt < low ? SOFTWARE : bt > high ? HARDWARE : DEPENDS;
}

/* 1: the same side; 0: the other; -1: not to be told. */
static int winner_same(enum winner theirs, enum winner ours)
{
	if (theirs == NOBODY || ours == NOBODY || (theirs == SOFTWARE && ours == NATIVE))
		return -1;
	return theirs == ours || (theirs == HARDWARE && ours == NATIVE);
}

static void range_put(FILE *f, double low, double high)
{
	char text[32];

	if (isnan(high))
		snprintf(text, sizeof(text), "-");
	else if (high == 0)
		snprintf(text, sizeof(text), "0");
	else
		snprintf(text, sizeof(text), "%.0f to %.0f", low, high);
	fprintf(f, "  %14s", text);
}

static void winners_print(const struct paper *p, const struct paper_data *d, FILE *f)
{
	unsigned same[2] = { 0 }, known[2] = { 0 };

	fprintf(f, "\nWho is faster: their two VMMs; ours: bt (measured), and VM exits (MODELLED, CPUs of 2006 to 2019)\n");
	fprintf(f, "  %-9s %-9s | %8s | %-9s %14s | %-9s %14s\n", "", "theirs", "bt", "shadow", "exits MODELLED", "EPT", "exits MODELLED");
	for (size_t i = 0; i < p->rows; i++) {
		const struct paper_row *row = &p->row[i];
		bool instead;
		double bt = paper_cycles(d, row, "bt", &instead);

		fprintf(f, "  %-9s %-9s |", row->name, winner_name[winner_theirs(row)]);
		ours_put(f, d, row, "bt", 9);
		for (int ept = 0; ept < 2; ept++) {
			double low, high;
			enum winner ours;
			int told;

			modelled_range(d, row, ept, &low, &high);
			ours = winner_ours(bt, low, high);
			told = winner_same(winner_theirs(row), ours);
			known[ept] += told >= 0;
			same[ept] += told > 0;
			fprintf(f, "| %-8s", winner_name[ours]);
			range_put(f, low, high);
			fputs(ept ? "" : " ", f);
		}
		putc('\n', f);
	}
	fprintf(f, "  where it can be told, the same side is faster in %u of %u (shadow, as they had it), %u of %u (EPT)\n", same[0],
		known[0], same[1], known[1]);
	text_put(f, "  ", "native: no exit, so that VT-x runs it at native speed, which was not measured here.");
}

/* --- the model against their hardware VMM --- */

/* What the row costs natively, where the hardware VMM runs it natively and then exits; 0 where it exits instead of running it. */
static double native_part(const struct paper_row *row)
{
	return !strcmp(row->name, "in") || isnan(row->theirs[PAPER_NATIVE].cycles) ? 0 : row->theirs[PAPER_NATIVE].cycles;
}

static void model_row_print(const struct paper_row *row, double exits, double low, double high, FILE *f)
{
	double theirs = row->theirs[PAPER_HARDWARE].cycles, base = native_part(row);
	bool inside = theirs >= low && theirs <= high;

	fprintf(f, "  %-9s %6.2f", row->name, exits);
	if (low == high)
		fprintf(f, " %17.0f", low);
	else
		fprintf(f, " %8.0f %8.0f", low, high);
	theirs_put(f, &row->theirs[PAPER_HARDWARE]);
	if (isnan(theirs)) {
		fputs("  at native speed, says the text\n", f);
		return;
	}
	if (exits >= 0.5)
		fprintf(f, " %9.0f", (theirs - base) / exits);
	else
		fprintf(f, " %9s", "-");
	if (inside)
		fputs("  within\n", f);
	else
		fprintf(f, "  x %.2f of the nearer bound\n", theirs / (theirs < low ? low : high));
	if (!inside && row->why_model && !(exits < 0.5 && theirs == base))
		text_put(f, "            ", row->why_model);
}

static void model_print(const struct paper *p, const struct paper_data *d, FILE *f)
{
	const struct model_cpu *least = model_cpu_find("pentium4-low"), *most = model_cpu_find("pentium4-in");
	double added[16], exits[16];
	size_t n = 0;

	if (!least || !most)
		return;
	fprintf(f, "\nTheir hardware VMM, MODELLED: native + our exits (shadow, nested) x %.0f to %.0f cycles\n", least->exit, most->exit);
	fprintf(f, "  %-9s %6s %8s %8s %8s %9s\n", "", "exits", "from", "to", "theirs", "an exit");
	for (size_t i = 0; i < p->rows && n < 16; i++) {
		const struct paper_row *row = &p->row[i];
		struct exits e = paper_exits(d, row, false);
		double base = native_part(row);

		if (isnan(e.per_op))
			continue;
		model_row_print(row, e.per_op, base + model_cycles(least, e.per_op), base + model_cycles(most, e.per_op), f);
		exits[n] = e.per_op;
		added[n++] = isnan(row->theirs[PAPER_HARDWARE].cycles) ? 0 : row->theirs[PAPER_HARDWARE].cycles - base;
	}
	if (n < 3)
		fputs("  exits of nested VT-x are not known here: scripts/record-lectures counts them\n", f);
	else
		fprintf(f, "  rank correlation (Spearman) of our exits and their cycles above native, over %zu: %.2f\n", n, rank_correlation(exits, added, n));
	text_put(f, "  ", "an exit: what one of our exits would have cost them, if they took as many. The lower bound is the paper's remark that a round trip costs "
		"more than a native page fault; the upper is its IN, the device model included. docs/cost-model.md has both.");
}

void paper_print(const struct paper *p, const struct paper_data *d, FILE *f)
{
	head_print(p, d, f);
	sides_print(p, d, f);
	software_print(p, d, "bt", true, f);
	software_print(p, d, "qemu-tcg", false, f);
	winners_print(p, d, f);
	model_print(p, d, f);
	techniques_print(p, d, f);
}
