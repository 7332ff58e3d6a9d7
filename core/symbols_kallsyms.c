/*
 * symbols_kallsyms.c - finds the symbol table that a Linux kernel keeps of itself, in guest RAM after the run.
 *
 * Distributors ship no System.map beside their kernels, and an address-space layout may be random; but a kernel built with
 * CONFIG_KALLSYMS carries its names. scripts/kallsyms.c of Linux 6.1 lays down, each aligned to 4 bytes on i386: offsets
 * (one u32 each), the base they are relative to, the number of symbols, names (a length, then that many token numbers),
 * markers (the offset of each 256th name), from 6.2 and its back ports on an order by name, the 256 tokens as strings, and
 * their 16-bit offsets. No pointer leads there: the offsets of the tokens are unmistakable, and the rest is found backwards
 * from them. The guest may have put anything there, so every step stays inside RAM. Called by symbols.c's callers.
 */
#include "core/symbols.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TOKENS 256
#define TOKEN_LEN_MAX 64
#define SYMBOLS_MIN 1000u
#define SYMBOLS_MAX 1000000u
#define TABLES_MAX (16u << 20) /* all tables together are smaller */

struct kallsyms {
	const uint8_t *ram, *tokens, *names, *offsets;
	uint16_t token[TOKENS];
	uint32_t n, base;
};

static uint32_t word(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

/* Whether 256 ascending 16-bit offsets from 0 on, no token apart by more than it can be long, are at p. */
static bool tokens_index_at(const uint8_t *p, uint16_t *token)
{
	memcpy(token, p, TOKENS * sizeof(*token));
	if (token[0])
		return false;
	for (unsigned i = 1; i < TOKENS; i++)
		if (token[i] <= token[i - 1] || token[i] - token[i - 1] > TOKEN_LEN_MAX)
			return false;
	return token[TOKENS - 1] > 2 * TOKENS; /* tables of bytes count up by one */
}

/* The strings that the offsets at index speak of end, but for padding, where the offsets begin. */
static bool tokens_find(struct kallsyms *k, const uint8_t *index)
{
	for (uint32_t tail = 2; tail < TOKEN_LEN_MAX + 8; tail++) {
		const uint8_t *p = index - k->token[TOKENS - 1] - tail;
		bool good = p >= k->ram && !((p - k->ram) & 3);

		for (unsigned i = 0; good && i < TOKENS; i++) {
			size_t room = i + 1 < TOKENS ? (size_t)(k->token[i + 1] - k->token[i]) : tail;
			const uint8_t *end = memchr(p + k->token[i], 0, room);

			good = end && end > p + k->token[i] && (i + 1 == TOKENS || end + 1 == p + k->token[i + 1]);
		}
		if (good) {
			k->tokens = p;
			return true;
		}
	}
	return false;
}

/* A name's number of tokens, one byte or two (from 6.1 on); *p then points at the first. 0: no name. */
static unsigned name_len(const uint8_t **p)
{
	unsigned n = *(*p)++;

	if (n & 0x80)
		n = (n & 0x7f) | (unsigned)*(*p)++ << 7;
	return n;
}

/* Whether n names begin at p, with markers that agree behind them. */
static bool names_at(const struct kallsyms *k, const uint8_t *names, uint32_t n)
{
	const uint8_t *p = names, *m;
	uint32_t seen = 0;

	for (uint32_t i = 0; i < n; i++) {
		unsigned len = p + 2 < k->tokens ? name_len(&p) : 0;

		if (!len || p + len >= k->tokens)
			return false;
		p += len;
	}
	m = names + (((size_t)(p - names) + 3) & ~3ul);
	if (m + 4 * ((n + 255) / 256) > k->tokens)
		return false;
	p = names;
	for (uint32_t i = 0; i < n; i++) {
		if (!(i & 255) && word(m + 4 * seen++) != (uint32_t)(p - names))
			return false;
		unsigned len = name_len(&p);
		p += len;
	}
	return true;
}

/* From the tokens backwards to the number of symbols, which stands before the names and after the base. */
static bool names_find(struct kallsyms *k)
{
	const uint8_t *low = k->tokens - k->ram > TABLES_MAX ? k->tokens - TABLES_MAX : k->ram;

	for (const uint8_t *p = k->tokens - 4; p >= low + 8; p -= 4) {
		uint32_t n = word(p);

		if (n < SYMBOLS_MIN || n > SYMBOLS_MAX || (uint64_t)(p - k->ram) < 4ull * n + 4 || !names_at(k, p + 4, n))
			continue;
		k->n = n;
		k->base = word(p - 4);
		k->names = p + 4;
		k->offsets = p - 4 - 4ull * n;
		return true;
	}
	return false;
}

/* Expands one name; its first character is the type that nm prints. */
static size_t name_expand(const struct kallsyms *k, const uint8_t *p, unsigned len, char *out, size_t room)
{
	size_t n = 0;

	while (len--) {
		const char *t = (const char *)k->tokens + k->token[*p++];

		for (; *t && n + 1 < room; t++)
			out[n++] = *t >= ' ' && *t < 0x7f ? *t : '?';
	}
	out[n] = 0;
	return n;
}

static int names_add(struct symbols *s, const struct kallsyms *k)
{
	const uint8_t *p = k->names;
	char name[520];

	for (uint32_t i = 0; i < k->n; i++) {
		unsigned len = name_len(&p);
		size_t n = name_expand(k, p, len, name, sizeof(name));

		p += len;
		if (n > 1 && !strchr("AaUu", name[0]) &&
		    symbols_add(s, (uint32_t)(k->base + word(k->offsets + 4ull * i)), 0, name + 1, n - 1, strchr("TWV", name[0]) != NULL))
			return -ENOMEM;
	}
	return 0;
}

int symbols_add_kallsyms(struct symbols *s, const struct mem *m, char *why, size_t n)
{
	struct kallsyms k = { .ram = m->host };

	for (uint64_t at = 0; at + TOKENS * 2 <= m->size; at += 4) {
		const uint8_t *p = m->host + at;

		if (p[0] || p[1] || !p[2] || p[3] || !tokens_index_at(p, k.token) || !tokens_find(&k, p) || !names_find(&k))
			continue;
		if (!names_add(s, &k))
			return 0;
		snprintf(why, n, "no memory for the guest kernel's symbols");
		return -ENOMEM;
	}
	snprintf(why, n, "guest memory holds no symbol table of an i386 Linux 6.1 kernel: was CONFIG_KALLSYMS off, or the run too short?");
	return -ENOENT;
}
