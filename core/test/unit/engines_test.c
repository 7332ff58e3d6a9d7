/*
 * The same image on every engine that runs it whole: same registers, same memory, same console.
 *
 * The reference interpreter is the yardstick; bt is held against it here, vtx (in the nested machine) by
 * backend-vtx/test. Guests that depend on real time are run in their deterministic mode.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static json_t *run(const char *backend, const char *guest, const char *append)
{
	char stats[] = "/tmp/ringlab-engines-XXXXXX", cmd[1024];
	int fd = mkstemp(stats);

	cr_assert_geq(fd, 0);
	close(fd);
	snprintf(cmd, sizeof(cmd), "%s run --backend %s --timeout 60 --mem 16M --stats %s %s%s%s %s >/dev/null 2>&1 </dev/null",
		RINGLAB_BINARY, backend, stats, append ? "--append '" : "", append ? append : "", append ? "'" : "", guest);
	int status = system(cmd);
	json_error_t err;
	json_t *j = json_load_file(stats, 0, &err);
	unlink(stats);
	cr_assert(j, "%s on %s left no result (wait status %#x)", guest, backend, status);
	return j;
}

static bool have_backend(const char *name)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "%s doctor --json | grep -q '\"backend\": \"%s\"'", RINGLAB_BINARY, name);
	return system(cmd) == 0;
}

static const char *str(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "(none)";
}

static unsigned same(const char *guest, const char *append)
{
	static const char *const keys[] = { "end", "image_sha256", "console_sha256", "memory_sha256" };
	json_t *a = run("interp", guest, append), *b = run("bt", guest, append);
	unsigned bad = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (strcmp(str(a, keys[i]), str(b, keys[i]))) {
			printf("%s: %s: interp %s, bt %s\n", guest, keys[i], str(a, keys[i]), str(b, keys[i]));
			bad++;
		}
	json_t *ra = json_object_get(a, "registers"), *rb = json_object_get(b, "registers"), *v;
	const char *name;
	json_object_foreach(ra, name, v)
		if (strcmp(json_string_value(v), str(rb, name))) {
			printf("%s: %s: interp %s, bt %s\n", guest, name, json_string_value(v), str(rb, name));
			bad++;
		}
	json_decref(a);
	json_decref(b);
	return bad;
}

Test(engines, bt_ends_as_the_interpreter_does, .timeout = 240)
{
	char line[600], name[128];
	unsigned bad = 0, n = 0;
	FILE *f = fopen(RINGLAB_GUESTS "/guests.cfg", "r");

	cr_assert(f, "no guests.cfg: the guests are not built");
	if (!have_backend("bt"))
		cr_skip_test("this build has no backend bt");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%127[^| \t]", name) != 1 || *line == '#')
			continue;
		if (strcmp(name, "hello") && strcmp(name, "nano") && strncmp(name, "insn/", 5))
			continue;
		n++;
		bad += same(name, strcmp(name, "nano") ? NULL : "n=20 det");
	}
	fclose(f);
	cr_assert_gt(n, 30, "only %u guests compared", n);
	cr_assert_eq(bad, 0, "%u differences over %u guests", bad, n);
}
