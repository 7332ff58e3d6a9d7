/*
 * docs_test.c - docs/exits.md names every kind of event, every mechanism and every exit status that the code has, and
 * every file that README.md and docs/TOUR.md name is there.
 */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "abi/events.h"

static char *doc;

static void read_doc(void)
{
	FILE *f = fopen(RINGLAB_SOURCE "/docs/exits.md", "r");
	size_t n;

	cr_assert(f, "docs/exits.md is missing");
	doc = calloc(1, 1 << 20);
	n = fread(doc, 1, (1 << 20) - 1, f);
	fclose(f);
	cr_assert_gt(n, 1000);
}

static void free_doc(void)
{
	free(doc);
}

static void expect_quoted(const char *name)
{
	char quoted[80];

	snprintf(quoted, sizeof(quoted), "`%s`", name);
	cr_expect(strstr(doc, quoted), "docs/exits.md does not explain %s", quoted);
}

TestSuite(docs, .init = read_doc, .fini = free_doc);

Test(docs, names_every_kind)
{
#define X(id, name, text) expect_quoted(name);
	EVENT_KINDS(X)
#undef X
}

Test(docs, names_every_mechanism)
{
#define X(id, name, text) expect_quoted(name);
	EVENT_MECHANISMS(X)
#undef X
}

Test(docs, names_every_exit_status)
{
	for (int status = 220; status <= 225; status++) {
		char row[16];

		snprintf(row, sizeof(row), "| %d |", status);
		cr_expect(strstr(doc, row), "docs/exits.md has no row for exit status %d", status);
	}
}

/* A path below a backend's folder that was taken out of the tree, which may be. */
static bool without_backend(const char *word)
{
	char path[600];

	if (strncmp(word, "backend-", 8))
		return false;
	snprintf(path, sizeof(path), "%s/%.*s", RINGLAB_SOURCE, (int)strcspn(word, "/"), word);
	return access(path, F_OK) != 0;
}

/* Every `path/to/something` in back quotes that begins with a folder of ours. Returns how many. */
static unsigned check_paths(const char *file)
{
	static const char *const folders[] = { "core/", "backend-", "guests/", "bench/", "scripts/", "docs/" };
	char path[600], word[300], *text = calloc(1, 1 << 18), *p = text;
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", RINGLAB_SOURCE, file);
	f = fopen(path, "r");
	cr_assert(f, "%s is missing", file);
	cr_assert_gt(fread(text, 1, (1 << 18) - 1, f), 0);
	fclose(f);
	while ((p = strchr(p, '`'))) {
		size_t len = strcspn(++p, "`");

		snprintf(word, sizeof(word), "%.*s", (int)len, p);
		p += len + (p[len] == '`');
		for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
			if (!strncmp(word, folders[i], strlen(folders[i])) && !strpbrk(word, " <>*")) {
				snprintf(path, sizeof(path), "%s/%s", RINGLAB_SOURCE, word);
				cr_expect(!access(path, F_OK) || without_backend(word), "%s names %s, which is not there", file, word);
				n++;
			}
	}
	free(text);
	return n;
}

Test(docs, name_files_that_are_there)
{
	cr_expect_gt(check_paths("README.md"), 5);
	cr_expect_gt(check_paths("docs/TOUR.md"), 40);
	cr_expect_gt(check_paths("docs/exits.md"), 3);
	cr_expect_gt(check_paths("docs/linux.md"), 0);
}
