/*
 * plots.h - the pictures of a result directory, by gnuplot. Read next: plots.c.
 */
#pragma once
#include <stddef.h>

/*
 * Draws what the files in DIR have data for, as DIR/NAME.svg and DIR/NAME.png. 0, also where a plot has no data or gnuplot is missing:
 * a sentence on standard error says which and why. -errno after filling why: the directory cannot be read or written.
 */
int plots_write(const char *dir, char *why, size_t n);
