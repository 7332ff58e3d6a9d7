/*
 * report_plot.c - the plots of each result directory, inline, machines beside each other.
 *
 * An SVG from a directory is put in as an image with a data: address: a browser shows such an image in a world of its own,
 * where no script runs, nothing is loaded and no id can clash. Called by report.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "report.h"

#define PLOTS_MAX 40

struct plot_names {
	char name[PLOTS_MAX][64]; /* without .svg */
	unsigned n;
};

/* The order in which they are shown; others follow by name. */
static const char *const known[][2] = {
	{ "exits-per-op", "Exits an operation, by kind and engine" },
	{ "cost-per-op", "Cost of an operation, logarithmic" },
	{ "compute", "Compute against native" },
	{ "linux-boot", "Linux boot, by milestone" },
	{ "exits-over-time", "Exits over time" },
	{ "ablations", "What each part of bt is worth" },
	{ "techniques", "The techniques of pv" },
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

static int name_rank(const char *name)
{
	size_t i;

	for (i = 0; i < KNOWN && strcmp(known[i][0], name); i++)
		;
	return (int)i;
}

static int compare_names(const void *a, const void *b)
{
	int d = name_rank(a) - name_rank(b);

	return d ? d : strcmp(a, b);
}

static bool names_have(const struct plot_names *names, const char *name)
{
	for (unsigned i = 0; i < names->n; i++)
		if (!strcmp(names->name[i], name))
			return true;
	return false;
}

/* Adds the names of a directory's plots. */
static void names_add(struct plot_names *names, const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)) && names->n < PLOTS_MAX) {
		size_t n = strlen(e->d_name);
		char name[64];

		if (n < 5 || n - 4 >= sizeof(name) || strcmp(e->d_name + n - 4, ".svg"))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(n - 4), e->d_name);
		if (!names_have(names, name))
			memcpy(names->name[names->n++], name, sizeof(name));
	}
	if (d)
		closedir(d);
}

/* The file's bytes, or NULL after filling why with a sentence ("": there is no such file). */
static void *plot_read(const char *dir, const char *name, size_t *n, const char **why)
{
	char path[4400], *data = NULL;
	struct stat st;
	ssize_t got = -1;
	int fd;

	*why = "";
	snprintf(path, sizeof(path), "%s/%s.svg", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		*why = errno == ENOENT ? "" : strerror(errno);
		return NULL;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		*why = "it is not a file";
	else if (st.st_size > REPORT_PLOT_BYTES)
		*why = "it is too large for a page";
	else if (!st.st_size)
		*why = "it is empty";
	else if (!(data = malloc((size_t)st.st_size)) || (got = read(fd, data, (size_t)st.st_size)) != st.st_size)
		*why = "it cannot be read";
	close(fd);
	if (**why) {
		free(data);
		return NULL;
	}
	*n = (size_t)got;
	return data;
}

static void figure(const struct report *p, unsigned m, const char *name, const char *title)
{
	const struct result *r = &p->machine[m];
	const char *why;
	size_t n;
	void *svg = plot_read(r->dir, name, &n, &why);

	if (!svg && !*why)
		return;
	fputs("<figure>", p->out);
	if (svg) {
		fputs("<img alt=\"", p->out);
		html_text(p->out, title);
		fputs(", ", p->out);
		html_text(p->out, r->name);
		fputs("\" src=\"data:image/svg+xml;base64,", p->out);
		html_base64(p->out, svg, n);
		fputs("\">", p->out);
	} else {
		fprintf(p->out, "<p class=notice>This plot is left out: %s.</p>", why);
	}
	if (p->n > 1)
		fprintf(p->out, "<figcaption><span class=key>%c</span> ", 'A' + m);
	else
		fputs("<figcaption>", p->out);
	html_text(p->out, r->name);
	fputs("/", p->out);
	html_text(p->out, name);
	fputs(".svg</figcaption></figure>\n", p->out);
	free(svg);
}

int report_plots(const struct report *p)
{
	struct plot_names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (unsigned m = 0; m < p->n; m++)
		names_add(names, p->machine[m].dir);
	qsort(names->name, names->n, sizeof(names->name[0]), compare_names);
	fputs("<section id=plots><h2>Plots</h2>\n", p->out);
	if (!names->n)
		fprintf(p->out, "<p>There are no plots in %s: gnuplot was not installed, or there was nothing to draw.</p>\n",
			p->n > 1 ? "these directories" : "this directory");
	fprintf(p->out, "<div class=\"plots%s\">\n", p->n > 1 ? " many" : "");
	for (unsigned i = 0; i < names->n; i++) {
		int rank = name_rank(names->name[i]);
		const char *title = (size_t)rank < KNOWN ? known[rank][1] : names->name[i];

		fputs("<div class=plot><h3>", p->out);
		html_text(p->out, title);
		fputs("</h3><div class=row>\n", p->out);
		for (unsigned m = 0; m < p->n; m++)
			figure(p, m, names->name[i], title);
		fputs("</div></div>\n", p->out);
	}
	fputs("</div></section>\n", p->out);
	free(names);
	return 0;
}
