/*
 * stats.c - counting and timing of events (see core/stats.h for the rules, docs/exits.md for what they mean).
 *
 * Every backend calls it, from ordinary C and from signal handlers: no locks, no libc calls that are not
 * async-signal-safe once a cell has its histogram. Histograms come from one calloc at the first sample of a cell.
 */
#include "core/stats.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "core/attrib.h"
#include "core/trace.h"

const char *const event_kind_name[EV_COUNT] = {
#define X(id, name, text) [EV_##id] = name,
	EVENT_KINDS(X)
#undef X
};

const char *const event_mech_name[MECH_COUNT] = {
#define X(id, name, text) [MECH_##id] = name,
	EVENT_MECHANISMS(X)
#undef X
};

int event_kind_find(const char *name)
{
	for (int k = 0; k < EV_COUNT; k++)
		if (!strcmp(event_kind_name[k], name))
			return k;
	return -1;
}

/*
 * Log-linear buckets: values below 16 have one each; above, each octave is cut in 16.
 * Index of v with top bit t >= 4: (t - 3) * 16 + the four bits below the top one.
 */
static unsigned hist_index(uint64_t v)
{
	if (v < 16)
		return (unsigned)v;
	unsigned top = 63 - (unsigned)__builtin_clzll(v);
	unsigned i = (top - 3) * 16 + (unsigned)((v >> (top - 4)) & 15);
	return i < HIST_BUCKETS ? i : HIST_BUCKETS - 1;
}

static uint64_t hist_edge(unsigned i)
{
	if (i < 16)
		return i;
	return (16 + (uint64_t)(i & 15)) << (i / 16 - 1);
}

void hist_add(struct hist *h, uint64_t v)
{
	if (!h->n || v < h->min)
		h->min = v;
	if (v > h->max)
		h->max = v;
	h->n++;
	h->bucket[hist_index(v)]++;
}

uint64_t hist_quantile(const struct hist *h, double q)
{
	if (!h->n)
		return 0;
	uint64_t rank = (uint64_t)(q * (double)(h->n - 1)), seen = 0;
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > rank) {
			uint64_t e = hist_edge(i);
			return e < h->min ? h->min : e;
		}
	}
	return h->max;
}

static void cell_sample(struct stat_cell *c, uint64_t cycles)
{
	if (!c->hist)
		c->hist = calloc(1, sizeof(*c->hist)); /* no memory: the count stands, the cost is not known */
	if (c->hist)
		hist_add(c->hist, cycles);
}

void stat_sample(struct stats *s, enum event_kind k, enum event_mech m, gva_t eip, uint64_t t0, uint64_t t1)
{
	cell_sample(&s->cell[k][m], t1 - t0);
	if (s->trace)
		trace_event(s->trace, k, m, eip, t0, t1);
	if (s->attrib)
		attrib_add(s->attrib, k, m, eip, t0, t1);
}

void stat_count_at(struct stats *s, enum event_kind k, enum event_mech m, gva_t eip)
{
	s->cell[k][m].count++;
	if (s->attrib) {
		uint64_t now = __rdtsc();
		attrib_add(s->attrib, k, m, eip, now, now);
	}
}

void stat_hw(struct stats *s, enum event_kind k, uint32_t reason, const char *reason_name, enum event_handler by,
	uint64_t n, uint64_t cycles)
{
	struct stat_hw *row = NULL;

	for (unsigned i = 0; i < s->hw_n && !row; i++)
		if (s->hw[i].kind == k && s->hw[i].reason == reason && s->hw[i].by == by)
			row = &s->hw[i];
	if (!row) {
		assert(s->hw_n < STAT_HW_MAX);
		row = &s->hw[s->hw_n++];
		*row = (struct stat_hw){ .kind = k, .mech = MECH_VMEXIT, .by = by, .reason = reason };
		snprintf(row->reason_name, sizeof(row->reason_name), "%s", reason_name);
	}
	row->cell.count += n;
	if (cycles)
		cell_sample(&row->cell, cycles);
}

void stat_note(struct stats *s, const char *name, uint64_t value)
{
	unsigned i = 0;

	while (i < s->note_n && strcmp(s->note[i].name, name))
		i++;
	if (i == STAT_NOTE_MAX)
		return;
	if (i == s->note_n)
		snprintf(s->note[s->note_n++].name, sizeof(s->note[i].name), "%s", name);
	s->note[i].value = value;
}

uint64_t stat_total(const struct stats *s, enum event_kind k)
{
	uint64_t n = 0;

	for (int m = 0; m < MECH_COUNT; m++)
		n += s->cell[k][m].count;
	for (unsigned i = 0; i < s->hw_n; i++)
		if (s->hw[i].kind == k)
			n += s->hw[i].cell.count;
	return n;
}

void stats_fini(struct stats *s)
{
	for (int k = 0; k < EV_COUNT; k++)
		for (int m = 0; m < MECH_COUNT; m++)
			free(s->cell[k][m].hist);
	for (unsigned i = 0; i < s->hw_n; i++)
		free(s->hw[i].cell.hist);
	free(s->witness);
	memset(s, 0, sizeof(*s));
}
