/*
 * summary.c - summary.md of a result directory.
 */
#include "summary.h"
#include "result.h"

int summary_write(const char *dir, char *why, size_t n)
{
	struct result r;
	int e = result_read(&r, dir, why, n);

	if (e)
		return e;
	result_free(&r);
	return 0;
}
