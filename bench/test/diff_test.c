/*
 * diff_test.c - `ringlab diff`: a guest slowed in one known place is named by kind and symbol; equal runs have no difference; a slowed
 * kernel shows between two result directories; and whatever A and B may be, there is a sentence.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BAD_USAGE 223
#define ABOVE 1
#define ROOM (1 << 18)

static char dir[] = "/tmp/ringlab-diff-XXXXXX"; /* one process a test */

static void setup(void)
{
	cr_assert(mkdtemp(dir));
}

static void teardown(void)
{
	char command[200];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(diff, .init = setup, .fini = teardown, .timeout = 120);

/* Output and status of a command in the shell; @ is the test's directory. */
__attribute__((format(printf, 2, 3)))
static char *shell(int *status, const char *fmt, ...)
{
	char words[3000], command[6000], *text = calloc(1, ROOM);
	size_t n = 0, at = 0;
	va_list ap;
	FILE *p;
	int w;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	for (const char *c = words; *c && at < sizeof(command) - 100; c++)
		at += (size_t)(*c == '@' ? snprintf(command + at, 100, "%s", dir) : snprintf(command + at, 2, "%c", *c));
	p = popen(command, "r");
	cr_assert(p && text);
	while (n < ROOM - 1 && !feof(p) && !ferror(p))
		n += fread(text + n, 1, ROOM - 1 - n, p);
	w = pclose(p);
	*status = WIFEXITED(w) ? WEXITSTATUS(w) : 1000;
	return text;
}

static void run(const char *backend, const char *append, const char *name)
{
	int status;
	char *text = shell(&status, "timeout 60 %s run --backend %s --by-symbol --stats @/%s --append '%s' steps 2>&1 </dev/null", RINGLAB_BINARY,
		backend, name, append);

	cr_assert_eq(status, 0, "%s %s: status %d: %s", backend, append, status, text);
	free(text);
}

static json_t *diff_json_of(const char *args)
{
	int status;
	json_error_t err;
	char *text = shell(&status, "%s diff --json %s 2>&1", RINGLAB_BINARY, args);
	json_t *j = json_loads(text, 0, &err);

	cr_assert(j && !status, "diff %s: status %d: %s", args, status, text);
	free(text);
	return j;
}

/* --- two runs --- */

/* options: of diff. */
static void names_first(const char *options, const char *backend, const char *slowed, const char *kind, const char *symbol)
{
	char args[100];

	run(backend, "faults=0 flips=0", "a");
	run(backend, slowed, "b");
	snprintf(args, sizeof(args), "%s @/a @/b", options);
	json_t *j = diff_json_of(args), *row = json_array_get(json_object_get(j, "rows"), 0);
	const char *sentence = json_string_value(json_object_get(j, "sentence"));

	cr_expect(json_is_true(json_object_get(j, "different")), "%s %s", backend, slowed);
	if (!*options) /* by count, "interpret" comes as often, beside it */
		cr_expect_str_eq(json_string_value(json_object_get(row, "kind")), kind, "%s %s: %s", backend, slowed, sentence);
	cr_expect_str_eq(json_string_value(json_object_get(row, "symbol")) ?: "", symbol, "%s %s: %s", backend, slowed, sentence);
	cr_expect(strstr(sentence, kind) && strstr(sentence, symbol) && strstr(sentence, " more "), "%s", sentence);
	json_decref(j);
}

Test(diff, a_slowed_guest_is_named)
{
	names_first("", "interp", "faults=0 flips=0 ports=20000", "port-in", "read_ports");
	names_first("", "interp", "faults=0 flips=0 cpuid=20000", "cpuid", "ask_cpu");
#ifdef HAVE_BACKEND_BT
	names_first("", "bt", "faults=0 flips=0 ports=400000", "port-in", "read_ports");
	names_first("", "bt", "faults=0 flips=0 cpuid=400000", "cpuid", "ask_cpu");
#endif
}

#ifdef HAVE_BACKEND_PV
Test(diff, a_slowed_guest_is_named_on_pv)
{
#ifdef __SANITIZE_ADDRESS__
	cr_skip_test("direct execution cannot run under the sanitizer");
#else
	/* By count: VMM cycles of a trapped port are few beside what a busy host adds to faults. */
	names_first("--by count", "pv --interface trap", "faults=0 flips=0 ports=20000", "port-in", "read_ports");
	names_first("--by count", "pv --interface patch", "faults=0 flips=0 ports=20000", "port-in", "read_ports");
	names_first("--by count", "pv --interface xen", "faults=0 flips=0 ports=20000", "port-in", "read_ports");
	names_first("--by count", "pv --interface xen", "faults=0 flips=0 cpuid=20000", "cpuid", "ask_cpu");
#endif
}
#endif

Test(diff, equal_runs_have_no_difference)
{
	int status;

	/* Costs differ from run to run on a busy host, so theirs are compared with themselves; counts are those of two runs. */
	run("interp", "", "a");
	run("interp", "", "b");
	char *text = shell(&status, "cp @/a @/c; %s diff @/a @/c 2>&1", RINGLAB_BINARY);
	cr_expect_eq(status, 0);
	cr_expect(strstr(text, "No difference: the counts of all"), "%s", text);
	free(text);
	json_t *j = diff_json_of("--by count @/a @/b");
	cr_expect(json_is_false(json_object_get(j, "different")));
	cr_expect_eq(json_array_size(json_object_get(j, "rows")), 0);
	json_decref(j);
}

/* Dearer each, and not more often: the same counts with costs that the test writes. */
static void stats_write(const char *name, const char *engine, int count, int cycles, const char *more)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fprintf(f, "{\"guest\":\"g\",\"backend\":\"bt\",\"interface\":null,\"engine\":\"%s\",\"origin\":\"measured\",\"available\":true,\"end\":\"exit\",\"events\":["
		"{\"kind\":\"cpuid\",\"mechanism\":\"callout\",\"count\":%d,\"cycles\":{\"min\":1,\"median\":%d,\"p99\":9}},"
		"{\"kind\":\"mmio\",\"mechanism\":\"callout\",\"count\":100,\"cycles\":{\"min\":1,\"median\":2000,\"p99\":9}},"
		"{\"kind\":\"kick\",\"mechanism\":\"host trap\",\"count\":%d,\"cycles\":null}]%s}\n", engine, count, cycles, rand() % 1000, more);
	cr_assert_eq(fclose(f), 0);
}

static void sentence_has(const char *args, const char *word, int want)
{
	int status;
	char *text = shell(&status, "%s diff 2>&1 %s", RINGLAB_BINARY, args);

	cr_expect_eq(status, want, "diff %s: status %d: %s", args, status, text);
	cr_expect(!strstr(text, "\xc2\x9b"), "a control character of Unicode");
	for (char *p = text; *p; p++) {
		cr_expect((unsigned char)*p >= ' ' || *p == '\n', "a control character %#x", *p);
		*p = *p == '\n' ? ' ' : *p; /* sentences are wrapped */
	}
	cr_expect(strstr(text, word), "diff %s: no '%s' in %s", args, word, text);
	free(text);
}

Test(diff, more_often_or_dearer_each)
{
	stats_write("a", "bt", 1000, 1000, "");
	stats_write("b", "bt", 1000, 3000, "");
	stats_write("c", "bt", 3000, 1010, "");
	sentence_has("@/a @/b", "as many as before (1,000), each 3 times as much", 0);
	sentence_has("@/a @/c", "2,000 more (3,000 against 1,000), each as dear as before", 0);
	sentence_has("@/a @/c --by count", "% of what changed is cpuid (callout): 2,000 more", 0);
	sentence_has("@/a @/c --operations 1000,3000", "an operation", 0);
	sentence_has("@/c @/a", "2,000 fewer", 0);
}

Test(diff, a_limit_for_scripts)
{
	stats_write("a", "bt", 1000, 1000, "");
	stats_write("b", "bt", 2000, 1000, "");
	sentence_has("@/a @/b --fail-above 50", "83 % more VMM cycles", ABOVE);
	sentence_has("@/a @/b --fail-above 90", "83 % more VMM cycles", 0);
	sentence_has("@/b @/a --fail-above 10", "fewer VMM cycles", 0);
	sentence_has("@/a @/b --fail-above ten", "--fail-above", BAD_USAGE);
}

Test(diff, columns_of_a_comparison)
{
	int status;

	free(shell(&status, "%s compare --json --by-symbol --backends interp,no-such steps hello >@/c.json 2>/dev/null", RINGLAB_BINARY));
	sentence_has("@/c.json @/c.json", "it holds several columns", BAD_USAGE);
	sentence_has("@/c.json @/c.json --backend interp", "--guest", BAD_USAGE);
	sentence_has("@/c.json @/c.json --backend interp --guest hello", "No difference", 0);
	sentence_has("@/c.json @/c.json --backend no-such --guest hello", "there was no run", BAD_USAGE);
	sentence_has("@/c.json @/c.json --backend pv", "no column fits", BAD_USAGE);
	run("interp", "cpuid=20000", "slow");
	sentence_has("@/c.json @/slow --backend interp --guest steps", "in ask_cpu", 0);
}

/* Different engines are compared, and it is said. */
Test(diff, what_is_not_alike_is_said)
{
	stats_write("a", "bt", 1000, 1000, "");
	stats_write("b", "pv", 1000, 1000, ",\"symbols\":[]");
	sentence_has("@/a @/b", "not the same engine: bt and pv", 0);
	sentence_has("@/a @/b", "only B was run with --by-symbol", 0);
}

/* --- two result directories --- */

#define HEADER "suite,workload,variant,engine,origin,metric,kind,mechanism,unit,round,rep,value,calib_before,calib_after,disturbed\n"

static FILE *result_open(const char *name)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	cr_assert_eq(mkdir(path, 0700), 0);
	strcat(path, "/env.json");
	f = fopen(path, "w");
	cr_assert(f);
	fprintf(f, "{\"name\":\"%s\",\"cpu\":\"a CPU\",\"complete\":true}\n", name);
	fclose(f);
	strcpy(strrchr(path, '/'), "/raw.csv");
	f = fopen(path, "w");
	cr_assert(f);
	fputs(HEADER, f);
	return f;
}

/* Cycles of a run of the guest, as it was measured. */
static double run_cycles(const char *append)
{
	char path[200];
	double v;

	snprintf(path, sizeof(path), "%s/run", dir);
	run("interp", append, "run");
	json_t *j = json_load_file(path, 0, NULL);
	v = json_number_value(json_object_get(j, "run_cycles"));
	json_decref(j);
	cr_assert_gt(v, 0);
	return v;
}

/* A tiny result: a kernel of so many loops, another that stays as it is, and exits. */
static void result_write(const char *name, int loops, int exits)
{
	FILE *f = result_open(name);

	for (int i = 0; i < 5; i++) {
		char append[100];

		/* Nothing but the loop: on a busy host, too, the longer one takes longer than the shorter one ever does. */
		snprintf(append, sizeof(append), "ports=0 cpuid=0 faults=0 flips=0 loops=%d", loops);
		fprintf(f, "compute,loop,,interp,measured,cycles,,,cycles,%d,0,%.0f,1000,1000,%d\n", i, run_cycles(append), i == 0);
		fprintf(f, "compute,other,,interp,measured,cycles,,,cycles,%d,0,%d,1000,1000,0\n", i, 100000 + 1000 * i);
	}
	fprintf(f, "kernel,fork,,interp,measured,exits,page-fault,interpreter,1/op,0,0,%d,,,\n", exits);
	fprintf(f, "kernel,fork,,interp,measured,exits,cr3-write,interpreter,1/op,0,0,2,,,\n");
	fclose(f);
}

Test(diff, a_slowed_kernel_between_results)
{
	result_write("ra", 10000, 10);
	result_write("rb", 1500000, 10);
	result_write("rc", 10000, 14);
	json_t *j = diff_json_of("@/ra @/rb"), *changes = json_object_get(j, "changes"), *c = json_array_get(changes, 0);

	cr_expect_eq(json_array_size(changes), 1, "%s", json_string_value(json_object_get(j, "sentence")));
	cr_expect_str_eq(json_string_value(json_object_get(c, "workload")), "loop");
	cr_expect_gt(json_number_value(json_object_get(c, "ratio")), 1.5);
	json_decref(j);
	sentence_has("@/ra @/rb --fail-above 20", "Most: loop on interp", ABOVE);
	sentence_has("@/ra @/rb", "A 20 % disturbed", 0);
	sentence_has("@/ra @/rc --fail-above 1000", "exits an operation that changed", 0);
	sentence_has("@/ra @/ra", "No difference: of 4 figures in both", 0);
	FILE *f = result_open("few");
	fprintf(f, "compute,loop,,interp,measured,cycles,,,cycles,0,0,7,1000,1000,0\n");
	fclose(f);
	sentence_has("@/ra @/few", "Nothing can be told", 0);
	sentence_has("@/ra @/run", "have nothing in common", BAD_USAGE);
}

/* --- whatever A and B may be --- */

static void file_write(const char *name, const char *text)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs(text, f);
	cr_assert_eq(fclose(f), 0);
}

#define COLUMN "{\"guest\":\"g\",\"backend\":\"bt\",\"engine\":\"bt\",\"origin\":\"measured\",\"end\":\"exit\",\"events\":["
#define EVENT "{\"kind\":\"cpuid\",\"mechanism\":\"callout\",\"count\":1,\"cycles\":null}"

Test(diff, hostile_files)
{
	static const struct {
		const char *text, *word;
	} bad[] = {
		{ "", "no JSON" }, { "{", "no JSON" }, { "\x1b[2J", "no JSON" }, { "[]", "no statistics" }, { "{}", "no statistics" }, { "[[[[[[]]]]]]", "no statistics" },
		{ COLUMN EVENT, "no JSON" }, { COLUMN "]}", "has a single event" }, { COLUMN "7]}", "events[0] has no text \"kind\"" },
		{ COLUMN "{\"kind\":\"cpuid\",\"mechanism\":\"callout\",\"count\":-1}]}", "number from 0 \"count\"" },
		{ COLUMN "{\"kind\":\"cpuid\",\"mechanism\":\"callout\",\"count\":\"1\"}]}", "number from 0 \"count\"" },
		{ COLUMN "{\"kind\":\"cpuid\",\"mechanism\":\"callout\",\"count\":1,\"cycles\":7}]}", "without a median" },
		{ COLUMN "{\"kind\":\"cpuid\",\"mechanism\":\"callout\",\"count\":1,\"hw_reason\":{}}]}", "without a name" },
		{ COLUMN EVENT "],\"symbols\":{}}", "\"symbols\" is no array" }, { COLUMN EVENT "],\"symbols\":[null]}", "symbols[0]" },
		{ COLUMN EVENT "],\"cells\":[{}]}", "cells[0]" }, { COLUMN EVENT "],\"phases\":[{\"line\":\"x\",\"cycles\":1,\"events\":[[]]}]}", "events[0]" },
		{ COLUMN EVENT "],\"symbols_missing\":{\"x\":[]}}", "symbols_missing" },
	};

	file_write("good", COLUMN EVENT "]}");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bool alone = strstr(bad[i].word, "a single event") != NULL;

		file_write("bad", bad[i].text);
		sentence_has(alone ? "@/bad @/bad" : "@/good @/bad", bad[i].word, BAD_USAGE);
		sentence_has(alone ? "@/bad @/bad" : "@/bad @/good", bad[i].word, BAD_USAGE);
	}
	sentence_has("@/good @/good", "No difference", 0);
}

/* Names that would move a terminal's cursor, and numbers beyond any counter. */
#define LONG "████████████████████"

Test(diff, hostile_values)
{
	file_write("a", COLUMN "{\"kind\":\"\\u001b[2J\\u009b5m\",\"mechanism\":\"\\r\\n\",\"count\":1,\"cycles\":{\"median\":1e300}},"
		"{\"kind\":\"cpuid\",\"mechanism\":\"callout\",\"count\":9223372036854775807,\"cycles\":{\"median\":9223372036854775807}}]}");
	file_write("b", COLUMN EVENT "],\"cells\":[{\"name\":\"\\u009b5m\",\"n\":1,\"first\":0,\"steady\":0}]}");
	sentence_has("@/a @/b", "cpuid", 0);
	sentence_has("@/b @/a --json", "cpuid", 0);
	sentence_has("@/b @/a --by count", "cpuid", 0);
	/* names of many bytes a character, cut anywhere; paths that are no UTF-8 */
	for (int i = 0; i < 4; i++) {
		char text[2000];

		snprintf(text, sizeof(text), COLUMN "{\"kind\":\"%.*s%s%s%s\",\"mechanism\":\"callout\",\"count\":1000,\"cycles\":null}]}", i, "xyz", LONG, LONG, LONG);
		file_write("\xff", text);
		sentence_has("@/b @/\xff --json", "\"sentence\"", 0);
	}
}

Test(diff, what_is_no_file)
{
	int status;

	file_write("good", COLUMN EVENT "]}");
	free(shell(&status, "mkfifo @/fifo; mkdir @/empty; truncate -s 100M @/large"));
	sentence_has("@/good @/none", "No such file", BAD_USAGE);
	sentence_has("@/good @/fifo", "neither a file nor a directory", BAD_USAGE);
	sentence_has("@/good /dev/zero", "neither a file nor a directory", BAD_USAGE);
	sentence_has("@/good @/large", "100 MiB", BAD_USAGE);
	sentence_has("@/good @/empty", "raw.csv", BAD_USAGE);
	sentence_has("@/good", "name two runs", BAD_USAGE);
	sentence_has("--by size @/good @/good", "--by size", BAD_USAGE);
	sentence_has("--operations 0 @/good @/good", "--operations 0", BAD_USAGE);
	sentence_has(">/dev/full @/good @/good", "cannot write", 222);
	sentence_has(">/dev/full @/good @/good --json", "cannot write", 222);
}
