/*
 * trace.h - `--trace FILE`: counted events in Perfetto's format, or as Chrome's JSON where FILE ends in .json.
 */
#pragma once
#include "core/stats.h"
#include "core/symbols.h"

#define TRACE_SIZE_DEFAULT (256ull << 20)
#define TRACE_SIZE_MIN (64ull << 10)

struct trace;

struct trace_summary {
	uint64_t written, dropped; /* events in the file, and older ones that gave way */
};

/*
 * Before the jail; 0 or -errno. The file will be no larger than size bytes (0: TRACE_SIZE_DEFAULT; at least TRACE_SIZE_MIN): of
 * more events the last ones are kept, in memory until trace_close.
 */
int trace_open(struct trace **out, const char *path, uint64_t size);
/* Async-signal-safe; no system call. */
void trace_event(struct trace *t, enum event_kind k, enum event_mech m, gva_t eip, uint64_t t0, uint64_t t1);
/* Writes the file, with names of addresses where symbols has them (it may be NULL): 0 or -errno. */
int trace_close(struct trace *t, struct symbols *symbols, struct trace_summary *sum);
