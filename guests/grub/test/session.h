/* A scripted session with GRUB on its Xen console: what goes in, what has come out, without the terminal's escape sequences. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct session {
	pid_t pid;
	int in, out;
	char text[262144]; /* escape sequences and carriage returns are left out */
	size_t n, mark;    /* mark: what was looked at already */
	int escape;        /* within a sequence */
};

/* Skips the test, and says why, where pv or GRUB or mke2fs is missing. */
void session_need(void);
/* An ext2 image, made of the files in the folder of that name; its path lives until the next call. */
const char *session_disk(const char *name, const char *folder);
/* `ringlab run` of GRUB with these arguments behind its own, ended by a NULL. */
void session_start(struct session *s, const char *const *args);
void session_type(struct session *s, const char *keys);
/* Waits until text comes, behind what was seen before; false after so many seconds, with all that came on stderr. */
bool session_expect(struct session *s, const char *text, int seconds);
/* Types a line at GRUB's prompt; what comes before the next prompt, the echoed line not included. "" when there is none in time. */
const char *session_command(struct session *s, const char *line);
double session_seconds(void); /* of the host's monotonic clock */
int session_end(struct session *s, int seconds); /* the exit status, or -1 */
