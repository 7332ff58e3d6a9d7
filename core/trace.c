/*
 * trace.c - `run --trace FILE`: one Chrome trace event for each counted event, which Perfetto's viewer opens.
 *
 * Events are kept in a buffer in memory and written when it fills, so that tracing perturbs the guest in bursts and
 * not at every event; what it costs shows as gaps in the trace. Timestamps are microseconds of TSC since the first event.
 */
#include "core/trace.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define TRACE_BUFFER 8192

struct trace_record {
	uint64_t t0, t1;
	uint32_t eip;
	uint8_t kind, mech;
};

struct trace {
	FILE *out;
	double us_per_tick;
	uint64_t first;
	unsigned n;
	bool any;
	struct trace_record rec[TRACE_BUFFER];
};

/* TSC ticks to microseconds, measured against the monotonic clock over 2 ms. */
static double trace_calibrate(void)
{
	struct timespec a, b;
	uint64_t ta, tb;

	clock_gettime(CLOCK_MONOTONIC, &a);
	ta = __rdtsc();
	do {
		clock_gettime(CLOCK_MONOTONIC, &b);
	} while ((b.tv_sec - a.tv_sec) * 1000000000ll + b.tv_nsec - a.tv_nsec < 2000000);
	tb = __rdtsc();
	return ((double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3) / (double)(tb - ta);
}

int trace_open(struct trace **out, const char *path)
{
	struct trace *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->out = fopen(path, "we");
	if (!t->out) {
		int r = -errno;
		free(t);
		return r;
	}
	t->us_per_tick = trace_calibrate();
	fprintf(t->out, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
		"{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"tid\":1,\"args\":{\"name\":\"ringlab\"}}");
	*out = t;
	return 0;
}

static void trace_flush(struct trace *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		const struct trace_record *r = &t->rec[i];
		fprintf(t->out, ",\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":%.3f,\"dur\":%.3f,"
			"\"args\":{\"eip\":\"%#x\",\"cycles\":%llu}}", event_kind_name[r->kind], event_mech_name[r->mech],
			(double)(r->t0 - t->first) * t->us_per_tick, (double)(r->t1 - r->t0) * t->us_per_tick, r->eip,
			(unsigned long long)(r->t1 - r->t0));
	}
	t->n = 0;
}

void trace_event(struct trace *t, enum event_kind k, enum event_mech m, gva_t eip, uint64_t t0, uint64_t t1)
{
	if (!t->any) {
		t->any = true;
		t->first = t0;
	}
	if (t->n == TRACE_BUFFER)
		trace_flush(t);
	t->rec[t->n++] = (struct trace_record){ t0, t1, (uint32_t)eip.a, (uint8_t)k, (uint8_t)m };
}

void trace_close(struct trace *t)
{
	if (!t)
		return;
	trace_flush(t);
	fprintf(t->out, "\n]}\n");
	fclose(t->out);
	free(t);
}
