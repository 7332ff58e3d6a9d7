/*
 * facts.c - what a demonstration says that a run has to bear out: recorded under keys that a test can look up in the COLUMNs.
 *
 * The keys' grammar is in demo.h; core/demo/test holds every fact against the columns, and against runs of its own.
 */
#include <stdio.h>
#include <string.h>
#include "stage.h"

long long demo_fact(struct stage *s, const char *key, long long v)
{
	json_object_set_new(s->facts, key, json_integer(v));
	return v;
}

const char *demo_fact_text(struct stage *s, const char *key, const char *v)
{
	json_object_set_new(s->facts, key, v ? json_string(v) : json_null());
	return v;
}

/* "GUEST[:APPEND]@NAME.", what every key of this column begins with. */
static int key_begin(const json_t *column, char *key, size_t n)
{
	const char *guest = json_string_value(json_object_get(column, "guest")), *append = json_string_value(json_object_get(column, "append"));

	return snprintf(key, n, "%s%s%s@%s.", guest ? guest : "?", append ? ":" : "", append ? append : "", demo_name(column));
}

long long demo_fact_count(struct stage *s, const json_t *column, const char *kind, const char *mech)
{
	char key[400];
	int n = key_begin(column, key, sizeof(key));

	snprintf(key + n, sizeof(key) - (size_t)n, "count.%s%s%s", kind, mech ? "." : "", mech ? mech : "");
	return demo_fact(s, key, demo_count(column, kind, mech));
}

long long demo_fact_truth(struct stage *s, const json_t *column, const char *kind)
{
	const json_t *n = json_object_get(json_object_get(column, "truth"), kind);
	char key[400];
	int at = key_begin(column, key, sizeof(key));

	snprintf(key + at, sizeof(key) - (size_t)at, "truth.%s", kind);
	return demo_fact(s, key, n ? (long long)json_integer_value(n) : -1);
}

long long demo_fact_cost(struct stage *s, const json_t *column, const char *kind)
{
	char key[400];
	int n = key_begin(column, key, sizeof(key));

	snprintf(key + n, sizeof(key) - (size_t)n, "cost.%s", kind);
	return demo_fact(s, key, demo_cost(column, kind));
}

const char *demo_fact_mechanism(struct stage *s, const json_t *column, const char *kind)
{
	char key[400];
	int n = key_begin(column, key, sizeof(key));

	snprintf(key + n, sizeof(key) - (size_t)n, "mechanism.%s", kind);
	return demo_fact_text(s, key, demo_mechanism(column, kind));
}

const char *demo_fact_console(struct stage *s, const json_t *column, const char *name)
{
	char key[400];
	int n = key_begin(column, key, sizeof(key));

	snprintf(key + n, sizeof(key) - (size_t)n, "console.%s", name);
	return demo_fact_text(s, key, demo_console(column, name));
}

const char *demo_fact_witness(struct stage *s, const json_t *column, const char *kind, const char *side, const char *field)
{
	static const char *const ring[] = { "0", "1", "2", "3" };
	const json_t *v = json_object_get(json_object_get(demo_witness(column, kind), side), field);
	char key[400];
	int n = key_begin(column, key, sizeof(key));

	snprintf(key + n, sizeof(key) - (size_t)n, "witness.%s.%s.%s", kind ? kind : "first", side, field);
	json_object_set(s->facts, key, v ? (json_t *)v : json_null());
	return json_is_string(v) ? json_string_value(v) : json_is_integer(v) ? ring[json_integer_value(v) & 3] : "-";
}
