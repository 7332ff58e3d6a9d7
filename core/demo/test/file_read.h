/*
 * file_read.h - a whole text file, for the tests of demonstrations and lecture pages.
 */
#pragma once
#include <stdio.h>

/* To be freed; NULL: there is no such file. */
static char *file_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (f && getdelim(&text, &size, 0, f) < 0)
		text[0] = 0;
	if (f)
		fclose(f);
	return text;
}
