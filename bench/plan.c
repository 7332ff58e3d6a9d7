/*
 * plan.c - what a run is to do: the tasks of a round as the suites plan them, how often each is run, and which is next.
 *
 * Tasks of the same part stand beside each other, and the one that begins rotates from round to round, so that engines that are
 * compared share the host's phases and none always comes first. The first round has everything; a slow task has few rounds, a count only
 * one. Called by runner.c. Read next: take.c.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "runner.h"

static bool same_part(const struct task *a, const struct task *b)
{
	return a->suite == b->suite && !strcmp(a->part, b->part);
}

int bench_task(struct bench *b, const struct task *t)
{
	const struct bench_options *o = b->o;
	struct entry e = { .task = *t, .rounds = o->rounds ? o->rounds : o->quick ? t->suite->quick_rounds : t->suite->rounds }, *grown;
	size_t at;

	if (t->last && e.rounds > SLOW_ROUNDS)
		e.rounds = SLOW_ROUNDS;
	if (t->once || !e.rounds)
		e.rounds = 1;
	if (e.rounds > ROUNDS_MAX)
		e.rounds = ROUNDS_MAX;
	if (plan_entry(b, t->suite->name, t->part, t->variant, t->engine))
		return 0;
	grown = realloc(b->entry, (b->entries + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	b->entry = grown;
	for (at = b->entries; at > 0 && !same_part(&b->entry[at - 1].task, t); at--)
		;
	if (!at)
		at = b->entries;
	memmove(&b->entry[at + 1], &b->entry[at], (b->entries - at) * sizeof(*grown));
	b->entry[at] = e;
	b->entries++;
	return 0;
}

void bench_missing(struct bench *b, const struct suite *s, const char *engine, const char *part, const char *fmt, ...)
{
	struct missing m = { .suite = s }, *grown;
	va_list ap;

	snprintf(m.engine, sizeof(m.engine), "%s", engine);
	snprintf(m.part, sizeof(m.part), "%s", part);
	va_start(ap, fmt);
	vsnprintf(m.why, sizeof(m.why), fmt, ap);
	va_end(ap);
	for (char *p = m.why; *p; p++)
		if (*p == '\t' || *p == '\n' || *p == '\r')
			*p = ' ';
	for (size_t i = 0; i < b->missings; i++)
		if (b->missing[i].suite == s && !strcmp(b->missing[i].engine, m.engine) && !strcmp(b->missing[i].part, m.part) &&
		    !strcmp(b->missing[i].why, m.why))
			return;
	grown = realloc(b->missing, (b->missings + 1) * sizeof(*grown));
	if (!grown)
		return;
	b->missing = grown;
	b->missing[b->missings++] = m;
}

/* What doctor says of the backend behind an engine; NULL: it can run. */
static const char *engine_refused(const struct bench *b, const char *engine)
{
	size_t n = strcspn(engine, "-"), i;
	json_t *e;

	json_array_foreach(json_object_get(b->doctor, "backends"), i, e) {
		const char *name = json_string_value(json_object_get(e, "backend")), *by = json_string_value(json_object_get(e, "engine"));

		if (!name || strlen(name) != n || strncmp(name, engine, n))
			continue;
		if (!json_is_true(json_object_get(e, "available")))
			return json_string_value(json_object_get(e, "why"));
		if (!strcmp(engine, "vtx") && (!by || strcmp(by, "kvm_intel")))
			return "/dev/kvm is not VT-x here (see: ringlab doctor); its times would say nothing of VT-x";
		return NULL;
	}
	return NULL;
}

bool bench_wants(struct bench *b, const struct suite *s, const char *engine)
{
	const char *why;

	if (!list_has(b->o->engines, engine) || (!b->o->engines && !strcmp(engine, "interp")))
		return false;
	why = engine_refused(b, engine);
	if (why)
		bench_missing(b, s, engine, "", "%s", why);
	return !why;
}

int plan_make(struct bench *b)
{
	for (size_t i = 0; bench_suites[i]; i++) {
		int err = list_has(b->o->suites, bench_suites[i]->name) ? bench_suites[i]->plan(b, bench_suites[i]) : 0;

		if (err) {
			say("bench: the suite %s could not be planned: %s", bench_suites[i]->name, strerror(-err));
			return err;
		}
	}
	return 0;
}

struct entry *plan_entry(struct bench *b, const char *suite, const char *part, const char *variant, const char *engine)
{
	for (size_t i = 0; i < b->entries; i++) {
		const struct task *t = &b->entry[i].task;

		if (!strcmp(t->suite->name, suite) && !strcmp(t->part, part) && !strcmp(t->variant, variant) && !strcmp(t->engine, engine))
			return &b->entry[i];
	}
	return NULL;
}

bool entry_over(const struct entry *e, unsigned round)
{
	return e->over[round / 64] >> round % 64 & 1;
}

void entry_end(struct entry *e, unsigned round, bool well, double seconds)
{
	if (round >= ROUNDS_MAX || entry_over(e, round))
		return;
	e->over[round / 64] |= 1ull << round % 64;
	e->ended++;
	e->failures += !well;
	e->seconds += seconds;
}

/* Whether it still has something to do in this round. */
static bool entry_due(const struct entry *e, unsigned round)
{
	return round < e->rounds && e->failures < TRIES && !entry_over(e, round);
}

struct entry *plan_next(struct bench *b, unsigned *round)
{
	for (; *round < ROUNDS_MAX; ++*round) {
		bool more = false;

		for (size_t i = 0, n; i < b->entries; i += n) {
			for (n = 1; i + n < b->entries && same_part(&b->entry[i].task, &b->entry[i + n].task); n++)
				;
			for (size_t k = 0; k < n; k++) {
				struct entry *e = &b->entry[i + (k + *round) % n];

				if (entry_due(e, *round))
					return e;
				more |= e->rounds > *round;
			}
		}
		if (!more)
			return NULL;
	}
	return NULL;
}

static unsigned entry_left(const struct entry *e)
{
	return e->failures >= TRIES || e->ended >= e->rounds ? 0 : e->rounds - e->ended;
}

void plan_count(const struct bench *b, size_t *planned, size_t *done)
{
	*planned = *done = 0;
	for (size_t i = 0; i < b->entries; i++) {
		*done += b->entry[i].ended;
		*planned += b->entry[i].ended + entry_left(&b->entry[i]);
	}
}

/* A task that has not run yet is taken to be as long as its suite's are on average, or as all are. */
static double entry_seconds(const struct bench *b, const struct entry *e)
{
	double suite = 0, all = 0;
	unsigned in_suite = 0, in_all = 0;

	if (e->ended)
		return e->seconds / e->ended;
	for (size_t i = 0; i < b->entries; i++) {
		const struct entry *x = &b->entry[i];

		all += x->seconds, in_all += x->ended;
		if (x->task.suite == e->task.suite)
			suite += x->seconds, in_suite += x->ended;
	}
	return in_suite ? suite / in_suite : in_all ? all / in_all : NAN;
}

double plan_seconds_left(const struct bench *b)
{
	double sum = 0;

	for (size_t i = 0; i < b->entries; i++) {
		unsigned left = entry_left(&b->entry[i]);

		if (left)
			sum += left * entry_seconds(b, &b->entry[i]);
	}
	return sum;
}

json_t *plan_json(const struct bench *b)
{
	json_t *list = json_array();

	for (size_t i = 0; i < b->entries; i++) {
		const struct entry *e = &b->entry[i];

		json_array_append_new(list, json_pack("[sssssi]", e->task.suite->name, e->task.part, e->task.variant, e->task.engine,
			"rounds", (int)e->rounds));
	}
	return list;
}

void plan_free(struct bench *b)
{
	free(b->entry);
	free(b->missing);
}

json_t *plan_rounds(const struct bench *b)
{
	json_t *all = json_object();

	for (size_t i = 0; bench_suites[i]; i++) {
		unsigned least = UINT_MAX;

		for (size_t k = 0; k < b->entries; k++) {
			const struct entry *e = &b->entry[k];

			if (e->task.suite == bench_suites[i] && !e->task.once && e->ended < least && e->failures < TRIES)
				least = e->ended;
		}
		if (least != UINT_MAX)
			json_object_set_new(all, bench_suites[i]->name, json_integer(least));
	}
	return all;
}
