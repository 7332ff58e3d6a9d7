/*
 * session.c - starts Debian's GRUB under pv and talks to it through pipes.
 */
#include "session.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROMPT "\ngrub> "

double session_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool fetched(void)
{
	char line[400];
	bool found = false;
	FILE *p = popen(RINGLAB_BINARY " list", "r");

	while (p && fgets(line, sizeof(line), p))
		found |= !strncmp(line, "grub-xen ", 9) && strstr(line, " xen ");
	if (p)
		pclose(p);
	return found;
}

void session_need(void)
{
	if (access(MKE2FS, X_OK))
		cr_skip_test("mke2fs is not here (Debian: e2fsprogs)");
	if (system(RINGLAB_BINARY " run --backend pv hello >/dev/null 2>&1 </dev/null"))
		cr_skip_test("backend pv cannot run here (ringlab doctor says why; under AddressSanitizer it never can)");
	if (!fetched())
		cr_skip_test("GRUB for Xen is not here: run scripts/grub-guest (it needs Debian's packages by network)");
}

const char *session_disk(const char *name, const char *folder)
{
	static char path[600];
	char command[2000];

	snprintf(path, sizeof(path), GRUB_TEST_DIR "/%s-%d.img", name, (int)getpid());
	unlink(path);
	snprintf(command, sizeof(command), MKE2FS " -q -t ext2 -d %s %s 4M >/dev/null", folder, path);
	cr_assert(!system(command), "%s", command);
	return path;
}

void session_start(struct session *s, const char *const *args)
{
	const char *argv[32] = { "ringlab", "run", "--backend", "pv", "--interface", "xen", "--timeout", "60" };
	int in[2], out[2];
	unsigned n = 8;

	while (*args)
		argv[n++] = *args++;
	argv[n++] = "grub-xen";
	memset(s, 0, sizeof(*s));
	cr_assert(!pipe(in) && !pipe(out));
	s->pid = fork();
	if (!s->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		for (int fd = 3; fd < 100; fd++)
			close(fd);
		execv(RINGLAB_BINARY, (char *const *)argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	s->in = in[1];
	s->out = out[0];
}

void session_type(struct session *s, const char *keys)
{
	cr_assert_eq(write(s->in, keys, strlen(keys)), (ssize_t)strlen(keys));
}

/* One byte of output: ESC [ parameters letter is left out. */
static void take(struct session *s, char c)
{
	if (s->escape) {
		if (s->escape == 1)
			s->escape = c == '[' ? 2 : 0;
		else if (c >= '@')
			s->escape = 0;
	} else if (c == 27) {
		s->escape = 1;
	} else if (c != '\r' && s->n + 1 < sizeof(s->text)) {
		s->text[s->n++] = c;
		s->text[s->n] = 0;
	}
}

bool session_expect(struct session *s, const char *text, int seconds)
{
	double end = session_seconds() + seconds;
	char *at, buf[4096];

	while (!(at = strstr(s->text + s->mark, text))) {
		struct pollfd p = { .fd = s->out, .events = POLLIN };
		double left = end - session_seconds();
		ssize_t n = left > 0 && poll(&p, 1, (int)(left * 1000) + 1) > 0 ? read(s->out, buf, sizeof(buf)) : 0;
		if (n <= 0) {
			fprintf(stderr, "waited %d s for \"%s\", and saw:\n%s\n", seconds, text, s->text + s->mark);
			return false;
		}
		for (ssize_t i = 0; i < n; i++)
			take(s, buf[i]);
	}
	s->mark = (size_t)(at - s->text) + strlen(text);
	return true;
}

const char *session_command(struct session *s, const char *line)
{
	static char answer[8192];
	size_t from = s->mark;

	session_type(s, line);
	session_type(s, "\r");
	if (!session_expect(s, line, 20) || !session_expect(s, "\n", 20))
		return "";
	from = s->mark;
	s->mark--; /* an answer may be empty: the prompt follows at once */
	if (!session_expect(s, PROMPT, 20))
		return "";
	snprintf(answer, sizeof(answer), "%.*s", (int)(s->mark - strlen(PROMPT) + 1 > from ? s->mark - strlen(PROMPT) + 1 - from : 0), s->text + from);
	return answer;
}

int session_end(struct session *s, int seconds)
{
	double end = session_seconds() + seconds;
	int status;

	while (waitpid(s->pid, &status, WNOHANG) == 0) {
		usleep(20000);
		if (session_seconds() > end) {
			kill(s->pid, SIGTERM);
			waitpid(s->pid, &status, 0);
			status = -1;
			break;
		}
	}
	close(s->in);
	close(s->out);
	return status == -1 ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
