/*
 * table.h - tables that are Markdown when rendered and aligned columns when read as they are. Read next: table.c.
 */
#pragma once
#include <stddef.h>
#include <stdio.h>

struct table;

/* heads: NULL-terminated; a head that begins with '>' (which is not shown) is of a right-aligned column. NULL without memory. */
struct table *table_new(const char *const *heads);
/* The next cell, row by row. "|" and the like are escaped. t NULL: nothing. */
__attribute__((format(printf, 2, 3)))
void table_cell(struct table *t, const char *fmt, ...);
/* Prints, unless there are no rows, and frees it. 0 or -ENOMEM. */
int table_end(struct table *t, FILE *f);

/* A number with four significant digits and no exponent where that is short; whole numbers whole. "-" for NAN. */
const char *number_text(char out[32], double v);
/* Text with what Markdown would take for markup escaped. */
void markdown_escape(char *out, size_t n, const char *text);
