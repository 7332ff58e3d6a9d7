/*
 * paper.c - `ringlab bench --paper NAME`: runs what a paper's table needs, and writes paper.md into the result directory.
 *
 * It is a run like any other (runner.c), of the cells that the paper has, with one file more. Read next: paper_table.c.
 */
#include "paper.h"
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>
#include "core/vm.h"
#include "result.h"

#define STATUS_HOST 222
#define STATUS_USAGE 223

static const struct paper *const papers[] = { &paper_adams_agesen };

const struct paper *paper_find(const char *name)
{
	for (size_t i = 0; i < sizeof(papers) / sizeof(papers[0]); i++)
		if (!strcmp(papers[i]->name, name))
			return papers[i];
	return NULL;
}

/* Prints the tables of a result directory, as a block of plain text within Markdown if asked for. */
static int paper_tables(const struct paper *p, const char *dir, const char *recorded, FILE *f, bool markdown, char *why, size_t n)
{
	char path[4300];
	struct result r;
	struct paper_data d = { .r = &r };
	int e = result_read(&r, dir, why, n);

	if (e)
		return e;
	snprintf(path, sizeof(path), "%s/nano-exits.json", recorded);
	d.recorded = json_load_file(path, 0, NULL);
	if (markdown)
		fprintf(f, "# Against the literature: %s\n\n```\n", p->name);
	paper_print(p, &d, f);
	if (markdown)
		fputs("```\n", f);
	json_decref(d.recorded);
	result_free(&r);
	return 0;
}

int paper_write(const char *dir, const char *name, const char *recorded, char *why, size_t n)
{
	const struct paper *p = paper_find(name);
	char path[4300];
	FILE *f;
	int e;

	if (!p) {
		snprintf(why, n, "there is no paper %s", name);
		return -EINVAL;
	}
	snprintf(path, sizeof(path), "%s/paper.md", dir);
	f = fopen(path, "we");
	if (!f) {
		e = -errno;
		snprintf(why, n, "cannot write %.300s: %s", path, strerror(-e));
		return e;
	}
	e = paper_tables(p, dir, recorded, f, true, why, n);
	if (!e && ferror(f))
		e = -EIO;
	if (fclose(f) && !e)
		e = -errno;
	if (e == -EIO || e == -ENOSPC)
		snprintf(why, n, "cannot write %.300s: %s", path, strerror(-e));
	if (e)
		unlink(path);
	return e;
}

/* Where the recorded counts are: beside the binary. */
void paper_recorded(const char *ringlab, char *out, size_t n)
{
	const char *slash = strrchr(ringlab, '/');

	snprintf(out, n, "%.*s/recorded", slash ? (int)(slash - ringlab) : 1, slash ? ringlab : ".");
}

/* The cells of the paper, comma-separated, as --only takes them. */
static void cells_of(const struct paper *p, char *out, size_t n)
{
	*out = 0;
	for (size_t i = 0; i < p->rows; i++) {
		size_t at = strlen(out);

		snprintf(out + at, n - at, "%s%s%s%s", at ? "," : "", p->row[i].cell, p->row[i].instead ? "," : "",
			p->row[i].instead ? p->row[i].instead : "");
	}
}

int bench_paper(const struct bench_options *o, const char *name)
{
	const struct paper *p = paper_find(name);
	struct bench_options own = *o;
	char why[1000] = "", recorded[4200], cells[400];

	if (!p) {
		fprintf(stderr, "ringlab: bench: --paper %s: there is no such paper; there are:", name);
		for (size_t i = 0; i < sizeof(papers) / sizeof(papers[0]); i++)
			fprintf(stderr, " %s", papers[i]->name);
		fputc('\n', stderr);
		return STATUS_USAGE;
	}
	if (o->from) {
		paper_recorded(o->paths.ringlab, recorded, sizeof(recorded));
		if (!paper_tables(p, o->from, recorded, stdout, false, why, sizeof(why)))
			return 0;
		say("bench: --paper %s: %s", name, why);
		return STATUS_HOST;
	}
	cells_of(p, cells, sizeof(cells));
	own.paper = name;
	own.suites = "nano";
	own.only = own.only ? own.only : cells;
	return bench_run(&own);
}
