/*
 * Several VMs at once: four side by side, one of them killed; the others' results do not change, and it starts again.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "spawn.h"

#define SIDE_BY_SIDE 4

static struct spawned start(const char *backend)
{
	const char *args[] = { "--backend", backend, "--mem", "16M", "--timeout", "60", "--append", "n=200 det", "nano", NULL };

	return spawn_run(args);
}

static void expect_hash(struct spawned *s, const char *want)
{
	int status = spawn_wait(s);
	json_t *j = spawn_result(s);

	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status %#x", status);
	cr_assert_str_eq(spawn_str(j, "console_sha256"), want);
	json_decref(j);
}

static void side_by_side(const char *backend)
{
	struct spawned s[SIDE_BY_SIDE], alone;
	char want[80];

	if (!spawn_available(backend))
		cr_skip_test("backend %s is not available here (ringlab doctor says why)", backend);
	alone = start(backend);
	spawn_wait(&alone);
	json_t *j = spawn_result(&alone);
	strncpy(want, spawn_str(j, "console_sha256"), sizeof(want) - 1);
	want[sizeof(want) - 1] = 0;
	json_decref(j);
	cr_assert_eq(strlen(want), 64);
	for (int i = 0; i < SIDE_BY_SIDE; i++)
		s[i] = start(backend);
	usleep(2000);
	kill(s[1].pid, SIGKILL);
	spawn_wait(&s[1]);
	json_decref(spawn_result(&s[1]));
	s[1] = start(backend);
	for (int i = 0; i < SIDE_BY_SIDE; i++)
		expect_hash(&s[i], want);
}

Test(several, interp, .timeout = 120) { side_by_side("interp"); }
Test(several, bt, .timeout = 120) { side_by_side("bt"); }
Test(several, pv, .timeout = 120) { side_by_side("pv"); }
