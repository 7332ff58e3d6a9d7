/*
 * nested.c - VT-x for demonstrations on a machine without it: results that scripts/nested-vtx left in its cache, or recorded ones.
 *
 * A cached result counts for the very image that the demonstration shows, by its hash, with the same command line and the same paging
 * (EPT or shadow). Its counts are real and its times say nothing. What is in neither place stays unknown. Called by guest.c.
 */
#include <dirent.h>
#include <errno.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "stage.h"

static bool same_text(const json_t *o, const char *key, const char *want)
{
	const char *v = json_string_value(json_object_get(o, key));

	return want ? v && !strcmp(v, want) : !v;
}

static char *file_text(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t n = 0;

	if (f && getdelim(&text, &n, 0, f) < 0) {
		free(text);
		text = strdup("");
	}
	if (f)
		fclose(f);
	return text;
}

static bool option_asked(const struct demo_guest *g, const char *option)
{
	return g->options && strstr(g->options, option);
}

/* One entry of the cache, if it is a run of this guest. */
static json_t *cached(const char *dir, const struct demo_guest *g, bool ept, const char *sha256)
{
	char path[2400];
	json_t *column = NULL;

	snprintf(path, sizeof(path), "%s/result.json", dir);
	json_t *result = guest_json(path);
	if (result && same_text(result, "guest", g->guest) && same_text(result, "append", g->append) &&
	    json_integer_value(json_object_get(result, "ept")) == ept && !json_is_true(json_array_get(json_object_get(result, "kvm_irqchip"), 0))) {
		snprintf(path, sizeof(path), "%s/stats.json", dir);
		column = guest_json(path);
		if (column && (!same_text(column, "image_sha256", sha256) || (option_asked(g, "--witness") && !json_object_get(column, "witness")))) {
			json_decref(column);
			column = NULL;
		}
	}
	json_decref(result);
	if (column) {
		snprintf(path, sizeof(path), "%s/console", dir);
		char *console = file_text(path);
		json_object_set_new(column, "console", guest_lines(console));
		json_object_set_new(column, "origin", json_string("nested"));
		free(console);
	}
	return column;
}

/* Where scripts/nested-vtx keeps its results. */
static void cache_runs(struct stage *s, char *dir, size_t n)
{
	const char *cache = getenv("XDG_CACHE_HOME");

	if (cache && *cache)
		snprintf(dir, n, "%s/ringlab/runs", cache);
	else
		snprintf(dir, n, "%s/runs", s->setup->nested);
}

static json_t *from_cache(struct stage *s, const struct demo_guest *g, bool ept)
{
	char dir[1200], path[2000], image[1200], sha256[SHA256_DIGEST_STRING_LENGTH];
	json_t *column = NULL;
	struct dirent *d;

	cache_runs(s, dir, sizeof(dir));
	DIR *runs = opendir(dir);
	if (!runs)
		return NULL;
	if (s->setup->image(s->setup->ctx, g->guest, image, sizeof(image)) && SHA256File(image, sha256))
		while (!column && (d = readdir(runs)))
			if (*d->d_name != '.') {
				snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
				column = cached(path, g, ept, sha256);
			}
	closedir(runs);
	return column;
}

/* A column that is kept with the lectures: GUEST[:APPEND][,shadow].json, / as -. */
static json_t *from_records(struct stage *s, const struct demo_guest *g, bool ept)
{
	char path[1200];
	int n = snprintf(path, sizeof(path), "%s/", s->setup->recorded);

	if (n >= (int)sizeof(path))
		return NULL;
	snprintf(path + n, sizeof(path) - (size_t)n, "%s%s%s%s.json", g->guest, g->append ? ":" : "", g->append ? g->append : "", ept ? "" : ",shadow");
	for (char *c = path + n; *c; c++)
		*c = *c == '/' ? '-' : *c == ' ' ? '_' : *c;
	json_t *column = guest_json(path);
	if (column && !json_is_object(column)) {
		json_decref(column);
		column = NULL;
	}
	if (column)
		json_object_set_new(column, "origin", json_string("recorded"));
	return column;
}

json_t *nested_column(struct stage *s, const struct demo_guest *g, bool ept)
{
	json_t *column = from_cache(s, g, ept);

	return column ? column : from_records(s, g, ept);
}
