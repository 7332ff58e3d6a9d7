/*
 * trace_perfetto.c - a trace in Perfetto's own format: a sequence of TracePacket, encoded as protocol buffers.
 *
 * A process track with a track for each kind of event, whose slices begin and end with it; and a counter track for each
 * mechanism, the events a second over time. Names are interned: said once, in the first packet, and then by number. Packets are
 * not in the order of time; Perfetto sorts them. What is used of the schema is in core/test/see/perfetto.proto, which the tests
 * decode with; the numbers below are its. Called by trace.c. The format: perfetto.dev/docs/reference/trace-packet-proto.
 */
#include <assert.h>
#include <string.h>
#include "trace_private.h"

#define SEQUENCE 1
#define TRACK_PROCESS 1
#define TRACK_KIND(k) (100u + (unsigned)(k))
#define TRACK_MECH(m) (10u + (unsigned)(m))
#define BINS 64
#define MESSAGE_BYTES 480

/* Field numbers. */
enum { TRACE_PACKET = 1 };
enum { PACKET_TIMESTAMP = 8, PACKET_SEQUENCE = 10, PACKET_EVENT = 11, PACKET_INTERNED = 12, PACKET_FLAGS = 13, PACKET_TRACK = 60,
	PACKET_FIRST = 87 };
enum { FLAG_CLEARED = 1, FLAG_NEEDS_STATE = 2 };
enum { EVENT_CATEGORY_IIDS = 3, EVENT_ANNOTATIONS = 4, EVENT_TYPE = 9, EVENT_NAME_IID = 10, EVENT_TRACK = 11, EVENT_NAME = 23,
	EVENT_COUNTER = 30 };
enum { TYPE_BEGIN = 1, TYPE_END = 2, TYPE_INSTANT = 3, TYPE_COUNTER = 4 };
enum { TRACK_UUID = 1, TRACK_NAME = 2, TRACK_IS_PROCESS = 3, TRACK_PARENT = 5, TRACK_IS_COUNTER = 8 };
enum { PROCESS_PID = 1, PROCESS_NAME = 6 };
enum { COUNTER_UNIT_NAME = 6 };
enum { INTERNED_CATEGORIES = 1, INTERNED_NAMES = 2, INTERNED_ANNOTATIONS = 3, ENTRY_IID = 1, ENTRY_NAME = 2 };
enum { ANNOTATION_NAME_IID = 1, ANNOTATION_UINT = 3, ANNOTATION_STRING = 6, ANNOTATION_POINTER = 7 };
enum { ARG_EIP = 1, ARG_CYCLES, ARG_SYMBOL, ARG_EVENTS };

/* A message that is being built; what does not fit is a bug of ours, for all sizes are bounded. */
struct message {
	size_t n;
	uint8_t byte[MESSAGE_BYTES];
};

/* --- protocol buffers --- */

static void put_byte(struct message *m, unsigned v)
{
	assert(m->n < sizeof(m->byte));
	m->byte[m->n++] = (uint8_t)v;
}

static void put_varint(struct message *m, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		put_byte(m, (unsigned)v | 0x80);
	put_byte(m, (unsigned)v);
}

static void put_uint(struct message *m, unsigned field, uint64_t v)
{
	put_varint(m, field << 3);
	put_varint(m, v);
}

static void put_bytes(struct message *m, unsigned field, const void *data, size_t n)
{
	put_varint(m, field << 3 | 2);
	put_varint(m, n);
	for (size_t i = 0; i < n; i++)
		put_byte(m, ((const uint8_t *)data)[i]);
}

static void put_text(struct message *m, unsigned field, const char *s)
{
	put_bytes(m, field, s, strlen(s));
}

static void put_message(struct message *m, unsigned field, const struct message *inner)
{
	put_bytes(m, field, inner->byte, inner->n);
}

/* A field of length n whose content follows by other means. */
static void write_head(FILE *out, unsigned field, size_t n)
{
	struct message head = { 0 };

	put_varint(&head, field << 3 | 2);
	put_varint(&head, n);
	fwrite(head.byte, 1, head.n, out);
}

static void write_packet(FILE *out, struct message *packet, unsigned flags)
{
	put_uint(packet, PACKET_SEQUENCE, SEQUENCE);
	put_uint(packet, PACKET_FLAGS, flags);
	write_head(out, TRACE_PACKET, packet->n);
	fwrite(packet->byte, 1, packet->n, out);
}

/* --- names and tracks --- */

/* A packet of its own for each entry: they add up along the sequence. */
static void write_name(FILE *out, unsigned index, unsigned iid, const char *name, bool first)
{
	struct message entry = { 0 }, interned = { 0 }, packet = { 0 };

	put_uint(&entry, ENTRY_IID, iid);
	put_text(&entry, ENTRY_NAME, name);
	put_message(&interned, index, &entry);
	put_message(&packet, PACKET_INTERNED, &interned);
	if (first)
		put_uint(&packet, PACKET_FIRST, 1);
	write_packet(out, &packet, first ? FLAG_CLEARED : FLAG_NEEDS_STATE);
}

static void write_track(FILE *out, unsigned uuid, const char *name, unsigned part, const struct message *content)
{
	struct message track = { 0 }, packet = { 0 };

	put_uint(&track, TRACK_UUID, uuid);
	if (uuid != TRACK_PROCESS)
		put_uint(&track, TRACK_PARENT, TRACK_PROCESS);
	if (name)
		put_text(&track, TRACK_NAME, name);
	if (content)
		put_message(&track, part, content);
	put_message(&packet, PACKET_TRACK, &track);
	write_packet(out, &packet, FLAG_NEEDS_STATE);
}

static void write_tracks(const struct trace *t, uint64_t from)
{
	static const char *const argument[] = { [ARG_EIP] = "eip", [ARG_CYCLES] = "cycles", [ARG_SYMBOL] = "symbol", [ARG_EVENTS] = "events" };
	bool kind[EV_COUNT] = { false }, mech[MECH_COUNT] = { false };
	struct message process = { 0 }, counter = { 0 };
	char name[80];

	for (uint64_t i = from; i < t->n; i++)
		kind[t->ring[i % t->room].kind] = mech[t->ring[i % t->room].mech] = true;
	for (unsigned a = ARG_EIP; a <= ARG_EVENTS; a++)
		write_name(t->out, INTERNED_ANNOTATIONS, a, argument[a], a == ARG_EIP);
	put_uint(&process, PROCESS_PID, 1);
	put_text(&process, PROCESS_NAME, "ringlab");
	write_track(t->out, TRACK_PROCESS, NULL, TRACK_IS_PROCESS, &process);
	put_text(&counter, COUNTER_UNIT_NAME, "events/s");
	for (int m = 0; m < MECH_COUNT; m++)
		if (mech[m]) {
			snprintf(name, sizeof(name), "events a second: %s", event_mech_name[m]);
			write_name(t->out, INTERNED_CATEGORIES, (unsigned)m + 1, event_mech_name[m], false);
			write_track(t->out, TRACK_MECH(m), name, TRACK_IS_COUNTER, &counter);
		}
	for (int k = 0; k < EV_COUNT; k++)
		if (kind[k]) {
			write_name(t->out, INTERNED_NAMES, (unsigned)k + 1, event_kind_name[k], false);
			write_track(t->out, TRACK_KIND(k), event_kind_name[k], 0, NULL);
		}
}

/* --- events --- */

static uint64_t nanoseconds(const struct trace *t, const struct trace_record *r)
{
	return (uint64_t)(trace_us(t, r) * 1e3);
}

static void write_event(FILE *out, uint64_t ns, const struct message *event)
{
	struct message packet = { 0 };

	put_uint(&packet, PACKET_TIMESTAMP, ns);
	put_message(&packet, PACKET_EVENT, event);
	write_packet(out, &packet, FLAG_NEEDS_STATE);
}

static void put_annotation(struct message *event, unsigned name, unsigned field, uint64_t v, const char *text)
{
	struct message a = { 0 };

	put_uint(&a, ANNOTATION_NAME_IID, name);
	if (text)
		put_bytes(&a, field, text, strnlen(text, SYMBOL_BYTES));
	else
		put_uint(&a, field, v);
	put_message(event, EVENT_ANNOTATIONS, &a);
}

/* A string of the format is UTF-8; what is not plain ASCII is left out. */
static bool name_plain(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f)
			return false;
	return true;
}

static void write_slice(const struct trace *t, const struct trace_record *r, struct symbols *symbols)
{
	const struct symbol *sym = symbols ? symbols_at(symbols, r->eip) : NULL;
	struct message begin = { 0 }, end = { 0 };
	uint64_t ns = nanoseconds(t, r);

	put_uint(&begin, EVENT_CATEGORY_IIDS, r->mech + 1u);
	put_uint(&begin, EVENT_TYPE, TYPE_BEGIN);
	put_uint(&begin, EVENT_NAME_IID, r->kind + 1u);
	put_uint(&begin, EVENT_TRACK, TRACK_KIND(r->kind));
	put_annotation(&begin, ARG_EIP, ANNOTATION_POINTER, r->eip, NULL);
	put_annotation(&begin, ARG_CYCLES, ANNOTATION_UINT, r->dur, NULL);
	if (sym && name_plain(sym->name))
		put_annotation(&begin, ARG_SYMBOL, ANNOTATION_STRING, 0, sym->name);
	write_event(t->out, ns, &begin);
	put_uint(&end, EVENT_TYPE, TYPE_END);
	put_uint(&end, EVENT_TRACK, TRACK_KIND(r->kind));
	write_event(t->out, ns + (uint64_t)(r->dur * t->us_per_tick * 1e3), &end);
}

static void write_instant(FILE *out, uint64_t ns, const char *name, uint64_t events)
{
	struct message event = { 0 };

	put_uint(&event, EVENT_TYPE, TYPE_INSTANT);
	put_uint(&event, EVENT_TRACK, TRACK_PROCESS);
	put_text(&event, EVENT_NAME, name);
	put_annotation(&event, ARG_EVENTS, ANNOTATION_UINT, events, NULL);
	write_event(out, ns, &event);
}

static void write_counter(FILE *out, uint64_t ns, unsigned mech, uint64_t value)
{
	struct message event = { 0 };

	put_uint(&event, EVENT_TYPE, TYPE_COUNTER);
	put_uint(&event, EVENT_TRACK, TRACK_MECH(mech));
	put_uint(&event, EVENT_COUNTER, value);
	write_event(out, ns, &event);
}

/* How many events a second there were by each mechanism, in BINS parts of the time that the file covers. */
static void write_counters(const struct trace *t, uint64_t from)
{
	uint32_t count[MECH_COUNT][BINS] = { 0 };
	uint64_t least = UINT64_MAX, most = 0, width;

	for (uint64_t i = from; i < t->n; i++) {
		uint64_t ns = nanoseconds(t, &t->ring[i % t->room]);

		least = ns < least ? ns : least;
		most = ns > most ? ns : most;
	}
	if (least > most)
		return;
	width = (most - least) / BINS + 1;
	for (uint64_t i = from; i < t->n; i++) {
		const struct trace_record *r = &t->ring[i % t->room];

		count[r->mech][(nanoseconds(t, r) - least) / width]++;
	}
	for (unsigned m = 0; m < MECH_COUNT; m++) {
		bool any = false;

		for (unsigned b = 0; b < BINS; b++)
			any |= count[m][b] > 0;
		for (unsigned b = 0; b < BINS && any; b++)
			write_counter(t->out, least + b * width, m, (uint64_t)((double)count[m][b] * 1e9 / (double)width));
		if (any)
			write_counter(t->out, least + BINS * width, m, 0);
	}
}

void trace_perfetto(const struct trace *t, uint64_t from, struct symbols *symbols)
{
	write_tracks(t, from);
	if (from)
		write_instant(t->out, nanoseconds(t, &t->ring[from % t->room]), "older events gave way", from);
	write_counters(t, from);
	for (uint64_t i = from; i < t->n; i++)
		write_slice(t, &t->ring[i % t->room], symbols);
}
