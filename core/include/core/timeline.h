/*
 * timeline.h - events over time, for `run --timeline`: a thread of its own notes all counters at regular intervals.
 *
 * The vCPU's thread knows nothing of it, so that a run with it does what a run without does. Memory is bounded: when the table
 * is full, every second note is dropped and the interval doubles. Read next: timeline.c.
 */
#pragma once
#include "core/stats.h"

#define TIMELINE_MAX 256          /* buckets kept; at least half as many once the table has been full */
#define TIMELINE_WIDTH_MS 10.0    /* when the user says nothing */
#define TIMELINE_WIDTH_MS_MIN 0.1
#define TIMELINE_WIDTH_MS_MAX 1e6

struct timeline;

/* What happened in [t_s, t_s + width_s), in seconds since the run began. */
struct timeline_bucket {
	double t_s, width_s;
	uint64_t count[EV_COUNT][MECH_COUNT];
};

/* Before the jail, which allows no new thread; s must outlive it. 0 or -errno. */
int timeline_create(struct timeline **out, const struct stats *s, double width_ms);
/* The run begins. t may be NULL in all that follow. */
void timeline_start(struct timeline *t);
/* The run has ended: closes the last bucket and ends the thread. What is counted later is in no bucket. */
void timeline_stop(struct timeline *t);
void timeline_free(struct timeline *t);

/* After timeline_stop. */
size_t timeline_buckets(const struct timeline *t);
void timeline_bucket(const struct timeline *t, size_t i, struct timeline_bucket *b);
/*
 * What is counted now and in no bucket: events that the VMM heard of at the end of the run only, such as those that KVM handled
 * alone. As one bucket over all of the run; false when there are none. Sums over buckets and this equal the counters.
 */
bool timeline_rest(const struct timeline *t, struct timeline_bucket *b);
