/*
 * docs_test.c - docs/exits.md names every kind of event, every mechanism and every exit status that the code has.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
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
