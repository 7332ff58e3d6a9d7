/*
 * model.h - images for tests, and a model of what a file system must hold after any sequence of operations.
 */
#pragma once
#include "host.h"

/* An image by mke2fs, in memory. */
uint8_t *image_make(const char *options, uint32_t kib, uint32_t *bytes);
uint8_t *image_load(const char *path, uint32_t *bytes);
/* What e2fsck -fn says of it: true if there is nothing to say. Prints it otherwise. */
bool image_clean(const uint8_t *image, uint32_t bytes);

/* Does n random operations in the root directory and beside it in memory. */
struct model;
struct model *model_new(struct inode *root, uint32_t seed);
void model_run(struct model *m, uint32_t n);
/* NULL, or what differs between model and disk. Reads all of it. */
const char *model_check(struct model *m);
uint32_t model_refused(const struct model *m); /* operations that gave an error where the model agrees that they may */
void model_free(struct model *m);
