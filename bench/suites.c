/*
 * suites.c - the list of suites, in the order in which they are planned. A suite is one file, suite_NAME.c, and one line here.
 */
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
