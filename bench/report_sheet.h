/*
 * report_sheet.h - a table of the report while it is printed: report_suite.c has rows and heads, report_cell.c the cells.
 */
#pragma once
#include "report.h"

/* What a table is printed with. */
struct sheet {
	const struct report *p;
	const struct report_set *set;
	const struct report_table *t;
	bool variants, kinds, has_base;
};

/* Prints a cell; engine NULL: the row has it. native: the native figure beside it, or NULL. */
void report_cell_put(const struct sheet *s, const struct report_cell *c, const char *engine, const struct report_cell *native);
