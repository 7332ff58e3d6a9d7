/*
 * proc.c - runs one child, hands its output to a callback line by line, and stops it when it takes too long.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>
#include "bench.h"

#define ORPHANS_S 1.0 /* how long what a child left behind may take to end */

struct reader {
	int fd;
	size_t len;
	char text[1024];
};

bool cpu_usable(int cpu)
{
	cpu_set_t set;

	return cpu >= 0 && cpu < CPU_SETSIZE && !sched_getaffinity(0, sizeof(set), &set) && CPU_ISSET(cpu, &set);
}

int cpu_choose(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -1;
	for (int i = CPU_SETSIZE - 1; i >= 0; i--)
		if (CPU_ISSET(i, &set))
			return i;
	return -1;
}

double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static _Noreturn void child_start(const struct child_run *c, int out, int err)
{
	cpu_set_t set;
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	setpgid(0, 0); /* so that all that it starts can be stopped, and a terminal's Ctrl-C reaches us first */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (c->cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(c->cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	setpriority(PRIO_PROCESS, 0, -10); /* where we may: fewer preemptions */
	if (c->no_huge_pages)
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	dup2(null, 0);
	dup2(out, 1);
	dup2(err, 2);
	execvp(c->argv[0], c->argv);
	dprintf(2, "%s: %s\n", c->argv[0], strerror(errno));
	_exit(127);
}

/* Reads what is there. False at end of file. */
static bool reader_pump(struct reader *r, void (*line)(void *, const char *, pid_t), void *ctx, pid_t pid)
{
	ssize_t n = read(r->fd, r->text + r->len, sizeof(r->text) - 1 - r->len);
	char *start = r->text, *end;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	r->len += (size_t)n;
	r->text[r->len] = 0;
	while ((end = strchr(start, '\n'))) {
		*end = 0;
		if (end > start && end[-1] == '\r')
			end[-1] = 0;
		line(ctx, start, pid);
		start = end + 1;
	}
	r->len -= (size_t)(start - r->text);
	memmove(r->text, start, r->len);
	if (r->len == sizeof(r->text) - 1) /* a line too long for us */
		r->len = 0;
	return true;
}

static void keep_error(void *ctx, const char *text, pid_t pid)
{
	struct child_run *c = ctx;

	snprintf(c->error, sizeof(c->error), "%s", text);
}

static void no_line(void *ctx, const char *text, pid_t pid)
{
}

/* Pumps both pipes until they close; kills the child at its deadline or when stop_fd says so. 0, or the status to report for that. */
static int child_watch(struct child_run *c, pid_t pid, int out, int err)
{
	struct reader r[2] = { { .fd = out }, { .fd = err } };
	struct pollfd p[3] = { { .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN },
		{ .fd = c->stop_fd ? c->stop_fd : -1, .events = POLLIN } };
	double deadline = seconds_now() + c->timeout_s;
	int killed = 0;

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		double left = deadline - seconds_now();

		if (!killed && (left <= 0 || p[2].revents)) {
			killed = p[2].revents ? -2 : -1;
			p[2].fd = -1;
			p[2].revents = 0;
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL); /* if it has not come to setpgid yet */
		}
		int got = poll(p, 3, killed || (c->tick && left > 1) ? 1000 : (int)(left * 1000) + 1);

		if (got <= 0 && killed)
			break;
		if (!got && c->tick)
			c->tick(c->tick_ctx);
		if (p[0].fd >= 0 && p[0].revents && !reader_pump(&r[0], c->line ? c->line : no_line, c->ctx, pid))
			p[0].fd = -1;
		if (p[1].fd >= 0 && p[1].revents && !reader_pump(&r[1], keep_error, c, pid))
			p[1].fd = -1;
	}
	return killed;
}

/* Waits for its end; one that has closed its output and goes on is stopped like any other. */
static int child_reap(struct child_run *c, pid_t pid, int killed, double deadline, int *status, struct rusage *usage)
{
	struct pollfd p = { .fd = c->stop_fd ? c->stop_fd : -1, .events = POLLIN };
	pid_t got;

	while ((got = wait4(pid, status, killed ? 0 : WNOHANG, usage)) != pid) {
		if (got < 0 && errno != EINTR)
			break;
		if (killed || (poll(&p, 1, 1) <= 0 && seconds_now() < deadline))
			continue;
		killed = p.revents ? -2 : -1;
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
	}
	return killed;
}

/* CPU time of all children that have been waited for, and of theirs. */
static double children_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/*
 * What a child started and did not wait for (Bochs, below a script that is killed) comes to us as the subreaper: its CPU time is the
 * child's, and it must be gone before the next one starts.
 */
static void orphans_reap(void)
{
	double until = seconds_now() + ORPHANS_S;
	pid_t got;

	while ((got = waitpid(-1, NULL, WNOHANG)) >= 0 && seconds_now() < until)
		if (!got)
			poll(NULL, 0, 1);
}

int child_run(struct child_run *c)
{
	double t0, cpu = children_seconds();
	struct rusage usage;
	int out[2], err[2], status, killed;
	pid_t pid;

	c->error[0] = 0;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (pipe2(out, O_CLOEXEC))
		return -errno;
	if (pipe2(err, O_CLOEXEC)) {
		close(out[0]), close(out[1]);
		return -errno;
	}
	fflush(NULL);
	t0 = seconds_now();
	c->tsc_start = __rdtsc();
	pid = fork();
	if (!pid)
		child_start(c, out[1], err[1]);
	close(out[1]), close(err[1]);
	if (pid < 0) {
		close(out[0]), close(err[0]);
		return -EAGAIN;
	}
	killed = child_watch(c, pid, out[0], err[0]);
	killed = child_reap(c, pid, killed, t0 + c->timeout_s, &status, &usage);
	c->tsc_end = __rdtsc();
	c->seconds = seconds_now() - t0;
	orphans_reap();
	c->cpu_seconds = children_seconds() - cpu;
	c->max_rss_kib = usage.ru_maxrss;
	c->preempted = usage.ru_nivcsw;
	c->status = killed ? killed : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	close(out[0]), close(err[0]);
	return 0;
}
