/*
 * view_modelled.c - modelled cycles of VT-x exits as tables and plots need them: workloads by CPU generations.
 *
 * Called by summary_more.c and plot_bars.c. Read next: model.c, which wrote them.
 */
#include <math.h>
#include <string.h>
#include "model.h"
#include "view.h"

static bool is_modelled(const struct result_row *k)
{
	return k->modelled && !strcmp(k->metric, "modelled-cycles");
}

static bool same_operation(const struct result_row *a, const struct result_row *b)
{
	return !strcmp(a->suite, b->suite) && !strcmp(a->workload, b->workload) && !strcmp(a->engine, b->engine);
}

static bool generation_there(const struct result *r, const char *name)
{
	for (size_t i = 0; i < r->groups; i++)
		if (is_modelled(r->group[i].key) && !strcmp(r->group[i].key->variant, name))
			return true;
	return false;
}

unsigned modelled_generations(const struct result *r, const char *generation[GENERATIONS_MAX])
{
	unsigned n = 0;

	for (size_t i = 0; i < model_cpu_count && n < GENERATIONS_MAX; i++)
		if (generation_there(r, model_cpus[i].name))
			generation[n++] = model_cpus[i].name;
	return n;
}

bool modelled_first(const struct result *r, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (is_modelled(r->group[j].key) && same_operation(r->group[j].key, r->group[i].key))
			return false;
	return is_modelled(r->group[i].key);
}

double modelled_sum(const struct result *r, const struct result_row *key, const char *generation)
{
	double sum = NAN;

	for (size_t i = 0; i < r->groups; i++) {
		const struct result_row *k = r->group[i].key;

		if (is_modelled(k) && same_operation(k, key) && !strcmp(k->variant, generation))
			sum = (isnan(sum) ? 0 : sum) + r->group[i].median.mid;
	}
	return sum;
}
