/*
 * symbols.h - names of guest addresses, from whatever tells them: an ELF file, a System.map, /proc/kallsyms as text, or the
 * table that a Linux kernel carries in its own memory.
 *
 * Read by the tables of `run --top` and by listings. Sources add up; lookups are by binary search.
 */
#pragma once
#include <stdio.h>
#include "core/loader.h"
#include "core/mem.h"

struct symbol {
	uint64_t addr, size; /* size 0: up to the next symbol */
	char *name;          /* owned */
	bool global;
};

struct symbols {
	struct symbol *v;
	size_t n, room;
	bool sorted;
};

/* Adds all symbols of a file, ELF or System.map, told apart by content. 0, or -errno with a sentence in why[n]. */
int symbols_add_file(struct symbols *s, const char *path, char *why, size_t n);
/* Adds those of a loaded image, if it is an ELF file that has some. The number added. */
size_t symbols_add_image(struct symbols *s, const struct image *img);
/*
 * Adds what a running Linux i386 kernel knows of itself (kernel/kallsyms.c of Linux 6.1: token-compressed names, addresses
 * relative to a base), found by its shape in guest RAM. 0; -ENOENT with a sentence when there is no such table.
 */
int symbols_add_kallsyms(struct symbols *s, const struct mem *m, char *why, size_t n);
/* As System.map: "c0100000 T name". 0 or -errno. */
int symbols_write(struct symbols *s, FILE *out);

/* The symbol that covers addr, or NULL. Of several at one address a global one. */
const struct symbol *symbols_at(struct symbols *s, uint64_t addr);
bool symbols_above(struct symbols *s, uint64_t addr); /* is there any at addr or above? */
const struct symbol *symbols_named(struct symbols *s, const char *name);
/* Where the symbol ends; one without a size size does at the next address that has a name. */
uint64_t symbols_end(struct symbols *s, const struct symbol *sym);
/* "name+0x12", or the address in hexadecimal; returns buf. */
const char *symbols_text(struct symbols *s, uint64_t addr, char *buf, size_t n);
int symbols_add(struct symbols *s, uint64_t addr, uint64_t size, const char *name, size_t len, bool global); /* 0 or -ENOMEM */
void symbols_free(struct symbols *s);
