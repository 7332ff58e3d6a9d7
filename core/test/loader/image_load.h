/* image_load.h - an image of images.h through the loader; apart from it, for tests that do not link core. */
#pragma once
#include "core/loader.h"
#include "images.h"

/* loader_load of the image, whatever path req names. */
static inline int image_load(const struct bytes *b, struct load_request req, struct mem *m, struct image *img, struct cpu_state *s,
	char *why, size_t n)
{
	char path[64];
	int fd = image_open(b, path, sizeof(path)), err;

	req.path = path;
	err = loader_load(&req, m, img, s, why, n);
	image_close(fd);
	return err;
}
