/*
 * summary_more.c - summary.md beside the suites' tables: ablations, modelled figures, what is missing, noise, how it was made.
 *
 * Called by summary.c.
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include "summary_private.h"
#include "table.h"

const char *env_text(const struct result *r, const char *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object ? json_object_get(r->env, object) : r->env, key));

	return text ? text : "unknown";
}

double env_number(const struct result *r, const char *object, const char *key)
{
	const json_t *v = json_object_get(object ? json_object_get(r->env, object) : r->env, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

/* --- ablations --- */

int summary_ablations(const struct result *r, FILE *f)
{
	static const char *const heads[] = { "suite", "workload", "engine", "without", "metric", "unit", ">median", "95 % interval", ">as it is", ">ratio",
		"95 % interval", ">n", NULL };
	struct table *t = table_new(heads);
	bool any = false;

	for (size_t i = 0; i < r->groups; i++) {
		const struct result_group *g = &r->group[i], *base;
		const struct result_row *k = g->key;
		struct interval ratio;
		char mid[32], low[32], high[32];

		if (k->modelled || !*k->variant || !strcmp(k->origin, "nested") ||
		    (strcmp(k->metric, "cycles") && strcmp(k->metric, "seconds") && strcmp(k->metric, "cpu-seconds")))
			continue;
		any = true;
		table_cell(t, "%s", k->suite);
		table_cell(t, "%s", k->workload);
		table_cell(t, "%s", k->engine);
		table_cell(t, "%s", k->variant);
		table_cell(t, "%s", k->metric);
		table_cell(t, "%s", k->unit);
		table_cell(t, "%s", number_text(mid, g->median.mid));
		table_cell(t, "[%s, %s]", number_text(low, g->median.low), number_text(high, g->median.high));
		base = result_find(r, k->suite, k->workload, k->engine, k->metric);
		ratio = base ? group_ratio(g, base, NULL) : (struct interval){ NAN, NAN, NAN };
		table_cell(t, "%s", base ? number_text(mid, base->median.mid) : "");
		table_cell(t, "%s", isnan(ratio.mid) ? "" : number_text(mid, ratio.mid));
		if (isnan(ratio.mid))
			table_cell(t, "%s", "");
		else
			table_cell(t, "[%s, %s]", number_text(low, ratio.low), number_text(high, ratio.high));
		table_cell(t, "%zu", g->n);
	}
	if (any)
		fputs("## Ablations\n\nThe same with one thing switched off; the ratio is to the engine as it is, within a round: above 1, it helps.\n\n", f);
	return table_end(t, f);
}

/* --- modelled --- */

/* A row of the pivot; false: it costs nothing on any of them. */
static bool modelled_row(const struct result *r, const struct result_row *k, const char *const *generation, unsigned n, struct table *t)
{
	double v[GENERATIONS_MAX];
	char text[32];
	bool any = false;

	for (unsigned i = 0; i < n; i++) {
		v[i] = modelled_sum(r, k, generation[i]);
		any |= v[i] > 0;
	}
	if (!any)
		return false;
	table_cell(t, "%s: %s", k->suite, k->workload);
	table_cell(t, "%s (modelled)", k->engine);
	for (unsigned i = 0; i < n; i++)
		table_cell(t, "%s", isnan(v[i]) ? "" : number_text(text, v[i]));
	return true;
}

int summary_modelled(const struct result *r, FILE *f)
{
	const char *generation[GENERATIONS_MAX], *heads[GENERATIONS_MAX + 3] = { "workload", "engine" };
	unsigned n = modelled_generations(r, generation), free_ones = 0;
	char head[GENERATIONS_MAX][40];
	struct table *t;
	int e;

	for (unsigned i = 0; i < n; i++) {
		snprintf(head[i], sizeof(head[i]), ">%.30s", generation[i]);
		heads[i + 2] = head[i];
	}
	if (!n)
		return 0;
	fputs("## Modelled figures (modelled, not measured)\n\nComputed, in cycles of one operation: exits counted in the nested machine, times the published cost of an exit on each"
		" CPU generation (docs/cost-model.md says where they are from). No clock was read for any figure of this table. Generations without EPT"
		" have the counts of shadow paging.\n\n", f);
	t = table_new(heads);
	for (size_t i = 0; i < r->groups; i++)
		if (modelled_first(r, i) && !modelled_row(r, r->group[i].key, generation, n, t))
			free_ones++;
	e = table_end(t, f);
	if (free_ones)
		fprintf(f, "%u more operations exit on none of them, and so cost nothing by this model.\n\n", free_ones);
	return e;
}

/* --- what is missing --- */

int summary_missing(const struct result *r, FILE *f)
{
	static const char *const heads[] = { "suite", "engine", "part", "why", NULL };
	static const char *const keys[] = { "suite", "engine", "part", "why" };
	struct table *t = table_new(heads);
	json_t *v;
	size_t i;

	fputs("## Missing\n\n", f);
	if (!json_array_size(json_object_get(r->env, "missing")))
		fputs("Nothing that was asked for.\n\n", f);
	json_array_foreach(json_object_get(r->env, "missing"), i, v)
		for (int k = 0; k < 4; k++)
			table_cell(t, "%s", json_string_value(json_object_get(v, keys[k])));
	return table_end(t, f);
}

/* --- noise --- */

void summary_noise(const struct result *r, FILE *f)
{
	double best = env_number(r, "calibration", "best"), median = env_number(r, "calibration", "median"), steal = env_number(r, NULL, "steal_seconds");
	size_t timed = 0, disturbed = 0;
	double worst = NAN;

	for (size_t i = 0; i < r->rows; i++) {
		timed += r->row[i].disturbed >= 0;
		disturbed += r->row[i].disturbed == 1;
		worst = fmax(worst, fmax(r->row[i].calib_before, r->row[i].calib_after));
	}
	fputs("## Noise of the host\n\n", f);
	if (!timed) {
		fputs("No sample was timed.\n\n", f);
		return;
	}
	fprintf(f, "A loop of known cost was timed before and after each child: %.0f TSC cycles at its best, %.0f in the median (%.2f times the best)",
		best, median, median / best);
	if (!isnan(worst))
		fprintf(f, ", %.0f at its worst (%.2f times)", worst, worst / best);
	fprintf(f, ". %zu of %zu timed samples (%.1f %%) are marked as disturbed: the loop took more than a tenth above its best, or the child"
		" was preempted. They are in all medians and intervals; \"quiet median\" is that of the others, where it differs by more than 2 %%.",
		disturbed, timed, 100.0 * (double)disturbed / (double)timed);
	if (steal > 0)
		fprintf(f, " The hypervisor below took %.1f s of CPU time away during the run.", steal);
	fputs("\n\n", f);
}

/* --- how it was made --- */

static void line_print(FILE *f, const char *name, const char *value)
{
	char safe[1400];

	markdown_escape(safe, sizeof(safe), value);
	fprintf(f, "* %s: %s\n", name, safe);
}

static void object_print(const struct result *r, FILE *f, const char *key, const char *title)
{
	const char *name;
	json_t *v;
	unsigned n = 0;
	char safe[300], name_safe[300];

	json_object_foreach(json_object_get(r->env, key), name, v) {
		markdown_escape(name_safe, sizeof(name_safe), name);
		markdown_escape(safe, sizeof(safe), json_string_value(v) ?: "");
		if (n++)
			fprintf(f, "; %s %s", name_safe, safe);
		else
			fprintf(f, "* %s: %s %s", title, name_safe, safe);
	}
	if (n)
		putc('\n', f);
}

void summary_made(const struct result *r, FILE *f)
{
	static const struct {
		const char *key, *title;
	} lines[] = { { "command", "command" }, { "commit", "commit" }, { "host", "host" }, { "cpu", "CPU" }, { "microcode", "microcode" },
		{ "kernel", "kernel" }, { "kvm_module", "behind /dev/kvm" }, { "huge_pages", "transparent huge pages" } };

	fputs("## How it was made\n\n", f);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		line_print(f, lines[i].title, env_text(r, NULL, lines[i].key));
	fprintf(f, "* from %s to %s\n", env_text(r, "date", "start"), env_text(r, "date", "end"));
	fprintf(f, "* %.0f CPUs, TSC %.1f MHz\n", env_number(r, NULL, "cpus"), env_number(r, NULL, "tsc_hz") / 1e6);
	object_print(r, f, "peers", "peers");
	object_print(r, f, "mitigations", "mitigations");
	fputs("\nAll of it, with package versions and what `ringlab doctor` says, is in env.json; every sample is in raw.csv; docs/results.md says"
		" what each column means.\n", f);
}
