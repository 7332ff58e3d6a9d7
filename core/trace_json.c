/*
 * trace_json.c - a trace as Chrome's JSON: the "Trace Event Format", complete events (ph X) and metadata (ph M).
 *
 * Each kind of event is a "thread" of the format. Timestamps are microseconds of TSC since the first event. Called by trace.c.
 */
#include "trace_private.h"

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

	fprintf(t->out, ",\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,"
		"\"args\":{\"eip\":\"%#x\",\"cycles\":%u", event_kind_name[r->kind], event_mech_name[r->mech], r->kind + 1, trace_us(t, r),
		r->dur * t->us_per_tick, r->eip, r->dur);
	if (sym && name_plain(sym->name))
		fprintf(t->out, ",\"symbol\":\"%.*s\"", SYMBOL_BYTES, sym->name);
	fputs("}}", t->out);
}

void trace_json(const struct trace *t, uint64_t from, struct symbols *symbols)
{
	fprintf(t->out, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"events\":%llu,\"dropped\":%llu},\"traceEvents\":[\n"
		"{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"tid\":1,\"args\":{\"name\":\"ringlab\"}}",
		(unsigned long long)t->n, (unsigned long long)from);
	write_tracks(t, from);
	for (uint64_t i = from; i < t->n; i++)
		write_event(t, &t->ring[i % t->room], symbols);
	fprintf(t->out, "\n]}\n");
}
