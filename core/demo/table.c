/*
 * table.c - a demonstration's tables: as wide as their cells need, at most 80 columns; what is wider is wrapped inside its cell.
 *
 * Called by the demonstrations through demo.h. Read next: stage.c.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "stage.h"

#define HEADS 8
#define GAP 2
#define NARROW 5 /* no column gets narrower */

struct demo_table {
	struct stage *s;
	size_t columns, cells;
	char **cell; /* the heads first, then row by row */
	size_t width[HEADS];
	bool number[HEADS];
};

static void cell_put(struct demo_table *t, char *text)
{
	char **more = text ? realloc(t->cell, (t->cells + 1) * sizeof(*more)) : NULL;

	if (!more) {
		free(text);
		return;
	}
	t->cell = more;
	t->cell[t->cells++] = text;
}

struct demo_table *demo_table(struct stage *s, const char *const *heads)
{
	struct demo_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->s = s;
	for (; heads[t->columns] && t->columns < HEADS; t->columns++)
		cell_put(t, strdup(heads[t->columns]));
	return t;
}

void demo_cell(struct demo_table *t, const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (!t)
		return;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n >= 0)
		cell_put(t, text);
}

static const char *cell_at(const struct demo_table *t, size_t row, size_t column)
{
	size_t i = row * t->columns + column;

	return i < t->cells ? t->cell[i] : "";
}

static size_t rows_of(const struct demo_table *t)
{
	return (t->cells + t->columns - 1) / t->columns;
}

/* A number, or what stands in its place; hexadecimal and words are text. */
static bool is_number(const char *s)
{
	if (!strcmp(s, "-"))
		return true;
	return (isdigit((unsigned char)*s) || (*s == '-' && isdigit((unsigned char)s[1]))) && s[strspn(s, "0123456789.,-+%")] == 0;
}

/* Natural widths, then the widest gives way until the line fits. */
static void set_widths(struct demo_table *t)
{
	size_t total = 0, rows = rows_of(t);

	for (size_t c = 0; c < t->columns; c++) {
		t->number[c] = rows > 1;
		for (size_t r = 0; r < rows; r++) {
			const char *s = cell_at(t, r, c);
			size_t n = stage_columns(s, strlen(s));

			t->width[c] = n > t->width[c] ? n : t->width[c];
			t->number[c] &= !r || !*s || is_number(s);
		}
		total += t->width[c] + (c ? GAP : 0);
	}
	while (total > STAGE_WIDTH) {
		size_t widest = 0;

		for (size_t c = 1; c < t->columns; c++)
			widest = t->width[c] > t->width[widest] ? c : widest;
		if (t->width[widest] <= NARROW)
			break;
		t->width[widest]--;
		total--;
	}
}

static void print_row(const struct demo_table *t, size_t row)
{
	const char *rest[HEADS];
	bool more = false;

	for (size_t c = 0; c < t->columns; c++)
		rest[c] = cell_at(t, row, c);
	do {
		char line[HEADS * 4 * STAGE_WIDTH + HEADS * GAP + 1];
		size_t at = 0;

		more = false;
		for (size_t c = 0; c < t->columns; c++) {
			const char *next;
			size_t n = stage_wrap(rest[c], t->width[c], &next), pad = t->width[c] - stage_columns(rest[c], n);
			bool right = t->number[c] && row;

			at += (size_t)sprintf(line + at, "%*s%.*s%*s", (int)((c ? GAP : 0) + (right ? pad : 0)), "", (int)n, rest[c],
				(int)(right ? 0 : pad), "");
			rest[c] = next;
			more |= *next != 0;
		}
		while (at && line[at - 1] == ' ')
			at--;
		printf("%.*s\n", (int)at, line);
	} while (more);
}

static void print_rule(const struct demo_table *t)
{
	for (size_t c = 0; c < t->columns; c++) {
		printf("%*s", c ? GAP : 0, "");
		for (size_t i = 0; i < t->width[c]; i++)
			putchar('-');
	}
	putchar('\n');
}

static void page_table(const struct demo_table *t)
{
	FILE *f = t->s->page;

	fputs("<table>\n", f);
	for (size_t r = 0; r < rows_of(t); r++) {
		fputs("<tr>", f);
		for (size_t c = 0; c < t->columns; c++) {
			fputs(!r ? "<th>" : t->number[c] ? "<td class=\"n\">" : "<td>", f);
			stage_escape(f, cell_at(t, r, c));
			fputs(r ? "</td>" : "</th>", f);
		}
		fputs("</tr>\n", f);
	}
	fputs("</table>\n", f);
}

void demo_table_end(struct demo_table *t)
{
	if (!t)
		return;
	if (!t->s->quit && t->columns && t->cells) {
		set_widths(t);
		print_row(t, 0);
		print_rule(t);
		for (size_t r = 1; r < rows_of(t); r++)
			print_row(t, r);
		putchar('\n');
		if (t->s->page)
			page_table(t);
	}
	for (size_t i = 0; i < t->cells; i++)
		free(t->cell[i]);
	free(t->cell);
	free(t);
}
