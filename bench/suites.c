/*
 * suites.c - the list of suites, in the order in which they are planned, and what their ablations switch off. A suite is one file,
 * suite_NAME.c, and one line here.
 */
#include <string.h>
#include "plan.h"

const struct suite *const bench_suites[] = {
	&suite_nano,
	&suite_compute,
	&suite_devices,
	&suite_kernel,
	&suite_linux,
	&suite_startup,
	NULL,
};

const struct ablation ablations[] = {
	{ "no-adapt", "--no-adapt" }, { "no-chain", "--no-chain" }, { "no-retpred", "--no-retpred" }, { "no-traces", "--no-traces" }, { NULL, NULL },
};

const char *ablation_option(const char *variant)
{
	for (size_t i = 0; ablations[i].variant; i++)
		if (!strcmp(variant, ablations[i].variant))
			return ablations[i].option;
	return NULL;
}
