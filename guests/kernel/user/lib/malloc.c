/*
 * malloc.c - memory from brk: one list of blocks in order of address, first fit, neighbours joined when they are free.
 */
#include "user.h"

struct block {
	uint32_t size; /* of what the user gets, a multiple of 8 */
	uint32_t used;
};

static struct block *first, *end; /* end: just behind the last block */
#define GROW 16384u

static struct block *after(struct block *b)
{
	return (struct block *)((char *)(b + 1) + b->size);
}

/* Joins b with the free blocks behind it. */
static void join(struct block *b)
{
	for (struct block *next = after(b); next != end && !next->used; next = after(b))
		b->size += sizeof(*b) + next->size;
}

static bool grow(size_t n)
{
	size_t want = (n + sizeof(struct block) + GROW - 1) / GROW * GROW;
	struct block *b;

	if (!first) {
		uintptr_t now = (uintptr_t)sbrk(0);

		if (sbrk((8 - now % 8) % 8) == (void *)-1)
			return false;
		first = end = sbrk(0);
	}
	if (want < n || sbrk(want) == (void *)-1)
		return false;
	b = end;
	*b = (struct block){ .size = want - sizeof(*b) };
	end = after(b);
	return true;
}

static void *take(struct block *b, size_t n)
{
	if (b->size >= n + sizeof(*b) + 8) {
		struct block *rest = (struct block *)((char *)(b + 1) + n);

		*rest = (struct block){ .size = b->size - n - sizeof(*b) };
		b->size = n;
	}
	b->used = 1;
	return b + 1;
}

void *malloc(size_t n)
{
	n = (n + 8) & ~7u; /* never 0 */
	for (int tries = 0; n && tries < 2; tries++) {
		for (struct block *b = first; b != end; b = after(b)) {
			if (b->used)
				continue;
			join(b);
			if (b->size >= n)
				return take(b, n);
		}
		if (!grow(n))
			break;
	}
	errno = ENOMEM;
	return NULL;
}

void free(void *p)
{
	if (p)
		((struct block *)p)[-1].used = 0;
}

void *calloc(size_t n, size_t size)
{
	void *p = size && n > UINT32_MAX / size ? NULL : malloc(n * size);

	return p ? memset(p, 0, n * size) : NULL;
}

void *realloc(void *p, size_t n)
{
	struct block *b = p ? (struct block *)p - 1 : NULL;
	void *q;

	if (b && b->size >= n)
		return p;
	q = malloc(n);
	if (q && b) {
		memcpy(q, p, b->size);
		free(p);
	}
	return q;
}
