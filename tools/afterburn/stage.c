/*
 * stage.c - the stage itself: which statements become sites, and what is written in their place.
 *
 * A site stays on its line, so that the assembler's messages keep their line numbers:
 *
 *     7771: cli; 7772: .nops ROOM; 7773: .pushsection .ringlab.afterburn; RECORD; .popsection
 *
 * Local numeric labels may be defined again and again, which makes the same text right in macros and repetitions; lengths are
 * differences of labels, so that the assembler, who alone knows them, fills them in. Read next: abi/afterburn.h.
 */
#include "stage.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTIONS_DEEP 16

struct state {
	const struct options *o;
	char section[SECTIONS_DEEP][64], previous[64];
	unsigned depth;
	bool intel, code32, pte_function;
};

static const bool nops_first[AB_COUNT] = {
#define X(id, name, least, before) [AB_##id] = before,
	AFTERBURN_KINDS(X)
#undef X
};
static const unsigned char least[AB_COUNT] = {
#define X(id, name, bytes, before) [AB_##id] = bytes,
	AFTERBURN_KINDS(X)
#undef X
};

static bool listed(const char *const *list, const char *name, size_t n)
{
	for (; *list; list++)
		if (strlen(*list) == n && !strncmp(*list, name, n))
			return true;
	return false;
}

/* ---- directives that matter ---- */

static void section_set(struct state *s, const char *name)
{
	char *to = s->section[s->depth];
	size_t n = strcspn(name, ", \t");

	snprintf(s->previous, sizeof(s->previous), "%s", to);
	if (*name == '"' && n > 2)
		name++, n -= 2;
	snprintf(to, sizeof(s->section[0]), "%.*s", (int)n, name);
}

static void directive(struct state *s, const struct statement *st)
{
	const char *d = st->mnemonic;

	if (!strcmp(d, ".section")) {
		section_set(s, st->operands);
	} else if (!strcmp(d, ".text") || !strcmp(d, ".data") || !strcmp(d, ".bss")) {
		section_set(s, d);
	} else if (!strcmp(d, ".pushsection") && s->depth + 1 < SECTIONS_DEEP) {
		s->depth++;
		memcpy(s->section[s->depth], s->section[s->depth - 1], sizeof(s->section[0]));
		section_set(s, st->operands);
	} else if (!strcmp(d, ".popsection") && s->depth) {
		s->depth--;
	} else if (!strcmp(d, ".previous")) {
		char t[sizeof(s->previous)];
		memcpy(t, s->previous, sizeof(t));
		section_set(s, t);
	} else if (!strcmp(d, ".intel_syntax")) {
		s->intel = true;
	} else if (!strcmp(d, ".att_syntax")) {
		s->intel = false;
	} else if (!strcmp(d, ".code32")) {
		s->code32 = true;
	} else if (!strcmp(d, ".code16") || !strcmp(d, ".code16gcc") || !strcmp(d, ".code64")) {
		s->code32 = false;
	}
}

/* A label that is no local one begins a function; the compiler's clones carry a suffix (set_pte.constprop.0). */
static void label_seen(struct state *s, const char *label)
{
	for (const char *p = label; *p;) {
		size_t n = strcspn(p, ": \t");
		if (n && strncmp(p, ".L", 2) && (*p < '0' || *p > '9')) {
			size_t base = strcspn(p, ".");
			s->pte_function = listed(s->o->pte_function, p, base < n ? base : n);
		}
		p += n;
		p += strspn(p, ": \t");
	}
}

static void mark(struct state *s, struct source *src, size_t k)
{
	struct statement *st = &src->st[k];

	if (st->label)
		label_seen(s, st->label);
	if (st->mnemonic[0] == '.')
		directive(s, st);
	if (!st->mnemonic[0] || st->mnemonic[0] == '.' || !s->code32 || listed(s->o->skip, s->section[s->depth], strlen(s->section[s->depth])))
		return;
	st->kind = recognise(st, s->intel);
	if (st->kind == AB_RDTSC && !s->o->rdtsc)
		st->kind = AB_NONE;
	if (st->kind == AB_NONE && (s->pte_function || st->marked) && is_pte_store(st, s->intel))
		st->kind = AB_PTE;
	if (st->kind != AB_NONE && flags_dead_after(src, k))
		st->flags |= AFTERBURN_FLAGS_DEAD;
}

/* ---- output ---- */

/* It holds interrupts off for the instruction that follows, which must not be a NOP of ours. */
static bool loads_ss(const struct statement *st)
{
	const char *p = st->operands + strlen(st->operands);

	return (st->kind == AB_SEG_LOAD || st->kind == AB_SEG_POP) && (strstr(st->operands, "ss,") || (p - st->operands >= 2 && !strcmp(p - 2, "ss")));
}

static void site_write(FILE *out, const char *prefix, const struct statement *st)
{
	unsigned room = least[st->kind];

	if (st->kind == AB_STI) /* one byte long; the assembler would jump over more than eight bytes at once */
		fprintf(out, "7771: .nops 7; .nops 7; .nops %u; 7774: %s; 7772: 7773: ", room - 15, st->text);
	else if (nops_first[st->kind] || loads_ss(st))
		fprintf(out, "7771: .nops %u; 7774: %s%s; 7772: 7773: ", room, prefix, st->text);
	else
		fprintf(out, "7771: 7774: %s%s; 7772: .nops (%u-(7772b-7771b))*-((7772b-7771b)<%u); 7773: ", prefix, st->text, room, room);
	fprintf(out, ".pushsection " AFTERBURN_SECTION ",\"\",@progbits; .long 7771b; .byte 7773b-7771b,7774b-7771b,7772b-7774b,%u; .short %u,%u; "
		".popsection", st->kind, st->flags, AFTERBURN_VERSION);
}

/* A line with at least one site: statement by statement. Returns the index of the first statement of the next line. */
static size_t line_write(FILE *out, const struct source *s, size_t k)
{
	unsigned line = s->st[k].line;
	bool first = true;

	for (; k < s->n && s->st[k].line == line; k++) {
		const struct statement *st = &s->st[k];
		fputs(first ? "" : "; ", out);
		first = false;
		if (st->label)
			fprintf(out, "%s\t", st->label);
		if (st->prefix_only && k + 1 < s->n && s->st[k + 1].line == line && s->st[k + 1].kind && !s->st[k + 1].label) {
			char prefix[64];
			snprintf(prefix, sizeof(prefix), "%.60s ", st->text);
			site_write(out, prefix, &s->st[++k]);
		} else if (st->kind) {
			site_write(out, "", st);
		} else {
			fputs(st->text, out);
		}
	}
	fputc('\n', out);
	return k;
}

static bool line_has_site(const struct source *s, size_t k)
{
	for (unsigned line = s->st[k].line; k < s->n && s->st[k].line == line; k++)
		if (s->st[k].kind)
			return true;
	return false;
}

static void source_write(const struct source *s, FILE *out)
{
	size_t k = 0;

	for (size_t line = 0; line < s->lines; line++) {
		while (k < s->n && s->st[k].line < line)
			k++;
		if (k < s->n && s->st[k].line == line && line_has_site(s, k))
			k = line_write(out, s, k);
		else if (line + 1 < s->lines || *s->line[line])
			fprintf(out, "%s\n", s->line[line]);
	}
}

int stage_run(const char *text, size_t n, const struct options *o, FILE *out)
{
	struct state s = { .o = o, .section[0] = ".text", .code32 = true };
	struct source src;
	int r = source_read(&src, text, n);

	if (!r) {
		for (size_t k = 0; k < src.n; k++)
			mark(&s, &src, k);
		source_write(&src, out);
		r = ferror(out) ? -EIO : 0;
	}
	source_free(&src);
	return r;
}
