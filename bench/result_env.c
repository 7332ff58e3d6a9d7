/*
 * result_env.c - env.json of a result directory: read, and the shape checked of all that others take from it.
 *
 * A key may be missing, since older results lack what newer ones have; one of the wrong type is an error. That all are there is what
 * the schema test asks (docs/results.md). Called by result.c.
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "result_private.h"

#define FILE_NAME "env.json"

enum shape { TEXT, NUMBER, TRUTH, OBJECT, ARRAY };

static const char *const shape_name[] = { "text", "a number", "true or false", "an object", "an array" };

static bool has_shape(const json_t *v, enum shape shape)
{
	switch (shape) {
	case TEXT:
		return json_is_string(v);
	case NUMBER:
		return json_is_number(v) && isfinite(json_number_value(v));
	case TRUTH:
		return json_is_boolean(v);
	case OBJECT:
		return json_is_object(v);
	case ARRAY:
		return json_is_array(v);
	}
	return false;
}

static const struct {
	const char *in, *key; /* in NULL: at the top */
	enum shape shape;
} keys[] = {
	{ NULL, "name", TEXT },       { NULL, "date", OBJECT },      { NULL, "commit", TEXT },     { NULL, "host", TEXT },
	{ NULL, "command", TEXT },    { NULL, "options", OBJECT },   { NULL, "complete", TRUTH },  { NULL, "tasks", OBJECT },
	{ NULL, "missing", ARRAY },   { NULL, "tsc_hz", NUMBER },    { NULL, "cpu", TEXT },        { NULL, "cpus", NUMBER },
	{ NULL, "microcode", TEXT },  { NULL, "kernel", TEXT },      { NULL, "kvm_module", TEXT }, { NULL, "huge_pages", TEXT },
	{ NULL, "mitigations", OBJECT }, { NULL, "packages", OBJECT }, { NULL, "peers", OBJECT },  { NULL, "doctor", OBJECT },
	{ NULL, "calibration", OBJECT }, { NULL, "rounds", OBJECT },  { NULL, "governor", TEXT },    { NULL, "steal_seconds", NUMBER },
	{ "date", "start", TEXT },    { "date", "end", TEXT },       { "tasks", "planned", NUMBER }, { "tasks", "done", NUMBER },
	{ "calibration", "best", NUMBER }, { "calibration", "median", NUMBER }, { "calibration", "disturbed", NUMBER },
	{ "calibration", "samples", NUMBER },
};

static int keys_check(const struct result *r, char *why, size_t n)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *v = json_object_get(keys[i].in ? json_object_get(r->env, keys[i].in) : r->env, keys[i].key);

		if (v && !json_is_null(v) && !has_shape(v, keys[i].shape))
			return result_wrong(why, n, r, FILE_NAME, "\"%s%s%s\" is not %s", keys[i].in ? keys[i].in : "", keys[i].in ? "." : "",
				keys[i].key, shape_name[keys[i].shape]);
	}
	return 0;
}

/* Each member of an object of names to versions and the like. */
static int texts_check(const struct result *r, const char *key, char *why, size_t n)
{
	json_t *v;
	const char *name;

	json_object_foreach(json_object_get(r->env, key), name, v)
		if (!json_is_string(v))
			return result_wrong(why, n, r, FILE_NAME, "\"%s\" holds \"%.60s\", which is not text", key, name);
	return 0;
}

static int missing_check(const struct result *r, char *why, size_t n)
{
	static const char *const part[] = { "suite", "engine", "part", "why" };
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(r->env, "missing"), i, v)
		for (int k = 0; k < 4; k++)
			if (!json_is_string(json_object_get(v, part[k])))
				return result_wrong(why, n, r, FILE_NAME, "\"missing\"[%zu] has no text \"%s\"", i, part[k]);
	return 0;
}

/* 0 with r->env, or -errno. */
static int env_load(struct result *r, char *why, size_t n)
{
	json_error_t err;
	size_t size;
	int fd, e = result_file_open(r, FILE_NAME, &fd, &size, why, n);

	if (!e && fd < 0) {
		result_wrong(why, n, r, NULL, "there is no " FILE_NAME " in it: it is not a result of `ringlab bench`");
		e = -ENOENT;
	}
	if (!e) {
		r->env = json_loadfd(fd, JSON_REJECT_DUPLICATES, &err);
		if (!r->env)
			e = result_wrong(why, n, r, FILE_NAME, "line %d, column %d: %s", err.line, err.column, err.text);
		else if (!json_is_object(r->env))
			e = result_wrong(why, n, r, FILE_NAME, "it holds an array, where an object is expected");
	}
	if (fd >= 0)
		close(fd);
	return e;
}

int result_env_read(struct result *r, char *why, size_t n)
{
	int e = env_load(r, why, n);

	if (!e)
		e = keys_check(r, why, n);
	if (!e)
		e = texts_check(r, "packages", why, n);
	if (!e)
		e = texts_check(r, "peers", why, n);
	if (!e)
		e = texts_check(r, "mitigations", why, n);
	return e ? e : missing_check(r, why, n);
}
