/*
 * progress.c - what a run says of itself while it lasts: one moving line on a terminal, a plain line now and then elsewhere.
 *
 * All of it goes to standard error. The remaining time is learned from the tasks that have ended; before there are any, nothing is
 * guessed. Called by runner.c.
 */
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "runner.h"

#define BAR 24
#define PLAIN_EVERY_S 20

void duration_text(char *out, size_t n, double seconds)
{
	long s = lrint(fmax(seconds, 0));

	if (s < 60)
		snprintf(out, n, "%ld s", s);
	else if (s < 3600)
		snprintf(out, n, "%ld min %02ld s", s / 60, s % 60);
	else
		snprintf(out, n, "%ld h %02ld min", s / 3600, s % 3600 / 60);
}

static unsigned columns_of(int fd)
{
	struct winsize w;

	return !ioctl(fd, TIOCGWINSZ, &w) && w.ws_col ? w.ws_col : 80;
}

void progress_begin(struct bench *b)
{
	b->terminal = isatty(STDERR_FILENO);
	b->told = seconds_now();
}

static void bar_text(char *bar, size_t done, size_t planned)
{
	size_t full = planned ? done * BAR / planned : 0;

	memset(bar, '.', BAR);
	memset(bar, '#', full < BAR ? full : BAR);
	bar[BAR] = 0;
}

/* Seconds to go: of the tasks, but no more than --quick allows. */
static double seconds_left(const struct bench *b)
{
	double now = seconds_now(), left = plan_seconds_left(b), allowed = b->o->budget_s - (now - b->t0);
	const struct entry *e = b->now;

	if (e->ended) /* how far the task under way is */
		left -= fmin(now - b->task_t0, e->seconds / e->ended);
	return fmax(b->o->budget_s > 0 && left > allowed ? allowed : left, 0);
}

static void line_print(struct bench *b)
{
	const struct task *t = &b->now->task;
	char bar[BAR + 1], left[60] = "", line[300];
	size_t planned, done;
	double s = seconds_left(b);

	plan_count(b, &planned, &done);
	if (done) {
		duration_text(left, sizeof(left) - 8, s);
		strcat(left, " left  ");
	}
	if (b->terminal) {
		bar_text(bar, done, planned);
		snprintf(line, sizeof(line), "[%s] %zu/%zu  %sround %u: %s %s%s%s on %s", bar, done, planned, left, t->round + 1,
			t->suite->name, t->part, *t->variant ? " " : "", t->variant, t->engine);
		fprintf(stderr, "\r\033[K%.*s", (int)columns_of(STDERR_FILENO) - 1, line);
		fflush(stderr);
	} else {
		say("bench: %zu of %zu tasks done, %sround %u", done, planned, left, t->round + 1);
	}
}

void progress_task(struct bench *b, const struct entry *e)
{
	b->now = e;
	b->task_t0 = seconds_now();
	if (b->terminal) {
		line_print(b);
	} else if (b->task_t0 - b->told >= PLAIN_EVERY_S) {
		line_print(b);
		b->told = b->task_t0;
	}
}

void progress_tick(void *ctx)
{
	line_print(ctx);
}

void progress_say(struct bench *b, const char *text)
{
	if (b->terminal)
		fprintf(stderr, "\r\033[K%s …", text);
	fflush(stderr);
}

void progress_end(struct bench *b)
{
	if (b->terminal)
		fputs("\r\033[K", stderr);
	fflush(stderr);
}
