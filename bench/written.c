/*
 * written.c - what is made of a run's samples: modelled.csv, plots, summary.md, paper.md; at its end, or anew (--redraw).
 *
 * Called by runner.c and core/cli_bench.c. Read next: summary.c, plots.c, model.c, paper.c.
 */
#include <errno.h>
#include <string.h>
#include "model.h"
#include "paper.h"
#include "plots.h"
#include "runner.h"
#include "summary.h"

/* paper.md, where a paper's figures are to stand beside ours. */
static int paper_tell(const char *dir, const char *name, const char *ringlab, char *why, size_t n)
{
	char recorded[4200];

	paper_recorded(ringlab, recorded, sizeof(recorded));
	return paper_write(dir, name, recorded, why, n);
}

/* err of writing one of the files that are made of the samples: 0 goes on, without that file. */
static int summary_failed(const struct bench *b, int err, const char *why)
{
	if (!err)
		return 0;
	say("%s", why);
	if (err != -ENOSPC && err != -EIO && err != -EDQUOT && err != -EROFS)
		return 0;
	say("the run's files are kept in %s; when the cause is gone, finish it with: ringlab bench --resume %s", b->rundir.staging,
		b->rundir.dir);
	return err;
}

/* What is made of the samples. The summary shows the plots. */
static int (*const writers[])(const char *dir, char *why, size_t n) = { model_write, plots_write, summary_write };

#define WRITERS (sizeof(writers) / sizeof(writers[0]))

int written_make(struct bench *b)
{
	char why[1000] = "";
	int err = 0;

	for (size_t i = 0; i < WRITERS && !err; i++) {
		why[0] = 0;
		err = summary_failed(b, writers[i](b->rundir.staging, why, sizeof(why)), why);
	}
	if (!err && b->o->paper)
		err = summary_failed(b, paper_tell(b->rundir.staging, b->o->paper, b->o->paths.ringlab, why, sizeof(why)), why);
	return err;
}

int bench_redraw(const char *dir)
{
	char why[1000] = "";
	int err = 0;

	for (size_t i = 0; i < WRITERS && !err; i++)
		err = writers[i](dir, why, sizeof(why));
	if (err)
		say("%s", why);
	return err;
}

void written_paper(const struct bench *b)
{
	char path[4200], line[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/paper.md", b->rundir.dir);
	f = b->o->paper ? fopen(path, "re") : NULL;
	if (!f)
		return;
	putchar('\n');
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "```", 3) && strncmp(line, "# ", 2))
			fputs(line, stdout);
	fclose(f);
}
