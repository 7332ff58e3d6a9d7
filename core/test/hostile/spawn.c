/* Child processes for the tests that need the whole product. */
#include "spawn.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct spawned spawn_run(const char *const *args)
{
	struct spawned s = { .stats = "/tmp/ringlab-stats-XXXXXX", .console = "/tmp/ringlab-out-XXXXXX" };
	int stats = mkstemp(s.stats), out = mkstemp(s.console);
	const char *argv[40] = { "ringlab", "run", "--stats", s.stats };
	int n = 4;

	while (*args && n < 39)
		argv[n++] = *args++;
	close(stats);
	s.pid = fork();
	if (!s.pid) {
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(out, 1);
		dup2(out, 2);
		execv(RINGLAB_BINARY, (char **)argv);
		_exit(127);
	}
	close(out);
	return s;
}

int spawn_wait(struct spawned *s)
{
	int status = -1;

	waitpid(s->pid, &status, 0);
	return status;
}

json_t *spawn_result(struct spawned *s)
{
	json_error_t err;
	json_t *j = json_load_file(s->stats, 0, &err);

	unlink(s->stats);
	unlink(s->console);
	return j;
}

bool spawn_available(const char *backend)
{
	char cmd[600];

	snprintf(cmd, sizeof(cmd), "%s doctor --json", RINGLAB_BINARY);
	FILE *p = popen(cmd, "r");
	json_t *j = p ? json_loadf(p, 0, NULL) : NULL, *b;
	bool ok = false;
	size_t i;

	if (p)
		pclose(p);
	json_array_foreach(json_object_get(j, "backends"), i, b)
		ok |= !strcmp(spawn_str(b, "backend"), backend) && json_is_true(json_object_get(b, "available"));
	json_decref(j);
	return ok;
}

const char *spawn_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}
