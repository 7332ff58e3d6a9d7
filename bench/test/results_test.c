/*
 * results_test.c - result directories are as docs/results.md has them: a fresh one, those that are committed, and the checker itself.
 */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "synth.h"

/* The status of a command, and what it printed. */
static int run(const char *cmd, char *said, size_t n)
{
	FILE *p = popen(cmd, "r");
	size_t got;
	int status;

	cr_assert(p);
	got = fread(said, 1, n - 1, p);
	said[got] = 0;
	status = pclose(p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int check(const char *dir, char *said, size_t n)
{
	char cmd[600];

	snprintf(cmd, sizeof(cmd), "%s '%s' 2>&1", CHECK_RESULTS, dir);
	return run(cmd, said, n);
}

/* What `ringlab bench` writes now. */
Test(results, fresh, .timeout = 100)
{
	char dir[200], out[240], cmd[900], said[20000];

	synth_make(dir);
	snprintf(out, sizeof(out), "%s/r", dir);
	snprintf(cmd, sizeof(cmd), "%s bench --rounds 1 --reps 1 --only cli-sti,in,intloop --backends native,bt,pv,qemu-tcg --out %s nano compute 2>&1 </dev/null",
		RINGLAB_BINARY, out);
	cr_assert_eq(run(cmd, said, sizeof(said)), 0, "%s", said);
	cr_expect_eq(check(out, said, sizeof(said)), 0, "%s", said);
	synth_remove(out);
	synth_remove(dir);
}

Test(results, committed)
{
	char said[20000];
	glob_t g;

	cr_assert_eq(glob(RINGLAB_SOURCE "/results/*/raw.csv", 0, NULL, &g) & ~GLOB_NOMATCH, 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		*strrchr(g.gl_pathv[i], '/') = 0;
		cr_expect_eq(check(g.gl_pathv[i], said, sizeof(said)), 0, "%s", said);
	}
	globfree(&g);
}

Test(results, synthetic)
{
	char dir[200], said[20000];

	synth_make(dir);
	synth_whole(dir);
	synth_file(dir, "summary.md", "#\n");
	cr_expect_eq(check(dir, said, sizeof(said)), 0, "%s", said);
	synth_remove(dir);
}

/* The checker sees what it is for. */
static void found(const char *file, const char *text, const char *sentence)
{
	char dir[200], said[20000];

	synth_make(dir);
	synth_whole(dir);
	synth_file(dir, "summary.md", "#\n");
	synth_file(dir, file, text);
	cr_expect_eq(check(dir, said, sizeof(said)), 1, "accepted: %s", text);
	cr_expect(strstr(said, sentence), "says \"%s\", and not \"%s\"", said, sentence);
	synth_remove(dir);
}

Test(results, deviations)
{
	found("raw.csv", SYNTH_HEADER "nano,in,,bt,measured,speed,,,cycles,0,0,1,,,\n", "\"speed\" is not in the table of metrics");
	found("raw.csv", SYNTH_HEADER "nano,in,,bt,measured,cycles,,,s,0,0,1,,,\n", "\"s\" of the metric cycles");
	found("raw.csv", SYNTH_HEADER "nano,in,,kvm,measured,cycles,,,cycles,0,0,1,,,\n", "\"kvm\" is none of");
	found("raw.csv", SYNTH_HEADER "nano,in,,bt,measured,exits,port-inn,callout,1/op,0,0,1,,,\n", "\"port-inn\" is not in docs/exits.md");
	found("raw.csv", SYNTH_HEADER "nano,in,,bt,measured,exits,,,1/op,0,0,1,,,\n", "kind and mechanism are needed");
	found("raw.csv", SYNTH_HEADER "nano,in,,bt,measured,cycles,,,cycles,0,0,1,5,5,\n", "not empty together");
	found("raw.csv", SYNTH_HEADER "nano,in,,vtx,nested,cycles,,,cycles,0,0,1,5,5,0\n", "a time of the nested machine");
	found("raw.csv", SYNTH_HEADER, "it has no samples");
	found("raw.csv", "suite\n", "1 fields, and the page has 15 columns");
	found("modelled.csv", SYNTH_HEADER "nano,in,,vtx,measured,cycles,,,cycles,0,0,1,,,\n", "\"measured\" in this file");
	found("timeline.csv", SYNTH_TIME_HEADER "nano,in,,bt,measured,x,1,port-in,callout,1\n", "column t_s: \"x\" is no number");
	found("env.json", "{\"cpu\": \"x\"}", "there is no commit");
	found("env.json", "{\"cpu\": 1, \"colour\": 2}", "the key colour is not on the page");
	found("compute.svg", "<svg></svg>", "there is no compute.png beside it");
	found("raw.csv.partial", "", "a file that was not finished");
}
