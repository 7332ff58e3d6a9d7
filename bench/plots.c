/*
 * plots.c - the pictures of a result directory, by gnuplot.
 */
#include "plots.h"
#include "result.h"

int plots_write(const char *dir, char *why, size_t n)
{
	struct result r;
	int e = result_read(&r, dir, why, n);

	if (e)
		return e;
	result_free(&r);
	return 0;
}
