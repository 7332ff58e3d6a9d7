/*
 * counts.h - exits an operation: what `ringlab run --stats` counted, divided by how often the guest did it. Read next: counts.c.
 */
#pragma once
#include <jansson.h>
#include "plan.h"

/* A run of a guest whose events are wanted. */
struct count_run {
	const char *engine, *guest;
	const char *words;   /* the guest's command line */
	const char *const *options; /* further options of `ringlab run`, a word each, up to a NULL; or NULL */
	unsigned timeout_s;
	void (*line)(void *ctx, const char *text, pid_t pid); /* each line of its console; may be NULL */
	void *ctx;
};

/* Whether there is something to count on this engine: ours are, others keep their counts to themselves. */
bool counts_there(const char *engine);
/* A plain engine command with further options put behind its `run`, and --stats where stats is no NULL. False: they do not fit. */
bool counts_command(struct engine_command *out, const struct engine_command *plain, const char *stats, const char *const *options);
/* Runs it. What --stats wrote, to be given back by json_decref; or NULL, and *why says why. */
json_t *counts_take(struct bench *b, const struct count_run *r, const char **why);

/* A text of an event or a phase; "": there is none. */
const char *counts_text(const json_t *o, const char *key);
/* The phase whose line begins with these words, or NULL; the last of several. */
const json_t *counts_phase(const json_t *stats, const char *line);
/*
 * Emits the events of a phase less those of another (NULL: nothing), divided by n: metric "exits" for those by which control left the
 * guest, with their sum as "exits-total", "events" for what was counted beside them, "vmm-cycles" for what the exits cost.
 */
void counts_emit(struct bench *b, const char *workload, const char *origin, const json_t *phase, const json_t *less, double n);
/* The same for all events of a run, not divided. */
void counts_emit_run(struct bench *b, const char *workload, const char *origin, const json_t *stats);
/* Emits what --timeline noted. False: it noted nothing. */
bool counts_timeline(struct bench *b, const char *workload, const json_t *stats);

/* The cells of nano on one engine: the suite nano's part "counts". NULL, or a sentence why there is no result. */
const char *counts_nano(struct bench *b, const struct task *t);

#define DEVICES_BYTES 1024 /* of a console, in guests/devices */
/* The ways of guests/devices, from phases "WAY" of a run with so many reads: suite_devices.c. NULL, or a sentence why there is no result. */
const char *devices_counts_emit(struct bench *b, const char *origin, const json_t *stats, unsigned reads);

/* nested.c: the part "nested" of the suites nano and devices, where --nested asks for it. */
int nested_plan(struct bench *b, const struct suite *s);
bool nested_is(const struct task *t);
const char *nested_take(struct bench *b, const struct task *t); /* NULL, or a sentence why there is no result */
