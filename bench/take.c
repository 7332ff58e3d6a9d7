/*
 * take.c - one task: its children with the calibration loop around each, and its samples, held until it has ended.
 *
 * The calibration loop runs on the CPU that the children run on, for it is that CPU's disturbance that matters. Called by runner.c. Read
 * next: rundir.c.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "runner.h"

#define PREEMPTED_MAX 2   /* involuntary context switches of a child … */
#define PREEMPTED_RATE 20 /* … and as many more a second, before we call it disturbed */

static double median3(double a, double b, double c)
{
	return fmax(fmin(a, b), fmin(fmax(a, b), c));
}

/* The median of three, so that one interrupt of ours is not taken for a phase of the host's. */
double calibrate(struct bench *b)
{
	cpu_set_t home, one;
	bool moved = false;
	double c;

	if (b->o->cpu >= 0 && !sched_getaffinity(0, sizeof(home), &home)) {
		CPU_ZERO(&one);
		CPU_SET(b->o->cpu, &one);
		moved = !sched_setaffinity(0, sizeof(one), &one);
	}
	c = median3(calib_measure(), calib_measure(), calib_measure());
	if (moved)
		sched_setaffinity(0, sizeof(home), &home);
	b->calib_best = fmin(b->calib_best, c);
	return c;
}

int bench_child(struct bench *b, struct child_run *c)
{
	struct brackets *grown = realloc(b->child, (b->children + 1) * sizeof(*grown));
	size_t i = b->children;
	double before;
	int err;

	if (!grown)
		return -ENOMEM;
	b->child = grown;
	before = calibrate(b);
	b->child[b->children++] = (struct brackets){ .before = before, .after = NAN };
	c->cpu = b->o->cpu;
	c->no_huge_pages = !b->o->huge_pages;
	c->stop_fd = b->stop_fd;
	err = child_run(c);
	if (err)
		return err;
	b->child[i].after = calibrate(b);
	b->child[i].preempted = !engine_find(b->task->engine)->slow &&
		(double)c->preempted > PREEMPTED_MAX + PREEMPTED_RATE * c->seconds;
	return 0;
}

const char *bench_why(struct bench *b, const struct child_run *c, const char *what)
{
	int n = snprintf(b->why, sizeof(b->why), "%s: ", what);
	char *at = b->why + n;
	size_t room = sizeof(b->why) - (size_t)n;

	if (c->status == -1)
		snprintf(at, room, "it was stopped after %u s", c->timeout_s);
	else if (c->status == -2)
		snprintf(at, room, "it was stopped with the run");
	else if (c->status > 128 && c->status < 128 + 65)
		snprintf(at, room, "it was killed by signal %d (%s)", c->status - 128, strsignal(c->status - 128));
	else
		snprintf(at, room, "it ended with status %d%s%s", c->status, c->error[0] ? ": " : "", c->error);
	return b->why;
}

double bench_tsc_hz(const struct bench *b)
{
	return b->tsc_hz;
}

const struct bench_options *bench_options_of(const struct bench *b)
{
	return b->o;
}

const char *bench_scratch(struct bench *b)
{
	return b->scratch;
}

bool bench_interrupted(const struct bench *b)
{
	struct pollfd p = { .fd = b->stop_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static const char *keep(char *to, size_t n, const char *from)
{
	snprintf(to, n, "%s", from ? from : "");
	return to;
}

void bench_sample(struct bench *b, const struct sample *s)
{
	struct held_sample *h;

	if (b->helds == b->held_room) {
		size_t room = b->held_room ? 2 * b->held_room : 64;

		h = realloc(b->held, room * sizeof(*h));
		if (!h)
			return;
		b->held = h;
		b->held_room = room;
	}
	h = &b->held[b->helds++];
	h->s = *s;
	keep(h->workload, sizeof(h->workload), s->workload);
	keep(h->metric, sizeof(h->metric), s->metric);
	keep(h->unit, sizeof(h->unit), s->unit);
	keep(h->kind, sizeof(h->kind), s->kind);
	keep(h->mechanism, sizeof(h->mechanism), s->mechanism);
	keep(h->origin, sizeof(h->origin), s->origin ? s->origin : ORIGIN_MEASURED);
	h->child = b->children ? b->children - 1 : 0;
}

/* A field as RFC 4180 has it: quoted where it must be. */
static void field(FILE *f, const char *s)
{
	if (!strpbrk(s, ",\"\r\n")) {
		fputs(s, f);
	} else {
		putc('"', f);
		for (; *s; s++) {
			if (*s == '"')
				putc('"', f);
			putc(*s, f);
		}
		putc('"', f);
	}
	putc(',', f);
}

static void fields(FILE *f, const char *const *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		field(f, s[i]);
}

static void row(const struct bench *b, FILE *f, const struct held_sample *h)
{
	const struct task *t = b->task;
	const char *const head[] = { t->suite->name, h->workload, t->variant, t->engine, h->origin, h->metric, h->kind, h->mechanism, h->unit };

	fields(f, head, sizeof(head) / sizeof(head[0]));
	fprintf(f, "%u,%u,%.12g,", t->round, h->s.rep, h->s.value);
	if (h->s.timed && h->child < b->children && !isnan(b->child[h->child].after)) {
		const struct brackets *c = &b->child[h->child];

		fprintf(f, "%.0f,%.0f,%d\n", c->before, c->after, c->preempted || fmax(c->before, c->after) > DISTURBED * b->calib_best);
	} else {
		fputs(",,\n", f);
	}
}

char *take_rows(struct bench *b, size_t *size)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, size);

	if (!f)
		return NULL;
	for (size_t i = 0; i < b->helds; i++)
		row(b, f, &b->held[i]);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

void bench_timeline(struct bench *b, const char *workload, double t_s, double width_s, const char *kind, const char *mechanism, double count)
{
	const struct task *t = b->task;
	const char *const head[] = { t->suite->name, workload, t->variant, t->engine, ORIGIN_MEASURED },
		*const what[] = { kind, mechanism ? mechanism : "" };

	if (!b->time_rows && !(b->time_rows = open_memstream(&b->time_text, &b->time_size)))
		return;
	fields(b->time_rows, head, sizeof(head) / sizeof(head[0]));
	fprintf(b->time_rows, "%.9g,%.9g,", t_s, width_s);
	fields(b->time_rows, what, sizeof(what) / sizeof(what[0]));
	fprintf(b->time_rows, "%.12g\n", count);
}

const char *bench_wrong(struct bench *b, const struct task *t, const char *workload, const char *fmt, ...)
{
	char text[WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	progress_end(b);
	say("bench: %s %s on %s: %s", t->suite->name, workload, t->engine, text);
	b->wrong = true;
	snprintf(b->why, sizeof(b->why), "WRONG: %.*s", WHY_MAX - 8, text);
	return b->why;
}

const char *bench_agree(struct bench *b, const struct task *t, const char *what, const char *answer, const char **theirs)
{
	struct answer *grown;

	for (size_t i = 0; i < b->answers; i++) {
		const struct answer *a = &b->answer[i];

		if (a->suite != t->suite || strcmp(a->what, what))
			continue;
		*theirs = a->text;
		return strcmp(a->text, answer) ? a->engine : NULL;
	}
	grown = realloc(b->answer, (b->answers + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	b->answer = grown;
	grown[b->answers] = (struct answer){ .suite = t->suite, .engine = t->engine };
	snprintf(grown[b->answers].what, sizeof(grown->what), "%s", what);
	snprintf(grown[b->answers].text, sizeof(grown->text), "%s", answer);
	b->answers++;
	return NULL;
}

void take_free(struct bench *b)
{
	if (b->time_rows)
		fclose(b->time_rows);
	free(b->time_text);
	b->time_rows = NULL;
	b->time_text = NULL;
	b->time_size = 0;
	b->helds = b->children = 0;
}

const char *take_run(struct bench *b, const struct task *t)
{
	const char *why;

	take_free(b);
	b->task = t;
	why = t->suite->take(b, t);
	if (b->time_rows) {
		fclose(b->time_rows);
		b->time_rows = NULL;
	}
	if (why) /* nothing of a task that ended badly is kept */
		b->helds = 0;
	return why;
}
