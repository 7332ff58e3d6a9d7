/*
 * sort.c - heapsort, for tables that are sorted after the jail has closed. Called by symbols.c and attrib.c.
 */
#include "core/sort.h"
#include <assert.h>
#include <string.h>

static void swap(char *a, char *b, size_t size)
{
	char t[256];

	memcpy(t, a, size);
	memcpy(a, b, size);
	memcpy(b, t, size);
}

/* Lets the element at i sink until no child of it is larger. */
static void sink(char *v, size_t i, size_t n, size_t size, int (*compare)(const void *a, const void *b))
{
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && compare(v + child * size, v + (child + 1) * size) < 0)
			child++;
		if (compare(v + i * size, v + child * size) >= 0)
			return;
		swap(v + i * size, v + child * size, size);
	}
}

void sort_array(void *base, size_t n, size_t size, int (*compare)(const void *a, const void *b))
{
	char *v = base;

	assert(size <= 256);
	for (size_t i = n / 2; i--;)
		sink(v, i, n, size, compare);
	while (n > 1) {
		swap(v, v + --n * size, size);
		sink(v, 0, n, size, compare);
	}
}
