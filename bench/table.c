/*
 * table.c - tables that are Markdown when rendered and aligned columns when read as they are. Called by summary.c and its parts.
 */
#include "table.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 24

struct table {
	unsigned columns;
	bool right[COLUMNS], failed;
	char **cell; /* heads first */
	size_t n, room;
};

static void cell_add(struct table *t, const char *text)
{
	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : 128;
		char **grown = reallocarray(t->cell, room, sizeof(*grown));

		if (!grown) {
			t->failed = true;
			return;
		}
		t->cell = grown;
		t->room = room;
	}
	t->cell[t->n] = strdup(text);
	if (t->cell[t->n])
		t->n++;
	else
		t->failed = true;
}

struct table *table_new(const char *const *heads)
{
	struct table *t = calloc(1, sizeof(*t));

	for (; t && heads[t->columns] && t->columns < COLUMNS; t->columns++) {
		const char *head = heads[t->columns];

		t->right[t->columns] = *head == '>';
		cell_add(t, head + (*head == '>'));
	}
	return t;
}

void markdown_escape(char *out, size_t n, const char *text)
{
	size_t at = 0;

	for (; *text && at + 3 < n; text++) {
		if (strchr("|\\<>`*", *text))
			out[at++] = '\\';
		out[at++] = *text;
	}
	while (at && *text && ((unsigned char)out[at - 1] & 0xc0) == 0x80) /* cut: not within a character */
		at--;
	if (n)
		out[at] = 0;
}

void table_cell(struct table *t, const char *fmt, ...)
{
	char text[1200], safe[1400];
	va_list ap;

	if (!t)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	markdown_escape(safe, sizeof(safe), text);
	cell_add(t, safe);
}

/* Characters, not bytes. */
static unsigned width_of(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void fill(FILE *f, char c, unsigned n)
{
	while (n--)
		putc(c, f);
}

static void row_print(const struct table *t, size_t row, const unsigned *width, FILE *f)
{
	for (unsigned c = 0; c < t->columns; c++) {
		const char *text = t->cell[row * t->columns + c];
		unsigned pad = width[c] - width_of(text);

		fputs("| ", f);
		if (t->right[c])
			fill(f, ' ', pad);
		fputs(text, f);
		if (!t->right[c])
			fill(f, ' ', pad);
		putc(' ', f);
	}
	fputs("|\n", f);
}

static void table_print(const struct table *t, FILE *f)
{
	unsigned width[COLUMNS] = { 0 };

	for (size_t i = 0; i < t->n; i++) {
		unsigned w = width_of(t->cell[i]), *have = &width[i % t->columns];

		*have = w > *have ? w : *have;
	}
	row_print(t, 0, width, f);
	for (unsigned c = 0; c < t->columns; c++) {
		fputs(t->right[c] ? "|-" : "|-", f);
		fill(f, '-', width[c]);
		putc(t->right[c] ? ':' : '-', f);
	}
	fputs("|\n", f);
	for (size_t row = 1; (row + 1) * t->columns <= t->n; row++)
		row_print(t, row, width, f);
	putc('\n', f);
}

int table_end(struct table *t, FILE *f)
{
	int r = !t || t->failed ? -ENOMEM : 0;

	if (!r && t->n > t->columns)
		table_print(t, f);
	for (size_t i = 0; t && i < t->n; i++)
		free(t->cell[i]);
	if (t)
		free(t->cell);
	free(t);
	return r;
}

const char *number_text(char out[32], double v)
{
	double size = fabs(v);

	if (isnan(v))
		snprintf(out, 32, "-");
	else if (size >= 1e15 || (size > 0 && size < 1e-6))
		snprintf(out, 32, "%.3e", v);
	else if (size >= 1000 || v == rint(v))
		snprintf(out, 32, "%.0f", v);
	else
		snprintf(out, 32, "%.*f", size == 0 ? 0 : 3 - (int)floor(log10(size)), v);
	return out;
}
