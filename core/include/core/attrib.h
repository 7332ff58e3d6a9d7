/*
 * attrib.h - which guest addresses cause the events: a histogram by address, kind and mechanism, for `run --top`.
 *
 * Kept only when asked for: then every event is timed, and lands here. Memory is bounded; what no longer fits is counted.
 */
#pragma once
#include "core/cpu.h"
#include "core/stats.h"
#include "core/symbols.h"

struct attrib;

struct attrib_row {
	char name[80]; /* a symbol; "[user]", "[boot]"; or an address where there are no symbols */
	uint8_t kind, mech;
	uint64_t count, cycles;
	uint64_t typical; /* cycles, had each event taken what those at its address usually take: the host's pauses do not count */
};

/* What the rows are part of. */
struct attrib_sum {
	uint64_t events, cycles; /* in the rows */
	uint64_t dropped;        /* events at addresses that found no room */
};

int attrib_create(struct attrib **out, const struct cpu_state *state); /* 0 or -ENOMEM; the paging bit of state is looked at */
void attrib_free(struct attrib *a);
/*
 * An event that took from t0 to t1. Costs are the event's own: those of events inside it are taken off. Async-signal-safe.
 * The instruction at eip caused it.
 */
void attrib_add(struct attrib *a, enum event_kind k, enum event_mech m, gva_t eip, uint64_t t0, uint64_t t1);
/* Sums up by symbol, dearest first; the caller frees *rows. Returns how many, or -ENOMEM. s may be empty. */
long attrib_rows(const struct attrib *a, struct symbols *s, struct attrib_row **rows, struct attrib_sum *sum);
