/*
 * result_test.c - result directories read back: good ones, and every way in which one can be damaged or hostile.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "result.h"
#include "synth.h"
#include "view.h"

#define ROW "nano,in,,bt,measured,cycles,,,cycles,0,0,52,1000,1001,0\n"

/* Reads a directory whose raw.csv is this; returns the error, and the sentence in why. */
static int read_raw(const void *bytes, size_t n, char why[1000])
{
	struct result r;
	char dir[200];
	int e;

	synth_make(dir);
	synth_env(dir);
	synth_bytes(dir, "raw.csv", bytes, n);
	e = result_read(&r, dir, why, 1000);
	if (!e)
		result_free(&r);
	synth_remove(dir);
	return e;
}

static void refused(const char *raw, const char *sentence)
{
	char why[1000] = "";
	int e = read_raw(raw, strlen(raw), why);

	cr_expect_lt(e, 0, "accepted: %.200s", raw);
	cr_expect(strstr(why, sentence), "says \"%s\", and not \"%s\"", why, sentence);
	cr_expect(strstr(why, "raw.csv: line"), "does not say where: %s", why);
}

Test(result, whole)
{
	struct result r;
	char dir[200], why[1000];

	synth_make(dir);
	synth_whole(dir);
	cr_assert_eq(result_read(&r, dir, why, sizeof(why)), 0, "%s", why);
	const struct result_group *g = result_find(&r, "nano", "in", "bt", "cycles");
	cr_assert(g);
	cr_expect_eq(g->n, SYNTH_ROUNDS);
	cr_expect_eq(g->disturbed, 1);
	/* synth_cycles(1, 1, r): 34 times 1.01, 1.04, 1.02, 1.00, 1.03 */
	cr_expect_float_eq(g->median.mid, 34 * 1.02, 1e-9);
	cr_expect_float_eq(g->min, 34.0, 1e-9);
	cr_expect_float_eq(g->max, 34 * 1.04, 1e-9);
	cr_expect_float_eq(g->p99, 34 * (1.03 + 0.96 * 0.01), 1e-9, "%.12f", g->p99);
	cr_expect_float_eq(g->quiet, 34 * 1.015, 1e-9, "round 4, of 1.03, is disturbed: %.12f", g->quiet);
	cr_expect_geq(g->median.low, g->min);
	cr_expect_leq(g->median.high, g->max);
	cr_expect_str_eq(result_find(&r, "compute", "matmul, int", NULL, NULL)->key->workload, "matmul, int", "quoted, with a comma");
	cr_expect_not(result_find(&r, "nano", "in", "bt", "no-such"));
	cr_expect_gt(r.times, 100);
	cr_expect_eq(r.row[r.rows - 1].modelled, true);
	result_free(&r);
	synth_remove(dir);
}

Test(result, quoting)
{
	static const char raw[] = SYNTH_HEADER "nano,\"say \"\"in\"\", twice\",\"\",bt,measured,cycles,,,cycles,0,0,52,,,\r\n";
	struct result r;
	char dir[200], why[1000];

	synth_make(dir);
	synth_env(dir);
	synth_file(dir, "raw.csv", raw);
	cr_assert_eq(result_read(&r, dir, why, sizeof(why)), 0, "%s", why);
	cr_expect_eq(r.rows, 1);
	cr_expect_str_eq(r.row[0].workload, "say \"in\", twice");
	cr_expect_str_eq(r.row[0].variant, "");
	cr_expect(isnan(r.row[0].calib_before));
	cr_expect_eq(r.row[0].disturbed, -1);
	cr_expect_eq(r.row[0].line, 2);
	cr_expect(isnan(r.group[0].quiet) == false, "what is not timed counts as quiet");
	result_free(&r);
	synth_remove(dir);
}

Test(result, wrong_lines)
{
	refused("suite,workload\n", "\"variant\" is missing");
	refused("suite,workloads,variant\n", "\"workloads\", where \"workload\" is expected");
	refused(SYNTH_HEADER ROW "nano,in,,bt\n", "line 3: 4 fields, where 15 are expected");
	refused(SYNTH_HEADER ROW "nano,in,,bt,measured,cycles,,,cycles,0,0,52,1000,1001,0", "line 3, field 15: the line has no end");
	refused(SYNTH_HEADER "nano,in,,bt,measured,cycles,,,cycles,0,0,nan,,,\n", "column value: \"nan\" is not a decimal");
	refused(SYNTH_HEADER "nano,in,,bt,measured,cycles,,,cycles,0,0,1e999,,,\n", "column value");
	refused(SYNTH_HEADER "nano,in,,bt,measured,cycles,,,cycles,0,0,0x10,,,\n", "column value");
	refused(SYNTH_HEADER "nano,in,,bt,measured,cycles,,,cycles,0,0,,,,\n", "column value: it is empty");
	refused(SYNTH_HEADER "nano,in,,bt,measured,cycles,,,cycles,-1,0,5,,,\n", "column round");
	refused(SYNTH_HEADER "nano,in,,bt,modelled,cycles,,,cycles,0,0,5,,,\n", "column origin: \"modelled\", where measured or nested");
	refused(SYNTH_HEADER "nano,,,bt,measured,cycles,,,cycles,0,0,5,,,\n", "column workload: it is empty");
	refused(SYNTH_HEADER "nano,in,,bt,measured,cycles,,,cycles,0,0,5,,,2\n", "column disturbed");
	refused(SYNTH_HEADER "nano,in,,bt,measured,cycles,,,cycles,0,0,5,-3,,\n", "column calib_before");
	refused(SYNTH_HEADER "nano,i\"n,,bt\n", "field 2: a quote within");
	refused(SYNTH_HEADER "nano,\"in\"x,,bt\n", "field 2: something after a closing quote");
	refused(SYNTH_HEADER "nano,\"in,,bt\n", "a quoted field that does not end");
	refused(SYNTH_HEADER "nano,\xff\xfe,,bt\n", "not UTF-8");
	refused(SYNTH_HEADER "nano,\xed\xa0\x80,,bt\n", "not UTF-8");
	refused(SYNTH_HEADER "\n", "line 2: 1 fields, where 15");
	refused(SYNTH_HEADER "nano,a\rb,,bt\n", "a control character (0x0d)");
	refused(SYNTH_HEADER "nano,\"a\nb\",,bt\n", "a control character (0x0a)");
}

Test(result, binary)
{
	char why[1000], *big = malloc(1 << 22);

	cr_expect_lt(read_raw("\x7f" "ELF\0\0\0\0\n", 9, why), 0);
	cr_expect_lt(read_raw("", 0, why), 0);
	cr_expect(strstr(why, "it is empty"), "%s", why);
	cr_expect_lt(read_raw(SYNTH_HEADER "nano,i\0n,\n", sizeof(SYNTH_HEADER) + 9, why), 0);
	cr_expect(strstr(why, "a control character (0x00)"), "%s", why);
	memset(big, 'x', 1 << 22);
	cr_expect_lt(read_raw(big, 1 << 22, why), 0);
	cr_expect(strstr(why, "4194304 bytes"), "%s", why);
	memset(big, ',', 1 << 22);
	cr_expect_lt(read_raw(big, 1 << 22, why), 0);
	cr_expect(strstr(why, "more than 32 fields"), "%s", why);
	free(big);
}

/* Every prefix of a good file, and the file with each byte changed: an error or a result, and never a crash. */
Test(result, damaged_anywhere)
{
	static const char good[] = SYNTH_HEADER "nano,\"a, b\",,bt,measured,cycles,,,cycles,0,0,52,1000,1001,0\n" ROW;
	char why[1000], text[sizeof(good)];

	for (size_t n = 0; n + 1 < sizeof(good); n++) {
		int e = read_raw(good, n, why);

		cr_expect_eq(e == 0, n && good[n - 1] == '\n', "the first %zu bytes: %d %s", n, e, why);
	}
	for (size_t i = 0; i + 1 < sizeof(good); i++)
		for (unsigned k = 0; k < 4; k++) {
			memcpy(text, good, sizeof(good));
			text[i] = "\"\n\xff,"[k];
			read_raw(text, sizeof(good) - 1, why);
		}
}

static void env_refused(const char *env, const char *sentence)
{
	char dir[200], why[1000] = "";
	struct result r;

	synth_make(dir);
	synth_file(dir, "raw.csv", SYNTH_HEADER ROW);
	if (env)
		synth_file(dir, "env.json", env);
	cr_expect_lt(result_read(&r, dir, why, sizeof(why)), 0, "accepted: %s", env);
	cr_expect(strstr(why, sentence), "says \"%s\", and not \"%s\"", why, sentence);
	synth_remove(dir);
}

Test(result, wrong_env)
{
	env_refused(NULL, "there is no env.json");
	env_refused("", "env.json: line");
	env_refused("{\"cpu\": ", "env.json: line 1");
	env_refused("[]", "an object is expected");
	env_refused("{\"cpu\": 3}", "\"cpu\" is not text");
	env_refused("{\"date\": \"today\"}", "\"date\" is not an object");
	env_refused("{\"tasks\": {\"done\": \"all\"}}", "\"tasks.done\" is not a number");
	env_refused("{\"missing\": [3]}", "\"missing\"[0] has no text \"suite\"");
	env_refused("{\"packages\": {\"gcc\": []}}", "\"packages\" holds \"gcc\", which is not text");
}

Test(result, wrong_directory)
{
	char dir[200], path[300], why[1000];
	struct result r;

	cr_expect_eq(result_read(&r, "/no/such", why, sizeof(why)), -ENOENT);
	cr_expect(strstr(why, "/no/such: cannot read the result directory"), "%s", why);
	cr_expect_eq(result_read(&r, "/proc/version", why, sizeof(why)), -ENOTDIR, "%s", why);
	synth_make(dir);
	cr_expect_eq(result_read(&r, dir, why, sizeof(why)), -ENOENT);
	cr_expect(strstr(why, "no raw.csv in it"), "%s", why);
	snprintf(path, sizeof(path), "%s/raw.csv", dir);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_lt(result_read(&r, dir, why, sizeof(why)), 0, "a FIFO must be refused, and not waited for");
	cr_expect(strstr(why, "raw.csv: it is not a file"), "%s", why);
	synth_remove(dir);
}

Test(result, timeline_and_modelled)
{
	char dir[200], why[1000];
	struct result r;

	synth_make(dir);
	synth_whole(dir);
	synth_file(dir, "timeline.csv", SYNTH_TIME_HEADER "linux,boot,,bt,measured,0,0,port-in,callout,1\n");
	cr_expect_lt(result_read(&r, dir, why, sizeof(why)), 0);
	cr_expect(strstr(why, "timeline.csv: line 2, column width_s"), "%s", why);
	synth_file(dir, "timeline.csv", SYNTH_TIME_HEADER);
	synth_file(dir, "modelled.csv", SYNTH_HEADER ROW);
	cr_expect_lt(result_read(&r, dir, why, sizeof(why)), 0);
	cr_expect(strstr(why, "modelled.csv: line 2, column origin: \"measured\", where modelled"), "%s", why);
	synth_remove(dir);
}

/* A million rows, each of a group of its own or all of one: time grows with the rows, not with their square. */
Test(result, many_rows, .timeout = 60)
{
	for (int apart = 0; apart < 2; apart++) {
		unsigned rows = apart ? 50000 : 300000;
		char dir[200], path[300], why[1000];
		struct timespec t0, t1;
		struct result r;
		FILE *f;

		synth_make(dir);
		synth_env(dir);
		snprintf(path, sizeof(path), "%s/raw.csv", dir);
		f = fopen(path, "w");
		fputs(SYNTH_HEADER, f);
		for (unsigned i = 0; i < rows; i++)
			fprintf(f, "nano,w%u,,bt,measured,cycles,,,cycles,%u,0,%u,,,\n", apart ? i : 7, i % 1000, i);
		fclose(f);
		clock_gettime(CLOCK_MONOTONIC, &t0);
		cr_assert_eq(result_read(&r, dir, why, sizeof(why)), 0, "%s", why);
		clock_gettime(CLOCK_MONOTONIC, &t1);
		cr_expect_eq(r.groups, apart ? rows : 1);
		cr_expect_lt(t1.tv_sec - t0.tv_sec, 10, "%u rows took %ld s", rows, (long)(t1.tv_sec - t0.tv_sec));
		result_free(&r);
		synth_remove(dir);
	}
}

/* Ratios are of one round: with a host that is three times slower in one round, the ratio does not move. */
Test(view, ratios_within_a_round)
{
	static const double speed[] = { 1, 3, 1.5, 1, 2 };
	char dir[200], path[300], why[1000];
	struct result r;
	struct view v;
	unsigned rounds;
	FILE *f;

	synth_make(dir);
	synth_env(dir);
	snprintf(path, sizeof(path), "%s/raw.csv", dir);
	f = fopen(path, "w");
	fputs(SYNTH_HEADER, f);
	for (int i = 0; i < 5; i++) {
		fprintf(f, "compute,a,,native,measured,cycles,,,cycles,%d,0,%g,,,\n", i, 100 * speed[i]);
		fprintf(f, "compute,a,,bt,measured,cycles,,,cycles,%d,0,%g,,,\n", i, 110 * speed[i]);
		fprintf(f, "compute,b,,native,measured,cycles,,,cycles,%d,0,%g,,,\n", i, 50 * speed[i]);
		if (i) /* bt failed in round 0 */
			fprintf(f, "compute,b,,bt,measured,cycles,,,cycles,%d,0,%g,,,\n", i, 70 * speed[i]);
	}
	fclose(f);
	cr_assert_eq(result_read(&r, dir, why, sizeof(why)), 0, "%s", why);
	cr_assert_eq(view_make(&v, &r, "compute", "cycles"), 0);
	cr_expect_eq(v.workloads, 2);
	cr_expect_eq(v.columns, 2);
	const struct result_group *bt[] = { view_at(&v, "a", view_column_of(&v, "bt")), view_at(&v, "b", view_column_of(&v, "bt")) };
	const struct result_group *native[] = { view_at(&v, "a", view_reference(&v, "a")), view_at(&v, "b", view_reference(&v, "b")) };
	struct interval ratio = group_ratio(bt[0], native[0], &rounds), mean = groups_geomean(bt, native, 2);
	cr_expect_float_eq(ratio.mid, 1.1, 1e-9);
	cr_expect_float_eq(ratio.high, 1.1, 1e-9);
	cr_expect_eq(rounds, 5);
	cr_expect_float_eq(group_ratio(bt[1], native[1], &rounds).mid, 1.4, 1e-9);
	cr_expect_eq(rounds, 4);
	cr_expect_float_eq(mean.mid, sqrt(1.1 * 1.4), 1e-9, "over the rounds that have both: %f", mean.mid);
	view_free(&v);
	result_free(&r);
	synth_remove(dir);
}
