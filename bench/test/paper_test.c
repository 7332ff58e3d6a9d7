/*
 * paper_test.c - `ringlab bench --paper` on a synthetic result: theirs, ours and the counts stand where they belong, verdicts follow from
 * the figures and change with them, ranks are those computed by hand, and what is missing is a dash, not a number.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "paper.h"
#include "result.h"

#define HEAD "suite,workload,variant,engine,origin,metric,kind,mechanism,unit,round,rep,value,calib_before,calib_after,disturbed\n"
#define CYCLES(cell, engine, v) "nano," cell ",," engine ",measured,cycles,,,cycles,0,0," v ",1000,1000,0\n"
#define EXITS(cell, variant, kind, v) "nano," cell "," variant ",vtx,nested,exits," kind ",VM exit,1/op,0,0," v ",,,\n"
#define NONE(cell, variant) "nano," cell "," variant ",vtx,nested,exits-total,,,1/op,0,0,0,,,\n"

#define THE_REST \
	CYCLES("syscall-sysenter", "bt", "80") CYCLES("in", "bt", "60") CYCLES("cli-sti", "bt", "3") CYCLES("call-ret", "bt", "4") \
	CYCLES("divide-error", "bt", "600") CYCLES("pte-invlpg", "bt", "300") CYCLES("syscall-int", "pv-xen", "33000") \
	EXITS("in", "ept=0", "port-in", "1") NONE("syscall-sysenter", "ept=0") EXITS("pte-invlpg", "ept=0", "tlb-flush", "1") \
	EXITS("page-fault", "ept=0", "page-fault", "1") EXITS("page-fault", "ept=0", "shadow-fill", "1") \
	EXITS("page-fault", "ept=0", "tlb-flush", "1") NONE("page-fault", "")

static char *tables(const char *rows)
{
	char dir[] = "/tmp/paper-test-XXXXXX", path[200], why[400] = "", *text = NULL;
	size_t n = 0;
	FILE *f;

	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/env.json", dir);
	f = fopen(path, "we");
	cr_assert(f && fputs("{\"name\": \"test\", \"cpu\": \"a CPU\", \"commit\": \"abc\"}", f) >= 0 && !fclose(f));
	snprintf(path, sizeof(path), "%s/raw.csv", dir);
	f = fopen(path, "we");
	cr_assert(f && fprintf(f, HEAD "%s", rows) > 0 && !fclose(f));
	cr_assert_eq(paper_write(dir, "adams-agesen", "/nonexistent", why, sizeof(why)), 0, "%s", why);
	unlink(path);
	snprintf(path, sizeof(path), "%s/env.json", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/paper.md", dir);
	f = fopen(path, "re");
	cr_assert(f && getdelim(&text, &n, 0, f) > 0 && !fclose(f));
	unlink(path);
	cr_assert(!rmdir(dir));
	return text;
}

/* The first line that begins so, after the line that holds section. */
static const char *line_of(const char *text, const char *section, const char *begin)
{
	static char line[400];
	const char *p = strstr(text, section);

	cr_assert(p, "no section \"%s\"", section);
	while ((p = strchr(p, '\n'))) {
		p++;
		if (!strncmp(p, begin, strlen(begin))) {
			snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\n"), p);
			return line;
		}
	}
	cr_expect(false, "no line \"%s\" in \"%s\"", begin, section);
	return "";
}

#define EXPECT_IN(line, want) cr_expect(strstr(line, want), "\"%s\" is not in: %s", want, line)

Test(paper, figures_stand_where_they_belong)
{
	char *text = tables(THE_REST CYCLES("page-fault", "bt", "320"));
	const char *l = line_of(text, "theirs", "pgfault ");

	EXPECT_IN(l, "|     1093     3927    11242 |       -      320        -        -  |");
	EXPECT_IN(l, "0.00    2.00"); /* the INVLPG is its untimed preparation */
	l = line_of(text, "theirs", "in ");
	EXPECT_IN(l, "3209     ~214    15826");
	EXPECT_IN(l, "-    1.00");
	l = line_of(text, "theirs", "syscall ");
	EXPECT_IN(l, "-   >=2000        - ");
	l = line_of(text, "direct execution", "syscall ");
	EXPECT_IN(l, "33000*"); /* another cell stands in */
	for (char *p = strtok(text, "\n"); p; p = strtok(NULL, "\n"))
		cr_expect_leq(strlen(p), 100, "too wide: %s", p);
	free(text);
}

Test(paper, verdicts_follow_from_figures)
{
	char *text = tables(THE_REST CYCLES("page-fault", "bt", "320"));

	EXPECT_IN(line_of(text, "ours (bt) over theirs", "  pgfault "), "x 0.0815  CHEAPER");
	EXPECT_IN(line_of(text, "ours (bt) over theirs", "            "), "system call");
	EXPECT_IN(line_of(text, "ours (bt) over theirs", "  ptemod "), "the same order of magnitude");
	EXPECT_IN(line_of(text, "Who is faster", "  pgfault "), "software     900 to 3362");
	free(text);
	text = tables(THE_REST CYCLES("page-fault", "bt", "39270"));
	EXPECT_IN(line_of(text, "ours (bt) over theirs", "  pgfault "), "x 10      DEARER");
	EXPECT_IN(line_of(text, "Who is faster", "  pgfault "), "hardware     900 to 3362");
	free(text);
}

/* 1093 + 2 x 1093 to 1093 + 2 x 15826 for two exits; theirs less native, by two. */
Test(paper, model_of_their_hardware)
{
	char *text = tables(THE_REST);
	const char *l = line_of(text, "hardware VMM, MODELLED", "  pgfault ");

	EXPECT_IN(l, "2.00     3279    32745    11242      5074  within");
	l = line_of(text, "hardware VMM, MODELLED", "  in ");
	EXPECT_IN(l, "1.00     1093    15826    15826     15826  within");
	free(text);
}

Test(paper, nothing_measured_is_no_number)
{
	char *text = tables(CYCLES("mov-seg", "bt", "47"));

	EXPECT_IN(line_of(text, "theirs", "pgfault "), "|       -        -        -        -  |");
	cr_expect(strstr(text, "bt: nothing was measured"), "%s", text);
	cr_expect(strstr(text, "exits of nested VT-x are not known here"), "%s", text);
	free(text);
}

Test(paper, ranks_by_hand)
{
	static const double up[] = { 1, 2, 3, 4 }, down[] = { 9, 7, 5, 1 }, ties[] = { 1, 1, 2, 3 }, flat[] = { 5, 5, 5, 5 };

	cr_expect_float_eq(rank_correlation(up, up, 4), 1, 1e-12);
	cr_expect_float_eq(rank_correlation(up, down, 4), -1, 1e-12);
	/* ranks 1.5 1.5 3 4 against 1 2 3 4: 4.5 / sqrt(5 x 4.5) */
	cr_expect_float_eq(rank_correlation(up, ties, 4), 4.5 / sqrt(22.5), 1e-12);
	cr_expect(isnan(rank_correlation(up, flat, 4)));
	cr_expect(isnan(rank_correlation(up, up, 2)));
}

Test(paper, cannot_write)
{
	char dir[] = "/tmp/paper-test-XXXXXX", why[400] = "";

	cr_expect_lt(paper_write("/nonexistent", "adams-agesen", "/", why, sizeof(why)), 0);
	cr_expect(strstr(why, "/nonexistent"), "%s", why);
	cr_expect_lt(paper_write("/", "nonesuch", "/", why, sizeof(why)), 0);
	cr_assert(mkdtemp(dir));
	cr_expect_lt(paper_write(dir, "adams-agesen", "/", why, sizeof(why)), 0, "there is no raw.csv");
	cr_expect(!rmdir(dir), "a paper.md was left behind");
}
