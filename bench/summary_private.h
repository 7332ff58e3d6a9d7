/*
 * summary_private.h - the parts of summary.md. Read next: summary.c.
 */
#pragma once
#include "view.h"

/* All print to f; 0 or -errno. */
int summary_suite(const struct result *r, const char *suite, FILE *f);     /* summary_tables.c: all tables of one suite */
int summary_ablations(const struct result *r, FILE *f);                    /* summary_more.c: variants against the default */
int summary_modelled(const struct result *r, FILE *f);                     /* modelled.csv, in a table of its own */
int summary_missing(const struct result *r, FILE *f);
void summary_noise(const struct result *r, FILE *f);
void summary_made(const struct result *r, FILE *f);                        /* how it was made: command, commit, machine */
/* A text of env.json by its path "date.start"; "unknown" where there is none. Borrowed. */
const char *env_text(const struct result *r, const char *object, const char *key);
double env_number(const struct result *r, const char *object, const char *key); /* NAN: none */
