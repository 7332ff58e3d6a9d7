/*
 * worker.c - a forked child that runs batches of tests, so that no test can hurt the one who compares.
 *
 * The batch and the results are in shared memory; a byte through a pipe starts a batch, a byte back ends it. When the
 * child dies or stands still, the test it was at gets the result IT_DIED, and a new child goes on with the next one. The
 * native oracle is a program of its own (oracle.c), because a sanitizer's shadow memory lies in the low 4 GiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "itest.h"

#define STALL_MS 2000

struct it_worker {
	const struct it_exec *exec;
	const struct it_batch *batch;
	struct it_out *out;
	int batch_fd, out_fd;
	pid_t pid;
	int to, from;
};

void *shared_create(size_t size, int *fd)
{
	void *p;

	*fd = memfd_create("itest-shared", MFD_CLOEXEC);
	if (*fd < 0)
		return NULL;
	p = ftruncate(*fd, (off_t)size) ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (p != MAP_FAILED)
		return p;
	close(*fd);
	return NULL;
}

_Noreturn void worker_child(const struct it_exec *x, const struct it_batch *b, struct it_out *out, int in, int back)
{
	char why[128] = "";
	void *self = x->open(x, why);
	char c = self ? 'k' : 'e';
	uint32_t first;

	if (write(back, &c, 1) != 1 || !self) {
		(void)!write(back, why, sizeof(why));
		_exit(1);
	}
	while (read(in, &first, sizeof(first)) == sizeof(first)) {
		x->begin(self, b);
		for (uint32_t i = first; i < b->n; i++) {
			atomic_store(&out->done, i);
			x->run(self, &b->test[i], &out->result[i]);
		}
		atomic_store(&out->done, b->n);
		x->image(self, out->image);
		if (write(back, "d", 1) != 1)
			break;
	}
	_exit(0);
}

/* In the child: becomes the executor. */
static _Noreturn void child_main(struct it_worker *w, int in, int back)
{
	const int fds[4] = { w->batch_fd, w->out_fd, in, back };
	char arg[4][16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!w->exec->program)
		worker_child(w->exec, w->batch, w->out, in, back);
	for (unsigned i = 0; i < 4; i++) {
		fcntl(fds[i], F_SETFD, 0);
		snprintf(arg[i], sizeof(arg[i]), "%d", fds[i]);
	}
	execl(w->exec->program, w->exec->program, arg[0], arg[1], arg[2], arg[3], (char *)NULL);
	_exit(127);
}

/* 0, or -errno with a sentence in why[128]. */
static int worker_spawn(struct it_worker *w, char *why)
{
	int down[2], up[2];
	char c = 0;

	if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	w->pid = fork();
	if (w->pid < 0)
		return -errno;
	if (!w->pid) {
		close(down[1]);
		close(up[0]);
		child_main(w, down[0], up[1]);
	}
	close(down[0]);
	close(up[1]);
	w->to = down[1];
	w->from = up[0];
	if (read(w->from, &c, 1) == 1 && c == 'k')
		return 0;
	snprintf(why, 128, "%s: the child ended before it could run a test", w->exec->name);
	if (c == 'e')
		(void)!read(w->from, why, 128);
	return -ECHILD;
}

struct it_worker *worker_start(const struct it_exec *x, const struct it_batch *b, int batch_fd, char *why)
{
	struct it_worker *w = calloc(1, sizeof(*w));

	w->exec = x;
	w->batch = b;
	w->batch_fd = batch_fd;
	w->out = shared_create(sizeof(*w->out), &w->out_fd);
	if (!w->out || worker_spawn(w, why)) {
		free(w);
		return NULL;
	}
	return w;
}

static void worker_go(struct it_worker *w, uint32_t first)
{
	(void)!write(w->to, &first, sizeof(first));
}

void worker_submit(struct it_worker *w)
{
	worker_go(w, 0);
}

/* The child died or hangs: records that for the test it was at, and starts another one behind it. */
static void worker_recover(struct it_worker *w, bool stalled)
{
	uint32_t at = atomic_load(&w->out->done);
	struct iresult *r = &w->out->result[at < IT_BATCH ? at : 0];
	char why[128] = "";
	int status = 0;

	kill(w->pid, SIGKILL);
	waitpid(w->pid, &status, 0);
	close(w->to);
	close(w->from);
	memset(r, 0, sizeof(*r));
	r->kind = IT_DIED;
	if (stalled)
		snprintf(r->why, sizeof(r->why), "no end after %d ms", STALL_MS);
	else if (WIFSIGNALED(status))
		snprintf(r->why, sizeof(r->why), "the process died of signal %d", WTERMSIG(status));
	else
		snprintf(r->why, sizeof(r->why), "the process exited with %d", WEXITSTATUS(status));
	if (worker_spawn(w, why)) {
		fprintf(stderr, "cannot start the executor again: %s\n", why);
		abort();
	}
	worker_go(w, at + 1);
}

void worker_wait(struct it_worker *w)
{
	uint32_t last = UINT32_MAX;

	for (;;) {
		struct pollfd p = { .fd = w->from, .events = POLLIN };
		int n = poll(&p, 1, STALL_MS);
		char c;

		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0 && read(w->from, &c, 1) == 1)
			return;
		if (n == 0 && atomic_load(&w->out->done) != last) {
			last = atomic_load(&w->out->done);
			continue;
		}
		worker_recover(w, n == 0);
		last = UINT32_MAX;
	}
}

const struct it_out *worker_out(const struct it_worker *w)
{
	return w->out;
}

void worker_stop(struct it_worker *w)
{
	if (!w)
		return;
	kill(w->pid, SIGKILL); /* a later child may hold the other end of its pipe: closing would not end it */
	waitpid(w->pid, NULL, 0);
	close(w->to);
	close(w->from);
	munmap(w->out, sizeof(*w->out));
	close(w->out_fd);
	free(w);
}
