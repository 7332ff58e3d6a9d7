/*
 * cli_tsv.c - the comparison as tab-separated lines, for awk and gnuplot: `ringlab compare --tsv`.
 *
 * Works from the JSON alone, like cli_table.c. The lines are documented in docs/exits.md; "-" is what JSON calls null.
 */
#include <string.h>
#include "cli.h"

static void text(FILE *out, const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	fprintf(out, "\t%s", s && *s ? s : "-");
}

static void number(FILE *out, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (json_is_integer(v))
		fprintf(out, "\t%lld", (long long)json_integer_value(v));
	else
		fputs("\t-", out);
}

static void start(FILE *out, const char *what, const char *guest, const json_t *col)
{
	fprintf(out, "%s\t%s", what, guest);
	text(out, col, "backend");
	text(out, col, "interface");
}

static void column_lines(FILE *out, const char *guest, const json_t *col)
{
	json_t *e;
	size_t i;

	start(out, "column", guest, col);
	text(out, col, "engine");
	text(out, col, "origin");
	fputs(json_is_true(json_object_get(col, "available")) ? "\tyes" : "\tno", out);
	number(out, col, "status");
	text(out, col, "why");
	fputc('\n', out);
	json_array_foreach(json_object_get(col, "events"), i, e) {
		const json_t *cycles = json_object_get(e, "cycles"), *hw = json_object_get(e, "hw_reason");

		start(out, "event", guest, col);
		text(out, e, "kind");
		text(out, e, "mechanism");
		number(out, hw, "number");
		text(out, e, "handled_by");
		number(out, e, "truth");
		number(out, e, "count");
		number(out, cycles, "min");
		number(out, cycles, "median");
		number(out, cycles, "p99");
		fputc('\n', out);
	}
	json_array_foreach(json_object_get(col, "cells"), i, e) {
		start(out, "cell", guest, col);
		text(out, e, "name");
		number(out, e, "n");
		number(out, e, "first");
		number(out, e, "steady");
		fputs(json_is_true(json_object_get(e, "hole")) ? "\thole\n" : "\t-\n", out);
	}
}

void tsv_print(FILE *out, const json_t *comparison)
{
	const char *guest = json_string_value(json_object_get(comparison, "guest"));
	json_t *col;
	size_t i;

	json_array_foreach(json_object_get(comparison, "backends"), i, col)
		column_lines(out, guest ? guest : "-", col);
}
