/*
 * lex.c - assembly text to statements: lines, semicolons, strings, comments, labels, prefixes.
 *
 * GNU as for x86, both its syntaxes. Text stays as it is; only comments are blanked, so that a semicolon or a quote in one misleads
 * nobody. Called by stage.c; read next: recognise.c.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "stage.h"

/* The character after a string or character constant that begins at p; p itself when none does. */
static char *past_quoted(char *p)
{
	if (*p == '"') {
		for (p++; *p && *p != '"' && *p != '\n'; p++)
			if (*p == '\\' && p[1] && p[1] != '\n')
				p++;
		return *p == '"' ? p + 1 : p;
	}
	if (*p == '\'' && p[1] && p[1] != '\n')
		return p[1] == '\\' && p[2] && p[2] != '\n' ? p + 3 : p + 2;
	return p;
}

/* Comments become blanks; newlines in them stay. A line that begins with # is left for the markers. */
static void blank_comments(char *p)
{
	bool start = true;

	while (*p) {
		char *q = past_quoted(p);
		if (q > p) {
			p = q;
			start = false;
		} else if (p[0] == '/' && p[1] == '*') {
			for (; *p && !(p[0] == '*' && p[1] == '/'); p++)
				if (*p != '\n')
					*p = ' ';
			if (*p)
				*p++ = ' ', *p++ = ' ';
		} else if (*p == '#' || (*p == '/' && (start || p[1] == '/'))) {
			for (; *p && *p != '\n'; p++)
				if (!start)
					*p = ' ';
		} else {
			if (*p == '\n')
				start = true;
			else if (*p != ' ' && *p != '\t')
				start = false;
			p++;
		}
	}
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '$' || c == '@' || c == '\\';
}

static char *skip_blanks(char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\r')
		p++;
	return p;
}

static bool is_prefix(const char *m)
{
	static const char *const list[] = { "rep", "repe", "repz", "repne", "repnz", "lock", "data16", "data32", "addr16", "addr32", "cs", "ds",
		"es", "fs", "gs", "ss", "notrack", "bnd" };

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (!strcmp(m, list[i]))
			return true;
	return false;
}

/* Labels in front: copied, so that they come before what is put in front of the instruction. NULL: no memory. */
static char *take_labels(struct statement *st, char *p)
{
	char *first = p = skip_blanks(p), *after = NULL;

	for (;;) {
		char *q = p;
		if (*q == '"')
			q = past_quoted(q);
		else
			while (is_name(*q))
				q++;
		char *colon = skip_blanks(q);
		if (q == p || *colon != ':')
			break;
		after = colon + 1;
		p = skip_blanks(after);
	}
	if (after && !(st->label = strndup(first, (size_t)(after - first))))
		return NULL;
	return p;
}

static void take_mnemonic(struct statement *st, char *p)
{
	for (;;) {
		size_t n = 0;
		char word[sizeof(st->mnemonic)];
		while (is_name(p[n]))
			n++;
		for (size_t i = 0; i < n && i < sizeof(word) - 1; i++)
			word[i] = (char)tolower((unsigned char)p[i]);
		word[n < sizeof(word) - 1 ? n : sizeof(word) - 1] = 0;
		if (!is_prefix(word)) {
			memcpy(st->mnemonic, word, sizeof(word));
			st->operands = skip_blanks(p + n);
			return;
		}
		st->lock |= !strcmp(word, "lock");
		p = skip_blanks(p + n);
		if (!*p) {
			st->prefix_only = true;
			st->operands = p;
			return;
		}
	}
}

static struct statement *statement_new(struct source *s)
{
	if (!(s->n & (s->n - 1))) {
		struct statement *grown = realloc(s->st, (s->n ? 2 * s->n : 1) * sizeof(*grown));
		if (!grown)
			return NULL;
		s->st = grown;
	}
	struct statement *st = &s->st[s->n++];
	*st = (struct statement){ 0 };
	return st;
}

/* One statement's text; empty ones without a label are left out. */
static int statement_add(struct source *s, char *p, unsigned line, bool app, bool marked)
{
	struct statement *st = statement_new(s);

	if (!st)
		return -ENOMEM;
	st->line = line;
	st->app = app;
	st->marked = marked;
	if (!(p = take_labels(st, p)))
		return -ENOMEM;
	for (char *e = p + strlen(p); e > p && (e[-1] == ' ' || e[-1] == '\t' || e[-1] == '\r');)
		*--e = 0;
	st->text = p;
	st->operands = p;
	take_mnemonic(st, p);
	if (!*p && !st->label)
		s->n--;
	return 0;
}

static int line_cut(struct source *s, char *p, unsigned line, bool app, bool marked)
{
	for (;;) {
		char *q = p;
		while (*q && *q != ';') {
			char *past = past_quoted(q);
			q = past > q ? past : q + 1;
		}
		bool last = !*q;
		*q = 0;
		if (statement_add(s, p, line, app, marked))
			return -ENOMEM;
		if (last)
			return 0;
		p = q + 1;
	}
}

int source_read(struct source *s, const char *text, size_t n)
{
	bool app = false, marked = false;

	*s = (struct source){ 0 };
	if (!(s->buf = malloc(n + 2)))
		return -ENOMEM;
	memcpy(s->buf, text, n);
	s->buf[n] = 0;
	blank_comments(s->buf);
	for (size_t i = 0; i < n; i++)
		s->lines += text[i] == '\n';
	s->line = calloc(s->lines + 1, sizeof(*s->line));
	s->cut = calloc(s->lines + 1, sizeof(*s->cut));
	if (!s->line || !s->cut)
		return -ENOMEM;
	size_t k = 0;
	for (char *p = s->buf; p; k++) {
		char *end = strchr(p, '\n'), *at = skip_blanks(p);
		if (end)
			*end = 0;
		s->line[k] = p;
		if (*at == '#' || *at == '/') {
			s->compiled |= !strncmp(at, "#APP", 4);
			app = !strncmp(at, "#APP", 4) ? true : !strncmp(at, "#NO_APP", 7) ? false : app;
			marked = strstr(at, "afterburn: pte") ? true : strstr(at, "afterburn: end") ? false : marked;
		} else if (*at) {
			if (!(s->cut[k] = strdup(p)) || line_cut(s, s->cut[k], (unsigned)k, app, marked))
				return -ENOMEM;
		}
		p = end ? end + 1 : NULL;
	}
	s->lines = k;
	return 0;
}

void source_free(struct source *s)
{
	for (size_t k = 0; s->cut && k < s->lines; k++)
		free(s->cut[k]);
	for (size_t k = 0; k < s->n; k++)
		free(s->st[k].label);
	free(s->cut);
	free(s->line);
	free(s->st);
	free(s->buf);
	*s = (struct source){ 0 };
}
