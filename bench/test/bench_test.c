/*
 * bench_test.c - `ringlab bench`, spawned: a run from end to end, and what becomes of one that is cut off, starved or lied to.
 *
 * Where timing does not matter, a shell script stands in for the engine and plays the guest nano, so that these are tests of the
 * runner, quick and the same in every preset.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEAD "suite,workload,variant,engine,origin,metric,kind,mechanism,unit,round,rep,value,calib_before,calib_after,disturbed\n"

static char dir[64];

/* Plays nano for bt; other engines are slow, hang or die. Plays compute with a wrong checksum. */
static const char script[] =
	"#!/bin/sh\n"
	"case \"$*\" in\n"
	"*compute.elf) echo 'COMPUTE fib rep=0 cycles=10 sum=00000bad'; echo 'COMPUTE fib rep=1 cycles=9 sum=00000bad';\n"
	"	echo COMPUTE-END; exit 0 ;;\n"
	"doctor*) echo '{\"backends\": []}'; exit 0 ;;\n"
	"*'--interface trap'*) kill -9 $$ ;;\n"
	"*'--interface patch'*) exec >&- 2>&-; exec sleep 60 ;;\n"
	"*'--interface xen'*) sleep 0.3 ;;\n"
	"esac\n"
	"echo 'NANO cli-sti n=10 first=900 steady=7 p99=9 -'\n"
	"echo 'NANO pushf-popf n=10 first=90 steady=8 p99=9 - HOLE'\n"
	"echo 'NANO end'\n";

static void setup(void)
{
	char path[100];
	FILE *f;

	strcpy(dir, "/tmp/ringlab-bench-test-XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/play", dir);
	f = fopen(path, "w");
	cr_assert(f && fputs(script, f) > 0 && !fclose(f) && !chmod(path, 0755));
}

static void teardown(void)
{
	char cmd[200];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
}

TestSuite(bench, .init = setup, .fini = teardown, .timeout = 60);

/* A shell command in the test's directory; what it prints goes to the file "log". Returns its status. */
static int run(const char *fmt, ...)
{
	char words[1500], cmd[1800];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	snprintf(cmd, sizeof(cmd), "cd %s && { %s ; } >log 2>&1 </dev/null", dir, words);
	status = system(cmd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool log_has(const char *text)
{
	char cmd[600];

	snprintf(cmd, sizeof(cmd), "grep -qF -e \"%s\" %s/log", text, dir);
	return system(cmd) == 0;
}

static json_t *env_of(const char *name)
{
	char path[200];
	json_error_t e;
	json_t *j;

	snprintf(path, sizeof(path), "%s/%s/env.json", dir, name);
	j = json_load_file(path, 0, &e);
	cr_assert(j, "%s: %s", path, e.text);
	return j;
}

/* A run of the played guest: 2 engines, 4 rounds, the one a third of a second each. */
#define PLAYED RINGLAB_BINARY " bench nano --ringlab $PWD/play --backends bt,pv-xen --rounds 4 --out "

/* Which samples there are: the same for every whole run. */
#define SAMPLES "cut -d, -f1-4,6,10,11 %s/raw.csv | sort >%s.got"

Test(bench, end_to_end)
{
	char path[200], line[400];
	json_t *env;
	FILE *f;

	cr_assert_eq(run(RINGLAB_BINARY " bench startup compute --only fib --rounds 2 --reps 1 --backends native,bt --out r"), 0);
	snprintf(path, sizeof(path), "%s/r/raw.csv", dir);
	f = fopen(path, "r");
	cr_assert(f && fgets(line, sizeof(line), f));
	cr_expect_str_eq(line, HEAD);
	while (fgets(line, sizeof(line), f)) {
		unsigned commas = 0;

		for (char *c = line; *c; c++)
			commas += *c == ',';
		cr_expect_eq(commas, 14, "%s", line);
	}
	fclose(f);
	cr_expect_eq(run("test $(grep -c '^compute,fib,,bt,measured,cycles,' r/raw.csv) = 2"), 0);
	cr_expect_eq(run("test $(grep -c '^compute,fib,,native,measured,first-cycles,' r/raw.csv) = 2"), 0);
	cr_expect_eq(run("grep -q '^startup,to the end,,bt,measured,seconds,' r/raw.csv"), 0);
	cr_expect_eq(run("test ! -e r.partial -a ! -e r/run.json -a ! -e r/journal.tsv"), 0);
	env = env_of("r");
	cr_expect(json_is_true(json_object_get(env, "complete")));
	cr_expect_gt(json_number_value(json_object_get(env, "tsc_hz")), 1e8);
	cr_expect_eq(json_integer_value(json_object_get(json_object_get(env, "tasks"), "done")), 2 + 4 + 4 * 2); /* startup; fib on both; bt without four things */
	cr_expect_eq(run("test $(grep -c '^compute,fib,no-chain,bt,measured,cycles,' r/raw.csv) = 2"), 0);
	json_decref(env);
	cr_expect_eq(run("cp r/summary.md old && rm r/summary.md r/compute.svg && cp r/raw.csv raw"), 0);
	cr_expect_eq(run(RINGLAB_BINARY " bench --redraw r"), 0);
	cr_expect_eq(run("cmp r/summary.md old && cmp r/raw.csv raw && test -s r/compute.svg"), 0, "not what was there before");
	cr_expect_eq(run("rm r/raw.csv; " RINGLAB_BINARY " bench --redraw r"), 222);
	cr_expect_eq(run("cmp r/summary.md old"), 0, "samples that cannot be read cost the tables");
}

Test(bench, a_hole_and_a_missing_image_are_told)
{
	cr_expect_eq(run("mkdir r; " PLAYED "r"), 0, "an empty directory is refused");
	cr_expect_eq(run("test $(grep -c '^nano,pushf-popf,,bt,measured,hole,,,truth,.*,0,1,,,$' r/raw.csv) = 4"), 0);
	cr_expect_eq(run("mkdir none; " RINGLAB_BINARY " bench startup --guests none --backends bt --out e"), 223);
	cr_expect(log_has("no image of the guest"));
	cr_expect_eq(run("test ! -e e -a ! -e e.partial"), 0);
}

/* Killed at some moment, with half a line in each file after that; what follows completes the same set of samples. */
Test(bench, resume_after_sigkill)
{
	cr_assert_eq(run(PLAYED "whole; " SAMPLES, "whole", "whole"), 0);
	run(PLAYED "cut & sleep 1.2; kill -9 $!; wait");
	cr_assert_eq(run("test -d cut.partial -a ! -e cut"), 0, "it was not cut off");
	cr_assert_eq(run("test $(grep -c ^task cut.partial/journal.tsv) -lt 8"), 0, "it was not cut off in time");
	cr_assert_eq(run("printf 'nano,half' >>cut.partial/raw.csv; printf 'task\\t1\\tna' >>cut.partial/journal.tsv"), 0);
	cr_expect_eq(run(RINGLAB_BINARY " bench --resume cut.partial"), 0);
	cr_expect_eq(run(SAMPLES "; cmp cut.got whole.got", "cut", "cut"), 0, "not the samples of a run that was not cut off");
	cr_expect_eq(run("test $(uniq -d cut.got | wc -l) = 0"), 0);
	cr_expect_eq(run(RINGLAB_BINARY " bench --resume cut"), 223);
	cr_expect(log_has("it is complete"));
}

/* What a killed run left in /tmp goes with the next one; what another run has locked stays. */
Test(bench, scratch_of_a_killed_run)
{
	cr_expect_eq(run("d=$(mktemp -d /tmp/ringlab-bench-XXXXXX) k=$(mktemp -d /tmp/ringlab-bench-XXXXXX); touch $d/file; "
		"touch -d '2 minutes ago' $d $k; flock $k " PLAYED "r; test ! -e $d -a -d $k; s=$?; rm -rf $d $k; exit $s"), 0);
}

Test(bench, resume_refuses_what_does_not_fit)
{
	run(PLAYED "r & sleep 1; kill -9 $!; wait");
	cr_assert_eq(run("sed -i.old 's/\"commit\": \"[^\"]*/\"commit\": \"another/' r.partial/run.json; " RINGLAB_BINARY " bench --resume r"), 223);
	cr_expect(log_has("commit another"));
	cr_assert_eq(run("sed -E 's/\"host\": \"[^\"]*/\"host\": \"elsewhere/' r.partial/run.json.old >r.partial/run.json; " RINGLAB_BINARY
		" bench --resume r"), 223);
	cr_expect(log_has("host elsewhere"));
	cr_assert_eq(run("sed -E 's/\"pv-xen\",/\"pv-none\",/' r.partial/run.json.old >r.partial/run.json; " RINGLAB_BINARY " bench --resume r"), 223);
	cr_expect(log_has("has changed since"));
	cr_assert_eq(run("echo '[1' >r.partial/run.json; " RINGLAB_BINARY " bench --resume r"), 223);
	cr_expect(log_has("cannot be read"));
	cr_assert_eq(run("mv r.partial/run.json.old r.partial/run.json; echo rubbish >>r.partial/journal.tsv; " RINGLAB_BINARY " bench --resume r"), 223);
	cr_expect(log_has("journal.tsv is not what a run writes"));
	cr_assert_eq(run("sed -i '$d' r.partial/journal.tsv; : >r.partial/raw.csv; " RINGLAB_BINARY " bench --resume r"), 223);
	cr_expect(log_has("raw.csv is shorter"));
	cr_assert_eq(run(RINGLAB_BINARY " bench --resume nowhere"), 223);
	cr_expect(log_has("no such directory"));
}

/* What was measured is kept, what is missing is said, and the command that it names completes it. */
Test(bench, ctrl_c)
{
	json_t *env;

	cr_assert_eq(run(PLAYED "whole; " SAMPLES, "whole", "whole"), 0);
	cr_assert_eq(run("timeout --preserve-status -s INT 1.2 " PLAYED "cut"), 225);
	cr_expect(log_has("tasks are done, and kept; not done: nano"));
	cr_expect(log_has("ringlab bench --resume cut"));
	env = env_of("cut");
	cr_expect(json_is_false(json_object_get(env, "complete")));
	json_decref(env);
	cr_expect_eq(run(RINGLAB_BINARY " bench --resume cut && " SAMPLES "; cmp cut.got whole.got", "cut", "cut"), 0);
	env = env_of("cut");
	cr_expect(json_is_true(json_object_get(env, "complete")));
	json_decref(env);
}

/* A peer that is killed and one that hangs with its output closed: said, noted, and the others go on. */
Test(bench, killed_and_hung)
{
	json_t *env, *e;
	size_t i, cells = 0;

	cr_expect_eq(run(RINGLAB_BINARY " bench nano --ringlab $PWD/play --backends bt,pv-trap,pv-patch --rounds 2 --timeout 1 --out r"), 0);
	cr_expect(log_has("on pv-trap in round 1: nano did not come to its end: it was killed by signal 9"));
	cr_expect(log_has("on pv-patch in round 1: nano did not come to its end: it was stopped after 1 s"));
	env = env_of("r");
	json_array_foreach(json_object_get(env, "missing"), i, e)
		cells += !strcmp(json_string_value(json_object_get(e, "part")), "cells");
	cr_expect_eq(cells, 2);
	json_decref(env);
	cr_expect_eq(run("test $(grep -c ',bt,' r/raw.csv) = 10 -a $(grep -c ',pv-' r/raw.csv) = 0"), 0);
}

/* An engine whose checksum is not native's: said, no figure of it, and not status 0. */
Test(bench, a_wrong_answer)
{
	cr_expect_eq(run(RINGLAB_BINARY " bench compute --only fib --ringlab $PWD/play --backends native,bt --rounds 1 --out r"), 1);
	cr_expect(log_has("WRONG: fib: it computed the checksum 00000bad, and native computed"));
	cr_expect_eq(run("test $(grep -c ',bt,' r/raw.csv) = 0 -a $(grep -c ',native,' r/raw.csv) = 6"), 0);
}

/* A disk that fills up before, while and after it is measured: always a sentence, never a directory that looks whole. */
Test(bench, full_disk)
{
	static const int kib[] = { 4, 16, 20 };

	if (run("unshare -rm true"))
		cr_skip_test("no user namespaces here: a small file system cannot be mounted");
	for (size_t i = 0; i < sizeof(kib) / sizeof(kib[0]); i++) {
		cr_expect_eq(run("mkdir -p m; cat >inner <<'END'\n"
			"mount -t tmpfs -o size=%dk none m || exit 9\n" PLAYED "m/r\n"
			"status=$?; test ! -e m/r || exit 8; exit $status\nEND\nunshare -rm sh inner", kib[i]), 222, "%d KiB", kib[i]);
		cr_expect(log_has("No space left on device"), "%d KiB: it does not say why", kib[i]);
	}
	cr_expect_eq(run(PLAYED "/proc/none/r"), 222);
	cr_expect(log_has("cannot make /proc/none/r.partial"));
}

Test(bench, options)
{
	static const struct {
		const char *words, *says;
	} bad[] = {
		{ "no-such-suite", "there is no suite 'no-such-suite'" },
		{ "--backends bt,zz", "there is no backend 'zz'" },
		{ "--rounds 0", "--rounds 0" },
		{ "--reps x", "--reps x" },
		{ "--cpu 1000", "--cpu 1000" },
		{ "--out ''", "name a directory" },
		{ "--timeout -1", "--timeout -1" },
		{ "--resume r --quick", "takes no others" },
		{ "--redraw r --quick", "no other option" },
		{ "nano --out /", "is there already" },
		{ "compute --only no-such-kernel --out r", "nothing to run" },
		{ "--paper no-such-paper", "no-such-paper" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect_eq(run(RINGLAB_BINARY " bench %s", bad[i].words), 223, "%s", bad[i].words);
		cr_expect(log_has(bad[i].says), "%s does not say: %s", bad[i].words, bad[i].says);
	}
	cr_expect_eq(run(RINGLAB_BINARY " bench --help"), 0);
	cr_expect(log_has("--resume DIR"));
}
