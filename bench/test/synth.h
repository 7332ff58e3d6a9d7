/*
 * synth.h - synthetic result directories for tests. Read next: synth.c.
 */
#pragma once
#include <stddef.h>

#define SYNTH_HEADER "suite,workload,variant,engine,origin,metric,kind,mechanism,unit,round,rep,value,calib_before,calib_after,disturbed\n"
#define SYNTH_TIME_HEADER "suite,workload,variant,engine,origin,t_s,width_s,kind,mechanism,count\n"

/* Makes an empty directory and fills dir with its path. */
void synth_make(char dir[200]);
void synth_remove(const char *dir);
/* Writes a file of it: n bytes, or text up to its NUL. */
void synth_bytes(const char *dir, const char *name, const void *bytes, size_t n);
void synth_file(const char *dir, const char *name, const char *text);
/* All of it as text, to be freed; NULL: there is no such file. */
char *synth_read(const char *dir, const char *name);
/* An env.json with every key of docs/results.md. */
void synth_env(const char *dir);
/* A whole result: every suite, engine, metric and file, of figures that a formula gives. */
void synth_whole(const char *dir);
/* The figure of workload w on engine e in round r, as synth_whole writes it. */
double synth_cycles(unsigned w, unsigned e, unsigned r);
extern const char *const synth_engines[];
extern const char *const synth_cells[];
#define SYNTH_ENGINES 7
#define SYNTH_CELLS 5
#define SYNTH_ROUNDS 5
