/*
 * taxonomy.c - reads the table "Counts against truth" of docs/exits.md and holds a run's statistics against it.
 */
#include <stdio.h>
#include <string.h>
#include "abi/events.h"
#include "taxonomy.h"

#define FIELDS 12

/* Splits "| a | b |" into trimmed fields, without backquotes. Returns how many. */
static unsigned row_split(char *line, char *field[FIELDS])
{
	unsigned n = 0;
	char *save = NULL;

	for (char *p = strtok_r(line, "|\n", &save); p && n < FIELDS; p = strtok_r(NULL, "|\n", &save)) {
		char *end;

		p += strspn(p, " `");
		end = p + strlen(p);
		while (end > p && strchr(" `", end[-1]))
			*--end = 0;
		if (*p || n)
			field[n++] = p;
	}
	return n;
}

static enum demand demand_of(const char *word)
{
	static const char *const words[] = { "-", "exact", "inline", "never" };

	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(word, words[i]))
			return (enum demand)i;
	return DEMAND_UNKNOWN;
}

enum demand taxonomy_demand(const char *column, const char *kind)
{
	FILE *f = fopen(RINGLAB_SOURCE "/docs/exits.md", "r");
	enum demand found = DEMAND_UNKNOWN;
	char line[600], *field[FIELDS];
	unsigned at = 0;
	bool in = false;

	while (f && fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			in = strstr(line, "Counts against truth") != NULL;
		if (!in || line[0] != '|')
			continue;
		unsigned n = row_split(line, field);
		if (n && !strcmp(field[0], "kind")) {
			for (unsigned i = 1; i < n; i++)
				if (!strcmp(field[i], column))
					at = i;
		} else if (at && at < n && !strcmp(field[0], kind)) {
			found = demand_of(field[at]);
		}
	}
	if (f)
		fclose(f);
	return found;
}

static json_int_t count_of(json_t *stats, const char *kind)
{
	json_int_t sum = 0;
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(stats, "events"), i, e)
		if (!strcmp(json_string_value(json_object_get(e, "kind")), kind))
			sum += json_integer_value(json_object_get(e, "count"));
	return sum;
}

static bool demand_holds(enum demand d, json_int_t truth, json_int_t count, bool count_inline)
{
	switch (d) {
	case DEMAND_EXACT: return count == truth;
	case DEMAND_INLINE: return count_inline ? count == truth : count <= truth;
	case DEMAND_NEVER: return count == 0;
	case DEMAND_NONE: return true;
	default: return false;
	}
}

unsigned taxonomy_check(json_t *stats, const char *column, bool count_inline, unsigned *held, char *why, size_t n)
{
	static const char *const words[] = { "-", "exact", "inline", "never", "(no row in the table)" };
	unsigned bad = 0;
	size_t used = 0;

	*held = 0;
	why[0] = 0;
#define X(id, name, text) { \
		json_t *t = json_object_get(json_object_get(stats, "truth"), name); \
		enum demand d = taxonomy_demand(column, name); \
		json_int_t truth = json_integer_value(t), count = count_of(stats, name); \
		if (json_is_integer(t)) { \
			*held += truth > 0 && (d == DEMAND_EXACT || d == DEMAND_INLINE || d == DEMAND_NEVER); \
			if (!demand_holds(d, truth, count, count_inline)) { \
				bad++; \
				if (used < n) \
					used += (size_t)snprintf(why + used, n - used, "%s: %s: the guest executed %lld, counted %lld, demanded: %s\n", \
						column, name, (long long)truth, (long long)count, words[d]); \
			} \
		} \
	}
	EVENT_KINDS(X)
#undef X
	return bad;
}
