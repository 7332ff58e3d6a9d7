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
#include <unistd.h>
#include "runner.h"

#define FOREIGN_SHARE 0.1  /* of a child's time that others may have its CPU … */
#define FOREIGN_TICKS 2    /* … and the grain in which the kernel counts that */

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

/* Seconds since boot that a CPU was not idle, or was not ours (steal); NAN where the kernel does not say. */
static double cpu_busy(int cpu)
{
	unsigned long long user, nice, system, irq, soft, steal;
	char line[400], word[16];
	double s = NAN;
	FILE *f = cpu < 0 ? NULL : fopen("/proc/stat", "re");
	int n = snprintf(word, sizeof(word), "cpu%d ", cpu);

	while (f && isnan(s) && fgets(line, sizeof(line), f))
		if (!strncmp(line, word, (size_t)n) &&
		    sscanf(line, "%*s %llu %llu %llu %*u %*u %llu %llu %llu", &user, &nice, &system, &irq, &soft, &steal) == 6)
			s = (double)(user + nice + system + irq + soft + steal) / (double)sysconf(_SC_CLK_TCK);
	if (f)
		fclose(f);
	return s;
}

/* Whether others had the CPU for a good part of the time of a child that was pinned to it. */
static bool shared(const struct child_run *c, double busy)
{
	double tick = 1 / (double)sysconf(_SC_CLK_TCK);

	return busy - c->cpu_seconds > FOREIGN_SHARE * c->seconds + FOREIGN_TICKS * tick; /* false for NAN */
}

/* A child's time-out: its suite's, or less where the user or --quick allow less. */
static unsigned timeout_of(const struct bench *b, unsigned s)
{
	const struct bench_options *o = b->o;
	double left = o->budget_s + QUICK_GRACE_S - (seconds_now() - b->t0);

	if (o->timeout_s && s > o->timeout_s)
		s = o->timeout_s;
	if (o->budget_s > 0)
		s = (unsigned)fmax(fmin(fmin(s, QUICK_CHILD_S), left), 1);
	return s;
}

int bench_child(struct bench *b, struct child_run *c)
{
	struct brackets *grown = realloc(b->child, (b->children + 1) * sizeof(*grown));
	size_t i = b->children;
	double before, busy;
	int err;

	if (!grown)
		return -ENOMEM;
	b->child = grown;
	before = calibrate(b);
	b->child[b->children++] = (struct brackets){ .before = before, .after = NAN };
	c->cpu = b->o->cpu;
	c->no_huge_pages = !b->o->huge_pages;
	c->stop_fd = b->stop_fd;
	c->timeout_s = timeout_of(b, c->timeout_s);
	if (b->terminal) {
		c->tick = progress_tick;
		c->tick_ctx = b;
	}
	busy = cpu_busy(c->cpu);
	err = child_run(c);
	if (err)
		return err;
	b->child[i].shared = shared(c, cpu_busy(c->cpu) - busy);
	b->child[i].after = calibrate(b);
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

		fprintf(f, "%.0f,%.0f,%d\n", c->before, c->after, c->shared || fmax(c->before, c->after) > DISTURBED * b->calib_best);
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
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	b->wrong = true;
	snprintf(b->why, sizeof(b->why), "WRONG: %.60s: %s", workload, text);
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
