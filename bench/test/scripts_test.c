/*
 * scripts_test.c - the shell and awk parts: --help, refusals, and the plot's data and picture from a made-up comparison.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int run(const char *cmd)
{
	int status = system(cmd);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(scripts, refuse_what_they_do_not_know)
{
	cr_expect_eq(run(RINGLAB_SOURCE "/scripts/compare --help >/dev/null"), 0);
	cr_expect_eq(run(RINGLAB_SOURCE "/scripts/compare --no-such-option 2>/dev/null"), 223);
}

/* A missing package is named, and the status is not 0. The library is asked directly, with a package that nobody has. */
Test(scripts, name_missing_packages)
{
	const char *ask = "bash -c 'set -euo pipefail; . " RINGLAB_SOURCE "/scripts/lib.sh; "
		"packages_missing \"no-such-package /no/such/file\" \"bash /bin/bash\"'";
	char line[100] = "";
	FILE *p = popen(ask, "r");

	cr_assert(p);
	cr_assert(fgets(line, sizeof(line), p));
	cr_expect_str_eq(line, "no-such-package\n");
	cr_expect(!fgets(line, sizeof(line), p), "also named: %s", line);
	pclose(p);
}

Test(scripts, draw_a_picture)
{
	char dir[] = "/tmp/ringlab-draw-XXXXXX", cmd[2000], path[100];
	struct stat st;

	if (run("command -v gnuplot >/dev/null"))
		cr_skip_test("gnuplot is not installed");
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/compare.tsv", dir);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs("column\tnano\tvtx\t-\tkvm_intel\tnested\tyes\t0\t-\n"
		"event\tnano\tvtx\t-\tcpuid\tVM exit\t10\tkvm\t100\t100\t-\t-\t-\n"
		"column\tnano\tbt\t-\tbt\tmeasured\tyes\t0\t-\n"
		"event\tnano\tbt\t-\tcpuid\tcallout\t-\tvmm\t100\t100\t80\t90\t200\n"
		"event\tnano\tbt\t-\tint-flag\tinline\t-\tvmm\t100\t100\t-\t-\t-\n"
		"cell\tnano\tbt\t-\tcpuid\t100\t3000\t95\t-\n"
		"cell\tnano\tbt\t-\tpushf-popf\t100\t30\t5\thole\n", f);
	fclose(f);
	snprintf(cmd, sizeof(cmd), "set -e; cd %s; engines=$(awk -v dir=%s -f bench/plot-data.awk core/include/abi/events.h %s | paste -sd '|'); "
		"test \"$engines\" = 'vtx (kvm_intel, nested: counts only)|bt (bt)'; "
		"grep -qx '\"cpuid\" 100 100' %s/counts.dat; ! grep -q int-flag %s/counts.dat; "
		"grep -qx '\"cpuid\" ? 90' %s/costs.dat; grep -qx '\"cpuid\" ? 95' %s/cells.dat; ! grep -q pushf %s/cells.dat; "
		"gnuplot -e \"dir='%s'; engines='$engines'; heading='test'\" bench/counts-and-costs.gp 2>/dev/null",
		RINGLAB_SOURCE, dir, path, dir, dir, dir, dir, dir, dir);
	cr_expect_eq(run(cmd), 0);
	snprintf(path, sizeof(path), "%s/counts-and-costs.png", dir);
	cr_expect(!stat(path, &st) && st.st_size > 10000, "no picture was drawn");
	snprintf(path, sizeof(path), "%s/counts-and-costs.svg", dir);
	cr_expect(!stat(path, &st) && st.st_size > 4000, "no SVG was drawn");
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	run(cmd);
}
