/*
 * summary.h - summary.md of a result directory. Read next: summary.c.
 */
#pragma once
#include <stddef.h>

/* Writes DIR/summary.md from the other files in DIR, the plots among them (plots_write is called before). 0, or -errno after filling why with a sentence; then there is no summary.md. */
int summary_write(const char *dir, char *why, size_t n);
