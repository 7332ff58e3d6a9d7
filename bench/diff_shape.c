/*
 * diff_shape.c - is the column what docs/exits.md says? Only what diff reads is looked at; keys that are not there are as
 * empty, for older files lack some.
 */
#include <errno.h>
#include <string.h>
#include "diff.h"

/* A key of a row, and its type: 's' text, 'n' a number from 0, '?' such a number, or nothing. */
struct field {
	const char *key;
	char type;
};

static const struct field event_fields[] = { { "kind", 's' }, { "mechanism", 's' }, { "count", 'n' }, { NULL, 0 } };
static const struct field symbol_fields[] = { { "symbol", 's' }, { "kind", 's' }, { "mechanism", 's' }, { "count", 'n' }, { "cycles", 'n' },
	{ "typical", '?' }, { NULL, 0 } };
static const struct field cell_fields[] = { { "name", 's' }, { "n", 'n' }, { "first", 'n' }, { "steady", 'n' }, { NULL, 0 } };
static const struct field phase_fields[] = { { "line", 's' }, { "cycles", 'n' }, { NULL, 0 } };

static bool field_ok(const json_t *v, char type)
{
	if (type == 's')
		return json_is_string(v);
	if (type == '?' && (!v || json_is_null(v)))
		return true;
	return json_is_number(v) && json_number_value(v) >= 0;
}

static int rows_ok(const struct diff_side *s, const json_t *of, const char *key, const struct field *f, char *why, size_t n)
{
	const json_t *rows = json_object_get(of, key);

	if (!rows || json_is_null(rows))
		return 0;
	if (!json_is_array(rows)) {
		snprintf(why, n, "%.300s: \"%s\" is no array", s->path, key);
		return -EINVAL;
	}
	for (size_t i = 0; i < json_array_size(rows); i++)
		for (const struct field *k = f; k->key; k++)
			if (!field_ok(json_object_get(json_array_get(rows, i), k->key), k->type)) {
				snprintf(why, n, "%.300s: %s[%zu] has no %s \"%s\"", s->path, key, i, k->type == 's' ? "text" : "number from 0", k->key);
				return -EINVAL;
			}
	return 0;
}

/* An event's "cycles" and "hw_reason" may be null; what they hold may not be anything. */
static int events_ok(const struct diff_side *s, char *why, size_t n)
{
	const json_t *events = json_object_get(s->run, "events");

	for (size_t i = 0; i < json_array_size(events); i++) {
		const json_t *e = json_array_get(events, i), *c = json_object_get(e, "cycles"), *hw = json_object_get(e, "hw_reason");

		if (c && !json_is_null(c) && !field_ok(json_object_get(c, "median"), 'n')) {
			snprintf(why, n, "%.300s: events[%zu] has \"cycles\" without a median", s->path, i);
			return -EINVAL;
		}
		if (hw && !json_is_null(hw) && !json_is_string(json_object_get(hw, "name"))) {
			snprintf(why, n, "%.300s: events[%zu] has a \"hw_reason\" without a name", s->path, i);
			return -EINVAL;
		}
	}
	return 0;
}

int diff_shape(const struct diff_side *s, char *why, size_t n)
{
	const json_t *phases = json_object_get(s->run, "phases"), *missing = json_object_get(s->run, "symbols_missing"), *v;
	const char *key;
	int r;

	if ((r = rows_ok(s, s->run, "events", event_fields, why, n)) || (r = events_ok(s, why, n)) ||
		(r = rows_ok(s, s->run, "symbols", symbol_fields, why, n)) || (r = rows_ok(s, s->run, "cells", cell_fields, why, n)) ||
		(r = rows_ok(s, s->run, "phases", phase_fields, why, n)))
		return r;
	for (size_t i = 0; i < json_array_size(phases); i++)
		if ((r = rows_ok(s, json_array_get(phases, i), "events", event_fields, why, n)))
			return r;
	json_object_foreach((json_t *)missing, key, v)
		if (!field_ok(v, 'n')) {
			snprintf(why, n, "%.300s: \"symbols_missing\" has something that is no number from 0", s->path);
			return -EINVAL;
		}
	return 0;
}
