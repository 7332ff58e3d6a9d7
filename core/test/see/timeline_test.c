/*
 * timeline_test.c - --timeline and --by-symbol of `ringlab run`: sums are exact, in every bucket width, on every engine, in the jail.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BAD_USAGE 223

static char *output_of(const char *words, int *status)
{
	char cmd[1000], *text = calloc(1, 1 << 18);
	size_t n = 0;
	FILE *p;

	snprintf(cmd, sizeof(cmd), "timeout 60 %s %s 2>&1 </dev/null", RINGLAB_BINARY, words);
	p = popen(cmd, "r");
	cr_assert(p && text);
	while (n < (1 << 18) - 1 && !feof(p) && !ferror(p))
		n += fread(text + n, 1, (1 << 18) - 1 - n, p);
	n = (size_t)pclose(p);
	*status = WIFEXITED((int)n) ? WEXITSTATUS((int)n) : -1;
	return text;
}

static json_t *stats_of(const char *words)
{
	char path[] = "/tmp/ringlab-timeline-XXXXXX", args[800];
	int fd = mkstemp(path), status;
	json_error_t err;

	cr_assert_geq(fd, 0);
	close(fd);
	snprintf(args, sizeof(args), "run --stats %s %s", path, words);
	free(output_of(args, &status));
	json_t *j = json_load_file(path, 0, &err);
	unlink(path);
	cr_assert(j, "%s: status %d, %s", words, status, err.text);
	return j;
}

/* Adds sign times each row's count to sums["KIND/MECHANISM"]. */
static void add_rows(json_t *sums, const json_t *rows, int sign)
{
	json_t *e;
	size_t i;

	json_array_foreach((json_t *)rows, i, e) {
		char key[100];
		json_int_t n = json_integer_value(json_object_get(e, "count"));

		snprintf(key, sizeof(key), "%s/%s", json_string_value(json_object_get(e, "kind")), json_string_value(json_object_get(e, "mechanism")));
		cr_expect_geq(n, 0, "%s: %lld events", key, (long long)n);
		json_object_set_new(sums, key, json_integer(json_integer_value(json_object_get(sums, key)) + sign * n));
	}
}

/* The buckets follow each other; an overlap is the one bucket over all of the run. */
static void check_times(const json_t *buckets, const char *words)
{
	double at = 0;
	json_t *b;
	size_t i;

	json_array_foreach((json_t *)buckets, i, b) {
		double t = json_real_value(json_object_get(b, "t_s")), w = json_real_value(json_object_get(b, "width_s"));

		if (i && t == 0) {
			cr_expect_eq(i, json_array_size(buckets) - 1, "%s: bucket %zu begins at 0", words, i);
			cr_expect_float_eq(w, at, 1e-6, "%s: the bucket over the run is %f s wide, the run %f s", words, w, at);
			return;
		}
		cr_expect_float_eq(t, at, 1e-6, "%s: bucket %zu begins at %f, the one before it ends at %f", words, i, t, at);
		cr_expect_gt(w, 0);
		at = t + w;
	}
}

static size_t sums_are_exact(const char *words)
{
	json_t *j = stats_of(words), *buckets = json_object_get(j, "timeline"), *sums = json_object(), *v, *b;
	const char *key;
	size_t i, n = json_array_size(buckets);

	cr_expect_gt(n, 0, "%s: no bucket", words);
	cr_expect_leq(n, 257, "%s: %zu buckets", words, n);
	add_rows(sums, json_object_get(j, "events"), 1);
	json_array_foreach(buckets, i, b)
		add_rows(sums, json_object_get(b, "events"), -1);
	json_object_foreach(sums, key, v)
		cr_expect_eq(json_integer_value(v), 0, "%s: %s: buckets and events differ by %lld", words, key, (long long)json_integer_value(v));
	check_times(buckets, words);
	json_decref(sums);
	json_decref(j);
	return n;
}

Test(timeline, sums_are_exact, .timeout = 100)
{
	cr_expect_geq(sums_are_exact("--backend interp --timeline=0.1 --append n=2000 nano"), 100, "the table was never full");
	sums_are_exact("--backend interp --timeline=1000000 hello");
	sums_are_exact("--backend interp --timeline --no-jail --append n=200 nano");
#ifdef HAVE_BACKEND_BT
	sums_are_exact("--backend bt --timeline=1 --append n=2000 nano");
	sums_are_exact("--backend bt --timeline=0.5 --count-inline --append n=1000 nano");
#endif
}

#ifdef HAVE_BACKEND_PV
Test(timeline, sums_are_exact_on_pv, .timeout = 100)
{
#ifdef __SANITIZE_ADDRESS__
	cr_skip_test("direct execution cannot run under the sanitizer");
#else
	sums_are_exact("--backend pv --interface xen --timeline=1 --append n=1000 nano");
	sums_are_exact("--backend pv --interface previrt --timeline=1 --append n=1000 nano");
	sums_are_exact("--backend pv --interface patch --timeline=1 --append n=1000 nano");
	sums_are_exact("--backend pv --interface trap --timeline=1 --append n=1000 nano");
#endif
}
#endif

#if defined(HAVE_BACKEND_PV) && !defined(__SANITIZE_ADDRESS__)
/* A hypercall is the caller's, not the hypercall page's, and so is what it does. */
static json_int_t row_count(const json_t *j, const char *symbol, const char *kind)
{
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(j, "symbols"), i, e)
		if (!strcmp(json_string_value(json_object_get(e, "symbol")), symbol) && !strcmp(json_string_value(json_object_get(e, "kind")), kind))
			return json_integer_value(json_object_get(e, "count"));
	return 0;
}

Test(timeline, hypercalls_are_the_caller_s, .timeout = 60)
{
	json_t *j = stats_of("--backend pv --interface xen --by-symbol --append faults=500 steps");

	cr_expect_eq(row_count(j, "page_set", "hypercall"), 1000);
	cr_expect_eq(row_count(j, "page_set", "page-table-write"), 1000);
	cr_expect_eq(row_count(j, "ask_cpu", "cpuid"), 1000);
	cr_expect_eq(row_count(j, "touch_page", "page-fault"), 500);
	json_decref(j);
}
#endif

/* Of each kind, what the symbols' rows have and what is in none of them make the events. */
static void symbols_are_all(const char *words)
{
	json_t *j = stats_of(words), *sums = json_object(), *e, *v;
	const char *kind;
	size_t i;

	cr_expect_gt(json_array_size(json_object_get(j, "symbols")), 20, "%s: %zu rows", words, json_array_size(json_object_get(j, "symbols")));
	for (int pass = 0; pass < 2; pass++)
		json_array_foreach(json_object_get(j, pass ? "symbols" : "events"), i, e) {
			kind = json_string_value(json_object_get(e, "kind"));
			json_object_set_new(sums, kind, json_integer(json_integer_value(json_object_get(sums, kind)) +
				(pass ? -1 : 1) * json_integer_value(json_object_get(e, "count"))));
		}
	json_object_foreach(sums, kind, v)
		cr_expect_eq(json_integer_value(v), json_integer_value(json_object_get(json_object_get(j, "symbols_missing"), kind)),
			"%s: %s", words, kind);
	json_decref(sums);
	json_decref(j);
}

Test(timeline, symbols_in_the_statistics, .timeout = 60)
{
	symbols_are_all("--backend interp --by-symbol --append n=50 nano");
#ifdef HAVE_BACKEND_BT
	symbols_are_all("--backend bt --top 3 --append n=50 nano");
#endif
}

Test(timeline, without_it_the_keys_are_empty)
{
	json_t *j = stats_of("--backend interp hello");

	cr_expect_eq(json_array_size(json_object_get(j, "timeline")), 0);
	cr_expect(json_is_array(json_object_get(j, "timeline")));
	cr_expect(json_is_null(json_object_get(j, "symbols")));
	cr_expect_gt(json_integer_value(json_object_get(j, "run_cycles")), 1000);
	json_decref(j);
}

/* Characters of a UTF-8 line. */
static size_t line_columns(const char *p, size_t n)
{
	size_t columns = 0;

	for (size_t i = 0; i < n; i++)
		columns += (p[i] & 0xc0) != 0x80;
	return columns;
}

static void chart_fits(const char *locale, const char *full)
{
	int status;
	char *text;

	setenv("LC_ALL", locale, 1);
	text = output_of("run --backend interp --timeline=1 --append n=200 nano", &status);
	char *chart = strstr(text, "events over time;");
	cr_assert(!status && chart, "%s", text);
	cr_expect(strstr(chart, full), "%s: no full column: %s", locale, chart);
	for (char *p = chart, *end; (end = strchr(p, '\n')); p = end + 1)
		cr_expect_leq(line_columns(p, (size_t)(end - p)), 80, "%.*s", (int)(end - p), p);
	free(text);
}

Test(timeline, a_chart_for_humans)
{
	chart_fits("C", "#");
	chart_fits("C.UTF-8", "█");
}

Test(timeline, bad_widths_get_a_sentence)
{
	static const char *const bad[] = { "", "0", "-1", "nan", "inf", "1e9", "ten", "5ms" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char args[100];
		int status;

		snprintf(args, sizeof(args), "run --backend interp --timeline=%s hello", bad[i]);
		char *text = output_of(args, &status);
		cr_expect_eq(status, BAD_USAGE, "%s: status %d", args, status);
		cr_expect(strstr(text, "--timeline="), "%s: %s", args, text);
		free(text);
	}
}
