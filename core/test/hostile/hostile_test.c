/*
 * Guests that attack the VMM: each must end in a reported guest crash (or the end that guests.cfg names), on every
 * backend, with the VMM's memory unchanged and nothing outside touched.
 *
 * Under pv, where guest code can reach the host's 64-bit code segment, "killed by the jail" is an end too.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "spawn.h"

#define CRASH 220
#define TIMEOUT 221
#define JAIL 224

static const struct engine {
	const char *backend, *interface;
	int column; /* of guests.cfg: 1 native, 2 Xen */
} engines[] = {
	{ "interp", NULL, 1 }, { "bt", NULL, 1 }, { "pv", "trap", 1 }, { "pv", "xen", 2 },
};

struct line {
	char name[64], field[3][64], expect[32];
};

static bool parse(char *text, struct line *l)
{
	char *save = NULL, *f[6] = { 0 };
	int n = 0;

	for (char *t = strtok_r(text, "|", &save); t && n < 6; t = strtok_r(NULL, "|", &save)) {
		while (*t == ' ')
			t++;
		for (char *e = t + strlen(t); e > t && (e[-1] == ' ' || e[-1] == '\n'); *--e = 0)
			;
		f[n++] = t;
	}
	if (n < 6 || *text == '#' || strncmp(f[0], "hostile/", 8))
		return false;
	snprintf(l->name, sizeof(l->name), "%s", f[0]);
	snprintf(l->field[1], sizeof(l->field[1]), "%s", f[1]);
	snprintf(l->field[2], sizeof(l->field[2]), "%s", f[2]);
	snprintf(l->expect, sizeof(l->expect), "%s", f[4]);
	return true;
}

static unsigned count_dir(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static void canary_write(const char *path)
{
	FILE *f = fopen(path, "w");

	fputs("untouched\n", f);
	fclose(f);
}

static bool canary_ok(const char *path)
{
	char line[32] = "";
	FILE *f = fopen(path, "r");

	if (f && !fgets(line, sizeof(line), f))
		line[0] = 0;
	if (f)
		fclose(f);
	return !strcmp(line, "untouched\n");
}

static bool end_allowed(const struct engine *e, const struct line *l, int status)
{
	if (!WIFEXITED(status))
		return false;
	int code = WEXITSTATUS(status);
	if (!strcmp(l->expect, "timeout"))
		return code == TIMEOUT || (!strcmp(e->backend, "pv") && (code == CRASH || code == JAIL));
	return code == CRASH || (code == JAIL && !strcmp(e->backend, "pv"));
}

static void print_console(const char *path)
{
	char line[256];
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		printf("    | %s", line);
	if (f)
		fclose(f);
}

static bool attack(const struct engine *e, const struct line *l)
{
	const char *args[24] = { "--backend", e->backend, "--verify-vmm", "--mem", "16M", "--timeout",
		!strcmp(l->expect, "timeout") ? "1" : "20" };
	int n = 7;

	if (e->interface) {
		args[n++] = "--interface";
		args[n++] = e->interface;
	}
	args[n++] = l->name;
	struct spawned s = spawn_run(args);
	int status = spawn_wait(&s);
	bool ok = end_allowed(e, l, status);
	if (!ok) {
		printf("%s on %s%s%s: wait status %#x, expected %s\n", l->name, e->backend, e->interface ? ":" : "",
			e->interface ? e->interface : "", status, l->expect);
		print_console(s.console);
	}
	json_decref(spawn_result(&s));
	return ok;
}

static void attack_all(const struct engine *e)
{
	char text[600], dir[] = "/tmp/ringlab-hostile-XXXXXX";
	unsigned n = 0, bad = 0, fds;
	FILE *f = fopen(RINGLAB_GUESTS "/guests.cfg", "r");

	cr_assert(f, "no guests.cfg: the guests are not built");
	if (!spawn_available(e->backend)) {
		fclose(f);
		cr_skip_test("backend %s is not available here (ringlab doctor says why)", e->backend);
	}
	cr_assert(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
	canary_write("canary");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fds = count_dir("/proc/self/fd");
	while (fgets(text, sizeof(text), f)) {
		struct line l;
		if (!parse(text, &l) || !strcmp(l.field[e->column], "-"))
			continue;
		n++;
		bad += !attack(e, &l);
	}
	fclose(f);
	cr_assert(canary_ok("canary"), "a guest changed a file outside");
	cr_assert_eq(count_dir("."), 3, "a guest left files behind");
	cr_assert_eq(count_dir("/proc/self/fd"), fds - 1, "a descriptor changed");
	cr_assert_lt(waitpid(-1, NULL, WNOHANG), 1, "a guest left a process behind");
	unlink("canary");
	cr_assert_eq(chdir("/"), 0);
	rmdir(dir);
	cr_assert_gt(n, 0, "no hostile guest for %s", e->backend);
	cr_assert_eq(bad, 0, "%u of %u hostile guests ended as they must not", bad, n);
}

Test(hostile, interp, .timeout = 300) { attack_all(&engines[0]); }
Test(hostile, bt, .timeout = 300) { attack_all(&engines[1]); }
Test(hostile, pv_trap, .timeout = 300) { attack_all(&engines[2]); }
Test(hostile, pv_xen, .timeout = 300) { attack_all(&engines[3]); }
