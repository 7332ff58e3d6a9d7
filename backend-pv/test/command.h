/* command.h - for tests that run the ringlab binary: is pv available to it, and what did a shell command print? */
#pragma once
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Says why not. */
static inline bool pv_available(void)
{
	char line[512] = "";
	bool yes = false;
	FILE *p = popen(RINGLAB_BINARY " doctor", "r");

	cr_assert_not_null(p);
	while (fgets(line, sizeof(line), p))
		if (!strncmp(line, "pv ", 3)) {
			yes = strstr(line, ": available");
			if (!yes)
				fprintf(stderr, "skipped: %s", line);
		}
	pclose(p);
	return yes;
}

/* Its exit status, or -1 when a signal ended it; as much of its standard output as fits in out. */
static inline int command_run(char *out, size_t n, const char *command)
{
	size_t got = 0, r;
	FILE *p = popen(command, "r");

	cr_assert_not_null(p);
	while (got < n - 1 && (r = fread(out + got, 1, n - 1 - got, p)) > 0)
		got += r;
	out[got] = 0;
	int status = pclose(p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
