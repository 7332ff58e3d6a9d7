/*
 * linux_stats.c - reads what `ringlab run --stats` counted (docs/exits.md), for the tables of ablations and of host traps.
 *
 * guests/linux/lat.c prints "lat-phase NAME WHICH n=N" when it has done an operation so often: begin, first, warm, steady;
 * `--phase lat-phase` notes the counters there. Called by linux.c.
 */
#include <jansson.h>
#include <string.h>
#include "linux.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void counts_add(struct linux_counts *c, const json_t *event)
{
	double n = (double)json_integer_value(json_object_get(event, "count"));
	const char *kind = text_of(event, "kind"), *mech = text_of(event, "mechanism");
	struct { const char *name; double *at; } kinds[] = { { "shadow-fill", &c->fills }, { "translation", &c->translations },
		{ "interpret", &c->interpreted }, { "page-table-write", &c->pt_writes }, { "chain-miss", &c->misses },
		{ "indirect-miss", &c->misses } };

	if (!strcmp(mech, "host trap"))
		c->traps += n;
	if (!strcmp(mech, "callout"))
		c->callouts += n;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kind, kinds[i].name))
			*kinds[i].at += n;
}

static void counts_sum(struct linux_counts *c, const json_t *events)
{
	const json_t *e;
	size_t i;

	*c = (struct linux_counts){ 0 };
	json_array_foreach(events, i, e)
		counts_add(c, e);
}

bool linux_counts_read(const char *path, struct linux_counts *c)
{
	json_t *j = json_load_file(path, 0, NULL), *events = json_object_get(j, "events");

	bool ok = json_is_array(events);

	if (ok)
		counts_sum(c, events);
	json_decref(j);
	return ok;
}

bool linux_phases_print(const char *path, const char *title)
{
	json_t *j = json_load_file(path, 0, NULL), *phases = json_object_get(j, "phases"), *p;
	char name[40], which[16];
	unsigned n, rows = 0;
	size_t i;

	json_array_foreach(phases, i, p) {
		struct linux_counts c;

		if (sscanf(text_of(p, "line"), "lat-phase %39s %15s n=%u", name, which, &n) != 3 || !n)
			continue;
		counts_sum(&c, json_object_get(p, "events"));
		if (!rows++)
			printf("\n%s, on average: the first ones, those until it is warm, and the steady state\n"
				"%-16s %-8s %7s %10s %10s %10s %10s %11s\n", title, "operation", "", "n", "host traps", "callouts", "fills", "translated", "interpreted");
		printf("%-16s %-8s %7u %10.2f %10.2f %10.2f %10.2f %11.2f\n", name, which, n, c.traps / n, c.callouts / n, c.fills / n,
			c.translations / n, c.interpreted / n);
	}
	json_decref(j);
	return rows > 0;
}
