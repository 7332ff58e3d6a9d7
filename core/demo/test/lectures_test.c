/*
 * lectures_test.c - docs/lectures has a page for every demonstration, which names it and has its parts, and an index that leads there.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "file_read.h"

#define DEMOS_MAX 40

/* The names in `ringlab demo`. */
static size_t demo_names(char (*name)[64])
{
	FILE *p = popen(RINGLAB_BINARY " demo", "r");
	char line[200];
	size_t n = 0;

	while (p && n < DEMOS_MAX && fgets(line, sizeof(line), p))
		if (*line != ' ') /* else a title goes on */
			snprintf(name[n++], 64, "%.*s", (int)strcspn(line, " \n"), line);
	if (p)
		pclose(p);
	return n;
}

ParameterizedTestParameters(lectures, has_a_page)
{
	static char name[DEMOS_MAX][64];

	return cr_make_param_array(char[64], name, demo_names(name));
}

ParameterizedTest(char name[64], lectures, has_a_page)
{
	static const char *const need[] = { "goal", "minutes", "exercises", "sources" };
	char path[400], command[100];

	snprintf(path, sizeof(path), "%s/docs/lectures/%s.md", RINGLAB_SOURCE, name);
	char *page = file_read(path);
	cr_assert(page, "there is no %s", path);
	snprintf(command, sizeof(command), "ringlab demo %s", name);
	cr_expect(strstr(page, command), "%s does not name `%s`", path, command);
	for (size_t i = 0; i < sizeof(need) / sizeof(need[0]); i++)
		cr_expect(strcasestr(page, need[i]), "%s: nothing about '%s'", path, need[i]);
	free(page);
	snprintf(path, sizeof(path), "%s/docs/lectures/README.md", RINGLAB_SOURCE);
	page = file_read(path);
	cr_assert(page);
	snprintf(command, sizeof(command), "(%s.md)", name);
	cr_expect(strstr(page, command), "docs/lectures/README.md does not link to %s.md", name);
	free(page);
}
