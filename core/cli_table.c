/*
 * cli_table.c - the comparison as a table: a row for each event kind, a group of columns for each backend.
 *
 * Works from the JSON alone, so that merged and measured columns are printed by the same code.
 */
#include <string.h>
#include "cli.h"

#define GROUP 24 /* characters of one backend's group: count 9, how 6, cost 7, separators */

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

const char *mech_brief(const char *name)
{
	static const struct { const char *name, *brief; } brief[] = {
		{ "VM exit", "exit" }, { "host trap", "trap" }, { "callout", "call" }, { "hypercall", "hyper" }, { "inline", "inline" },
		{ "native", "native" }, { "host-kernel emulation", "hkern" }, { "interpreter", "interp" },
	};

	for (size_t i = 0; i < ARRAY_LEN(brief); i++)
		if (!strcmp(name, brief[i].name))
			return brief[i].brief;
	return name;
}

static void column_title(const json_t *col, char *buf, size_t n)
{
	const char *i = str(col, "interface");

	snprintf(buf, n, "%s%s%s", str(col, "backend"), *i ? ":" : "", i);
}

static void print_header(FILE *out, const json_t *columns)
{
	json_t *col;
	size_t i;

	json_array_foreach(columns, i, col) {
		char title[40];
		column_title(col, title, sizeof(title));
		fprintf(out, "  %-8s engine %s, %s; image %.12s", title, str(col, "engine"), str(col, "origin"), str(col, "image_sha256"));
		if (!json_is_true(json_object_get(col, "available")))
			fprintf(out, "; not available: %s", str(col, "why"));
		else if (*str(col, "why"))
			fprintf(out, "; ended by %s: %s", str(col, "end"), str(col, "why"));
		else
			fprintf(out, "; status %lld", (long long)json_integer_value(json_object_get(col, "status")));
		if (!strcmp(str(col, "origin"), "nested"))
			fprintf(out, "; counts are architectural, times are not measured");
		fputc('\n', out);
	}
}

static bool images_differ(const json_t *columns)
{
	const char *first = NULL;
	json_t *col;
	size_t i;

	json_array_foreach(columns, i, col) {
		const char *h = str(col, "image_sha256");
		if (*h && first && strcmp(h, first))
			return true;
		if (*h)
			first = h;
	}
	return false;
}

/* The k-th row that a column has for a kind, or NULL. */
static const json_t *event_row(const json_t *col, const char *kind, unsigned k)
{
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(col, "events"), i, e)
		if (!strcmp(str(e, "kind"), kind) && !k--)
			return e;
	return NULL;
}

/*
 * How a column's count of a kind stands to its own guest's truth: '=' equal, '*' not, ' ' nothing to compare. The
 * columns' guests may be different builds, so the truth of one says nothing about another.
 */
static char truth_mark(const json_t *col, const char *kind)
{
	json_t *t = json_object_get(json_object_get(col, "truth"), kind), *e;
	long long total = 0;
	size_t i;

	json_array_foreach(json_object_get(col, "events"), i, e)
		if (!strcmp(str(e, "kind"), kind))
			total += json_integer_value(json_object_get(e, "count"));
	if (!json_is_integer(t) || !total)
		return ' ';
	return total == json_integer_value(t) ? '=' : '*';
}

static void print_event(FILE *out, const json_t *e, char mark)
{
	char cost[24] = "-", how[32] = "";

	if (!e) {
		fprintf(out, " |%*s", GROUP - 2, "");
		return;
	}
	json_t *cycles = json_object_get(e, "cycles"), *hw = json_object_get(e, "hw_reason");
	if (json_is_object(cycles))
		snprintf(cost, sizeof(cost), "%lld", (long long)json_integer_value(json_object_get(cycles, "median")));
	if (json_is_object(hw))
		snprintf(how, sizeof(how), "%s#%lld", strcmp(str(e, "handled_by"), "kvm") ? "" : "k",
			(long long)json_integer_value(json_object_get(hw, "number")));
	else
		snprintf(how, sizeof(how), "%s", mech_brief(str(e, "mechanism")));
	fprintf(out, " |%8lld%c%-6s %6s", (long long)json_integer_value(json_object_get(e, "count")), mark, how, cost);
}

static void print_kind(FILE *out, const json_t *columns, const char *kind)
{
	long long truth = -1;
	json_t *col;
	size_t i;

	json_array_foreach(columns, i, col) {
		json_t *t = json_object_get(json_object_get(col, "truth"), kind);
		if (json_is_integer(t) && truth < 0 && !*str(col, "why")) /* one that was cut short has not counted all */
			truth = json_integer_value(t);
	}
	for (unsigned k = 0;; k++) {
		bool any = false;
		json_array_foreach(columns, i, col)
			any |= event_row(col, kind, k) != NULL;
		if (!any)
			return;
		fprintf(out, "%-19s", k ? "" : kind);
		if (k || truth < 0)
			fprintf(out, "%9s", "");
		else
			fprintf(out, "%9lld", truth);
		json_array_foreach(columns, i, col)
			print_event(out, event_row(col, kind, k), k ? ' ' : truth_mark(col, kind));
		fputc('\n', out);
	}
}

static const json_t *find_cell(const json_t *col, const char *name)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(col, "cells"), i, c)
		if (!strcmp(str(c, "name"), name))
			return c;
	return NULL;
}

static void print_cell(FILE *out, const json_t *col, const json_t *c)
{
	long long first = json_integer_value(json_object_get(c, "first")), steady = json_integer_value(json_object_get(c, "steady"));

	if (!c)
		fprintf(out, " |%*s", GROUP - 2, "");
	else if (json_is_true(json_object_get(c, "hole")))
		fprintf(out, " |%*s", GROUP - 2, "HOLE");
	else if (!strcmp(str(col, "origin"), "nested") || (!first && !steady))
		fprintf(out, " |%*s", GROUP - 2, "not measured");
	else
		fprintf(out, " |%10lld %11lld", first, steady);
}

/* The nano cells: TSC cycles as the guest itself measured them, whole round trips. */
static void print_cells(FILE *out, const json_t *columns)
{
	json_t *names = json_object(), *col, *c, *v;
	const char *name;
	size_t i, k;

	json_array_foreach(columns, i, col)
		json_array_foreach(json_object_get(col, "cells"), k, c)
			json_object_set_new(names, str(c, "name"), json_true());
	if (json_object_size(names)) {
		fprintf(out, "\ncycles, measured in the guest: first execution and steady state (median)\n%-28s", "cell");
		json_array_foreach(columns, i, col)
			fprintf(out, " |%10s %11s", "first", "steady");
		fputc('\n', out);
	}
	json_object_foreach(names, name, v) {
		fprintf(out, "%-28s", name);
		json_array_foreach(columns, i, col)
			print_cell(out, col, find_cell(col, name));
		fputc('\n', out);
	}
	json_decref(names);
}

void table_print(FILE *out, const json_t *comparison)
{
	const json_t *columns = json_object_get(comparison, "backends");
	json_t *col;
	size_t i;

	fprintf(out, "%s: what trapped, how, how often, at what cost\n", str(comparison, "guest"));
	print_header(out, columns);
	if (images_differ(columns))
		fprintf(out, "  The images differ between columns (native build against Xen build): compare counts by kind, not by total.\n");
	fprintf(out, "\n%-19s%9s", "", "guest");
	json_array_foreach(columns, i, col) {
		char title[40];
		column_title(col, title, sizeof(title));
		fprintf(out, " | %-*s", GROUP - 3, title);
	}
	fprintf(out, "\n%-19s%9s", "event", "truth");
	json_array_foreach(columns, i, col)
		fprintf(out, " |%8s %-6s %6s", "count", "how", "median");
	fputc('\n', out);
	for (int k = 0; k < EV_COUNT; k++)
		print_kind(out, columns, event_kind_name[k]);
	print_cells(out, columns);
	fprintf(out, "\ntruth = what the guest of the first column that ended well counted; = and *: a column's count over all its rows equals, or\n"
		"does not equal, its own guest's. A count without either is of an event that only the VMM knows.\n");
	fprintf(out, "how: #N = VM exit with hardware reason N (k#N: KVM handled it alone), trap = host signal, call = callout from\n"
		"translated code, hyper = hypercall, inline/native = never left the guest. median = TSC cycles spent in the VMM.\n");
}
