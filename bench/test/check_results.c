/*
 * check_results.c - holds result directories against docs/results.md: usage: check-results DIR…
 *
 * The tables of that page are the schema: this program reads them, so that the page and the files cannot drift apart. It reads the files by
 * itself (csv.c, jansson), not by result.c, which takes what it must and no more. Prints a line for each thing wrong; status 1 then.
 * Called by scripts/check-results and by results_test.c.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>
#include "abi/events.h"
#include "csv.h"

#define CELLS 8
#define ROWS 64
#define WRONG_SHOWN 20 /* of each file */

/* A table of the page: cells as text, without backticks only where one asks by name. */
struct table {
	char *cell[ROWS][CELLS];
	unsigned rows;
};

struct check {
	struct table raw, time, metrics, env;
	const char *dir;
	unsigned wrong, shown;
};

__attribute__((format(printf, 2, 3)))
static void wrong(struct check *c, const char *fmt, ...)
{
	va_list ap;

	c->wrong++;
	if (c->shown++ > WRONG_SHOWN)
		return;
	printf("%s/", c->dir);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(c->shown > WRONG_SHOWN ? "\n(and more)\n" : "\n");
}

/* --- the page --- */

static char *trimmed(char *text)
{
	char *end;

	text += strspn(text, " ");
	for (end = text + strlen(text); end > text && end[-1] == ' '; end--)
		;
	*end = 0;
	return strdup(text);
}

static void row_add(struct table *t, char *line)
{
	unsigned n = 0;

	if (t->rows == ROWS)
		return;
	line[strcspn(line, "\n")] = 0;
	for (char *p = line + 1, *bar; n < CELLS && (bar = strchr(p, '|')); p = bar + 1) {
		*bar = 0;
		t->cell[t->rows][n++] = trimmed(p);
	}
	while (n < CELLS)
		t->cell[t->rows][n++] = strdup("");
	t->rows++;
}

/* The rows of the table whose head begins so. */
static void table_read(struct table *t, const char *path, const char *head)
{
	FILE *f = fopen(path, "r");
	char line[2000];
	bool in = false;

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, head, strlen(head)))
			in = true;
		else if (line[0] != '|')
			in = false;
		else if (in && strncmp(line, "|--", 3))
			row_add(t, line);
	}
	if (f)
		fclose(f);
	if (!t->rows) {
		fprintf(stderr, "check-results: %s has no table that begins with %s\n", path, head);
		exit(2);
	}
}

/* Whether `text`, in backticks, is in the cell; no backticks there at all: anything is. */
static bool cell_names(const char *cell, const char *text)
{
	char quoted[600];

	if (!strchr(cell, '`'))
		return true;
	snprintf(quoted, sizeof(quoted), "`%s`", text);
	return strstr(cell, quoted) != NULL;
}

static int row_of(const struct table *t, const char *name)
{
	char quoted[600];

	snprintf(quoted, sizeof(quoted), "`%s`", name);
	for (unsigned i = 0; i < t->rows; i++)
		if (!strcmp(t->cell[i][0], quoted))
			return (int)i;
	return -1;
}

/* --- CSV files --- */

#define REASON "reason:" /* what a kind of hw-exits begins with */

static bool is_event(const char *text, bool mechanism)
{
#define X(id, name, text_of) name,
	static const char *const kinds[] = { EVENT_KINDS(X) }, *const mechanisms[] = { EVENT_MECHANISMS(X) };
#undef X
	const char *const *list = mechanism ? mechanisms : kinds;
	size_t n = mechanism ? sizeof(mechanisms) / sizeof(*mechanisms) : sizeof(kinds) / sizeof(*kinds);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], text))
			return true;
	return false;
}

static bool is_number(const char *text)
{
	char *end;

	return isfinite(strtod(text, &end)) && *text && !*end && strspn(text, "0123456789+-.eE") == strlen(text);
}

static bool has_type(const char *type, const char *text)
{
	if (!strcmp(type, "number"))
		return is_number(text);
	if (!strcmp(type, "count"))
		return *text && strspn(text, "0123456789") == strlen(text);
	if (!strcmp(type, "truth"))
		return !strcmp(text, "0") || !strcmp(text, "1");
	if (!strcmp(type, "name"))
		return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_ ") == strlen(text);
	return !strcmp(type, "text");
}

static void field_check(struct check *c, const char *file, unsigned line, char *const *spec, const char *text)
{
	char name[100];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(spec[0] + 1, "`"), spec[0] + 1);
	if (!*text) {
		if (strcmp(spec[2], "yes"))
			wrong(c, "%s: line %u, column %s: it is empty", file, line, name);
		return;
	}
	if (!has_type(spec[1], text))
		wrong(c, "%s: line %u, column %s: \"%s\" is no %s", file, line, name, text, spec[1]);
	if (!cell_names(spec[3], text))
		wrong(c, "%s: line %u, column %s: \"%s\" is none of %s", file, line, name, text, spec[3]);
	if ((!strcmp(name, "kind") || !strcmp(name, "mechanism")) && strncmp(text, REASON, strlen(REASON)) && !is_event(text, name[0] == 'm'))
		wrong(c, "%s: line %u, column %s: \"%s\" is not in docs/exits.md", file, line, name, text);
}

/* What the columns of raw.csv say together. */
static void raw_check(struct check *c, const char *file, unsigned line, char *const *f, bool modelled)
{
	int m = row_of(&c->metrics, f[5]);
	bool by_reason = !strcmp(f[5], "hw-exits"), by_kind = by_reason || !strcmp(f[5], "exits") || !strcmp(f[5], "events") || !strcmp(f[5], "vmm-cycles");

	if (m < 0)
		wrong(c, "%s: line %u, column metric: \"%s\" is not in the table of metrics", file, line, f[5]);
	else if (!cell_names(c->metrics.cell[m][1], f[8]))
		wrong(c, "%s: line %u, column unit: \"%s\" of the metric %s, whose units are %s", file, line, f[8], f[5], c->metrics.cell[m][1]);
	if (by_kind ? !*f[6] || !*f[7] : *f[6] || *f[7])
		wrong(c, "%s: line %u: kind and mechanism are %s for the metric %s", file, line, by_kind ? "needed" : "not", f[5]);
	if (by_reason == !!strncmp(f[6], REASON, strlen(REASON)))
		wrong(c, "%s: line %u, column kind: \"%s\" of the metric %s", file, line, f[6], f[5]);
	if (modelled != !strcmp(f[4], "modelled"))
		wrong(c, "%s: line %u, column origin: \"%s\" in this file", file, line, f[4]);
	if (!!*f[12] != !!*f[13] || !!*f[13] != !!*f[14])
		wrong(c, "%s: line %u: calib_before, calib_after and disturbed are not empty together", file, line);
	if (!strcmp(f[4], "nested") && *f[14])
		wrong(c, "%s: line %u: a time of the nested machine", file, line);
}

static char *file_load(struct check *c, const char *name, size_t *size)
{
	char path[4400], *text = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	if (fseek(f, 0, SEEK_END) || !(text = malloc((size_t)ftell(f) + 1))) {
		fclose(f);
		return NULL;
	}
	*size = (size_t)ftell(f);
	rewind(f);
	*size = fread(text, 1, *size, f);
	fclose(f);
	return text;
}

static void csv_check(struct check *c, const char *file, const struct table *spec, bool needed)
{
	size_t size, rows = 0;
	char *text = file_load(c, file, &size), why[500];
	struct csv csv;
	int got;

	c->shown = 0;
	if (!text) {
		if (needed)
			wrong(c, "%s: it is not there", file);
		return;
	}
	csv_open(&csv, text, size);
	while ((got = csv_record(&csv, why, sizeof(why))) > 0) {
		if (csv.fields != spec->rows) {
			wrong(c, "%s: line %u: %u fields, and the page has %u columns", file, csv.line, csv.fields, spec->rows);
			break;
		}
		for (unsigned i = 0; i < csv.fields; i++) {
			char quoted[600];

			snprintf(quoted, sizeof(quoted), "`%s`", csv.field[i]);
			if (rows)
				field_check(c, file, csv.line, spec->cell[i], csv.field[i]);
			else if (strcmp(quoted, spec->cell[i][0]))
				wrong(c, "%s: column %u is called \"%s\", and on the page %s", file, i + 1, csv.field[i], spec->cell[i][0]);
		}
		if (rows++ && spec == &c->raw)
			raw_check(c, file, csv.line, csv.field, !strcmp(file, "modelled.csv"));
	}
	if (got < 0)
		wrong(c, "%s: %s", file, why);
	if (rows < 2 && needed)
		wrong(c, "%s: it has no samples", file);
	free(text);
}

/* --- env.json --- */

static bool json_has_type(const json_t *v, const char *type)
{
	return !strcmp(type, "text") ? json_is_string(v) : !strcmp(type, "number") ? json_is_number(v) : !strcmp(type, "truth") ? json_is_boolean(v) :
		!strcmp(type, "object") ? json_is_object(v) : !strcmp(type, "array") && json_is_array(v);
}

/* One value against the row of its dotted name. */
static void value_check(struct check *c, const char *name, const json_t *v)
{
	int row = row_of(&c->env, name);

	if (row < 0)
		wrong(c, "env.json: the key %s is not on the page", name);
	else if (!json_has_type(v, c->env.cell[row][1]) && !(json_is_null(v) && strstr(c->env.cell[row][2], "null")))
		wrong(c, "env.json: %s is not of type %s", name, c->env.cell[row][1]);
}

/* An object whose members are on the page ("date.start"), or an array of such. */
static void members_check(struct check *c, const char *name, const json_t *v)
{
	char path[300];
	const char *key;
	json_t *member;
	size_t i;

	json_array_foreach(v, i, member)
		members_check(c, name, member);
	json_object_foreach((json_t *)v, key, member) {
		snprintf(path, sizeof(path), "%s.%s", name, key);
		value_check(c, path, member);
	}
	for (unsigned r = 0; json_is_object(v) && r < c->env.rows; r++) {
		const char *cell = c->env.cell[r][0] + 1;

		if (!strncmp(cell, name, strlen(name)) && cell[strlen(name)] == '.') {
			snprintf(path, sizeof(path), "%.*s", (int)strcspn(cell, "`"), cell);
			if (!json_object_get(v, path + strlen(name) + 1))
				wrong(c, "env.json: there is no %s", path);
		}
	}
}

static void env_check(struct check *c)
{
	static const char *const with_members[] = { "date", "tasks", "missing", "calibration" };
	char path[4400];
	json_error_t err;
	const char *key;
	json_t *env, *v;

	c->shown = 0;
	snprintf(path, sizeof(path), "%s/env.json", c->dir);
	env = json_load_file(path, JSON_REJECT_DUPLICATES, &err);
	if (!json_is_object(env)) {
		wrong(c, "env.json: %s", env ? "it is not an object" : err.text);
		json_decref(env);
		return;
	}
	json_object_foreach(env, key, v)
		value_check(c, key, v);
	for (unsigned r = 0; r < c->env.rows; r++) {
		char name[100];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(c->env.cell[r][0] + 1, "`"), c->env.cell[r][0] + 1);
		if (!strchr(name, '.') && !json_object_get(env, name))
			wrong(c, "env.json: there is no %s", name);
	}
	for (size_t i = 0; i < sizeof(with_members) / sizeof(*with_members); i++)
		members_check(c, with_members[i], json_object_get(env, with_members[i]));
	json_decref(env);
}

/* --- a directory --- */

static bool is_there(const struct check *c, const char *name)
{
	char path[4400];

	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	return !access(path, R_OK);
}

/* Nothing half-written, and each picture in both forms. */
static void files_check(struct check *c)
{
	DIR *d = opendir(c->dir);
	struct dirent *e;
	char other[300];

	c->shown = 0;
	while (d && (e = readdir(d))) {
		char *dot = strrchr(e->d_name, '.');

		if (dot && !strncmp(dot, ".part", 5))
			wrong(c, "%s: a file that was not finished", e->d_name);
		if (!dot || (strcmp(dot, ".svg") && strcmp(dot, ".png")))
			continue;
		snprintf(other, sizeof(other), "%.*s%s", (int)(dot - e->d_name), e->d_name, strcmp(dot, ".svg") ? ".svg" : ".png");
		if (!is_there(c, other))
			wrong(c, "%s: there is no %s beside it", e->d_name, other);
	}
	if (d)
		closedir(d);
	if (!is_there(c, "summary.md"))
		wrong(c, "summary.md: it is not there");
}

static void directory_check(struct check *c, const char *dir)
{
	unsigned before = c->wrong;

	c->dir = dir;
	if (!is_there(c, "raw.csv") && is_there(c, "env.json") && is_there(c, "compare.json")) {
		printf("%s: from before `ringlab bench` (compare.json): there is nothing to check\n", dir);
		return;
	}
	env_check(c);
	csv_check(c, "raw.csv", &c->raw, true);
	csv_check(c, "modelled.csv", &c->raw, false);
	csv_check(c, "timeline.csv", &c->time, false);
	files_check(c);
	if (c->wrong == before)
		printf("%s: as docs/results.md has it\n", dir);
}

static void table_free(struct table *t)
{
	for (unsigned r = 0; r < t->rows; r++)
		for (unsigned i = 0; i < CELLS; i++)
			free(t->cell[r][i]);
}

int main(int argc, char **argv)
{
	const char *page = RINGLAB_SOURCE "/docs/results.md";
	struct check c = { 0 };

	if (argc < 2) {
		fprintf(stderr, "usage: check-results DIR...\nHolds result directories of `ringlab bench` against docs/results.md.\n");
		return 2;
	}
	table_read(&c.raw, page, "| column of raw.csv");
	table_read(&c.time, page, "| column of timeline.csv");
	table_read(&c.metrics, page, "| metric | unit");
	table_read(&c.env, page, "| key of env.json");
	for (int i = 1; i < argc; i++)
		directory_check(&c, argv[i]);
	table_free(&c.raw);
	table_free(&c.time);
	table_free(&c.metrics);
	table_free(&c.env);
	return c.wrong ? 1 : 0;
}
