/*
 * result_group.c - the samples of each figure brought together: a hash table over the rows, then medians and intervals.
 *
 * Linear in the rows but for the sorting of each group's values. Called by result.c.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "result_private.h"

#define KEYS 8

static void row_keys(const struct result_row *row, const char *key[KEYS])
{
	const char *k[KEYS] = { row->suite, row->workload, row->variant, row->engine, row->origin, row->metric, row->kind, row->mechanism };

	memcpy(key, k, sizeof(k));
}

static uint64_t row_hash(const struct result_row *row)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
	const char *key[KEYS];

	row_keys(row, key);
	for (int i = 0; i < KEYS; i++) {
		for (const char *p = key[i]; *p; p++)
			h = (h ^ (unsigned char)*p) * 0x100000001b3u;
		h = (h ^ 0xff) * 0x100000001b3u; /* no UTF-8 text has this byte: where a field ends */
	}
	return h ^ h >> 29;
}

static bool row_same(const struct result_row *a, const struct result_row *b)
{
	const char *ka[KEYS], *kb[KEYS];

	row_keys(a, ka);
	row_keys(b, kb);
	for (int i = 0; i < KEYS; i++)
		if (strcmp(ka[i], kb[i]))
			return false;
	return true;
}

/* The hash table: slot[i] is a group's number plus 1, or 0; of holds the number of each row's group. */
struct groups {
	uint32_t *slot, *of;
	size_t mask, room;
};

static bool table_grow(struct result *r, struct groups *g)
{
	size_t mask = g->mask ? 2 * g->mask + 1 : 1023;
	uint32_t *slot = calloc(mask + 1, sizeof(*slot));

	if (!slot)
		return false;
	for (size_t i = 0; i < r->groups; i++) {
		size_t at = row_hash(r->group[i].key) & mask;

		while (slot[at])
			at = (at + 1) & mask;
		slot[at] = (uint32_t)i + 1;
	}
	free(g->slot);
	g->slot = slot;
	g->mask = mask;
	return true;
}

static bool group_new(struct result *r, struct groups *g, const struct result_row *row)
{
	if (r->groups == g->room) {
		size_t room = g->room ? 2 * g->room : 256;
		struct result_group *grown = reallocarray(r->group, room, sizeof(*grown));

		if (!grown)
			return false;
		r->group = grown;
		g->room = room;
	}
	r->group[r->groups++] = (struct result_group){ .key = row };
	return true;
}

/* Finds or makes the group of a row. */
static bool group_of(struct result *r, struct groups *g, size_t i)
{
	size_t at;

	if (2 * r->groups >= g->mask && !table_grow(r, g))
		return false;
	for (at = row_hash(&r->row[i]) & g->mask; g->slot[at]; at = (at + 1) & g->mask)
		if (row_same(r->group[g->slot[at] - 1].key, &r->row[i]))
			break;
	if (!g->slot[at]) {
		if (!group_new(r, g, &r->row[i]))
			return false;
		g->slot[at] = (uint32_t)r->groups;
	}
	g->of[i] = g->slot[at] - 1;
	r->group[g->of[i]].n++;
	return true;
}

/* The lists of rows lie behind each other in one array, which the first group's pointer owns. */
static bool lists_make(struct result *r, const struct groups *g)
{
	const struct result_row **all = calloc(r->rows ? r->rows : 1, sizeof(*all));
	size_t at = 0;

	if (!all)
		return false;
	for (size_t i = 0; i < r->groups; i++) {
		r->group[i].row = all + at;
		at += r->group[i].n;
		r->group[i].n = 0;
	}
	for (size_t i = 0; i < r->rows; i++) {
		struct result_group *to = &r->group[g->of[i]];

		to->row[to->n++] = &r->row[i];
	}
	if (!r->groups)
		free(all);
	return true;
}

static bool group_figures(struct result_group *g)
{
	struct series all = { 0 }, quiet = { 0 };
	bool ok = true;

	for (size_t i = 0; i < g->n && ok; i++) {
		ok = !series_add(&all, g->row[i]->value);
		g->disturbed += g->row[i]->disturbed == 1;
		if (g->row[i]->disturbed != 1)
			ok = ok && !series_add(&quiet, g->row[i]->value);
	}
	if (ok) {
		g->median = series_median_interval(&all);
		g->p99 = series_quantile(&all, 0.99);
		g->min = series_quantile(&all, 0);
		g->max = series_quantile(&all, 1);
		g->quiet = series_quantile(&quiet, 0.5);
	}
	series_free(&all);
	series_free(&quiet);
	return ok;
}

int result_groups_make(struct result *r)
{
	struct groups g = { 0 };
	bool ok = r->rows < UINT32_MAX && (g.of = calloc(r->rows ? r->rows : 1, sizeof(*g.of)));

	ok = ok && table_grow(r, &g);
	for (size_t i = 0; i < r->rows && ok; i++)
		ok = group_of(r, &g, i);
	ok = ok && lists_make(r, &g);
	for (size_t i = 0; i < r->groups && ok; i++)
		ok = group_figures(&r->group[i]);
	free(g.slot);
	free(g.of);
	return ok ? 0 : -ENOMEM;
}

void result_groups_free(struct result *r)
{
	if (r->groups)
		free(r->group[0].row);
	free(r->group);
	r->group = NULL;
	r->groups = 0;
}
