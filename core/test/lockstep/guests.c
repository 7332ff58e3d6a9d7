/* guests.c - runs `ringlab lockstep` as a child over the guests of guests.cfg, and prints what went wrong. */
#include "guests.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIFFER 1
#define TIMEOUT 221

static char *trim(char *s)
{
	while (*s == ' ')
		s++;
	for (char *e = s + strlen(s); e > s && (e[-1] == ' ' || e[-1] == '\n'); *--e = 0)
		;
	return s;
}

bool lock_next(void *file, struct lock_guest *g)
{
	char text[600];

	while (fgets(text, sizeof(text), file)) {
		char *save = NULL, *f[6] = { 0 };
		int n = 0;

		for (char *t = strtok_r(text, "|", &save); t && n < 6; t = strtok_r(NULL, "|", &save))
			f[n++] = trim(t);
		if (n < 6 || *text == '#' || !strcmp(f[1], "-"))
			continue;
		snprintf(g->name, sizeof(g->name), "%s", f[0]);
		snprintf(g->expect, sizeof(g->expect), "%s", f[4]);
		return true;
	}
	return false;
}

int lock_run(const struct lock_guest *g, const char *const *options, char *out, unsigned n)
{
	const char *argv[40] = { "lockstep", "--mem", "16M", "--timeout", "250" };
	int k = 5;

	while (*options && k < 38)
		argv[k++] = *options++;
	argv[k++] = g->name;
	return lock_command(argv, out, n);
}

int lock_command(const char *const *args, char *out, unsigned n)
{
	const char *argv[40] = { "ringlab" };
	int pipes[2], status = -1, k = 1;
	unsigned used = 0;
	ssize_t got;
	pid_t pid;

	while (*args && k < 39)
		argv[k++] = *args++;
	if (pipe(pipes))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		close(pipes[0]);
		execv(RINGLAB_BINARY, (char **)argv);
		_exit(127);
	}
	close(pipes[1]);
	/* The end of the output is what matters: keep the last half of the buffer. */
	while ((got = read(pipes[0], out + used, n - 1 - used)) > 0) {
		used += (unsigned)got;
		if (used > n / 2) {
			memmove(out, out + used - n / 2, n / 2);
			used = n / 2;
		}
	}
	out[used] = 0;
	close(pipes[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

unsigned lock_all(const char *const *prefixes, const char *const *options, unsigned *bad)
{
	static char out[32768];
	FILE *f = fopen(RINGLAB_GUESTS "/guests.cfg", "r");
	struct lock_guest g;
	unsigned n = 0;

	*bad = 0;
	while (f && lock_next(f, &g)) {
		bool wanted = false;
		int status;

		for (const char *const *p = prefixes; *p; p++)
			wanted |= !strncmp(g.name, *p, strlen(*p));
		if (!wanted || (!strcmp(g.expect, "timeout") && !strcmp(prefixes[0], "hostile/")))
			continue;
		n++;
		status = lock_run(&g, options, out, sizeof(out));
		if (!status)
			continue;
		++*bad;
		printf("lockstep");
		for (const char *const *o = options; *o; o++)
			printf(" %s", *o);
		printf(" %s: status %d%s\n%s\n", g.name, status, status == DIFFER ? " (they differ)" : status == TIMEOUT ? " (time-out)" : "", out);
	}
	if (f)
		fclose(f);
	return n;
}
