/*
 * taxonomy.h - the table of docs/exits.md that says where a backend's count must equal the guest's truth, and its check.
 *
 * The document is the contract: the test reads it, so that neither can drift from the other.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

enum demand {
	DEMAND_NONE,   /* "-": nothing is promised */
	DEMAND_EXACT,  /* "exact": equals the truth */
	DEMAND_INLINE, /* "inline": equals the truth with --count-inline; without it, at most the truth */
	DEMAND_NEVER,  /* "never": not seen at all */
	DEMAND_UNKNOWN,
};

/* What the table demands of a kind on a column ("bt", "pv:xen", ...); DEMAND_UNKNOWN when there is no such row or column. */
enum demand taxonomy_demand(const char *column, const char *kind);

/*
 * Holds a backends[] element against the table: how many kinds break their demand, each with a line in why[n]. *held
 * counts the kinds that were compared with a truth above zero.
 */
unsigned taxonomy_check(json_t *stats, const char *column, bool count_inline, unsigned *held, char *why, size_t n);
