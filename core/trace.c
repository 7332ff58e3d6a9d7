/*
 * trace.c - `run --trace FILE`: counted events in a ring, written for Perfetto's viewer when the run has ended.
 *
 * A long run has more events than a viewer can open, so they go into a ring in memory and the last ones are written: the file is
 * bounded, and the guest is not disturbed by writing. Each kind of event has a track of its own. Two formats: Perfetto's own
 * (trace_perfetto.c), and Chrome's JSON (trace_json.c), which older viewers and jq read. Called by stats.c and cli_see.c.
 */
#include "trace_private.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

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

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

int trace_open(struct trace **out, const char *path, uint64_t size)
{
	struct trace *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	size = !size ? TRACE_SIZE_DEFAULT : size < TRACE_SIZE_MIN ? TRACE_SIZE_MIN : size;
	t->room = (size - HEADER_BYTES) / EVENT_BYTES;
	t->ring = mmap(NULL, t->room * sizeof(*t->ring), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	t->out = t->ring != MAP_FAILED ? fopen(path, "we") : NULL;
	if (!t->out) {
		r = -errno;
		if (t->ring != MAP_FAILED)
			munmap(t->ring, t->room * sizeof(*t->ring));
		free(t);
		return r;
	}
	t->json = ends_with(path, ".json");
	setvbuf(t->out, t->buf, _IOFBF, sizeof(t->buf));
	t->us_per_tick = trace_calibrate();
	*out = t;
	return 0;
}

void trace_event(struct trace *t, enum event_kind k, enum event_mech m, gva_t eip, uint64_t t0, uint64_t t1)
{
	uint64_t dur = t1 - t0;

	if (!t->n)
		t->first = t0;
	t->ring[t->n++ % t->room] = (struct trace_record){ t0, dur < UINT32_MAX ? (uint32_t)dur : UINT32_MAX, (uint32_t)eip.a, (uint8_t)k,
		(uint8_t)m };
}

double trace_us(const struct trace *t, const struct trace_record *r)
{
	return r->t0 > t->first ? (double)(r->t0 - t->first) * t->us_per_tick : 0;
}

int trace_close(struct trace *t, struct symbols *symbols, struct trace_summary *sum)
{
	uint64_t from = t->n > t->room ? t->n - t->room : 0;
	int r;

	*sum = (struct trace_summary){ .written = t->n - from, .dropped = from };
	if (t->json)
		trace_json(t, from, symbols);
	else
		trace_perfetto(t, from, symbols);
	r = ferror(t->out) ? -EIO : 0;
	if (fclose(t->out) && !r)
		r = -errno;
	munmap(t->ring, t->room * sizeof(*t->ring));
	free(t);
	return r;
}
