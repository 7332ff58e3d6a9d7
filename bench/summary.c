/*
 * summary.c - summary.md of a result directory: the tables, what is missing, the noise, how it was made.
 *
 * Everything is read back from the files beside it, so that it can be made again, and says nothing that they do not hold. It is
 * Markdown, and its tables are aligned, so that a terminal shows them too. Called by runner.c. Read next: summary_tables.c.
 */
#include "summary.h"
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "bars.h"
#include "plot_list.h"
#include "summary_private.h"

#define SUITES_MAX 32

static void head_print(const struct result *r, FILE *f)
{
	const json_t *complete = json_object_get(r->env, "complete");

	fprintf(f, "# Ringlab benchmarks: %s\n\n", env_text(r, NULL, "name"));
	fprintf(f, "%s, kernel %s, behind /dev/kvm: %s; Ringlab %s; %s.\n\n", env_text(r, NULL, "cpu"), env_text(r, NULL, "kernel"),
		env_text(r, NULL, "kvm_module"), env_text(r, NULL, "commit"), env_text(r, "date", "start"));
	if (json_is_false(complete))
		fprintf(f, "**Incomplete: the run was ended after %.0f of %.0f tasks.** What follows is what there was.\n\n",
			env_number(r, "tasks", "done"), env_number(r, "tasks", "planned"));
	fputs("Columns are engines, measured on this machine unless a column says \"(nested)\": counted by VT-x in a nested machine, real counts"
		" without times. Modelled figures have a section of their own.\n\n", f);
}

/* The suites in the order in which they appear. */
static int suites_print(const struct result *r, FILE *f)
{
	const char *suite[SUITES_MAX];
	unsigned n = 0;
	int e = 0;

	for (size_t i = 0; i < r->groups && n < SUITES_MAX && !e; i++) {
		unsigned k = 0;

		while (k < n && strcmp(suite[k], r->group[i].key->suite))
			k++;
		if (k < n || r->group[i].key->modelled)
			continue;
		suite[n++] = r->group[i].key->suite;
		e = summary_suite(r, suite[n - 1], f);
	}
	return e;
}

static void plots_print(const struct result *r, FILE *f)
{
	fputs("## Plots\n\n", f);
	for (size_t i = 0; i < plot_count; i++) {
		char path[sizeof(r->dir) + 60], why[200];

		snprintf(path, sizeof(path), "%s/%s.svg", r->dir, plots[i].name);
		if (!access(path, R_OK))
			fprintf(f, "![%s](%s.svg)\n\n", plots[i].title, plots[i].name);
		else if (!plot_absent(r, i, why, sizeof(why)))
			fprintf(f, "%s.svg (%s): not drawn; there is data for it, so gnuplot was missing or failed.\n\n", plots[i].name, plots[i].title);
		else
			fprintf(f, "%s.svg (%s): not drawn, because %s.\n\n", plots[i].name, plots[i].title, why);
	}
}

static int summary_print(const struct result *r, FILE *f)
{
	int e;

	head_print(r, f);
	e = bars_print(r, f);
	plots_print(r, f);
	if (!e)
		e = summary_missing(r, f);
	if (!e)
		e = suites_print(r, f);
	if (!e)
		e = summary_ablations(r, f);
	if (!e)
		e = summary_modelled(r, f);
	summary_noise(r, f);
	summary_made(r, f);
	return e;
}

/* Writes it under another name first, so that there is a whole one or none. */
static int summary_file(const struct result *r, char *why, size_t n)
{
	char part[sizeof(r->dir) + 20], path[sizeof(r->dir) + 20];
	FILE *f;
	int e;

	snprintf(part, sizeof(part), "%s/summary.md.part", r->dir);
	snprintf(path, sizeof(path), "%s/summary.md", r->dir);
	f = fopen(part, "we");
	if (!f) {
		e = errno;
		snprintf(why, n, "%.300s: cannot write it: %s", part, strerror(e));
		return -e;
	}
	e = -summary_print(r, f);
	if (!e && (fflush(f) || ferror(f)))
		e = errno ? errno : EIO;
	if (fclose(f) && !e)
		e = errno;
	if (!e && rename(part, path))
		e = errno;
	if (e) {
		unlink(part);
		snprintf(why, n, "%.300s: cannot write it: %s", path, strerror(e));
	}
	return -e;
}

int summary_write(const char *dir, char *why, size_t n)
{
	struct result r;
	int e = result_read(&r, dir, why, n);

	if (e)
		return e;
	e = summary_file(&r, why, n);
	result_free(&r);
	return e;
}
