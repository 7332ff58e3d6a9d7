/*
 * layout.c - the memory image and segments of layout.h.
 *
 * Called by both executors, so that the two sides start from the same bytes. Read next: native.c, engine.c.
 */
#include <string.h>
#include "itest.h"

const struct it_region it_regions[IT_REGIONS] = {
	{ IT_DATA, 2, 0, true },
	{ IT_ISLAND, 1, 2, true },
	{ IT_STACK, 1, 3, true },
	{ IT_TOP, 1, 4, true },
	{ IT_DATA_RO, 1, 5, false },
};

/* Bases lie below the pages, so that no access there wraps around at offset 0. Types: SDM vol. 3, table 3-1; bit 0, accessed, is always set by Linux's modify_ldt. */
const struct it_segdef it_ldt[LDT_ALL] = {
	[LDT_FS] = { IT_DATA - 0x20, 0xfffff, 0x3, true, true, true },
	[LDT_GS] = { IT_STACK - 0x20, 0xfffff, 0x3, true, true, true },
	[LDT_SMALL] = { IT_DATA, 0x10ff, 0x3, true, false, true },
	[LDT_RO] = { IT_DATA - 0x20, 0xfffff, 0x1, true, true, true },
	[LDT_DOWN] = { IT_DATA, 0x0fff, 0x7, true, false, true },
	[LDT_ABSENT] = { IT_DATA, 0xfffff, 0x3, true, true, false },
	[LDT_XONLY] = { 0, 0xfffff, 0x9, true, true, true },
	[LDT_CODE16] = { IT_CODE, 0xffff, 0xb, false, false, true },
	[LDT_STACK16] = { IT_STACK - 0x20, 0xffff, 0x3, false, false, true },
	[LDT_SHORT] = { IT_STACK - 0x20, 0x83f, 0x3, true, false, true },
	[LDT_CONFORMING] = { 0, 0xfffff, 0xf, true, true, false }, /* modify_ldt allows it only when not present */
};

uint64_t segdef_descriptor(const struct it_segdef *d)
{
	uint64_t attr = d->type | 0x10u | 3u << 5 | (d->present ? 0x80u : 0);

	attr |= (d->big ? 0x4000u : 0) | (d->pages ? 0x8000u : 0);
	return (d->limit & 0xffff) | (uint64_t)(d->base & 0xffffff) << 16 | (attr & 0xff) << 40 |
		(uint64_t)(d->limit >> 16 & 15) << 48 | (attr >> 12 & 15) << 52 | (uint64_t)(d->base >> 24) << 56;
}

int64_t image_offset(uint32_t linear)
{
	for (unsigned i = 0; i < IT_REGIONS; i++) {
		const struct it_region *g = &it_regions[i];

		if (linear - g->linear < g->pages * PAGE_SIZE)
			return (int64_t)(linear - g->linear) + g->image_page * PAGE_SIZE;
	}
	return -1;
}

uint64_t rng_next(struct it_rng *r)
{
	uint64_t z = r->s += 0x9e3779b97f4a7c15u; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Values that instructions treat specially: limits of integers and of floating-point formats. */
static const uint64_t specials[] = {
	0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, ~0ull, 1ull << 63, (1ull << 63) - 1,
	0x3f8000003f800000, 0x7f8000007f800000, 0xff800000ff800000, 0x7fc000007f800001, 0x0000000100000001, 0x8000000000800000,
	0x7f7fffff00800000, 0x4b0000004f000000, 0x3ff0000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000,
	0x7ff0000000000001, 0x0000000000000001, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff, 0x41dfffffffc00000,
	0x43e0000000000000, 0xc1e0000000000000, 0x8000000000000000, 0x9999999999999999, 0x0999999999999999,
};

void image_seed(struct it_image *im, uint32_t seed)
{
	struct it_rng r = { .s = seed };

	if (im->valid && im->seed == seed)
		return;
	im->seed = seed;
	im->valid = true;
	for (unsigned i = 0; i < IT_IMAGE_SIZE; i += 8) {
		uint64_t v = !seed ? 0 : rng_chance(&r, 30) ? specials[rng_below(&r, ARRAY_LEN(specials))] : rng_next(&r);

		memcpy(im->byte + i, &v, 8);
	}
}

/* Code in a data page, and INT3 behind it. */
static void image_code(uint8_t *image, const struct itest *t)
{
	for (unsigned i = 0; i < IT_CODE_MAX + 8; i++) {
		int64_t o = image_offset(t->eip + i);

		if (o >= 0)
			image[o] = i < t->len ? t->code[i] : 0xcc;
	}
}

void image_patch(uint8_t *image, const struct itest *t)
{
	if (image_offset(t->eip) >= 0)
		image_code(image, t);
	for (unsigned i = 0; i < t->patches; i++) {
		for (unsigned j = 0; j < t->patch[i].len; j++) {
			int64_t o = image_offset(t->patch[i].at + j);

			if (o >= 0)
				image[o] = t->patch[i].byte[j];
		}
	}
}

uint64_t image_hash(uint8_t *image, const struct itest *t)
{
	uint64_t h[4] = { 1, 2, 3, 4 };

	for (unsigned i = 0; i < t->ignores; i++) {
		for (unsigned j = 0; j < t->ignore[i].len; j++) {
			int64_t o = image_offset(t->ignore[i].at + j);

			if (o >= 0 && o < IT_RW_SIZE)
				image[o] = 0;
		}
	}
	for (unsigned i = 0; i < IT_RW_SIZE; i += 32) {
		uint64_t v[4];

		memcpy(v, image + i, 32);
		for (unsigned k = 0; k < 4; k++) {
			h[k] = (h[k] ^ v[k]) * 0x9fb21c651e98df25u;
			h[k] ^= h[k] >> 29;
		}
	}
	return (h[0] * 3 + h[1]) * 5 + h[2] * 7 + h[3];
}
