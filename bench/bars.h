/*
 * bars.h - what the project holds itself to, against a result. Read next: bars.c.
 */
#pragma once
#include <stdio.h>
#include "result.h"

/* The part "Held to" of summary.md: each bar for which there are figures, met or not. Prints nothing when there are none. 0 or -ENOMEM. */
int bars_print(const struct result *r, FILE *f);
