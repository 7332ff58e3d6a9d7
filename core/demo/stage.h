/*
 * stage.h - what the files of core/demo share, and no demonstration needs. Read next: demo.c.
 */
#pragma once
#include <stdio.h>
#include "demo.h"

#define STAGE_WIDTH 80

struct stage {
	const struct demo *demo;
	const struct demo_setup *setup;
	bool pause, colour, quit; /* quit: the reader had enough; everything from here on does nothing */
	unsigned step;
	FILE *page;               /* --html: in memory until the end; NULL without */
	char *page_text;
	size_t page_size;
	json_t *facts, *columns;  /* {key: value}, [COLUMN…] */
};

/* stage.c */
int stage_begin(struct stage *s); /* 0 or -errno */
/* Writes the page and the facts where they were asked for, and frees everything. 0, or -errno after saying why. */
int stage_end(struct stage *s, bool keep);
void stage_escape(FILE *page, const char *text);
/* The columns that text takes on a terminal: characters of UTF-8, not bytes. */
size_t stage_columns(const char *text, size_t bytes);
/* How many bytes of text fit into so many columns. */
size_t stage_fit(const char *text, size_t columns);
/*
 * The next line of text in at most width columns: its length in bytes; *next is where the one after it begins. Breaks at blanks, at a
 * newline, or inside a word that is too long.
 */
size_t stage_wrap(const char *text, size_t width, const char **next);
void stage_caption(struct stage *s, const char *caption);

/* guest.c */
/* The file at path as JSON; NULL when there is none, or it is not JSON. */
json_t *guest_json(const char *path);
/* Text as an array of its lines; bytes that are no ASCII become '?'. */
json_t *guest_lines(const char *text);
/* nested.c: what a machine with VT-x, here only as a guest, has left for this guest; NULL: nothing. */
json_t *nested_column(struct stage *s, const struct demo_guest *g, bool ept);
