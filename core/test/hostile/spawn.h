/* Spawns ringlab as a user would, and collects what it left. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct spawned {
	pid_t pid;
	char stats[64], console[64];
};

/* args: what follows `ringlab run`, NULL-terminated. */
struct spawned spawn_run(const char *const *args);
/* Waits; the wait status. */
int spawn_wait(struct spawned *s);
/* The --stats result, or NULL; and forgets the files. */
json_t *spawn_result(struct spawned *s);
/* Backends of this build that doctor calls available, as "bt", "pv" ...; false when not. */
bool spawn_available(const char *backend);
const char *spawn_str(const json_t *o, const char *key);
