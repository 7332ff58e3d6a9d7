/*
 * bars.h - what the project holds itself to, against a result. Read next: bars.c.
 */
#pragma once
#include <stdio.h>
#include "result.h"

struct bar_figure {
	const char *suite, *workload, *engine, *metric;
	const char *against;  /* an engine, or a workload of the same engine: then "is" is a ratio; "": it is in the metric's unit */
	double most;
	struct interval is;
	enum bar_state { BAR_MISSED, BAR_MET, BAR_OPEN /* it lies within the interval */ } met;
};

/* The next bar, from *at (0 at first) on, for which there are figures; false: there are no more. */
bool bars_next(const struct result *r, size_t *at, struct bar_figure *out);

/* The part "Held to" of summary.md: each bar for which there are figures, met or not. Prints nothing when there are none. 0 or -ENOMEM. */
int bars_print(const struct result *r, FILE *f);
