/*
 * stats.h - the accounting: what happened, by which mechanism, how often, at what cost.
 *
 * Every event of every backend is counted here, exactly and always. Costs are TSC cycles spent in the VMM for one
 * event; the first STAT_ALWAYS events of a cell are timed, and one in STAT_EVERY after that, because a pair of RDTSC
 * would cost more than the cheapest callouts. docs/exits.md is the reader's side of this file.
 */
#pragma once
#include <stdio.h>
#include <x86intrin.h>
#include "abi/events.h"
#include "core/types.h"

extern const char *const event_kind_name[EV_COUNT];
extern const char *const event_mech_name[MECH_COUNT];
/* -1 when no such name. */
int event_kind_find(const char *name);

enum event_handler { BY_VMM, BY_KVM }; /* handled_by: our process, or KVM alone in the kernel */

#define STAT_ALWAYS 64u
#define STAT_EVERY 64u
#define HIST_BUCKETS 512 /* log-linear: 16 steps an octave, 32 octaves */

struct hist {
	uint64_t n, min, max;
	uint32_t bucket[HIST_BUCKETS];
};

struct stat_cell {
	uint64_t count;
	struct hist *hist; /* allocated at the first sample; may be NULL */
};

/* A row with a hardware reason (vtx): few, so searched linearly. */
struct stat_hw {
	uint8_t kind, mech, by;
	uint32_t reason; /* VMX basic exit reason, SDM vol. 3 appendix C */
	char reason_name[32];
	struct stat_cell cell;
};
#define STAT_HW_MAX 128

/* A figure that a backend reports beside the events: KVM's own statistics, the size of a cache. */
struct stat_note {
	char name[48]; /* "kvm.exits" */
	uint64_t value;
};
#define STAT_NOTE_MAX 192

struct trace;  /* trace.h: the --trace writer, or NULL */
struct attrib; /* attrib.h: counts by guest address, or NULL */
struct witness; /* witness.h: the CPU's registers at entries, or NULL */

struct stats {
	struct stat_cell cell[EV_COUNT][MECH_COUNT];
	struct stat_hw hw[STAT_HW_MAX];
	unsigned hw_n;
	struct stat_note note[STAT_NOTE_MAX];
	unsigned note_n;
	/* Elements of INS and OUTS after the first that one exit moved: events, but no exits of their own. */
	uint64_t string_elements;
	struct trace *trace;
	struct attrib *attrib;
	struct witness *witness;
	bool every; /* one of the two is there: every event is timed */
	bool count_inline; /* --count-inline: backends emit counters on inline paths too */
};

/* Records one timed event. eip may be 0 where it is not known. */
void stat_sample(struct stats *s, enum event_kind k, enum event_mech m, gva_t eip, uint64_t t0, uint64_t t1);

/* Counts an event and starts its clock: the TSC, or 0 when this one is not timed. */
static inline uint64_t stat_begin(struct stats *s, enum event_kind k, enum event_mech m)
{
	uint64_t n = s->cell[k][m].count++;
	return (n < STAT_ALWAYS || n % STAT_EVERY == 0 || s->every) ? __rdtsc() : 0;
}

static inline void stat_end(struct stats *s, enum event_kind k, enum event_mech m, gva_t eip, uint64_t t0)
{
	if (t0)
		stat_sample(s, k, m, eip, t0, __rdtsc());
}

/* Counts without timing. */
static inline void stat_count(struct stats *s, enum event_kind k, enum event_mech m)
{
	s->cell[k][m].count++;
}

/* Counts without timing what the instruction at eip caused, so that --top can name it. */
void stat_count_at(struct stats *s, enum event_kind k, enum event_mech m, gva_t eip);

/* Adds n events of a hardware reason; cycles 0 means not measured. */
void stat_hw(struct stats *s, enum event_kind k, uint32_t reason, const char *reason_name, enum event_handler by,
	uint64_t n, uint64_t cycles);

/* Sets the figure of that name; beyond STAT_NOTE_MAX names it is dropped. */
void stat_note(struct stats *s, const char *name, uint64_t value);

void hist_add(struct hist *h, uint64_t v);
/* Quantile q in [0,1]; a bucket's lower edge, exact below 16. 0 when empty. */
uint64_t hist_quantile(const struct hist *h, double q);
uint64_t stat_total(const struct stats *s, enum event_kind k); /* over mechanisms and hardware rows */
void stats_fini(struct stats *s);
