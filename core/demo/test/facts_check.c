/*
 * facts_check.c - what a fact's key means (core/demo/demo.h), read anew: none of this is shared with the demonstrations.
 */
#include "facts_check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *text_of(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	return v ? v : "";
}

/* The part of the key behind this column's name, or NULL: "GUEST[:APPEND]@NAME.rest", or "NAME.rest". */
static const char *key_rest(const json_t *column, const char *key)
{
	const char *append = json_string_value(json_object_get(column, "append")), *at = NULL;
	char whole[500];
	size_t n;

	snprintf(whole, sizeof(whole), "%s%s%s@%s.", text_of(column, "guest"), append ? ":" : "", append ? append : "", text_of(column, "name"));
	n = strlen(whole);
	if (!strncmp(key, whole, n))
		return key + n;
	at = strchr(key, '@');
	snprintf(whole, sizeof(whole), "%s.", text_of(column, "name"));
	n = strlen(whole);
	return !at && !strncmp(key, whole, n) ? key + n : NULL;
}

/* Of the events of that kind (and mechanism): the sum of the counts; the row with the largest in *top. */
static long long events_sum(const json_t *column, const char *kind, const char *mech, const json_t **top)
{
	long long sum = 0, most = 0;
	const json_t *e;
	size_t i;

	*top = NULL;
	json_array_foreach((json_t *)json_object_get(column, "events"), i, e) {
		long long c = (long long)json_integer_value(json_object_get(e, "count"));

		if (strcmp(text_of(e, "kind"), kind) || (mech && strcmp(text_of(e, "mechanism"), mech)))
			continue;
		sum += c;
		if (c > most) {
			most = c;
			*top = e;
		}
	}
	return sum;
}

static json_t *fact_count(const json_t *column, const char *rest)
{
	char kind[100];
	const char *mech = strchr(rest, '.');
	const json_t *top;

	snprintf(kind, sizeof(kind), "%.*s", (int)(mech ? mech - rest : (long)strlen(rest)), rest);
	return json_integer(events_sum(column, kind, mech ? mech + 1 : NULL, &top));
}

/* The dearest: of the most frequent row that has a cost. */
static json_t *fact_cost(const json_t *column, const char *kind)
{
	long long most = 0;
	json_t *cost = NULL;
	const json_t *e;
	size_t i;

	json_array_foreach((json_t *)json_object_get(column, "events"), i, e) {
		json_t *median = json_object_get(json_object_get(e, "cycles"), "median");
		if (!strcmp(text_of(e, "kind"), kind) && median && json_integer_value(json_object_get(e, "count")) > most) {
			most = json_integer_value(json_object_get(e, "count"));
			cost = median;
		}
	}
	return cost ? json_incref(cost) : json_integer(-1);
}

static json_t *fact_mechanism(const json_t *column, const char *kind)
{
	const json_t *top;

	events_sum(column, kind, NULL, &top);
	return json_string(top ? text_of(top, "mechanism") : "native");
}

static json_t *fact_truth(const json_t *column, const char *kind)
{
	json_t *v = json_object_get(json_object_get(column, "truth"), kind);

	return v ? json_incref(v) : json_integer(-1);
}

static json_t *fact_console(const json_t *column, const char *name)
{
	const json_t *l;
	size_t i, n = strlen(name);

	json_array_foreach((json_t *)json_object_get(column, "console"), i, l) {
		const char *line = json_string_value(l);
		if (!strncmp(line, name, n) && line[n] == ' ')
			return json_string(line + n + strspn(line + n, " "));
	}
	return json_null();
}

/* KIND.SIDE.FIELD */
static json_t *fact_witness(const json_t *column, const char *rest)
{
	char kind[100], side[20], field[20];
	const json_t *w;
	size_t i;

	if (sscanf(rest, "%99[^.].%19[^.].%19s", kind, side, field) != 3)
		return NULL;
	json_array_foreach((json_t *)json_object_get(column, "witness"), i, w)
		if (!strcmp(kind, "first") || !strcmp(text_of(w, "kind"), kind))
			return json_object_get(json_object_get(w, side), field) ? json_incref(json_object_get(json_object_get(w, side), field)) : json_null();
	return json_null();
}

/* What the column says about the rest of a key; NULL: that is no key. */
static json_t *look_up(const json_t *column, const char *rest)
{
	static const struct {
		const char *name;
		json_t *(*fn)(const json_t *column, const char *rest);
	} form[] = {
		{ "count.", fact_count }, { "cost.", fact_cost }, { "mechanism.", fact_mechanism }, { "truth.", fact_truth },
		{ "console.", fact_console }, { "witness.", fact_witness },
	};

	for (size_t i = 0; i < sizeof(form) / sizeof(form[0]); i++)
		if (!strncmp(rest, form[i].name, strlen(form[i].name)))
			return form[i].fn(column, rest + strlen(form[i].name));
	return NULL;
}

/* 0: some column bears it out. Else 1, and a sentence. */
static int fact_wrong(const json_t *file, const char *key, const json_t *v, char *why, size_t n)
{
	const json_t *column;
	char *said = NULL;
	bool named = false;
	size_t i;

	json_array_foreach((json_t *)json_object_get(file, "columns"), i, column) {
		const char *rest = key_rest(column, key);
		json_t *found = rest ? look_up(column, rest) : NULL;
		bool same = found && json_equal(found, v);

		named |= rest != NULL;
		if (found && !same) {
			free(said);
			said = json_dumps(found, JSON_ENCODE_ANY);
		}
		json_decref(found);
		if (same) {
			free(said);
			return 0;
		}
	}
	char *told = json_dumps(v, JSON_ENCODE_ANY);
	snprintf(why, n, "%s: the demonstration says %s, %s%s", key, told ? told : "nothing",
		said ? "the run says " : named ? "and no test knows how to look that up" : "and there is no such column", said ? said : "");
	free(told);
	free(said);
	return 1;
}

int facts_check(const json_t *file, char *why, size_t n)
{
	const char *key;
	json_t *v;
	char first[1000];
	int wrong = 0;

	json_object_foreach(json_object_get(file, "facts"), key, v)
		if (strncmp(key, "derived.", 8))
			wrong += fact_wrong(file, key, v, wrong ? first : why, wrong ? sizeof(first) : n);
	return wrong;
}

/* ---- runs of the test's own ---- */

static json_t *run_again(const json_t *column)
{
	const json_t *word, *command = json_object_get(column, "command");
	char stats[] = "/tmp/demo-rerun-XXXXXX", line[2000];
	size_t i, at;
	json_error_t err;
	int fd = mkstemp(stats);

	if (fd < 0)
		return NULL;
	close(fd);
	at = (size_t)snprintf(line, sizeof(line), "timeout 60 %s run --stats %s", RINGLAB_BINARY, stats);
	json_array_foreach((json_t *)command, i, word)
		at += (size_t)snprintf(line + at, sizeof(line) - at, " '%s'", json_string_value(word));
	at += (size_t)snprintf(line + at, sizeof(line) - at, " 2>/dev/null </dev/null");
	FILE *p = popen(line, "r");
	json_t *console = json_array();
	char *text = NULL;
	size_t size = 0;
	for (ssize_t len; p && (len = getline(&text, &size, p)) > 0;) {
		text[strcspn(text, "\r\n")] = 0;
		json_array_append_new(console, json_string(text));
	}
	free(text);
	if (p)
		pclose(p);
	json_t *again = json_load_file(stats, 0, &err);
	unlink(stats);
	if (again)
		json_object_set(again, "console", console);
	json_decref(console);
	return again;
}

/* Kinds whose counts follow from the guest's instructions alone (docs/exits.md); the others depend on caches, host clocks and adaptation. */
static bool kind_varies(const char *kind)
{
	static const char *const varies[] = { "shadow-fill", "translation", "chain-miss", "indirect-miss", "self-modified-code", "interpret",
		"host-fault", "kick", "other", "irq-window", "page-table-write", "hypercall" };

	for (size_t i = 0; i < sizeof(varies) / sizeof(varies[0]); i++)
		if (!strncmp(kind, varies[i], strlen(varies[i])) && (!kind[strlen(varies[i])] || kind[strlen(varies[i])] == '.'))
			return true;
	return false;
}

/*
 * The guest itself did it another number of times, for it waits for a clock; or the VMM is asked only sometimes (docs/exits.md: counted
 * inline), as when code that needs no VMM finds an interrupt waiting.
 */
static bool truth_varies(const json_t *old, const json_t *now, const char *rest)
{
	char kind[100];
	const json_t *top;

	snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(rest, "."), rest);
	json_t *a = json_object_get(json_object_get(old, "truth"), kind), *b = json_object_get(json_object_get(now, "truth"), kind);
	long long n = events_sum(old, kind, NULL, &top), m = events_sum(now, kind, NULL, &top), truth = (long long)json_integer_value(a);
	return a && b && (!json_equal(a, b) || (n != m && n < truth && m < truth));
}

/* May this fact be another in the next run, with nobody at fault? */
static bool fact_varies(const json_t *old, const json_t *now, const char *rest)
{
	const char *kind = strchr(rest, '.');

	if (!kind)
		return false;
	kind++;
	if (!strncmp(rest, "cost.", 5) || !strncmp(rest, "console.cost-", 13) || (!strncmp(rest, "console.", 8) && strstr(rest, "cycles")))
		return true;
	if (!strncmp(rest, "count.", 6) || !strncmp(rest, "truth.", 6) || !strncmp(rest, "mechanism.", 10))
		return kind_varies(kind) || truth_varies(old, now, kind);
	/* EFLAGS of whoever happened to be interrupted; the rings and selectors stay. */
	return !strncmp(rest, "witness.", 8) && (kind_varies(kind) || strstr(rest, ".eflags"));
}

static void drop_varying(json_t *file, const json_t *old, const json_t *now)
{
	json_t *facts = json_object_get(file, "facts"), *v;
	const char *key;
	void *tmp;

	json_object_foreach_safe(facts, tmp, key, v) {
		const char *rest = key_rest(old, key);
		if (rest && fact_varies(old, now, rest))
			json_object_del(facts, key);
	}
}

int facts_rerun(json_t *file, char *why, size_t n)
{
	json_t *columns = json_object_get(file, "columns"), *column;
	int runs = 0;
	size_t i;

	json_array_foreach(columns, i, column) {
		if (!json_is_true(json_object_get(column, "available")) || strcmp(text_of(column, "origin"), "measured"))
			continue;
		json_t *again = run_again(column);
		if (!again) {
			snprintf(why, n, "%s on %s cannot be run again", text_of(column, "guest"), text_of(column, "name"));
			return -1;
		}
		static const char *const keep[] = { "guest", "append", "name", "listing" };
		for (size_t k = 0; k < 4; k++)
			json_object_set(again, keep[k], json_object_get(column, keep[k]) ? json_object_get(column, keep[k]) : json_null());
		drop_varying(file, column, again);
		json_array_set_new(columns, i, again);
		runs++;
	}
	return runs;
}
