/*
 * witness_test.c - `run --witness`: its schema (docs/exits.md), and that what it says of the CPU fits how each backend works.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The column, or NULL where the backend cannot run here, which is said. */
static json_t *run(const char *options)
{
	char stats[] = "/tmp/witness-XXXXXX", command[600];
	json_error_t err;

	cr_assert_geq(mkstemp(stats), 0);
	snprintf(command, sizeof(command), "timeout 100 %s run --stats %s %s --append n=20 nano >/dev/null 2>&1 </dev/null", RINGLAB_BINARY, stats, options);
	int w = system(command);
	json_t *j = json_load_file(stats, 0, &err);
	unlink(stats);
	if (WIFEXITED(w) && WEXITSTATUS(w) == 222) {
		fprintf(stderr, "SKIPPED: run %s: this backend cannot run here\n", options);
		json_decref(j);
		return NULL;
	}
	cr_assert(j && w == 0, "run %s: wait status %#x", options, (unsigned)w);
	return j;
}

static unsigned long hex(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	cr_assert(v && !strncmp(v, "0x", 2), "%s is no hexadecimal text", key);
	return strtoul(v, NULL, 16);
}

static const json_t *row(const json_t *column, const char *kind)
{
	const json_t *w;
	size_t i;

	json_array_foreach((json_t *)json_object_get(column, "witness"), i, w)
		if (!strcmp(json_string_value(json_object_get(w, "kind")), kind))
			return w;
	return NULL;
}

/* Every row: has an event of its kind and mechanism; real registers that make sense for unprivileged backends. */
static void rows_fit(const json_t *column)
{
	const json_t *w, *e;
	size_t i, k;

	json_array_foreach((json_t *)json_object_get(column, "witness"), i, w) {
		const json_t *real = json_object_get(w, "real"), *guest = json_object_get(w, "guest");
		bool known = false;

		json_array_foreach((json_t *)json_object_get(column, "events"), k, e)
			known |= json_equal(json_object_get(e, "kind"), json_object_get(w, "kind")) &&
				json_equal(json_object_get(e, "mechanism"), json_object_get(w, "mechanism")) && json_integer_value(json_object_get(e, "count"));
		cr_expect(known, "a witness of %s, which was not counted", json_string_value(json_object_get(w, "kind")));
		hex(w, "eip");
		hex(guest, "ss");
		hex(guest, "eflags");
		cr_expect_eq(hex(real, "cs") & 3, 3, "an unprivileged process in ring %lu", hex(real, "cs") & 3);
		cr_expect_eq(hex(real, "ss") & 3, 3);
		cr_expect_eq(json_integer_value(json_object_get(real, "cpl")), 3);
		cr_expect(hex(real, "eflags") & 0x200, "a process with interrupts closed");
		cr_expect_str_eq(json_string_value(json_object_get(real, "mode")), "root");
		cr_expect_eq((long)(hex(guest, "cs") & 3), (long)json_integer_value(json_object_get(guest, "cpl")));
	}
}

static void kernel_in(const json_t *column, const char *kind, long ring)
{
	const json_t *w = row(column, kind);

	cr_assert(w, "no witness of %s", kind);
	cr_expect_eq((long)json_integer_value(json_object_get(json_object_get(w, "guest"), "cpl")), ring, "%s", kind);
}

static void backend(const char *options, long kernel)
{
	json_t *c = run(options);

	if (!c)
		return;
	rows_fit(c);
	kernel_in(c, "cpuid", kernel);
	kernel_in(c, "syscall-entry", 3);
	json_decref(c);
}

#ifdef HAVE_BACKEND_BT
Test(witness, bt) { backend("--witness --backend bt", 0); }
#endif
#ifdef HAVE_BACKEND_PV
Test(witness, pv_xen) { backend("--witness --backend pv --interface xen", 1); }
Test(witness, pv_patch) { backend("--witness --backend pv --interface patch", 0); }
#endif

/* The same counts with it and without, for it must not change what it watches. */
static void counts_same(const char *plain, const char *watched)
{
	json_t *a = run(plain), *b = run(watched);
	const char *const kinds[] = { "port-out", "cpuid", "cr3-write", "exception", "page-fault" };

	for (size_t i = 0; a && b && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const json_t *e;
		size_t k;
		long long n[2] = { 0 };

		json_array_foreach(json_object_get(a, "events"), k, e)
			n[0] += strcmp(json_string_value(json_object_get(e, "kind")), kinds[i]) ? 0 : json_integer_value(json_object_get(e, "count"));
		json_array_foreach(json_object_get(b, "events"), k, e)
			n[1] += strcmp(json_string_value(json_object_get(e, "kind")), kinds[i]) ? 0 : json_integer_value(json_object_get(e, "count"));
		if (strcmp(kinds[i], "port-out")) /* the console prints times */
			cr_expect_eq(n[0], n[1], "%s: %lld without, %lld with --witness", kinds[i], n[0], n[1]);
	}
	json_decref(a);
	json_decref(b);
}

#ifdef HAVE_BACKEND_BT
Test(witness, changes_no_count_of_bt) { counts_same("--backend bt", "--witness --backend bt"); }
#endif
#ifdef HAVE_BACKEND_PV
Test(witness, changes_no_count_of_pv) { counts_same("--backend pv", "--witness --backend pv"); }
#endif

Test(witness, null_without_and_none_of_the_interpreter)
{
	json_t *off = run("--backend interp"), *on = run("--backend interp --witness");

	cr_assert(off && on);
	cr_expect(json_is_null(json_object_get(off, "witness")));
	cr_expect(json_is_array(json_object_get(on, "witness")) && !json_array_size(json_object_get(on, "witness")));
	json_decref(off);
	json_decref(on);
}
