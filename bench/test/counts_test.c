/*
 * counts_test.c - nano with n repetitions: each backend's counts equal the guest's truth where docs/exits.md demands it.
 *
 * The checker itself is tested too: one count changed by one must be found.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "abi/events.h"
#include "taxonomy.h"

static bool runnable(const char *backend)
{
	char cmd[600];

	snprintf(cmd, sizeof(cmd), "%s doctor --json | tr -d ' \\n' | grep -q '\"backend\":\"%s\",[^}]*\"available\":true'",
		RINGLAB_BINARY, backend);
	return system(cmd) == 0;
}

/* Runs nano; its --stats object, or NULL when the run left none. */
static json_t *run_nano(const char *column, const char *append, bool count_inline)
{
	char stats[] = "/tmp/ringlab-counts-XXXXXX", cmd[1200], backend[16];
	const char *interface = strchr(column, ':');
	json_error_t err;
	int fd = mkstemp(stats);

	cr_assert_geq(fd, 0);
	close(fd);
	snprintf(backend, sizeof(backend), "%.*s", interface ? (int)(interface - column) : 15, column);
	snprintf(cmd, sizeof(cmd), "%s run --backend %s %s%s %s --timeout 60 --append '%s' --stats %s nano >%s.out 2>&1 </dev/null",
		RINGLAB_BINARY, backend, interface ? "--interface " : "", interface ? interface + 1 : "",
		count_inline ? "--count-inline" : "", append, stats, stats);
	int status = system(cmd);
	json_t *j = json_load_file(stats, 0, &err);
	if (!j || json_integer_value(json_object_get(j, "status")) != 0) {
		snprintf(cmd, sizeof(cmd), "tail -n 5 %s.out >&2", stats);
		cr_log_error("nano on %s: wait status %#x; its last lines follow", column, status);
		(void)!system(cmd);
	}
	unlink(stats);
	strcpy(cmd, stats);
	strcat(cmd, ".out");
	unlink(cmd);
	return j;
}

static void check_column(const char *column)
{
	static const char *const appends[] = { "n=50", "n=300" };
	char why[4096], backend[16];
	unsigned held;

	snprintf(backend, sizeof(backend), "%.*s", (int)strcspn(column, ":"), column);
	if (!runnable(backend))
		cr_skip_test("backend %s cannot run here", backend);
	for (int i = 0; i < 4; i++) {
		json_t *j = run_nano(column, appends[i & 1], i >= 2);

		cr_assert(j, "nano on %s left no statistics", column);
		cr_expect_eq(json_integer_value(json_object_get(j, "status")), 0, "nano on %s failed", column);
		unsigned bad = taxonomy_check(j, column, i >= 2, &held, why, sizeof(why));
		cr_expect_eq(bad, 0, "%s %s%s:\n%s", column, appends[i & 1], i >= 2 ? " --count-inline" : "", why);
		cr_expect_gt(held, 5, "only %u kinds were held against the truth on %s", held, column);
		json_decref(j);
	}
}

Test(counts, interpreter, .timeout = 100) { check_column("interp"); }
Test(counts, bt, .timeout = 100) { check_column("bt"); }
Test(counts, pv_xen, .timeout = 100) { check_column("pv:xen"); }
Test(counts, pv_trap, .timeout = 100) { check_column("pv:trap"); }

/* Every kind has a row for every column, so that no backend is left out by a typing error. */
Test(counts, the_table_is_whole)
{
	static const char *const columns[] = { "interp", "vtx", "bt", "pv:xen", "pv:trap" };

	for (size_t c = 0; c < sizeof(columns) / sizeof(*columns); c++) {
#define X(id, name, text) cr_expect_neq(taxonomy_demand(columns[c], name), DEMAND_UNKNOWN, "no demand for %s on %s", name, columns[c]);
		EVENT_KINDS(X)
#undef X
	}
}

/* A counter that is off by one is found. */
Test(counts, a_wrong_count_is_found)
{
	json_t *good = json_pack("{s:{s:i},s:[{s:s,s:i}]}", "truth", "cpuid", 100, "events", "kind", "cpuid", "count", 100);
	json_t *less = json_pack("{s:{s:i},s:[{s:s,s:i}]}", "truth", "cpuid", 100, "events", "kind", "cpuid", "count", 99);
	json_t *none = json_pack("{s:{s:i},s:[]}", "truth", "cpuid", 100, "events");
	unsigned held;
	char why[512];

	cr_expect_eq(taxonomy_check(good, "interp", false, &held, why, sizeof(why)), 0, "%s", why);
	cr_expect_eq(held, 1);
	cr_expect_eq(taxonomy_check(less, "interp", false, &held, why, sizeof(why)), 1);
	cr_expect_eq(taxonomy_check(none, "interp", false, &held, why, sizeof(why)), 1);
	json_decref(good);
	json_decref(less);
	json_decref(none);
}
