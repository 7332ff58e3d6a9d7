/*
 * runner.c - a run of `ringlab bench`, from the plan to the directory of results.
 *
 * plan.c says which task is next, take.c runs it, rundir.c keeps what it measured. Signals that ask for an end arrive through a file
 * descriptor, so that they cut a child short and nothing else: the run then keeps what is whole and says how to go on. Called by
 * core/cli_bench.c. Read next: plan.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include "runner.h"

#define CALIBRATIONS 60 /* at the start, to learn what the loop takes at its best */

/* Exit statuses, as docs/exits.md has them. */
enum { RUN_WELL = 0, RUN_WRONG = 1, RUN_HOST = 222, RUN_USAGE = 223, RUN_INTERRUPTED = 225 };

static void stop_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

/* From here on, Ctrl-C and its kin only make stop_fd readable. */
static int stop_catch(struct bench *b)
{
	sigset_t set;
	int fd;

	stop_set(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	b->stop_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* never 0: that says that there is none */
	close(fd);
	return b->stop_fd < 0 ? -errno : 0;
}

/* From here on, they do again what they always do: whoever presses Ctrl-C twice means it. */
static void stop_release(struct bench *b)
{
	struct signalfd_siginfo info;
	sigset_t set;

	while (read(b->stop_fd, &info, sizeof(info)) > 0)
		;
	stop_set(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static bool same_missing(const struct missing *a, const struct missing *b)
{
	return !strcmp(a->engine, b->engine) && !strcmp(a->why, b->why);
}

/* Each reason once, with all that lacks a figure by it. */
static void missing_print(const struct bench *b)
{
	for (size_t i = 0; i < b->missings; i++) {
		const struct missing *m = &b->missing[i];
		bool told = false;

		for (size_t k = 0; k < i; k++)
			told |= same_missing(&b->missing[k], m);
		if (told)
			continue;
		printf("missing  %s:", m->engine);
		for (size_t k = i; k < b->missings; k++) {
			const struct missing *x = &b->missing[k];

			if (same_missing(x, m))
				printf("%s %s%s%s", k == i ? "" : ",", x->suite->name, *x->part ? " " : "", x->part);
		}
		printf(": %s\n", m->why);
	}
}

/* Options, plan and files. 0, or a status to end with, having said why. */
static int run_begin(struct bench *b, struct bench_options *o)
{
	int err;


	if (stop_catch(b)) {
		say("bench: signals cannot be caught: %s", strerror(errno));
		return RUN_HOST;
	}
	if (o->resume && rundir_find(b, o))
		return RUN_USAGE;
	b->doctor = doctor_read(o);
	b->tsc_hz = tsc_hz();
	b->steal = steal_seconds();
	if (scratch_make(b))
		return RUN_HOST;
	for (int i = 0; i < CALIBRATIONS; i++)
		calibrate(b);
	if (plan_make(b))
		return RUN_HOST;
	b->missings_told = b->missings; /* a resumed run finds these again by planning */
	if (!b->entries) {
		say("bench: there is nothing to run%s", b->missings ? ":" : ": --only or --backends name nothing that these suites have");
		missing_print(b);
		return RUN_USAGE;
	}
	err = o->resume ? rundir_again(b) : rundir_new(b);
	return !err ? 0 : o->resume || err == -EEXIST ? RUN_USAGE : RUN_HOST;
}

static void begin_print(const struct bench *b)
{
	size_t planned, done;
	char engines_text[400] = "", suites[200] = "";

	plan_count(b, &planned, &done);
	for (size_t i = 0; bench_suites[i]; i++)
		for (size_t k = 0; k < b->entries; k++)
			if (b->entry[k].task.suite == bench_suites[i]) {
				snprintf(suites + strlen(suites), sizeof(suites) - strlen(suites), "%s%s", *suites ? ", " : "", bench_suites[i]->name);
				break;
			}
	for (size_t i = 0; i < engine_count; i++)
		for (size_t k = 0; k < b->entries; k++)
			if (!strcmp(b->entry[k].task.engine, engines[i].name)) {
				snprintf(engines_text + strlen(engines_text), sizeof(engines_text) - strlen(engines_text), "%s%s", *engines_text ? ", " : "",
					engines[i].name);
				break;
			}
	printf("suites   %s\nengines  %s\ntasks    %zu", suites, engines_text, planned);
	if (done)
		printf(", of which %zu are done", done);
	if (b->o->cpu >= 0)
		printf("; children on CPU %d", b->o->cpu);
	printf("; TSC %.0f MHz\n", b->tsc_hz / 1e6);
	if (b->o->budget_s > 0)
		printf("quick    a first round of everything, then as many rounds as fit into %.0f s\n", b->o->budget_s);
	printf("results  %s (%s until the end)\n", b->rundir.dir, b->rundir.staging);
	fflush(stdout);
}

/* --quick: whether what is left of the budget is enough for this task's part in this round; a part that does not fit has no more rounds. */
static bool fits(struct bench *b, struct entry *e, unsigned round)
{
	double left = b->o->budget_s - (seconds_now() - b->t0), need = 0;

	if (!(b->o->budget_s > 0))
		return true;
	for (size_t i = 0; i < b->entries; i++) {
		const struct entry *x = &b->entry[i];

		if (x->task.suite == e->task.suite && !strcmp(x->task.part, e->task.part) && !entry_over(x, round) && x->ended)
			need += x->seconds / x->ended;
	}
	if (round ? need <= left : left > 0)
		return true;
	for (size_t i = 0; i < b->entries; i++) {
		struct entry *x = &b->entry[i];

		if (x->task.suite != e->task.suite || strcmp(x->task.part, e->task.part))
			continue;
		if (!x->ended)
			bench_missing(b, x->task.suite, x->task.engine, x->task.part, "--quick left no time for it");
		x->rounds = x->ended;
	}
	return false;
}

/* Says so at once, and notes it: once for each reason. */
static void task_failed(struct bench *b, const struct task *t, const char *why)
{
	size_t noted = b->missings;

	bench_missing(b, t->suite, t->engine, t->part, "%s%s%s", t->variant, *t->variant ? ": " : "", why);
	if (b->missings == noted)
		return;
	progress_end(b);
	say("bench: no figure of %s %s on %s in round %u: %s", t->suite->name, t->part, t->engine, t->round + 1, b->missing[noted].why);
}

/* One task. 0, or -errno: the run cannot go on. */
static int task_run(struct bench *b, struct entry *e, unsigned round)
{
	double t0 = seconds_now(), seconds;
	const char *why;

	e->task.round = round;
	progress_task(b, e);
	why = take_run(b, &e->task);
	if (why && bench_interrupted(b))
		return 0;
	seconds = seconds_now() - t0;
	if (why)
		task_failed(b, &e->task, why);
	entry_end(e, round, !why, seconds);
	return rundir_task(b, e, why, seconds);
}

static void tasks_run(struct bench *b)
{
	unsigned round = 0;
	struct entry *e;

	progress_begin(b);
	while (!b->broken && (e = plan_next(b, &round))) {
		b->stopped = bench_interrupted(b);
		if (b->stopped)
			break;
		if (fits(b, e, round))
			task_run(b, e, round);
	}
	progress_end(b);
}

/* What an interrupted run lacks, suite by suite. */
static void stopped_print(const struct bench *b)
{
	size_t planned, done;

	plan_count(b, &planned, &done);
	printf("stopped  %zu of %zu tasks are done, and kept; not done:", done, planned);
	for (size_t i = 0; bench_suites[i]; i++) {
		unsigned lacks = 0, all = 0;

		for (size_t k = 0; k < b->entries; k++)
			if (b->entry[k].task.suite == bench_suites[i]) {
				all += b->entry[k].rounds;
				lacks += b->entry[k].rounds - b->entry[k].ended;
			}
		if (lacks)
			printf(" %s %u of %u;", bench_suites[i]->name, lacks, all);
	}
	printf("\ngo on    ringlab bench --resume %s\n", b->rundir.dir);
}

static void end_print(const struct bench *b)
{
	const struct calibration *c = &b->calibration;
	char text[40];

	duration_text(text, sizeof(text), seconds_now() - b->t0);
	printf("took     %s; %u of %u timed samples in a disturbed phase of the host%s\n", text, c->disturbed, c->samples,
		2 * c->disturbed > c->samples ? ": MOST OF THEM; a quieter machine would give better figures" : "");
	if (b->o->budget_s > 0) {
		json_t *rounds = plan_rounds(b), *n;
		const char *suite;

		printf("rounds  ");
		json_object_foreach(rounds, suite, n)
			printf(" %s %lld", suite, (long long)json_integer_value(n));
		printf("\n");
		json_decref(rounds);
	}
	missing_print(b);
	if (b->stopped)
		stopped_print(b);
	written_paper(b);
	printf("results  %s: summary.md has the tables; as a page: ringlab report %s\n", b->rundir.dir, b->rundir.dir);
}

/* Nothing was measured: there is nothing to keep. */
static int run_nothing(struct bench *b)
{
	say("bench: stopped before anything was measured; nothing is kept");
	tree_remove(b->rundir.staging);
	return RUN_INTERRUPTED;
}

static int run_end(struct bench *b)
{
	size_t planned, done;
	json_t *env;
	int err;

	if (b->broken)
		return RUN_HOST;
	plan_count(b, &planned, &done);
	if (b->stopped && !done)
		return run_nothing(b);
	stop_release(b);
	progress_say(b, "writing the tables and drawing the plots");
	err = rundir_mark(b);
	if (!err) {
		env = env_make(b, !b->stopped);
		err = json_write(b->rundir.staging, "env.json", env);
		json_decref(env);
		if (err)
			say("the run's files are kept in %s; when the cause is gone, finish it with: ringlab bench --resume %s", b->rundir.staging,
				b->rundir.dir);
	}
	if (!err)
		err = written_make(b);
	if (!err)
		err = rundir_publish(b, !b->stopped);
	progress_end(b);
	if (err)
		return RUN_HOST;
	end_print(b);
	return b->stopped ? RUN_INTERRUPTED : b->wrong ? RUN_WRONG : RUN_WELL;
}

int bench_run(const struct bench_options *asked)
{
	struct bench_options o = *asked;
	struct bench *b = calloc(1, sizeof(*b));
	int status;

	if (!b) {
		say("bench: no memory");
		return RUN_HOST;
	}
	b->o = &o;
	b->calib_best = INFINITY;
	b->t0 = seconds_now();
	b->began = time(NULL);
	status = run_begin(b, &o);
	if (!status) {
		begin_print(b);
		tasks_run(b);
		status = run_end(b);
	}
	scratch_end(b);
	if (b->stop_fd > 0)
		close(b->stop_fd);
	take_free(b);
	free(b->held);
	free(b->child);
	free(b->answer);
	series_free(&b->calibration.all);
	rundir_close(b);
	plan_free(b);
	json_decref(b->doctor);
	free(b);
	return status;
}
