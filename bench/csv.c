/*
 * csv.c - a strict reader of comma-separated values (RFC 4180), in place, for files that somebody else may have written.
 *
 * Strict, because a figure read from the wrong column is worse than none: a quote within a bare field, a byte after a closing
 * quote, a control character and a last line without its end (a file cut off) are errors. Time and memory are linear in the file.
 */
#include "csv.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void csv_open(struct csv *c, char *text, size_t size)
{
	*c = (struct csv){ .at = text, .end = text + size, .line = 1, .next_line = 1 };
}

__attribute__((format(printf, 4, 5)))
static int wrong(const struct csv *c, char *why, size_t n, const char *fmt, ...)
{
	int used = snprintf(why, n, "line %u, field %u: ", c->line, c->fields + 1);
	va_list ap;

	va_start(ap, fmt);
	if (used > 0 && (size_t)used < n)
		vsnprintf(why + used, n - (size_t)used, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* Bytes of the UTF-8 character at p, of which there are left; 0: it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;

	if (n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0; /* overlong, a surrogate, or beyond U+10FFFF */
	return n;
}

/* A field's content: what the rest of the project may print, escape and compare without looking again. */
static int text_check(const struct csv *c, const char *text, size_t length, char *why, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;

	if (length > CSV_FIELD_MAX)
		return wrong(c, why, n, "%zu bytes, and at most %d are allowed", length, CSV_FIELD_MAX);
	for (size_t i = 0, step; i < length; i += step) {
		if (p[i] < 0x20 || p[i] == 0x7f)
			return wrong(c, why, n, "a control character (0x%02x); is this a text file?", p[i]);
		step = utf8_length(p + i, length - i);
		if (!step)
			return wrong(c, why, n, "the byte 0x%02x, which is not UTF-8; is this a text file?", p[i]);
	}
	return 0;
}

/* "…" with "" for a quote: unescapes it where it lies. c->at stands after the closing quote. */
static int field_quoted(struct csv *c, char **end, char *why, size_t n)
{
	char *in = c->at + 1, *out = c->at;

	c->field[c->fields] = out;
	for (;; in++) {
		if (in == c->end)
			return wrong(c, why, n, "a quoted field that does not end; the file is cut off");
		if (*in == '"' && (in + 1 == c->end || in[1] != '"'))
			break;
		if (*in == '"')
			in++;
		*out++ = *in;
	}
	c->at = in + 1;
	*end = out;
	return 0;
}

static int field_bare(struct csv *c, char **end, char *why, size_t n)
{
	char *p = c->at;

	c->field[c->fields] = p;
	for (; p < c->end && *p != ',' && *p != '\n' && !(*p == '\r' && p + 1 < c->end && p[1] == '\n'); p++)
		if (*p == '"')
			return wrong(c, why, n, "a quote within a field that does not begin with one");
	c->at = *end = p;
	return 0;
}

/* Reads one field and what ends it. 1: it was the last of its record. */
static int field_read(struct csv *c, char *why, size_t n)
{
	char *end = c->at;
	int r;

	if (c->fields == CSV_FIELDS)
		return wrong(c, why, n, "more than %d fields", CSV_FIELDS);
	r = c->at < c->end && *c->at == '"' ? field_quoted(c, &end, why, n) : field_bare(c, &end, why, n);
	if (!r)
		r = text_check(c, c->field[c->fields], (size_t)(end - c->field[c->fields]), why, n);
	if (r)
		return r;
	if (c->at == c->end)
		return wrong(c, why, n, "the line has no end; the file is cut off");
	r = *c->at == ',' ? 0 : 1;
	if (*c->at == '\r' && c->at + 1 < c->end && c->at[1] == '\n')
		c->at++;
	else if (*c->at != ',' && *c->at != '\n')
		return wrong(c, why, n, "something after a closing quote");
	c->at++;
	*end = 0;
	c->fields++;
	return r;
}

int csv_record(struct csv *c, char *why, size_t n)
{
	int r;

	c->line = c->next_line;
	c->fields = 0;
	if (c->at == c->end)
		return 0;
	do
		r = field_read(c, why, n);
	while (!r);
	c->next_line++; /* a line end within a field is a control character, and so refused */
	return r;
}

int csv_header(const struct csv *c, const char *const *names, char *why, size_t n)
{
	unsigned i;

	for (i = 0; names[i]; i++) {
		if (i == c->fields) {
			snprintf(why, n, "line %u: the column \"%s\" is missing", c->line, names[i]);
			return -EINVAL;
		}
		if (strcmp(c->field[i], names[i])) {
			snprintf(why, n, "line %u, field %u: the column \"%.60s\", where \"%s\" is expected", c->line, i + 1, c->field[i], names[i]);
			return -EINVAL;
		}
	}
	if (c->fields > i) {
		snprintf(why, n, "line %u, field %u: the column \"%.60s\", which is one too many", c->line, i + 1, c->field[i]);
		return -EINVAL;
	}
	return 0;
}
