/*
 * stage.h - assembly text in, annotated assembly text out: what the files of tools/afterburn share.
 *
 * Read next: lex.c (text to statements), recognise.c (statement to kind), stage.c (what is written instead), main.c.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "abi/afterburn.h"

#define AB_NAMES 64

struct options {
	const char *pte_function[AB_NAMES + 1]; /* functions whose stores to memory are page-table writes; NULL-terminated */
	const char *skip[AB_NAMES + 1];         /* sections that are left alone: user code; NULL-terminated */
	unsigned pte_functions, skips;
	bool rdtsc;                             /* annotate RDTSC too */
	bool strict;                            /* a finding of the check after assembly fails the build */
	bool quiet;
};

#define AB_OPERANDS 3

struct statement {
	char *text;             /* without label and comment; NUL-terminated */
	char *label;            /* "1: name:", or NULL; owned */
	unsigned line;          /* index of the line it stands on */
	char mnemonic[24];      /* lower case, prefixes left out; "" for none */
	const char *operands;   /* in text, after the mnemonic */
	bool prefix_only;       /* "rep", whose instruction is the next statement */
	bool lock;
	bool app;               /* between #APP and #NO_APP: text of an asm statement in C */
	bool marked;            /* after "# afterburn: pte", before "# afterburn: end" */
	enum afterburn_kind kind;
	unsigned flags;         /* AFTERBURN_* */
};

struct source {
	char *buf;              /* the text, comments blanked */
	char **line;            /* in buf, without newline */
	char **cut;             /* a copy of each, cut up into statements; NULL for one without */
	size_t lines;
	struct statement *st;
	size_t n;
	bool compiled;          /* the compiler made it: there are #APP markers */
};

/* lex.c: takes text (n bytes, not kept). 0 or -ENOMEM. */
int source_read(struct source *s, const char *text, size_t n);
void source_free(struct source *s);

/* recognise.c */
struct operand_list {
	char op[AB_OPERANDS][160]; /* trimmed; AT&T order */
	unsigned n;
};
void operands_split(struct operand_list *l, const char *text, bool intel);
enum afterburn_kind recognise(const struct statement *st, bool intel);
bool is_pte_store(const struct statement *st, bool intel);
/* Are the arithmetic flags dead after statement k? */
bool flags_dead_after(const struct source *s, size_t k);

/* stage.c: fills kinds and flags, and writes the result. 0 or -errno. */
int stage_run(const char *text, size_t n, const struct options *o, FILE *out);
