/* A Linux guest on a pseudo-terminal, as a user at a keyboard has it. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

struct machine {
	pid_t pid;
	int tty;        /* our end of the terminal */
	char seen[65536];
	size_t n;       /* all that was read, a NUL behind it */
};

/* Skips the test, and says why, unless bt and the kernels are here and this build is one that runs them in time. */
void machine_need(void);
/* Starts `ringlab run --backend BACKEND GUEST --append APPEND` on a terminal of its own. */
void machine_start_on(struct machine *m, const char *backend, const char *guest, const char *append);
/* The same on bt. */
void machine_start(struct machine *m, const char *guest, const char *append);
void machine_type(struct machine *m, const char *keys);
/* Reads until text was seen behind what was typed last, or seconds are over: false, with all that was seen on stderr. */
bool machine_expect(struct machine *m, const char *text, int seconds);
/* Waits for the end: the exit status, -1 when seconds are over (then it is killed). */
int machine_end(struct machine *m, int seconds);
/* CPU time of ringlab and its child, in milliseconds. */
long machine_cpu_ms(const struct machine *m);
