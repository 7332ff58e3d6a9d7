/*
 * result_private.h - what the parts of the reader of result directories share. Read next: result.c.
 */
#pragma once
#include "result.h"

/* Fills why with "DIR/file: …" and returns -EINVAL. file NULL: the directory itself. */
__attribute__((format(printf, 5, 6)))
int result_wrong(char *why, size_t n, const struct result *r, const char *file, const char *fmt, ...);

/* Opens a regular file of the directory; *fd is -1 when it is not there. 0 or -errno, why filled. */
int result_file_open(const struct result *r, const char *file, int *fd, size_t *size, char *why, size_t n);

/* result_env.c: reads env.json into r->env and checks the shape of what others take from it. 0 or -errno, why filled. */
int result_env_read(struct result *r, char *why, size_t n);

/* result_group.c: fills r->group from r->row. 0 or -ENOMEM. */
int result_groups_make(struct result *r);
void result_groups_free(struct result *r);
