/*
 * cells.c - table cells that several demonstrations fill alike; cells.h tells which. Called by demo_*.c.
 */
#include "cells.h"
#include <string.h>
#include "stage.h"

bool cell_times(const json_t *column)
{
	const char *origin = json_string_value(json_object_get(column, "origin"));

	return origin && !strcmp(origin, "measured");
}

const char *cell_vtx(const json_t *column)
{
	return column ? demo_name(column) : "vtx";
}

void cell_console(struct stage *s, struct demo_table *t, const json_t *column, const char *name)
{
	const char *v = column && demo_console(column, name) ? demo_fact_console(s, column, name) : NULL;

	demo_cell(t, "%s", v ? v : "-");
}

void cell_cycles(struct stage *s, struct demo_table *t, const json_t *column, const char *name)
{
	cell_console(s, t, column && cell_times(column) ? column : NULL, name);
}

void cell_count(struct stage *s, struct demo_table *t, const json_t *column, const char *kind)
{
	if (column)
		demo_cell(t, "%lld", demo_fact_count(s, column, kind, NULL));
	else
		demo_cell(t, "-");
}

void cell_cost(struct stage *s, struct demo_table *t, const json_t *column, const char *kind)
{
	long long cost = column && cell_times(column) && demo_count(column, kind, NULL) ? demo_fact_cost(s, column, kind) : -1;

	if (cost < 0)
		demo_cell(t, "-");
	else
		demo_cell(t, "%lld", cost);
}

void cell_mechanism(struct stage *s, struct demo_table *t, const json_t *column, const char *kind)
{
	demo_cell(t, "%s", column ? demo_fact_mechanism(s, column, kind) : "-");
}

const struct backend_rule *cell_rule(struct stage *s, const json_t *column, const char *instruction)
{
	const char *backend = json_string_value(json_object_get(column, "backend")), *interface = json_string_value(json_object_get(column, "interface"));

	for (const struct backend_ops *const *b = s->setup->backends; b && *b; b++)
		for (size_t i = 0; backend && !strcmp((*b)->name, backend) && i < (*b)->rule_count; i++) {
			const struct backend_rule *r = &(*b)->rules[i];
			if (!strcmp(r->mnemonic, instruction) && (!r->interface || (interface && !strcmp(r->interface, interface))))
				return r;
		}
	return NULL;
}
