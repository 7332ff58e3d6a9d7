/*
 * trace.c - `run --trace FILE`: counted events as Chrome trace-event JSON, which Perfetto's viewer opens.
 *
 * A long run has more events than a viewer can open, so they go into a ring in memory and the last ones are written when the
 * run has ended: the file is bounded, and the guest is not disturbed by writing. Each kind of event has a track of its own
 * (a "thread" of the format). Timestamps are microseconds of TSC since the first event. The format: "Trace Event Format",
 * complete events (ph X) and metadata (ph M). Called by stats.c and cli_see.c.
 */
#include "core/trace.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define EVENT_BYTES 256  /* no event takes more in the file */
#define HEADER_BYTES (16u << 10)
#define SYMBOL_BYTES 64

struct trace_record {
	uint64_t t0;
	uint32_t dur, eip; /* dur: cycles, saturated */
	uint8_t kind, mech;
};

struct trace {
	FILE *out;
	double us_per_tick;
	uint64_t first, n, room; /* n: events seen */
	struct trace_record *ring;
	char buf[65536]; /* no fstat in the jail */
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

/* A name for each track that has events; they are sorted in the taxonomy's order. */
static void write_tracks(const struct trace *t, uint64_t from)
{
	bool seen[EV_COUNT] = { false };

	for (uint64_t i = from; i < t->n; i++)
		seen[t->ring[i % t->room].kind] = true;
	for (int k = 0; k < EV_COUNT; k++)
		if (seen[k])
			fprintf(t->out, ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"args\":{\"name\":\"%s\"}},\n"
				"{\"name\":\"thread_sort_index\",\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"args\":{\"sort_index\":%d}}",
				k + 1, event_kind_name[k], k + 1, k + 1);
}

/* A symbol's name may hold anything: only what needs no escape is written. */
static bool name_plain(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f || *s == '"' || *s == '\\')
			return false;
	return true;
}

static void write_event(const struct trace *t, const struct trace_record *r, struct symbols *symbols)
{
	const struct symbol *sym = symbols ? symbols_at(symbols, r->eip) : NULL;
	double ts = r->t0 > t->first ? (double)(r->t0 - t->first) * t->us_per_tick : 0;

	fprintf(t->out, ",\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,"
		"\"args\":{\"eip\":\"%#x\",\"cycles\":%u", event_kind_name[r->kind], event_mech_name[r->mech], r->kind + 1, ts,
		r->dur * t->us_per_tick, r->eip, r->dur);
	if (sym && name_plain(sym->name))
		fprintf(t->out, ",\"symbol\":\"%.*s\"", SYMBOL_BYTES, sym->name);
	fputs("}}", t->out);
}

int trace_close(struct trace *t, struct symbols *symbols, struct trace_summary *sum)
{
	uint64_t from = t->n > t->room ? t->n - t->room : 0;
	int r;

	*sum = (struct trace_summary){ .written = t->n - from, .dropped = from };
	fprintf(t->out, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"events\":%llu,\"dropped\":%llu},\"traceEvents\":[\n"
		"{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"tid\":1,\"args\":{\"name\":\"ringlab\"}}",
		(unsigned long long)t->n, (unsigned long long)from);
	write_tracks(t, from);
	for (uint64_t i = from; i < t->n; i++)
		write_event(t, &t->ring[i % t->room], symbols);
	fprintf(t->out, "\n]}\n");
	r = ferror(t->out) ? -EIO : 0;
	if (fclose(t->out) && !r)
		r = -errno;
	munmap(t->ring, t->room * sizeof(*t->ring));
	free(t);
	return r;
}
