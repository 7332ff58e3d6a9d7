/*
 * model_test.c - the cost model: its constants are the medians of the published loops in docs/cost-model.md, its arithmetic is that of
 * hand-computed values, every row it writes says that it is modelled, and nothing half-written stays behind.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "model.h"
#include "result.h"

#define HEAD "suite,workload,variant,engine,origin,metric,kind,mechanism,unit,round,rep,value,calib_before,calib_after,disturbed\n"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median of the numbers of a table's last field; NAN: it is no row of loops. */
static double row_median(const char *line)
{
	const char *end = strrchr(line, '|'), *p = end;
	double v[32];
	size_t n = 0;

	if (!end)
		return NAN;
	while (p > line && p[-1] != '|')
		p--;
	for (char *next; n < 32; p = next) {
		v[n] = strtod(p, &next);
		if (next == p || next > end)
			break;
		n++;
	}
	if (n != 14)
		return NAN;
	qsort(v, n, sizeof(v[0]), by_value);
	return (v[6] + v[7]) / 2;
}

Test(model, constants_are_the_documented_medians)
{
	FILE *f = fopen(RINGLAB_SOURCE "/docs/cost-model.md", "re");
	size_t seen = 0;
	char line[2000];

	cr_assert(f);
	while (fgets(line, sizeof(line), f)) {
		char name[40];
		double median = row_median(line);
		const struct model_cpu *c;

		if (isnan(median) || sscanf(line, "| `%39[^`]`", name) != 1)
			continue;
		c = model_cpu_find(name);
		cr_assert(c, "docs/cost-model.md has %s, and the model has not", name);
		cr_assert(strstr(line, c->cpu), "%s: the model says %s", name, c->cpu);
		cr_expect_float_eq(c->exit, median, 0.51, "%s: %g, and the median of the published loops is %g", name, c->exit, median);
		seen++;
	}
	fclose(f);
	cr_expect_eq(seen + 2, model_cpu_count, "the two bounds of the Pentium 4 have no loops; all others have");
}

Test(model, arithmetic_and_generations)
{
	const struct model_cpu *merom = model_cpu_find("merom"), *nehalem = model_cpu_find("nehalem");

	cr_assert(merom && nehalem && !model_cpu_find("zen"));
	cr_expect_float_eq(model_cycles(merom, 2), 3362, 1e-9);
	cr_expect_float_eq(model_cycles(nehalem, 1.5), 1425, 1e-9);
	cr_expect(model_applies(nehalem, "") && !model_applies(nehalem, MODEL_SHADOW));
	cr_expect(model_applies(merom, MODEL_SHADOW) && !model_applies(merom, "") && !model_applies(merom, "no-chain"));
	for (size_t i = 0; i < model_cpu_count; i++)
		cr_expect(*model_cpus[i].source && model_cpus[i].low <= model_cpus[i].exit && model_cpus[i].exit <= model_cpus[i].high);
}

/* A result directory with these rows. */
static void dir_make(char *dir, const char *rows)
{
	char path[200];
	FILE *f;

	strcpy(dir, "/tmp/model-test-XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/raw.csv", dir);
	f = fopen(path, "we");
	cr_assert(f && fprintf(f, HEAD "%s", rows) > 0 && !fclose(f));
	snprintf(path, sizeof(path), "%s/env.json", dir);
	f = fopen(path, "we");
	cr_assert(f && fputs("{\"name\": \"test\"}", f) >= 0 && !fclose(f));
}

static void dir_remove(const char *dir)
{
	static const char *const name[] = { "raw.csv", "env.json", "modelled.csv" };
	char path[200];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, name[i]);
		unlink(path);
	}
	cr_expect(!rmdir(dir), "something else was left in %s", dir);
}

static double modelled(const struct result *r, const char *workload, const char *cpu)
{
	double v = NAN;

	for (size_t i = 0; i < r->rows; i++)
		if (r->row[i].modelled && !strcmp(r->row[i].workload, workload) && !strcmp(r->row[i].variant, cpu)) {
			cr_expect(isnan(v), "%s on %s twice", workload, cpu);
			v = r->row[i].value;
		}
	return v;
}

static const char counts[] =
	"nano,in,,vtx,nested,exits,port-in,VM exit,1/op,0,0,1,,,\n"
	"nano,in,,vtx,nested,exits,kick,VM exit,1/op,0,0,0.5,,,\n"
	"nano,in,ept=0,vtx,nested,exits,port-in,VM exit,1/op,0,0,1,,,\n"
	"nano,page-fault,ept=0,vtx,nested,exits,page-fault,VM exit,1/op,0,0,1,,,\n"
	"nano,page-fault,ept=0,vtx,nested,exits,shadow-fill,VM exit,1/op,0,0,1,,,\n"
	"nano,page-fault,,vtx,nested,exits-total,,,1/op,0,0,0,,,\n"
	"devices,\"read, \"\"ata\"\"\",,vtx,nested,exits,port-in,VM exit,1/op,0,0,2048,,,\n"
	"devices,\"read, \"\"ata\"\"\",,vtx,nested,hw-exits,port-in,VM exit,1/op,0,0,10,,,\n"
	"nano,in,,bt,measured,cycles,,,cycles,0,0,52,1000,1000,0\n"
	"nano,in,,bt,measured,exits,port-in,callout,1/op,0,0,1,,,\n"
	"startup,boot,,vtx,nested,exits,port-in,VM exit,1/run,0,0,900,,,\n";

Test(model, rows_by_hand)
{
	char dir[40], why[400] = "";
	struct result r;
	size_t rows = 0;

	dir_make(dir, counts);
	cr_assert_eq(model_write(dir, why, sizeof(why)), 0, "%s", why);
	cr_assert_eq(result_read(&r, dir, why, sizeof(why)), 0, "%s", why);
	for (size_t i = 0; i < r.rows; i++) {
		if (!r.row[i].modelled)
			continue;
		cr_expect(!strcmp(r.row[i].origin, "modelled") && !strcmp(r.row[i].metric, "modelled-cycles") && !strcmp(r.row[i].engine, "vtx"));
		cr_expect_str_eq(r.row[i].unit, "cycles/op");
		rows++;
	}
	cr_expect_eq(rows, 3 * 10 + 2 * 4, "%zu rows; three operations on CPUs with EPT, two on those without", rows);
	cr_expect_float_eq(modelled(&r, "in", "nehalem"), 950, 1e-9, "one exit, and none of the host's clock");
	cr_expect_float_eq(modelled(&r, "in", "merom"), 1681, 1e-9);
	cr_expect_float_eq(modelled(&r, "page-fault", "merom"), 3362, 1e-9);
	cr_expect_float_eq(modelled(&r, "page-fault", "haswell"), 0, 1e-9, "no exit with EPT is known, and is 0");
	cr_expect_float_eq(modelled(&r, "read, \"ata\"", "skylake"), 6320, 1e-9, "by hardware's exits, not by elements");
	cr_expect(isnan(modelled(&r, "boot", "nehalem")), "a whole run is no operation");
	result_free(&r);
	/* A second time: what it wrote itself is no count. */
	cr_expect_eq(model_write(dir, why, sizeof(why)), 0, "%s", why);
	dir_remove(dir);
}

Test(model, nothing_to_model_leaves_no_file)
{
	char dir[40], path[80], why[400] = "";

	dir_make(dir, "nano,in,,bt,measured,cycles,,,cycles,0,0,52,1000,1000,0\n");
	cr_expect_eq(model_write(dir, why, sizeof(why)), 0, "%s", why);
	snprintf(path, sizeof(path), "%s/modelled.csv", dir);
	cr_expect(access(path, F_OK), "an empty modelled.csv says nothing");
	dir_remove(dir);
}

/* A directory in the file's place: a sentence, and nothing new left. */
Test(model, cannot_write)
{
	char dir[40], path[80], why[400] = "";

	dir_make(dir, counts);
	snprintf(path, sizeof(path), "%s/modelled.csv.new", dir);
	cr_assert(!mkdir(path, 0700));
	cr_expect_lt(model_write(dir, why, sizeof(why)), 0);
	cr_expect(strstr(why, "modelled.csv"), "%s", why);
	rmdir(path);
	dir_remove(dir);
	cr_expect_lt(model_write("/nonexistent", why, sizeof(why)), 0);
	cr_expect(strstr(why, "/nonexistent"), "%s", why);
}
