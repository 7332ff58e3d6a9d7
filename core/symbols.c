/*
 * symbols.c - the table of names that `run --top`, `--symbols` and `--listing` look addresses up in.
 *
 * Files come from the user and are read before the jail closes; each line and each ELF field is checked, and what is not
 * understood is refused with a sentence. Called by cli_see.c. Read next: symbols_kallsyms.c, attrib.c.
 */
#include "core/symbols.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/sort.h"
#include "loader_parts.h"

#define NAME_MAX_LEN 511        /* KSYM_NAME_LEN of Linux, less the end */
#define UNSIZED_REACH (64u << 10) /* how far the last symbol of a table may reach when it has no size */

int symbols_add(struct symbols *s, uint64_t addr, uint64_t size, const char *name, size_t len, bool global)
{
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 1024;
		struct symbol *v = realloc(s->v, room * sizeof(*v));

		if (!v)
			return -ENOMEM;
		s->v = v;
		s->room = room;
	}
	char *copy = strndup(name, len);
	if (!copy)
		return -ENOMEM;
	s->v[s->n++] = (struct symbol){ addr, size, copy, global };
	s->sorted = false;
	return 0;
}

void symbols_free(struct symbols *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].name);
	free(s->v);
	*s = (struct symbols){ 0 };
}

static int symbol_compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->global != y->global)
		return x->global ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void symbols_sort(struct symbols *s)
{
	if (!s->sorted && s->n)
		sort_array(s->v, s->n, sizeof(*s->v), symbol_compare);
	s->sorted = true;
}

/* The number of symbols at or below addr. */
static size_t symbols_below(struct symbols *s, uint64_t addr)
{
	size_t lo = 0, hi = s->n;

	symbols_sort(s);
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->v[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint64_t symbols_end(struct symbols *s, const struct symbol *sym)
{
	size_t next = symbols_below(s, sym->addr);

	if (sym->size)
		return sym->addr + sym->size;
	return next < s->n ? s->v[next].addr : sym->addr + UNSIZED_REACH;
}

const struct symbol *symbols_at(struct symbols *s, uint64_t addr)
{
	size_t i = symbols_below(s, addr);

	if (!i)
		return NULL;
	for (i--; i && s->v[i - 1].addr == s->v[i].addr; i--)
		;
	for (; i < s->n && s->v[i].addr <= addr; i++)
		if (addr < symbols_end(s, &s->v[i]))
			return &s->v[i];
	return NULL;
}

bool symbols_above(struct symbols *s, uint64_t addr)
{
	symbols_sort(s);
	return s->n && s->v[s->n - 1].addr >= addr;
}

const struct symbol *symbols_named(struct symbols *s, const char *name)
{
	const struct symbol *found = NULL;

	symbols_sort(s);
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->v[i].name, name) && (!found || (s->v[i].global && !found->global)))
			found = &s->v[i];
	return found;
}

const char *symbols_text(struct symbols *s, uint64_t addr, char *buf, size_t n)
{
	const struct symbol *sym = s ? symbols_at(s, addr) : NULL;

	if (!sym)
		snprintf(buf, n, "%#llx", (unsigned long long)addr);
	else if (sym->addr == addr)
		snprintf(buf, n, "%s", sym->name);
	else
		snprintf(buf, n, "%s+%#llx", sym->name, (unsigned long long)(addr - sym->addr));
	return buf;
}

int symbols_write(struct symbols *s, FILE *out)
{
	symbols_sort(s);
	for (size_t i = 0; i < s->n; i++)
		fprintf(out, "%08llx %c %s\n", (unsigned long long)s->v[i].addr, s->v[i].global ? 'T' : 't', s->v[i].name);
	return fflush(out) || ferror(out) ? -EIO : 0;
}

/* --- ELF --- */

/* Adds the named code and data of one symbol table. */
static int elf_table(struct symbols *s, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Sym sym;

	for (int i = 1; data && gelf_getsym(data, i, &sym); i++) {
		const char *name = elf_strptr(elf, sh->sh_link, sym.st_name);
		unsigned type = GELF_ST_TYPE(sym.st_info);
		size_t len = name ? strnlen(name, NAME_MAX_LEN) : 0;

		if (!len || sym.st_shndx == SHN_UNDEF || sym.st_shndx == SHN_ABS || type == STT_SECTION || type == STT_FILE ||
		    type == STT_TLS)
			continue;
		if (symbols_add(s, sym.st_value, sym.st_size, name, len, GELF_ST_BIND(sym.st_info) != STB_LOCAL))
			return -ENOMEM;
	}
	return 0;
}

/* .symtab, or .dynsym where that was stripped. 0, -ENOMEM, or -ENOENT when it has neither or is damaged. */
static int elf_symbols(struct symbols *s, const void *file, size_t size)
{
	size_t before = s->n;
	int r = 0;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_memory((char *)(uintptr_t)file, size);
	if (!elf || elf_kind(elf) != ELF_K_ELF) {
		elf_end(elf);
		return -ENOENT;
	}
	for (int pass = 0; pass < 2 && s->n == before && !r; pass++) {
		Elf_Scn *scn = NULL;
		GElf_Shdr sh;

		while (!r && (scn = elf_nextscn(elf, scn)))
			if (gelf_getshdr(scn, &sh) && sh.sh_type == (pass ? SHT_DYNSYM : SHT_SYMTAB))
				r = elf_table(s, elf, scn, &sh);
	}
	elf_end(elf);
	return r ? r : s->n > before ? 0 : -ENOENT;
}

size_t symbols_add_image(struct symbols *s, const struct image *img)
{
	size_t before = s->n;

	if (img->file && img->file_size > SELFMAG && !memcmp(img->file, ELFMAG, SELFMAG))
		elf_symbols(s, img->file, img->file_size);
	return s->n - before;
}

/* --- System.map --- */

struct map_text {
	const char *path;
	unsigned line;
	char *why;
	size_t why_n;
};

static int map_refuse(const struct map_text *t, const char *what)
{
	snprintf(t->why, t->why_n, "%s, line %u: %s", t->path, t->line, what);
	return -EINVAL;
}

/* One line, "ADDRESS TYPE NAME [MODULE]"; p[len] is a newline or the end. */
static int map_line(struct symbols *s, const struct map_text *t, const char *p, size_t len)
{
	char *end;
	uint64_t addr;
	size_t name;

	if (memchr(p, 0, len))
		return map_refuse(t, "there is a zero byte: this is no System.map");
	if (!strncmp(p, "ffffffffffffffff B The real", 27))
		return map_refuse(t, "this file only says where the real one is; --symbols guest takes the kernel's own table from its memory");
	if (len < 5 || !strchr("0123456789abcdefABCDEF", *p))
		return map_refuse(t, "not of the form \"c0100000 T name\": give a System.map, the text of /proc/kallsyms, or an ELF file");
	addr = strtoull(p, &end, 16);
	if (end[0] != ' ' || !strchr("ABCDGINRSTUVWabcdginrstuvw?", end[1]) || end[2] != ' ' || end + 3 >= p + len)
		return map_refuse(t, "not of the form \"c0100000 T name\": give a System.map, the text of /proc/kallsyms, or an ELF file");
	name = strcspn(end + 3, " \t\r\n");
	if (!name || name > NAME_MAX_LEN)
		return map_refuse(t, "a symbol has no name, or one of more than 511 bytes");
	if (strchr("AaUu", end[1])) /* no addresses, or not this image's */
		return 0;
	return symbols_add(s, addr, 0, end + 3, name, strchr("TWV", end[1]) != NULL);
}

static int map_symbols(struct symbols *s, const char *text, size_t size, struct map_text *t)
{
	size_t before = s->n;
	bool any = false;

	for (const char *p = text, *end = text + size; p < end; t->line++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);
		int r = len ? map_line(s, t, p, len) : 0;

		if (r)
			return r;
		p += len + 1;
	}
	for (size_t i = before; i < s->n && !any; i++)
		any = s->v[i].addr != 0;
	t->line--;
	if (s->n == before)
		return map_refuse(t, "there is no symbol in it");
	return any ? 0 : map_refuse(t, "all addresses are 0, as an ordinary user sees /proc/kallsyms: read it as root");
}

int symbols_add_file(struct symbols *s, const char *path, char *why, size_t n)
{
	struct load_request req = { .path = path };
	struct loading l = { .req = &req, .name = path, .why = why, .why_n = n };
	struct map_text t = { path, 1, why, n };
	uint64_t size;
	int fd = load_open(&l, path, &size), r;
	char *text;

	if (fd < 0)
		return fd;
	text = malloc(size + 1);
	r = text ? load_read(&l, fd, text, size, path) : -ENOMEM;
	close(fd);
	if (!text) {
		snprintf(why, n, "no memory to read %s", path);
		return r;
	}
	text[size] = 0;
	if (!r && size > SELFMAG && !memcmp(text, ELFMAG, SELFMAG)) {
		r = elf_symbols(s, text, size);
		if (r)
			snprintf(why, n, "%s: an ELF file without a symbol table that can be read: it was stripped or is damaged", path);
	} else if (!r && size >= 0x206 && !memcmp(text + 0x202, "HdrS", 4)) {
		snprintf(why, n, "%s: a compressed kernel has no symbols; --symbols guest takes its own table from its memory", path);
		r = -EINVAL;
	} else if (!r) {
		r = map_symbols(s, text, size, &t);
	}
	if (r == -ENOMEM)
		snprintf(why, n, "no memory for the symbols of %s", path);
	free(text);
	return r;
}
