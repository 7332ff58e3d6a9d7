/*
 * stage.c - where a demonstration speaks: text of 80 columns on standard output, and the same as a page.
 *
 * Text comes out at once, for a lecturer reads it live; the page is kept in memory and written at the end, whole or not at all. On a
 * terminal each step but the first waits for Enter. Colour is bold type only, and only on a terminal. Read next: table.c, guest.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/vm.h"
#include "stage.h"

static const char page_head[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<style>\n"
	"body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1.05rem/1.5 Georgia, serif; color: #222; background: #fff; }\n"
	"h1, h2 { font-family: system-ui, sans-serif; line-height: 1.2; }\n"
	"h2 { margin-top: 2.2rem; font-size: 1.2rem; }\n"
	"pre { background: #f5f5f2; padding: .7rem 1rem; overflow-x: auto; font-size: .85rem; line-height: 1.4; }\n"
	"table { border-collapse: collapse; font: .9rem/1.4 system-ui, sans-serif; margin: 1rem 0; }\n"
	"th, td { padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; }\n"
	"td.n { text-align: right; font-variant-numeric: tabular-nums; }\n"
	".caption { font: .9rem system-ui, sans-serif; color: #666; margin-bottom: -.6rem; }\n"
	".point { border-left: .3rem solid #06c; padding: .2rem 1rem; margin-top: 2.2rem; }\n"
	".source { color: #666; font-size: .9rem; }\n"
	"@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } pre { background: #242424; } "
	"th, td { border-color: #444; } .caption, .source { color: #999; } }\n"
	"</style>\n";

void stage_escape(FILE *page, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&': fputs("&amp;", page); break;
		case '<': fputs("&lt;", page); break;
		case '>': fputs("&gt;", page); break;
		case '"': fputs("&quot;", page); break;
		default: fputc(*text, page);
		}
}

size_t stage_columns(const char *text, size_t bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < bytes && text[i]; i++)
		n += (text[i] & 0xc0) != 0x80;
	return n;
}

size_t stage_fit(const char *text, size_t columns)
{
	size_t i = 0;

	for (; text[i]; i++)
		if ((text[i] & 0xc0) != 0x80 && !columns--)
			break;
	return i;
}

size_t stage_wrap(const char *text, size_t width, const char **next)
{
	size_t fit = stage_fit(text, width), n = strcspn(text, "\n");

	if (n <= fit) {
		*next = text + n + (text[n] == '\n');
		return n;
	}
	for (n = fit; n && text[n] != ' '; n--)
		;
	if (!n) {
		*next = text + fit;
		return fit;
	}
	*next = text + n + strspn(text + n, " ");
	while (n && text[n - 1] == ' ')
		n--;
	return n;
}

static void print_wrapped(const char *first, const char *rest, const char *text)
{
	const char *margin = first;

	while (*text) {
		const char *next;
		size_t n = stage_wrap(text, STAGE_WIDTH - strlen(margin), &next);

		printf("%s%.*s\n", margin, (int)n, text);
		margin = rest;
		text = next;
	}
}

static void bold(const struct stage *s, bool on)
{
	if (s->colour)
		fputs(on ? "\033[1m" : "\033[0m", stdout);
}

static void print_heading(struct stage *s, const char *text, char rule)
{
	size_t n = stage_columns(text, strlen(text));

	bold(s, true);
	print_wrapped("", "", text);
	for (n = n < STAGE_WIDTH ? n : STAGE_WIDTH; n; n--)
		putchar(rule);
	bold(s, false);
	fputs("\n\n", stdout);
}

int stage_begin(struct stage *s)
{
	const struct demo *d = s->demo;
	const char *term = getenv("TERM");
	char title[200];

	s->facts = json_object();
	s->columns = json_array();
	if (s->setup->html && !(s->page = open_memstream(&s->page_text, &s->page_size)))
		return -errno;
	s->colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term && strcmp(term, "dumb");
	s->pause = !s->setup->automatic && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	snprintf(title, sizeof(title), "%s: %s", d->name, d->title);
	print_heading(s, title, '=');
	if (s->page) {
		fputs(page_head, s->page);
		fprintf(s->page, "<title>%s</title>\n</head>\n<body>\n<h1>%s</h1>\n<p>", d->name, d->name);
		stage_escape(s->page, d->title);
		fputs("</p>\n", s->page);
	}
	return 0;
}

/* Writes a file whole or not at all: beside it first, then renamed; what is no plain file (a pipe, a device) is written as it is. */
static int write_file(const char *path, const char *text, size_t n)
{
	struct stat st;
	char beside[4096];
	bool plain = stat(path, &st) || S_ISREG(st.st_mode);
	int e = 0;

	snprintf(beside, sizeof(beside), "%s%s", path, plain ? ".partial" : "");
	FILE *f = fopen(beside, "we");
	if (!f) {
		e = errno;
	} else {
		if (fwrite(text, 1, n, f) != n)
			e = errno;
		if (fclose(f) && !e)
			e = errno;
		if (!e && plain && rename(beside, path))
			e = errno;
		if (e && plain)
			unlink(beside);
	}
	if (e)
		say("cannot write %s: %s", path, strerror(e));
	return -e;
}

static int write_facts(struct stage *s)
{
	json_t *all = json_pack("{s:s,s:O,s:O}", "demo", s->demo->name, "facts", s->facts, "columns", s->columns);
	char *text = json_dumps(all, JSON_INDENT(1));
	int e = text ? write_file(s->setup->facts, text, strlen(text)) : -ENOMEM;

	free(text);
	json_decref(all);
	return e;
}

int stage_end(struct stage *s, bool keep)
{
	int e = 0;

	if (s->page) {
		fputs("</body>\n</html>\n", s->page);
		bool whole = !fclose(s->page);
		if (keep && !s->quit)
			e = whole ? write_file(s->setup->html, s->page_text, s->page_size) : -ENOMEM;
		free(s->page_text);
	}
	if (keep && !s->quit && !e && s->setup->facts)
		e = write_facts(s);
	json_decref(s->facts);
	json_decref(s->columns);
	if (!e && (fflush(stdout) || ferror(stdout))) {
		e = -EIO;
		say("cannot write to standard output: %s", strerror(errno ? errno : EIO));
	}
	return e;
}

/* Waits for Enter, and takes the prompt away again. The end of the input means: go on without waiting. */
static void stage_wait(struct stage *s)
{
	static const char prompt[] = "[Enter goes on, q ends]";
	int c, first;

	fputs(prompt, stdout);
	fflush(stdout);
	for (first = c = getchar(); c != '\n' && c != EOF; c = getchar())
		;
	if (c == EOF)
		s->pause = false;
	else if (s->colour)
		fputs("\033[A\033[2K", stdout);
	s->quit = first == 'q';
}

void demo_step(struct stage *s, const char *fmt, ...)
{
	char title[300];
	va_list ap;
	int n;

	if (s->quit)
		return;
	if (s->step++ && s->pause) {
		stage_wait(s);
		if (s->quit)
			return;
	}
	n = snprintf(title, sizeof(title), "%u. ", s->step);
	va_start(ap, fmt);
	vsnprintf(title + n, sizeof(title) - (size_t)n, fmt, ap);
	va_end(ap);
	print_heading(s, title, '-');
	if (s->page) {
		fputs("<h2>", s->page);
		stage_escape(s->page, title);
		fputs("</h2>\n", s->page);
	}
}

static void paragraph(struct stage *s, const char *class, const char *first, const char *rest, const char *text)
{
	print_wrapped(first, rest, text);
	putchar('\n');
	if (!s->page)
		return;
	fprintf(s->page, *class ? "<p class=\"%s\">" : "<p>%s", class);
	stage_escape(s->page, text);
	fputs("</p>\n", s->page);
}

void demo_say(struct stage *s, const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (s->quit)
		return;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	paragraph(s, "", "", "", text);
	free(text);
}

void demo_point(struct stage *s, const char *sentence, const char *source)
{
	if (s->quit)
		return;
	bold(s, true);
	paragraph(s, "point", "The point: ", "           ", sentence);
	bold(s, false);
	paragraph(s, "source", "Source:    ", "           ", source);
}

void stage_caption(struct stage *s, const char *caption)
{
	if (!caption)
		return;
	print_wrapped("", "", caption);
	if (s->page) {
		fputs("<p class=\"caption\">", s->page);
		stage_escape(s->page, caption);
		fputs("</p>\n", s->page);
	}
}

/* One line for the screen: tabs to multiples of 8, other control characters as '?', cut to the width. */
static void print_line(struct stage *s, const char *line, size_t n)
{
	const size_t width = STAGE_WIDTH - 2;
	char out[4 * STAGE_WIDTH + 8];
	size_t at = 0, column = 0;

	for (size_t i = 0; i < n && column <= width && at < sizeof(out) - 8; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c == '\t') {
			do
				out[at++] = ' ';
			while (++column % 8 && column < width);
			continue;
		}
		column += (c & 0xc0) != 0x80;
		out[at++] = c < ' ' || c == 127 ? '?' : (char)c;
	}
	out[at] = 0;
	if (column > width)
		strcpy(out + stage_fit(out, width - 1), "…");
	printf(*out ? "  %s\n" : "%s\n", out);
	if (s->page) {
		stage_escape(s->page, out);
		fputc('\n', s->page);
	}
}

void demo_lines(struct stage *s, const char *caption, const char *text)
{
	if (s->quit)
		return;
	stage_caption(s, caption);
	if (s->page)
		fputs("<pre>", s->page);
	while (text && *text) {
		size_t n = strcspn(text, "\n");

		print_line(s, text, n);
		text += n + (text[n] == '\n');
	}
	putchar('\n');
	if (s->page)
		fputs("</pre>\n", s->page);
}
