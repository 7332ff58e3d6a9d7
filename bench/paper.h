/*
 * paper.h - `ringlab bench --paper NAME`: our figures beside those of a paper.
 */
#pragma once
#include "bench.h"

/* An exit status of docs/exits.md. */
int bench_paper(const struct bench_options *o, const char *name);
