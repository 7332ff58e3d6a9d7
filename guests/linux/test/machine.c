/*
 * machine.c - starts a Linux guest on a pseudo-terminal and talks to it.
 */
#include "machine.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* True when `ringlab list` shows the guest as fetched. */
static bool fetched(void)
{
	char line[400];
	bool found = false;
	FILE *p = popen(RINGLAB_BINARY " list", "r");

	while (p && fgets(line, sizeof(line), p))
		found |= !strncmp(line, "linux-i386-pae ", 15) && strstr(line, " native ");
	if (p)
		pclose(p);
	return found;
}

void machine_need(void)
{
#if defined(RINGLAB_HOSTILE) || defined(__SANITIZE_ADDRESS__)
	if (!getenv("RINGLAB_LINUX_ALL"))
		cr_skip_test("Linux boots too slowly in this preset; RINGLAB_LINUX_ALL=1 runs it all the same");
#endif
	if (system(RINGLAB_BINARY " run --backend bt hello >/dev/null 2>&1 </dev/null"))
		cr_skip_test("backend bt is not available here (ringlab doctor says why)");
	if (!fetched())
		cr_skip_test("Debian's kernels are not here: run scripts/linux-guest (it needs Debian's packages by network)");
}

void machine_start(struct machine *m, const char *guest, const char *append)
{
	machine_start_on(m, "bt", guest, append);
}

void machine_start_on(struct machine *m, const char *backend, const char *guest, const char *append)
{
	memset(m, 0, sizeof(*m));
	m->tty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	cr_assert(m->tty >= 0 && !grantpt(m->tty) && !unlockpt(m->tty), "no pseudo-terminal");
	m->pid = fork();
	if (m->pid)
		return;
	setsid();
	int fd = open(ptsname(m->tty), O_RDWR);
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	execl(RINGLAB_BINARY, "ringlab", "run", "--backend", backend, "--append", append, guest, NULL);
	_exit(127);
}

void machine_type(struct machine *m, const char *keys)
{
	m->n = 0;
	m->seen[0] = 0;
	cr_assert_eq(write(m->tty, keys, strlen(keys)), (ssize_t)strlen(keys));
}

bool machine_expect(struct machine *m, const char *text, int seconds)
{
	double end = now_s() + seconds;

	while (!strstr(m->seen, text)) {
		struct pollfd p = { .fd = m->tty, .events = POLLIN };
		double left = end - now_s();
		ssize_t n = 0;

		if (left > 0 && poll(&p, 1, (int)(left * 1000) + 1) > 0)
			n = read(m->tty, m->seen + m->n, sizeof(m->seen) - 1 - m->n);
		if (n <= 0) {
			fprintf(stderr, "waited %d s for \"%s\", and saw:\n%s\n", seconds, text, m->seen);
			return false;
		}
		m->n += (size_t)n;
		m->seen[m->n] = 0;
	}
	return true;
}

int machine_end(struct machine *m, int seconds)
{
	double end = now_s() + seconds;
	int status;

	while (waitpid(m->pid, &status, WNOHANG) == 0) {
		char buf[4096];
		struct pollfd p = { .fd = m->tty, .events = POLLIN };

		if (poll(&p, 1, 50) > 0 && read(m->tty, buf, sizeof(buf)) <= 0)
			usleep(50000);
		if (now_s() > end) {
			kill(m->pid, SIGTERM);
			waitpid(m->pid, &status, 0);
			status = -1;
			break;
		}
	}
	return status == -1 ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static long process_ms(pid_t pid)
{
	unsigned long user = 0, system = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		user = system = 0;
	fclose(f);
	return (long)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

long machine_cpu_ms(const struct machine *m)
{
	char path[96];
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)m->pid, (int)m->pid);
	FILE *f = fopen(path, "r");
	if (f) {
		if (fscanf(f, "%d", &child) != 1)
			child = 0;
		fclose(f);
	}
	return process_ms(m->pid) + (child ? process_ms(child) : 0);
}
