/*
 * facts_check.h - holds the facts of a demonstration against columns: its own, and those of runs that the test makes itself.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Looks every fact of a --facts file up in its columns. 0, or the number of facts that are wrong; the first one's sentence in why[n].
 */
int facts_check(const json_t *file, char *why, size_t n);

/*
 * Runs every measured column's command again, and puts the new column in place of the old: then facts_check holds the facts against
 * runs that the demonstration did not make. Facts that may differ from run to run are taken out. Number of runs, or -1 after filling why.
 */
int facts_rerun(json_t *file, char *why, size_t n);
