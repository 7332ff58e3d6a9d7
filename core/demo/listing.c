/*
 * listing.c - what `--listing` printed, for a page of 80 columns: guest code on the left, what runs in its place on the right.
 *
 * `run --listing` has room for 46 columns on the guest's side and for remarks behind the host's; here both sides are cut to fit, and a
 * remark has a line of its own below its instruction. Called by the demonstrations of translation and rewriting.
 */
#include <stdlib.h>
#include <string.h>
#include "demo.h"

#define LEFT 33
#define RIGHT 43

/* What is left of [text, end) without blanks around it. */
static const char *trimmed(const char *text, const char *end, int *n)
{
	while (text < end && *text == ' ')
		text++;
	while (end > text && end[-1] == ' ')
		end--;
	*n = (int)(end - text);
	return text;
}

static int at_most(int n, int max)
{
	return n < max ? n : max;
}

/* What is said of a whole block: its second half on a line of its own. */
static void header_write(FILE *out, const char *text, int n)
{
	const char *colon = memchr(text, ':', (size_t)n);
	int first = colon && n > LEFT + RIGHT ? (int)(colon - text) + 1 : n;

	fprintf(out, "%.*s\n", at_most(first, LEFT + RIGHT), text);
	if (first < n)
		fprintf(out, "    %.*s\n", at_most(n - first - 1, LEFT + RIGHT - 4), text + first + 1);
}

static void line_write(FILE *out, const char *line, size_t n)
{
	const char *end = line + n, *bar = memchr(line, '|', n), *remark = bar ? memchr(bar, ';', (size_t)(end - bar)) : NULL;
	int left_n, right_n, remark_n;
	const char *left = trimmed(line, bar ? bar : end, &left_n);

	if (!bar) {
		header_write(out, left, left_n);
		return;
	}
	const char *right = trimmed(bar + 1, remark ? remark : end, &right_n);
	fprintf(out, "%-*.*s| %.*s", LEFT, at_most(left_n, LEFT - 1), left, at_most(right_n, RIGHT), right);
	if (remark) {
		remark = trimmed(remark + 1, end, &remark_n);
		if (right_n + remark_n + 4 <= RIGHT)
			fprintf(out, "  ; %.*s", remark_n, remark);
		else
			fprintf(out, "\n%-*s|         ; %.*s", LEFT, "", at_most(remark_n, RIGHT - 10), remark);
	}
	fputc('\n', out);
}

void demo_listing(struct stage *s, const char *caption, const json_t *column, const char *from, unsigned max)
{
	const char *text = json_string_value(json_object_get(column, "listing")), *why = json_string_value(json_object_get(column, "why"));
	const char *line = text && from ? strstr(text, from) : text;
	char *narrow = NULL;
	size_t size;
	FILE *out;

	if (!line || !*line || !(out = open_memstream(&narrow, &size))) {
		demo_say(s, "There is no listing: %s.", why ? why : "that code did not run, or stands as it is");
		return;
	}
	while (line > text && line[-1] != '\n')
		line--;
	for (unsigned i = 0; i < max && *line; i++) {
		size_t n = strcspn(line, "\n");

		if (strncmp(line, "listing of ", 11)) /* the caption says it */
			line_write(out, line, n);
		line += n + (line[n] == '\n');
	}
	if (*line)
		fprintf(out, "…\n");
	fclose(out);
	if (narrow)
		demo_lines(s, caption, narrow);
	free(narrow);
}
