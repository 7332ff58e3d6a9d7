/*
 * trace.h - `--trace FILE`: every counted event, as Chrome trace-event JSON, which Perfetto opens.
 */
#pragma once
#include "core/stats.h"

struct trace;
int trace_open(struct trace **out, const char *path); /* before the jail; 0 or -errno */
void trace_event(struct trace *t, enum event_kind k, enum event_mech m, gva_t eip, uint64_t t0, uint64_t t1);
void trace_close(struct trace *t);
