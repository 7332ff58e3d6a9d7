/* guests.h - the guests of guests.cfg, and `ringlab lockstep` on one of them. */
#pragma once
#include <stdbool.h>

struct lock_guest {
	char name[64], expect[32];
};
/* The next guest with a native image from an open guests.cfg; false at the end. */
bool lock_next(void *file, struct lock_guest *g);
/* Runs ringlab with these arguments (NULL-terminated); its exit status, and the end of its output in out[n]. */
int lock_command(const char *const *args, char *out, unsigned n);
/* Runs ringlab lockstep with the options (NULL-terminated); its exit status, and its output in out[n]. */
int lock_run(const struct lock_guest *g, const char *const *options, char *out, unsigned n);
/* All guests whose name begins with one of the prefixes (NULL-terminated); returns how many ran, and counts the bad. */
unsigned lock_all(const char *const *prefixes, const char *const *options, unsigned *bad);
