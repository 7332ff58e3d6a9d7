/*
 * report.c - `ringlab report`: the page as a whole, and how it comes into its file: all of it, or not at all.
 *
 * Called by core/cli_report.c. Read next: report.h, report_machine.c, report_suite.c, report_raw.c; report.js is what moves.
 */
#include "report.h"
#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern const char report_css[], report_css_end[], report_js[], report_js_end[]; /* report_assets.S */

/* 'sha256-…' of a content security policy: what is not ours does not run. */
static void put_hash(FILE *out, const char *from, const char *to)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, (const uint8_t *)from, (size_t)(to - from));
	SHA256Final(digest, &ctx);
	fputs("'sha256-", out);
	html_base64(out, digest, sizeof(digest));
	fputs("'", out);
}

static void put_head(const struct report *p)
{
	FILE *out = p->out;

	fputs("<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"img-src data:; base-uri 'none'; form-action 'none'; style-src ", out);
	put_hash(out, report_css, report_css_end);
	fputs("; script-src ", out);
	put_hash(out, report_js, report_js_end);
	fputs("\">\n<meta name=viewport content=\"width=device-width, initial-scale=1\">\n<meta name=color-scheme content=\"light dark\">\n<title>Ringlab: ", out);
	for (unsigned m = 0; m < p->n; m++) {
		fputs(m ? ", " : "", out);
		html_text(out, p->machine[m].name);
	}
	fputs("</title>\n<style>", out);
	fwrite(report_css, 1, (size_t)(report_css_end - report_css), out);
	fputs("</style></head>\n<body>\n", out);
}

static void put_title(const struct report *p)
{
	fputs("<header><p class=brand>Ringlab</p><h1>", p->out);
	fputs(p->n > 1 ? "What virtualizing costs, machine by machine" : "What virtualizing costs", p->out);
	fputs("</h1>\n<ul class=machines>", p->out);
	for (unsigned m = 0; m < p->n; m++) {
		const json_t *cpu = json_object_get(p->machine[m].env, "cpu");

		fputs("<li>", p->out);
		if (p->n > 1)
			fprintf(p->out, "<span class=key>%c</span> ", 'A' + m);
		fputs("<strong>", p->out);
		html_text(p->out, p->machine[m].name);
		fputs("</strong> ", p->out);
		html_text(p->out, json_is_string(cpu) ? json_string_value(cpu) : "");
		fputs("</li>", p->out);
	}
	fputs("</ul></header>\n", p->out);
}

static void put_navigation(const struct report *p, const struct report_sets *s)
{
	fprintf(p->out, "<nav aria-label=Contents><a href=\"#machines\">%s</a> <a href=\"#plots\">Plots</a>", p->n > 1 ? "Machines" : "Machine");
	for (size_t i = 0; i < s->sets; i++)
		if (!i || strcmp(s->set[i].suite, s->set[i - 1].suite) || s->set[i].modelled != s->set[i - 1].modelled) {
			fprintf(p->out, " <a href=\"#%s%zu\" data-s=\"", s->set[i].modelled ? "m" : "s", i);
			html_text(p->out, s->set[i].suite);
			fputs("\">", p->out);
			html_text(p->out, s->set[i].suite);
			fputs(s->set[i].modelled ? ", modelled</a>" : "</a>", p->out);
		}
	if (report_has_bars(p))
		fputs(" <a href=\"#bars\">Held to</a>", p->out);
	fputs(" <a href=\"#missing\">Not measured</a> <a href=\"#reading\">How to read it</a></nav>\n<div id=filter hidden></div>\n", p->out);
}

static const char reading[] =
	"<section id=reading><h2>How to read it</h2>\n<dl>"
	"<dt>1,234 <small>1,230–1,240</small></dt><dd>The median of all samples, and below it the 95 % bootstrap interval of the median. A figure opens its "
	"raw rows; its tooltip has n, the 99th percentile, the extremes and the lines of raw.csv.</dd>"
	"<dt><small class=against>×1.04</small></dt><dd>Against native on the same machine, and a variant against the same without it: the median over "
	"the rounds of the ratio within each round. "
	"Between machines, the ratio of the medians.</dd>"
	"<dt>12<sup>d</sup></dt><dd>At least a quarter of its samples were taken while the machine was disturbed, as the calibration loop before and "
	"after each saw it. They are counted, not dropped.</dd>"
	"<dt>12<sup>w</sup></dt><dd>The guest got a wrong answer there (a hole of the technique), so what it cost is the cost of the wrong answer.</dd>"
	"<dt><span class=\"badge nested\">nested</span></dt><dd>Counted by VT-x semantics in a nested machine: the counts are real; there are no times.</dd>"
	"<dt><span class=\"badge modelled\">modelled</span> ≈</dt><dd>Computed from counts and published costs: never measured, and never in a table with what was.</dd>"
	"<dt>Exits</dt><dd>Totals add up the medians of all kinds and mechanisms but “inline”, which never leaves the guest's code.</dd>"
	"<dt>An empty cell</dt><dd>There is no such figure. “Not measured” has the reasons that are known.</dd>"
	"</dl></section>\n";

int report_write(const struct report *p)
{
	struct report_sets sets;
	int r = report_sets(&sets, p);

	if (r)
		return r;
	put_head(p);
	put_title(p);
	put_navigation(p, &sets);
	fputs("<main>\n", p->out);
	report_machines(p);
	r = report_plots(p);
	if (!r)
		r = report_suites(p, &sets);
	report_bars(p);
	report_missing(p);
	fputs(reading, p->out);
	fputs("</main>\n<dialog id=raw aria-labelledby=raw-title></dialog>\n", p->out);
	if (!r)
		r = report_raw(p);
	fputs("<script>", p->out);
	fwrite(report_js, 1, (size_t)(report_js_end - report_js), p->out);
	fputs("</script>\n</body></html>\n", p->out);
	report_sets_free(&sets);
	return r ? r : ferror(p->out) ? -EIO : 0;
}

/* --- into a file --- */

/* Opens where the page goes first: a file beside path, whose name is put into temporary; or path itself when it is no regular file. */
static FILE *page_open(const char *path, char *temporary, size_t n)
{
	struct stat st;
	FILE *f;
	int fd;

	*temporary = 0;
	if (!strcmp(path, "-"))
		return fdopen(dup(STDOUT_FILENO), "we");
	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return fopen(path, "we"); /* a device or a pipe is not to be replaced */
	if ((size_t)snprintf(temporary, n, "%s.XXXXXX", path) >= n) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		*temporary = 0;
		return NULL;
	}
	f = fdopen(fd, "w");
	if (!f)
		close(fd);
	return f;
}

/* mkstemp makes files for their owner only; a report is for reading. */
static int page_finish(const char *temporary, const char *path)
{
	mode_t mask = umask(0);

	umask(mask);
	if (chmod(temporary, 0666 & ~mask) || rename(temporary, path))
		return -errno;
	return 0;
}

static int page_write(const char *path, struct report *p, char *why, size_t room)
{
	char temporary[4200];
	int r;

	p->out = page_open(path, temporary, sizeof(temporary));
	if (p->out) {
		r = report_write(p);
		errno = 0;
		if (fclose(p->out) && (!r || r == -EIO))
			r = errno ? -errno : -EIO;
		if (!r && *temporary)
			r = page_finish(temporary, path);
	} else {
		r = -errno;
	}
	if (r && *temporary)
		unlink(temporary);
	if (r)
		snprintf(why, room, "cannot write %.300s: %s; nothing is left of it", path, strerror(-r));
	return r;
}

/* Directories of earlier versions hold tables, and no samples. */
static bool dir_is_old(const char *dir)
{
	static const char *const old[] = { "compare.json", "table.txt", "bench-nano.txt", "bench-compute.txt", "bench-linux.txt", "bench-devices.txt" };
	char path[4200];

	snprintf(path, sizeof(path), "%.4000s/raw.csv", dir);
	if (!access(path, F_OK))
		return false;
	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
		snprintf(path, sizeof(path), "%.4000s/%s", dir, old[i]);
		if (!access(path, F_OK))
			return true;
	}
	return false;
}

static int dir_read(struct result *r, const char *dir, char *why, size_t room)
{
	if (dir_is_old(dir)) {
		snprintf(why, room, "%.300s: it was written before results had raw samples: there is no raw.csv, and its tables are text already", dir);
		return -ENOENT;
	}
	return result_read(r, dir, why, room);
}

int report_make(const char *path, const char *const *dirs, unsigned n, char *why, size_t room)
{
	struct result *machine = calloc(n, sizeof(*machine));
	struct report p = { .machine = machine };
	int r = machine ? 0 : -ENOMEM;

	if (r)
		snprintf(why, room, "there is no memory for %u results", n);
	while (!r && p.n < n)
		if (!(r = dir_read(&machine[p.n], dirs[p.n], why, room)))
			p.n++;
	if (!r)
		r = page_write(path, &p, why, room);
	while (p.n)
		result_free(&machine[--p.n]);
	free(machine);
	return r;
}
