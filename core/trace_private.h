/*
 * trace_private.h - what the files of --trace share. Only core/trace*.c include it.
 */
#pragma once
#include "core/trace.h"

#define EVENT_BYTES 256  /* no event takes more in the file, in either format */
#define HEADER_BYTES (16u << 10) /* nor does the rest of the file */
#define SYMBOL_BYTES 64

struct trace_record {
	uint64_t t0;
	uint32_t dur, eip; /* dur: cycles, saturated */
	uint8_t kind, mech;
};

struct trace {
	FILE *out;
	bool json;
	double us_per_tick;
	uint64_t first, n, room; /* n: events seen */
	struct trace_record *ring;
	char buf[65536]; /* no fstat in the jail */
};

/* Microseconds from the first event of the run to r. */
double trace_us(const struct trace *t, const struct trace_record *r);
/* The events from number from on, to t->out; what goes wrong is in its error flag. */
void trace_json(const struct trace *t, uint64_t from, struct symbols *symbols);
void trace_perfetto(const struct trace *t, uint64_t from, struct symbols *symbols);
