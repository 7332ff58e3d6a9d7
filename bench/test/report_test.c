/*
 * report_test.c - `ringlab report` where things go wrong: what it says, how it ends, and that no half page is left.
 *
 * What the page looks like is report_page_test.py's.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEADER "suite,workload,variant,engine,origin,metric,kind,mechanism,unit,round,rep,value,calib_before,calib_after,disturbed\n"
#define ROW "nano,cli-sti,,bt,measured,cycles,,,cycles,0,0,3.25,1000,1000,0\n"

static char dir[64];
static char said[20000];

static void put(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert(f, "%s", path);
	cr_assert(fputs(text, f) >= 0 && !fclose(f));
}

static void begin(void)
{
	char path[100];

	strcpy(dir, "/tmp/ringlab-report-XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/set", dir);
	cr_assert(!mkdir(path, 0755));
	put("set/raw.csv", HEADER ROW);
	put("set/env.json", "{\"cpu\": \"a <b> & \\\"c\\\"\"}\n");
}

static void end(void)
{
	char cmd[100];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect(!system(cmd));
}

TestSuite(report, .init = begin, .fini = end);

/* The status of `cd dir; prefix ringlab report words`; what it printed is in said. */
static int report(const char *prefix, const char *words)
{
	char cmd[800];
	size_t n;
	FILE *p;

	snprintf(cmd, sizeof(cmd), "cd %s && { %s exec %s report %s; } 2>&1", dir, prefix, RINGLAB_BINARY, words);
	p = popen(cmd, "r");
	cr_assert(p);
	n = fread(said, 1, sizeof(said) - 1, p);
	said[n] = 0;
	return WEXITSTATUS(pclose(p));
}

/* How many entries there are in dir but the set: pages, and what is left of them. */
static int files(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	cr_assert(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.' && strcmp(e->d_name, "set") != 0;
	closedir(d);
	return n;
}

static void refuses(const char *words, int status, const char *because)
{
	int got = report("", words);

	cr_expect_eq(got, status, "report %s: status %d, and it said: %s", words, got, said);
	cr_expect(strstr(said, because), "report %s said: %s", words, said);
	cr_expect_eq(files(), 0, "report %s left something behind", words);
}

Test(report, writes_a_page)
{
	struct stat st;
	char path[100];

	cr_expect_eq(report("umask 022;", "set"), 0, "%s", said);
	snprintf(path, sizeof(path), "%s/report.html", dir);
	cr_assert(!stat(path, &st));
	cr_expect_eq(st.st_mode & 0777, 0644);
	cr_expect_eq(files(), 1);
}

Test(report, refers_to_nothing_else)
{
	static const char *const harmless[] = { "src=\"data:", "href=\"#" };
	unsigned seen = 0;

	put("set/x.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
	cr_expect_eq(report("", "-o - set"), 0);
	for (const char *p = said; (p = strpbrk(p, "sh")); p++)
		if (!strncmp(p, "src=\"", 5) || !strncmp(p, "href=\"", 6)) {
			cr_expect(!strncmp(p, harmless[0], strlen(harmless[0])) || !strncmp(p, harmless[1], strlen(harmless[1])), "%.60s", p);
			seen++;
		}
	cr_expect_gt(seen, 3);
	cr_expect(!strstr(said, "url(") && !strstr(said, "@import"));
	cr_expect(strstr(said, "a &lt;b&gt; &amp; &quot;c&quot;"));
}

Test(report, usage)
{
	refuses("", 223, "a result directory is needed");
	refuses("--no-such set", 223, "see: ringlab report --help");
	refuses("nowhere", 223, "No such file");
	refuses("set/raw.csv", 223, "not a directory");
}

Test(report, an_older_directory)
{
	put("set/compare.json", "{}");
	cr_assert(!unlink(strcat(strcpy(said, dir), "/set/raw.csv")));
	refuses("set", 223, "before results had raw samples");
}

Test(report, a_damaged_set)
{
	put("set/raw.csv", HEADER ROW "nano,cli-sti,,bt,measured,cyc");
	refuses("set", 223, "raw.csv: line 3");
	put("set/raw.csv", HEADER "nano,cli-sti,,bt,measured,cycles,,,cycles,0,0,nan,,,\n");
	refuses("set", 223, "column value");
	put("set/raw.csv", HEADER ROW);
	put("set/env.json", "{\"cpu\": [");
	refuses("set", 223, "env.json: line 1");
	put("set/env.json", "{\"cpu\": 7}");
	refuses("set", 223, "cpu");
}

/* One that is good and one that is not: no page, not even of the good one. */
Test(report, one_bad_of_two)
{
	refuses("set nowhere", 223, "nowhere");
}

Test(report, a_full_disk)
{
	refuses("-o /dev/full set", 222, "No space left");
	/* As a disk that fills up after 4 KiB. */
	cr_expect_eq(report("trap '' XFSZ; ulimit -f 4;", "set"), 222);
	cr_expect(strstr(said, "cannot write report.html"), "%s", said);
	cr_expect_eq(files(), 0);
	refuses("-o nowhere/x.html set", 223, "cannot write nowhere/x.html");
}

/* What was there before stays when the new page does not come about. */
Test(report, keeps_the_old_page)
{
	struct stat st;
	char path[100];

	put("report.html", "the page of last week");
	cr_expect_eq(report("trap '' XFSZ; ulimit -f 4;", "set"), 222);
	snprintf(path, sizeof(path), "%s/report.html", dir);
	cr_expect(!stat(path, &st) && st.st_size == 21);
	cr_expect_eq(files(), 1);
}

/* Not every NAME.svg is a plot. */
Test(report, plots_that_are_none)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/set/pipe.svg", dir);
	cr_assert(!mkfifo(path, 0644));
	put("set/empty.svg", "");
	cr_expect_eq(report("", "-o - set"), 0);
	cr_expect(strstr(said, "This plot is left out: it is not a file"));
	cr_expect(strstr(said, "This plot is left out: it is empty"));
}

/* Nothing measured yet, and names that are no UTF-8 cannot come through the reader: a page that says so, a sentence. */
Test(report, empty_and_odd)
{
	put("set/raw.csv", HEADER);
	cr_expect_eq(report("", "-o - set"), 0);
	cr_expect(strstr(said, "There is not one sample"));
	put("set/raw.csv", HEADER "nano,\xff\xfe,,bt,measured,cycles,,,cycles,0,0,3,,,\n");
	refuses("set", 223, "raw.csv: line 2");
}
