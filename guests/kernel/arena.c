/*
 * arena.c - pages for the kernel's own use, kept together: stacks, processes, slots, page tables.
 *
 * A page from frames.c may lie anywhere between pages of programs. What every entry to the kernel touches had better lie close
 * together: the host's mappings of it, where a VMM hides the kernel from user mode, are then few (docs/isolation.md), and so
 * are TLB entries anywhere. Page tables have an arena of their own, for under Xen they are read-only. An arena takes 64 pages
 * at a time, and gives back those that are all free. Read next: kmalloc.c.
 */
#include "kernel.h"

#define CHUNK_ORDER 6
#define CHUNK_PAGES (1u << CHUNK_ORDER)
#define CHUNKS 24
#define FIRST 2
#define ALL_FREE (~0ull)

struct chunk {
	char *base;
	uint64_t free; /* a bit for each page */
};

/* The first chunks are part of the image, beside the kernel's data, and stay. */
static char first[ARENAS][FIRST][CHUNK_PAGES * PAGE] __attribute__((aligned(4096)));
static struct chunk chunks[ARENAS][CHUNKS];

static bool is_first(const struct chunk *c)
{
	return (uint32_t)(c->base - first[0][0]) < sizeof first;
}

void arena_init(void)
{
	for (unsigned a = 0; a < ARENAS; a++)
		for (unsigned i = 0; i < FIRST; i++)
			chunks[a][i] = (struct chunk){ first[a][i], ALL_FREE };
}

static void *chunk_take(struct chunk *c, unsigned order)
{
	uint64_t fit = order ? c->free & c->free >> 1 & 0x5555555555555555ull : c->free;
	unsigned n = (uint32_t)fit ? (unsigned)__builtin_ctz((uint32_t)fit) : 32 + (unsigned)__builtin_ctz((uint32_t)(fit >> 32));

	c->free &= ~((order ? 3ull : 1ull) << n);
	return c->base + n * PAGE;
}

static bool chunk_fits(const struct chunk *c, unsigned order)
{
	return c->base && (order ? c->free & c->free >> 1 & 0x5555555555555555ull : c->free);
}

void *arena_alloc(enum arena which, unsigned order)
{
	struct chunk *none = NULL;

	for (struct chunk *c = chunks[which]; c < chunks[which] + CHUNKS; c++) {
		if (chunk_fits(c, order))
			return chunk_take(c, order);
		if (!c->base && !none)
			none = c;
	}
	if (!none || !(none->base = page_alloc(CHUNK_ORDER)))
		return page_alloc(order); /* memory is scarce, or in pieces */
	none->free = ALL_FREE;
	return chunk_take(none, order);
}

void *arena_zalloc(enum arena which)
{
	void *p = arena_alloc(which, 0);
	if (p)
		memset(p, 0, PAGE);
	return p;
}

void arena_free(enum arena which, void *p, unsigned order)
{
	for (struct chunk *c = chunks[which]; c < chunks[which] + CHUNKS; c++) {
		uint32_t n = (uint32_t)((char *)p - c->base) / PAGE;
		if (!c->base || (char *)p < c->base || n >= CHUNK_PAGES)
			continue;
		c->free |= (order ? 3ull : 1ull) << n;
		if (c->free == ALL_FREE && !is_first(c)) {
			page_put(c->base);
			c->base = NULL;
		}
		return;
	}
	page_put(p);
}

uint32_t arena_free_pages(void)
{
	uint32_t n = 0;

	for (unsigned a = 0; a < ARENAS; a++)
		for (unsigned i = 0; i < CHUNKS; i++)
			for (uint64_t f = chunks[a][i].base ? chunks[a][i].free : 0; f; f &= f - 1)
				n++;
	return n;
}
