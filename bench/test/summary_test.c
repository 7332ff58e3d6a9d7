/*
 * summary_test.c - summary.md of a synthetic result holds the figures that its formula gives, and the plots are pictures.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "plots.h"
#include "summary.h"
#include "synth.h"

static const char *const plot_names[] = { "exits-per-op", "cost-per-op", "compute", "linux-boot", "exits-over-time", "ablations", "techniques",
	"modelled" };

#define PLOTS (sizeof(plot_names) / sizeof(plot_names[0]))

static char *summary_of(const char *dir)
{
	char why[1000] = "", *text;

	cr_assert_eq(summary_write(dir, why, sizeof(why)), 0, "%s", why);
	text = synth_read(dir, "summary.md");
	cr_assert(text);
	return text;
}

/* The line of the table below a heading whose first cells are these, in row[], or a failed test. */
static void row_find(const char *text, const char *heading, const char *first, const char *second, char row[1000])
{
	const char *p = strstr(text, heading), *end;

	cr_assert(p, "there is no heading %s", heading);
	end = strstr(p + 1, "\n#");
	for (p = strchr(p, '\n'); p && (!end || p < end); p = strchr(p, '\n')) {
		char one[100] = "", two[100] = "";

		p++;
		if (sscanf(p, "| %99[^|] | %99[^|] |", one, two) < 2)
			continue;
		one[strcspn(one, " ")] = two[strcspn(two, " ")] = 0;
		if (strcmp(one, first) || (second && strcmp(two, second)))
			continue;
		snprintf(row, 1000, "%.*s", (int)strcspn(p, "\n"), p);
		return;
	}
	cr_assert_fail("below %s there is no row %s %s", heading, first, second ? second : "");
}

/* The n-th cell, from 0, as a number. */
static double cell(const char *row, int n)
{
	for (int i = 0; row && i <= n; i++)
		row = strchr(row + !!i, '|');
	return row ? strtod(row + 1, NULL) : NAN;
}

static int order(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b;
}

static double median_of(unsigned w, unsigned e)
{
	double v[SYNTH_ROUNDS];

	for (unsigned r = 0; r < SYNTH_ROUNDS; r++)
		v[r] = synth_cycles(w, e, r);
	qsort(v, SYNTH_ROUNDS, sizeof(*v), order);
	return v[SYNTH_ROUNDS / 2];
}

Test(summary, figures)
{
	char dir[200], row[1000], *text;

	synth_make(dir);
	synth_whole(dir);
	text = summary_of(dir);
	for (unsigned w = 0; w < SYNTH_CELLS; w++) {
		row_find(text, "### nano: TSC cycles of one operation, steady state\n", synth_cells[w], NULL, row);
		for (unsigned e = 1; e < SYNTH_ENGINES; e++)
			cr_expect_float_eq(cell(row, (int)e), median_of(w, e), 1e-3 * median_of(w, e), "%s on %s: %s", synth_cells[w], synth_engines[e], row);
		for (unsigned e = 1; e < SYNTH_ENGINES; e++) {
			char *full = strstr(strstr(text, "### nano: TSC"), "In full");

			row_find(full, "In full", synth_cells[w], synth_engines[e], row);
			cr_expect_float_eq(cell(row, 2), median_of(w, e), 1e-3 * median_of(w, e), "%s", row);
			cr_expect_eq(cell(row, 5), SYNTH_ROUNDS, "n: %s", row);
			cr_expect_eq(cell(row, 6), 20, "one of five is disturbed: %s", row);
			if (e < SYNTH_ENGINES - 1)
				cr_expect_float_eq(cell(row, 8), (e * e + 1) / 37.0, 1e-3, "against qemu-tcg: %s", row);
		}
	}
	cr_expect(strstr(text, "A CPU (synthetic)"));
	cr_expect(strstr(text, "it is not installed \\| at all"), "a bar in a cell is escaped");
	free(text);
	synth_remove(dir);
}

/* Exits as written: kinds k with (w + e + k) % 3 == 0, 0.5 (k + 1) (w + 1) each. */
Test(summary, exits)
{
	char dir[200], row[1000], *text;

	synth_make(dir);
	synth_whole(dir);
	text = summary_of(dir);
	for (unsigned w = 0; w < SYNTH_CELLS; w++)
		for (unsigned e = 1; e < SYNTH_ENGINES; e++) {
			double total = 0;

			for (unsigned k = 0; k < 6; k++)
				total += (w + e + k) % 3 ? 0 : 0.5 * (k + 1) * (w + 1);
			row_find(text, "### nano: exits by kind", synth_cells[w], synth_engines[e], row);
			cr_expect_float_eq(cell(row, 2), total, 1e-3 * total, "%s", row);
			if (e == 1)
				cr_expect_eq(cell(row, 4), 100 * w + 7, "VMM cycles: %s", row);
		}
	row_find(text, "### nano: exits by kind", "page-fault", "vtx", row);
	cr_expect(strstr(row, "vtx (nested)") && strstr(row, "port-in 3 (VM exit)"), "%s", row);
	free(text);
	synth_remove(dir);
}

Test(summary, modelled_apart)
{
	char dir[200], *text, *section, *end;
	unsigned rows = 0;

	synth_make(dir);
	synth_whole(dir);
	text = summary_of(dir);
	section = strstr(text, "## Modelled figures (modelled, not measured)");
	cr_assert(section);
	end = strstr(section + 1, "\n## ");
	for (char *p = strstr(section, "\n| nano"); p && p < end; p = strstr(p + 1, "\n| nano")) {
		char line[1000];

		snprintf(line, sizeof(line), "%.*s", (int)strcspn(p + 1, "\n"), p + 1);
		cr_expect(strstr(line, "(modelled) |"), "a modelled row that does not say so: %s", line);
		rows++;
	}
	cr_expect_eq(rows, 4);
	*section = 0;
	cr_expect_not(strstr(text, "haswell"), "a modelled figure outside its section");
	free(text);
	synth_remove(dir);
}

Test(summary, incomplete_and_bad)
{
	char dir[200], why[1000] = "", *text;

	synth_make(dir);
	synth_file(dir, "raw.csv", SYNTH_HEADER);
	synth_file(dir, "env.json", "{\"complete\": false, \"tasks\": {\"planned\": 9, \"done\": 4}}");
	text = summary_of(dir);
	cr_expect(strstr(text, "Incomplete: the run was ended after 4 of 9 tasks"), "%s", text);
	free(text);
	synth_file(dir, "summary.md", "old");
	synth_file(dir, "raw.csv", "no\n");
	cr_expect_lt(summary_write(dir, why, sizeof(why)), 0);
	cr_expect(strstr(why, "raw.csv: line 1"), "%s", why);
	synth_remove(dir);
}

/* --- plots --- */

static void picture_check(const char *dir, const char *name)
{
	char file[100], *svg, path[400];
	unsigned char head[24] = { 0 };
	FILE *f;

	snprintf(file, sizeof(file), "%s.svg", name);
	svg = synth_read(dir, file);
	cr_assert(svg, "there is no %s", file);
	cr_expect(strstr(svg, "<svg") && strstr(svg, "</svg>"), "%s is not whole", file);
	cr_expect(strstr(svg, "A CPU (synthetic)") && strstr(svg, "2026-01-31-synth"), "%s does not say of what machine and run it is", file);
	if (!strcmp(name, "modelled"))
		cr_expect(strstr(svg, "MODELLED"));
	free(svg);
	snprintf(path, sizeof(path), "%s/%s.png", dir, name);
	f = fopen(path, "r");
	cr_assert(f, "there is no %s", path);
	cr_expect_eq(fread(head, 1, sizeof(head), f), sizeof(head));
	fseek(f, -8, SEEK_END);
	cr_expect(!memcmp(head, "\x89PNG\r\n\x1a\n", 8), "%s is no PNG", path);
	cr_expect_geq(head[18] << 8 | head[19], 900, "%s is narrow", path);
	cr_expect_eq(fread(head, 1, 8, f), 8);
	cr_expect(!memcmp(head, "IEND\xae\x42\x60\x82", 8), "%s is not whole", path);
	fclose(f);
}

/* Runs plots_write with its standard error in text, which is to be freed. */
static int plots_told(const char *dir, char **text, char why[1000])
{
	char path[300];
	int e, keep = dup(2);

	snprintf(path, sizeof(path), "%s/stderr", dir);
	cr_assert(freopen(path, "w", stderr));
	why[0] = 0;
	e = plots_write(dir, why, 1000);
	fflush(stderr);
	dup2(keep, 2);
	close(keep);
	*text = synth_read(dir, "stderr");
	return e;
}

Test(plots, drawn, .timeout = 60)
{
	char dir[200], why[1000], *told, *text;

	if (system("command -v gnuplot >/dev/null 2>&1"))
		cr_skip_test("there is no gnuplot");
	synth_make(dir);
	synth_whole(dir);
	cr_assert_eq(plots_told(dir, &told, why), 0, "%s", why);
	cr_expect_str_empty(told, "%s", told);
	for (size_t i = 0; i < PLOTS; i++)
		picture_check(dir, plot_names[i]);
	text = summary_of(dir);
	cr_expect(strstr(text, "](techniques.svg)"));
	cr_expect_not(strstr(text, "not drawn"));
	free(text);
	free(told);
	synth_remove(dir);
}

Test(plots, no_data)
{
	char dir[200], why[1000], *told, *text;

	synth_make(dir);
	synth_env(dir);
	synth_file(dir, "raw.csv", SYNTH_HEADER "startup,first,,bt,measured,seconds,,,s,0,0,1,,,\n");
	cr_assert_eq(plots_told(dir, &told, why), 0, "%s", why);
	text = summary_of(dir);
	for (size_t i = 0; i < PLOTS; i++) {
		char sentence[200], file[100], *picture;

		snprintf(sentence, sizeof(sentence), "%s is not drawn: ", plot_names[i]);
		cr_expect(strstr(told, sentence), "standard error does not say %s", sentence);
		snprintf(file, sizeof(file), "%s.svg", plot_names[i]);
		cr_expect(strstr(text, file), "the summary says nothing of %s", file);
		picture = synth_read(dir, file);
		cr_expect_not(picture);
		free(picture);
	}
	cr_expect(strstr(text, "not drawn, because"));
	free(text);
	free(told);
	synth_remove(dir);
}

Test(plots, no_gnuplot)
{
	char dir[200], why[1000], *told, *text;

	synth_make(dir);
	synth_whole(dir);
	setenv("PATH", "/no/such", 1);
	cr_expect_eq(plots_told(dir, &told, why), 0, "%s", why);
	cr_expect(strstr(told, "there is no gnuplot"), "%s", told);
	text = summary_of(dir);
	cr_expect(strstr(text, "gnuplot was missing or failed"));
	free(text);
	free(told);
	synth_remove(dir);
}

/* A gnuplot that fails, and scripts that are not there. */
Test(plots, broken_gnuplot)
{
	char dir[200], path[300], why[1000], *told, *svg;

	synth_make(dir);
	synth_whole(dir);
	setenv("RINGLAB_PLOTS", "/no/such", 1);
	cr_expect_eq(plots_told(dir, &told, why), 0);
	cr_expect(strstr(told, "there is no /no/such/compute.gp"), "%s", told);
	free(told);
	setenv("RINGLAB_PLOTS", dir, 1);
	for (size_t i = 0; i < PLOTS; i++) {
		snprintf(path, sizeof(path), "%s.gp", plot_names[i]);
		synth_file(dir, path, "set output 'compute.svg'\nthis is not gnuplot\n");
	}
	cr_expect_eq(plots_told(dir, &told, why), 0);
	cr_expect(strstr(told, "compute is not drawn: gnuplot failed"), "%s", told);
	svg = synth_read(dir, "compute.svg");
	cr_expect_not(svg);
	free(svg);
	free(told);
	synth_remove(dir);
}

/* A full disk: a sentence that names the file, and nothing half-written beside. */
Test(plots, full_disk)
{
	char dir[200], why[1000] = "", *told, *svg, *filler = malloc(1 << 20);
	size_t room;

	if (!strcpy(dir, "/tmp/ringlab-full.XXXXXX") || !mkdtemp(dir))
		cr_assert_fail("mkdtemp");
	if (mount("tmpfs", dir, "tmpfs", 0, "size=512k")) {
		fprintf(stderr, "skipped: a small file system cannot be mounted: %s\n", strerror(errno));
		rmdir(dir);
		free(filler);
		cr_skip_test("needs root, to mount a small file system");
	}
	synth_whole(dir);
	memset(filler, 'x', 1 << 20);
	{
		char path[300];
		FILE *f;

		snprintf(path, sizeof(path), "%s/filler", dir);
		f = fopen(path, "w");
		setbuf(f, NULL);
		room = fwrite(filler, 1, 1 << 20, f);
		fclose(f);
	}
	cr_expect_lt(room, 1 << 20);
	cr_expect_eq(summary_write(dir, why, sizeof(why)), -ENOSPC, "%s", why);
	cr_expect(strstr(why, "summary.md: cannot write it: No space left"), "%s", why);
	/* standard error cannot be kept in a full file system */
	cr_expect_eq(plots_write(dir, why, sizeof(why)), -ENOSPC, "%s", why);
	told = synth_read(dir, "summary.md");
	svg = synth_read(dir, "exits-per-op.svg");
	cr_expect_not(told);
	cr_expect_not(svg);
	cr_expect_not(synth_read(dir, "summary.md.part"));
	cr_expect_not(synth_read(dir, "exits-per-op.svg.part"));
	umount(dir);
	rmdir(dir);
	free(filler);
}
