/*
 * model.h - the cost model: VM exits counted in a nested machine, times the published cost of a VM exit on each CPU generation.
 *
 * What it says is computed, never measured: modelled.csv and no other file has it, with origin "modelled", and whoever shows it says
 * so. docs/cost-model.md has the formula, where each constant is from and what is left out. Read next: model.c.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* What leaving the guest and coming back costs on one CPU, in its TSC cycles. */
struct model_cpu {
	const char *name;    /* of modelled.csv's column "variant": "nehalem" */
	const char *cpu;     /* the one that was measured */
	unsigned year;       /* in which the generation came out */
	bool ept;            /* the generation has EPT: counts with EPT apply; else those of shadow paging */
	double exit;         /* cycles of one exit and entry */
	double low, high;    /* what other machines of the generation showed; equal to exit where there is only one */
	bool work;           /* the figure holds the VMM's work on the exit, too; else the CPU's part alone */
	const char *source;
};

extern const struct model_cpu model_cpus[];
extern const size_t model_cpu_count;

const struct model_cpu *model_cpu_find(const char *name);
/* The model: cycles of what exits so often. */
double model_cycles(const struct model_cpu *c, double exits);
/* Whether counts of this variant ("": with EPT; MODEL_SHADOW: without) are those of the generation. */
#define MODEL_SHADOW "ept=0"
bool model_applies(const struct model_cpu *c, const char *variant);

/*
 * Writes DIR/modelled.csv from the nested counts of engine vtx in DIR, which has env.json already: a row for each operation and each
 * generation. 0, also where there is nothing to model (then there is no modelled.csv); or -errno after filling why with a sentence; then
 * there is no modelled.csv either.
 */
int model_write(const char *dir, char *why, size_t n);
