/*
 * schema_test.c - what `run --stats`, `compare --json` and `--tsv` print has the keys that docs/exits.md promises, and no
 * key that it does not name.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The names in the first column of the tables below a heading, up to the next heading, as an object's keys. */
static json_t *documented(const char *table)
{
	FILE *f = fopen(RINGLAB_SOURCE "/docs/exits.md", "r");
	json_t *keys = json_object();
	char line[1000];
	bool in = false;

	cr_assert(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "| key of", 8) || line[0] == '#')
			in = !strncmp(line, table, strlen(table));
		if (!in || strncmp(line, "| `", 3))
			continue;
		*strchr(strchr(line, '|') + 1, '|') = 0;
		for (char *p = strchr(line, '`'); p; p = strchr(p, '`')) {
			char *end = strchr(++p, '`');

			*end = 0;
			json_object_set_new(keys, p, json_true());
			p = end + 1;
		}
	}
	fclose(f);
	return keys;
}

static void same_keys(const json_t *got, const json_t *doc, const char *what)
{
	const char *key;
	json_t *v;

	cr_assert_gt(json_object_size(doc), 2, "docs/exits.md has no table of the keys of %s", what);
	json_object_foreach((json_t *)got, key, v)
		cr_expect(json_object_get(doc, key), "%s has the key %s, which docs/exits.md does not name", what, key);
	json_object_foreach((json_t *)doc, key, v)
		cr_expect(json_object_get(got, key), "%s has no key %s, which docs/exits.md promises", what, key);
}

static json_t *output_of(const char *words)
{
	char cmd[2000];
	json_error_t err;
	FILE *p;

	snprintf(cmd, sizeof(cmd), "%s %s %s </dev/null", RINGLAB_BINARY, words, strstr(words, "2>") ? "" : "2>/dev/null");
	p = popen(cmd, "r");
	cr_assert(p);
	json_t *j = json_loadf(p, 0, &err);
	pclose(p);
	cr_assert(j, "%s: %s", words, err.text);
	return j;
}

Test(schema, compare_json)
{
	json_t *j = output_of("compare --json --backends interp hello");
	json_t *col = json_array_get(json_object_get(j, "backends"), 0);
	json_t *column_keys = documented("| key of a COLUMN"), *event_keys = documented("| key of an event");

	cr_expect_str_eq(json_string_value(json_object_get(j, "guest")), "hello");
	same_keys(col, column_keys, "a column");
	same_keys(json_array_get(json_object_get(col, "events"), 0), event_keys, "an event");
	json_decref(column_keys);
	json_decref(event_keys);
	json_decref(j);
}

/* The keys that only some options fill. */
Test(schema, timeline_and_symbols)
{
	json_t *j = output_of("run --backend interp --append n=50 --by-symbol --timeline=1 --stats /dev/fd/3 nano 3>&1 >/dev/null 2>/dev/null");
	json_t *column_keys = documented("| key of a COLUMN"), *bucket_keys = documented("| key of a bucket"),
		*symbol_keys = documented("| key of a symbol");

	same_keys(j, column_keys, "a column");
	same_keys(json_array_get(json_object_get(j, "timeline"), 0), bucket_keys, "a bucket");
	same_keys(json_array_get(json_object_get(j, "symbols"), 0), symbol_keys, "a symbol");
	cr_expect(json_is_object(json_object_get(j, "symbols_missing")));
	cr_expect_eq(json_integer_value(json_object_get(j, "symbols_dropped")), 0);
	cr_expect_gt(json_real_value(json_object_get(j, "run_seconds")), 0);
	json_decref(column_keys);
	json_decref(bucket_keys);
	json_decref(symbol_keys);
	json_decref(j);
}

/* What `diff --json` prints has no key that docs/attribution.md does not name. */
Test(schema, diff_json)
{
	json_t *j = output_of("list >/dev/null 2>&1; A=$(mktemp) B=$(mktemp); for g in hello steps; do "
		RINGLAB_BINARY " run --backend interp --stats $A $g >/dev/null; C=$A A=$B B=$C; done; "
		RINGLAB_BINARY " diff --json $A $B; rm -f $A $B"), *v;
	char text[1 << 15];
	const char *key;
	FILE *f = fopen(RINGLAB_SOURCE "/docs/attribution.md", "r");

	cr_assert(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	cr_expect_gt(json_array_size(json_object_get(j, "rows")), 5);
	json_object_foreach(j, key, v) {
		char name[60];

		snprintf(name, sizeof(name), "`%s`", key);
		cr_expect(strstr(text, name), "diff --json has the key %s, which docs/attribution.md does not name", key);
	}
	json_decref(j);
}

/* Several guests give an array; a column without a run says why. */
Test(schema, absent_column)
{
	json_t *j = output_of("compare --json --backends interp,no-such hello hello");
	json_t *col = json_array_get(json_object_get(json_array_get(j, 1), "backends"), 1);

	cr_expect_eq(json_array_size(j), 2);
	cr_expect(json_is_false(json_object_get(col, "available")));
	cr_expect(json_string_length(json_object_get(col, "why")) > 10);
	json_decref(j);
}

/* Field counts of the three kinds of lines. */
Test(schema, tsv)
{
	char line[2000];
	unsigned lines = 0;
	FILE *p = popen(RINGLAB_BINARY " compare --tsv --backends interp --append n=3 nano 2>/dev/null </dev/null", "r");

	cr_assert(p);
	while (fgets(line, sizeof(line), p)) {
		unsigned tabs = 0, want = !strncmp(line, "column\t", 7) ? 8 : !strncmp(line, "event\t", 6) ? 12 : 8;

		for (char *c = line; *c; c++)
			tabs += *c == '\t';
		cr_expect_eq(tabs, want, "%u fields: %s", tabs + 1, line);
		lines++;
	}
	pclose(p);
	cr_expect_gt(lines, 30);
}
