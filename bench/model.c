/*
 * model.c - the cost model: VM exits counted in a nested machine, times the published cost of a VM exit on each CPU generation.
 *
 * cycles(operation, CPU) = exits(operation) x exit(CPU). The counts are exact (docs/oracles.md); the cost of an exit is the CPU's part alone,
 * so that a modelled figure is a lower bound of what VT-x adds: the VMM's own work, cold caches and TLBs, and the longer walks of EPT
 * come on top. Called by the runner and by paper.c. Read next: docs/cost-model.md.
 */
#include "model.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "result.h"

/*
 * A published measurement of VMRESUME, CPUID in the guest, VM exit, in a loop: for each of 20 loop lengths the mean TSC cycles of a round. Ours
 * is the median of the 14 lengths from 64 up. vmlatency by E. Yulyugin, its files results/CPU.txt; docs/cost-model.md has them all.
 */
#define VMLATENCY "E. Yulyugin, vmlatency, results (github.com/yulyugin/vmlatency): CPUID exit and VMRESUME in a loop"
#define ADAMS_AGESEN "Adams & Agesen, ASPLOS 2006, section 6.2"

const struct model_cpu model_cpus[] = {
	{ "pentium4-low", "Pentium 4 672, 3.8 GHz", 2005, false, 1093, 1093, 1093, false,
		ADAMS_AGESEN ": a round trip costs more than a native page fault, 1093" },
	{ "pentium4-in", "Pentium 4 672, 3.8 GHz", 2005, false, 15826, 15826, 15826, true,
		ADAMS_AGESEN ": IN, one round trip with the device model's work" },
	{ "merom", "Core 2 T7400, 2.16 GHz", 2006, false, 1681, 1681, 1681, false, VMLATENCY },
	{ "penryn", "Core 2 Duo E8500, 3.16 GHz", 2008, false, 1118, 1118, 1118, false, VMLATENCY },
	{ "nehalem", "Core i5 760, 2.8 GHz", 2009, true, 950, 950, 950, false, VMLATENCY },
	{ "westmere", "Xeon X5650, 2.67 GHz", 2010, true, 723, 723, 723, false, VMLATENCY },
	{ "sandy-bridge", "Xeon E5-2690, 2.9 GHz", 2011, true, 728, 728, 1409, false, VMLATENCY },
	{ "ivy-bridge", "Xeon E5-2680 v2, 2.8 GHz", 2012, true, 748, 612, 748, false, VMLATENCY },
	{ "haswell", "Core i7-4770, 3.4 GHz", 2013, true, 573, 573, 573, false, VMLATENCY },
	{ "broadwell", "Xeon E5-2680 v4, 2.4 GHz", 2014, true, 450, 450, 450, false, VMLATENCY },
	{ "skylake", "Core i7-6700K, 4.0 GHz", 2015, true, 632, 632, 632, false, VMLATENCY },
	{ "kaby-lake", "Core i7-7700K, 4.2 GHz", 2016, true, 641, 641, 641, false, VMLATENCY },
	{ "coffee-lake", "Core i7-8700K, 3.7 GHz", 2017, true, 539, 539, 539, false, VMLATENCY },
	{ "cascade-lake", "Xeon Gold 6252N, 2.3 GHz", 2019, true, 518, 518, 1431, false, VMLATENCY },
};
const size_t model_cpu_count = sizeof(model_cpus) / sizeof(model_cpus[0]);

const struct model_cpu *model_cpu_find(const char *name)
{
	for (size_t i = 0; i < model_cpu_count; i++)
		if (!strcmp(model_cpus[i].name, name))
			return &model_cpus[i];
	return NULL;
}

double model_cycles(const struct model_cpu *c, double exits)
{
	return exits * c->exit;
}

bool model_applies(const struct model_cpu *c, const char *variant)
{
	return c->ept ? !*variant : !strcmp(variant, MODEL_SHADOW);
}

/* --- from counts to modelled.csv --- */

static bool key_same(const struct result_row *a, const struct result_row *b)
{
	return !strcmp(a->suite, b->suite) && !strcmp(a->workload, b->workload) && !strcmp(a->variant, b->variant);
}

/* Counts of the nested machine, an operation. */
static bool key_counts(const struct result_row *k)
{
	return !k->modelled && !strcmp(k->engine, "vtx") && !strcmp(k->origin, "nested") && !strcmp(k->unit, "1/op");
}

/*
 * The kind "kick" is the host's clock. "hw-exits" are exits by hardware reason; "exits" events by kind, of which string I/O has several
 * an exit: the former count where both are there.
 */
static bool key_is_exit(const struct result_row *k, const char *metric)
{
	return !strcmp(k->metric, metric) && !strcmp(k->mechanism, "VM exit") && strcmp(k->kind, "kick") != 0;
}

/* VM exits of the operation that first is one of the rows of; false: there are no counts of it. */
static bool exits_of(const struct result *r, const struct result_row *first, double *exits)
{
	double hardware = 0, events = 0;
	bool any_hardware = false, any_events = false;

	for (size_t i = 0; i < r->groups; i++) {
		const struct result_row *k = r->group[i].key;

		if (!key_counts(k) || !key_same(k, first))
			continue;
		if (key_is_exit(k, "hw-exits")) {
			hardware += r->group[i].median.mid;
			any_hardware = true;
		} else if (key_is_exit(k, "exits")) {
			events += r->group[i].median.mid;
			any_events = true;
		} else if (!strcmp(k->metric, "exits-total") && r->group[i].median.mid == 0) {
			any_events = true;
		}
	}
	*exits = any_hardware ? hardware : events;
	return any_hardware || any_events;
}

/* Whether an earlier group is of the same operation: each is modelled once. */
static bool seen_before(const struct result *r, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (key_counts(r->group[k].key) && key_same(r->group[k].key, r->group[i].key))
			return true;
	return false;
}

static void field_put(FILE *f, const char *text, char end)
{
	if (text[strcspn(text, ",\"\r\n")]) {
		putc('"', f);
		for (; *text; text++) {
			if (*text == '"')
				putc('"', f);
			putc(*text, f);
		}
		putc('"', f);
	} else {
		fputs(text, f);
	}
	putc(end, f);
}

/* All generations for one operation; how many rows. */
static size_t operation_put(FILE *f, const struct result_row *k, double exits)
{
	size_t rows = 0;

	for (size_t i = 0; i < model_cpu_count; i++) {
		const struct model_cpu *c = &model_cpus[i];

		if (!model_applies(c, k->variant))
			continue;
		field_put(f, k->suite, ',');
		field_put(f, k->workload, ',');
		field_put(f, c->name, ',');
		fprintf(f, "vtx,modelled,modelled-cycles,,,cycles/op,0,0,%.10g,,,\n", model_cycles(c, exits));
		rows++;
	}
	return rows;
}

static size_t rows_put(FILE *f, const struct result *r)
{
	size_t rows = 0;

	fputs("suite,workload,variant,engine,origin,metric,kind,mechanism,unit,round,rep,value,calib_before,calib_after,disturbed\n", f);
	for (size_t i = 0; i < r->groups; i++) {
		double exits;

		if (key_counts(r->group[i].key) && !seen_before(r, i) && exits_of(r, r->group[i].key, &exits))
			rows += operation_put(f, r->group[i].key, exits);
	}
	return rows;
}

/* Writes rows to f and closes it: how many rows, or -errno. */
static long file_fill(FILE *f, const struct result *r)
{
	size_t rows = rows_put(f, r);
	int bad = ferror(f) ? EIO : 0;

	if (fclose(f))
		bad = errno;
	return bad ? -bad : (long)rows;
}

int model_write(const char *dir, char *why, size_t n)
{
	char path[4200], new[4210];
	struct result r;
	int e = result_read(&r, dir, why, n);
	long rows;
	FILE *f;

	if (e)
		return e;
	snprintf(path, sizeof(path), "%s/modelled.csv", dir);
	snprintf(new, sizeof(new), "%s.new", path);
	f = fopen(new, "we");
	rows = f ? file_fill(f, &r) : -errno;
	result_free(&r);
	if (rows > 0 && rename(new, path))
		rows = -errno;
	if (rows <= 0) {
		unlink(new);
		unlink(path);
	}
	if (rows < 0)
		snprintf(why, n, "%.300s: cannot write it: %s", path, strerror((int)-rows));
	return rows < 0 ? (int)rows : 0;
}
