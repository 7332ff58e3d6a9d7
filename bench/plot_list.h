/*
 * plot_list.h - the plots that a result directory can have. Read next: plots.c.
 */
#pragma once
#include <stdio.h>
#include "result.h"

struct plot {
	const char *name, *title; /* NAME.gp, NAME.svg, NAME.png */
	/*
	 * Writes the data file that NAME.gp reads, and the settings that it loads. 1: written; 0: the result has no data for it, and why says
	 * so ("because" fits before it); -errno. data NULL: only looks whether there is data.
	 */
	int (*write)(const struct result *r, FILE *data, FILE *set, char *why, size_t n);
};

extern const struct plot plots[];
extern const size_t plot_count;

/* Whether there is no data for plots[i]; fills why then. */
bool plot_absent(const struct result *r, size_t i, char *why, size_t n);
