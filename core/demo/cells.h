/*
 * cells.h - table cells that several demonstrations fill alike: what a guest printed, a count with its mechanism, a rule of `ringlab explain`.
 * Read next: demo_trap_and_emulate.c.
 */
#pragma once
#include "core/backend.h"
#include "demo.h"

/* What the guest printed after name, as a fact; "-" when it printed no such line or there is no column. */
void cell_console(struct stage *s, struct demo_table *t, const json_t *column, const char *name);
/* The same for a time in cycles: "-" too where the run was not on this machine, for its times say nothing. */
void cell_cycles(struct stage *s, struct demo_table *t, const json_t *column, const char *name);
/* How often that kind was dealt with, as a fact; "-" without a column. */
void cell_count(struct stage *s, struct demo_table *t, const json_t *column, const char *kind);
/* What the VMM spent on one, as a fact; "-" where there was none, or no time. */
void cell_cost(struct stage *s, struct demo_table *t, const json_t *column, const char *kind);
/* By which mechanism, as a fact; "-" without a column. */
void cell_mechanism(struct stage *s, struct demo_table *t, const json_t *column, const char *kind);

/* The head of a column of vtx, with where its figures are from; "vtx" without a run. */
const char *cell_vtx(const json_t *column);
/* Measured on this machine, so that its times may be shown? */
bool cell_times(const json_t *column);
/* The row of `ringlab explain` for this instruction in the column's backend and interface; NULL when it has none. */
const struct backend_rule *cell_rule(struct stage *s, const json_t *column, const char *instruction);
