/*
 * csv.h - a strict reader of comma-separated values (RFC 4180), in place, for files that somebody else may have written.
 *
 * Called by result.c. Read next: csv.c.
 */
#pragma once
#include <stddef.h>

#define CSV_FIELDS 32    /* in a record */
#define CSV_FIELD_MAX 500 /* bytes in a field */

struct csv {
	char *at, *end;          /* what is left of the file; end is writable */
	unsigned line;           /* where the last record began, from 1 */
	unsigned next_line;
	char *field[CSV_FIELDS]; /* of the last record, NUL-terminated, in the file's own memory */
	unsigned fields;
};

/* text[0 … size] is writable and is changed. */
void csv_open(struct csv *c, char *text, size_t size);
/*
 * Reads one record: 1; 0 at the end of the file; -EINVAL after filling why with what is wrong and where (line and field, without the
 * file's name). Fields are valid UTF-8 without control characters; a record ends with a line end, the last one too.
 */
int csv_record(struct csv *c, char *why, size_t n);
/* Checks that the last record has the names, NULL-terminated, and no other. 0 or -EINVAL. */
int csv_header(const struct csv *c, const char *const *names, char *why, size_t n);
