/*
 * afterburn_check.c - does every sensitive instruction of an ELF file have its annotation, and does every annotation hold?
 *
 * A stage that reads assembly text cannot see instructions that were written as bytes, made by a macro out of pieces, or assembled
 * without it. This looks at what came out: every executable section is decoded, from each symbol on anew, and compared with the
 * records. In an object file a record's address is still a relocation. Called by tools/afterburn (`--check`, and after each file).
 */
#include "core/afterburn.h"
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

struct place { /* of a site: section and offset in it */
	size_t section;
	uint64_t at;
	struct afterburn_record r;
};

struct check {
	const char *path;
	FILE *out;
	Elf *elf;
	const uint8_t *file;
	size_t n, names;
	bool object;
	struct place *site;
	size_t sites;
	uint64_t *start; /* symbols of the section at hand, sorted */
	size_t starts;
	int findings;
};

static const uint8_t *bytes_of(struct check *c, const GElf_Shdr *sh)
{
	return sh->sh_type == SHT_NOBITS || sh->sh_offset > c->n || sh->sh_size > c->n - sh->sh_offset ? NULL : c->file + sh->sh_offset;
}

/* The section that holds a linked address. */
static bool place_linked(struct check *c, struct place *p)
{
	GElf_Shdr sh;

	for (Elf_Scn *s = elf_nextscn(c->elf, NULL); s; s = elf_nextscn(c->elf, s))
		if (gelf_getshdr(s, &sh) && (sh.sh_flags & SHF_ALLOC) && p->r.addr - sh.sh_addr < sh.sh_size) {
			p->section = elf_ndxscn(s);
			p->at = p->r.addr - sh.sh_addr;
			return true;
		}
	return false;
}

/* The records of one contribution to the section; in an object file there may be several, each with its relocations. */
static int sites_read(struct check *c, Elf_Scn *s, const GElf_Shdr *sh)
{
	const uint8_t *p = bytes_of(c, sh);
	size_t n = p ? sh->sh_size / sizeof(struct afterburn_record) : 0, first = c->sites;
	struct place *grown = realloc(c->site, (c->sites + n + 1) * sizeof(*grown));

	if (!grown)
		return -1;
	c->site = grown;
	for (size_t i = 0; i < n; i++) {
		struct place *k = &c->site[c->sites++];
		*k = (struct place){ 0 };
		memcpy(&k->r, p + i * sizeof(k->r), sizeof(k->r));
		if (!c->object && !place_linked(c, k)) {
			c->findings++;
			fprintf(c->out, "%s: a record names %#x, which lies in no section\n", c->path, k->r.addr);
		}
	}
	if (!c->object)
		return 0;
	for (Elf_Scn *t = elf_nextscn(c->elf, NULL); t; t = elf_nextscn(c->elf, t)) {
		GElf_Shdr rel, sym;
		Elf_Data *d, *y;
		if (!gelf_getshdr(t, &rel) || rel.sh_type != SHT_REL || rel.sh_info != elf_ndxscn(s) || !(d = elf_getdata(t, NULL)) ||
		    !gelf_getshdr(elf_getscn(c->elf, rel.sh_link), &sym) || !(y = elf_getdata(elf_getscn(c->elf, rel.sh_link), NULL)))
			continue;
		for (size_t i = 0; i < rel.sh_size / sizeof(Elf32_Rel); i++) {
			GElf_Rel r;
			GElf_Sym to;
			size_t k;
			if (!gelf_getrel(d, (int)i, &r) || !gelf_getsym(y, (int)GELF_R_SYM(r.r_info), &to))
				continue;
			k = first + r.r_offset / sizeof(struct afterburn_record);
			if (k >= c->sites || r.r_offset % sizeof(struct afterburn_record))
				continue;
			c->site[k].section = to.st_shndx;
			c->site[k].at = c->site[k].r.addr + to.st_value;
		}
	}
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Offsets at which decoding begins anew: symbols. */
static int starts_collect(struct check *c, size_t section, const GElf_Shdr *of)
{
	free(c->start);
	c->start = NULL;
	c->starts = 0;
	for (Elf_Scn *s = elf_nextscn(c->elf, NULL); s; s = elf_nextscn(c->elf, s)) {
		GElf_Shdr sh;
		GElf_Sym sym;
		Elf_Data *d;
		if (!gelf_getshdr(s, &sh) || sh.sh_type != SHT_SYMTAB || !sh.sh_entsize || !(d = elf_getdata(s, NULL)))
			continue;
		size_t n = sh.sh_size / sh.sh_entsize;
		if (!(c->start = malloc((n + 1) * sizeof(*c->start))))
			return -1;
		for (size_t i = 0; i < n; i++)
			if (gelf_getsym(d, (int)i, &sym) && sym.st_shndx == section)
				c->start[c->starts++] = c->object ? sym.st_value : sym.st_value - of->sh_addr;
		break;
	}
	if (c->start)
		qsort(c->start, c->starts, sizeof(*c->start), by_value);
	return 0;
}

static const struct place *site_at(struct check *c, size_t section, uint64_t at)
{
	size_t lo = 0, hi = c->sites;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		struct place *p = &c->site[mid];
		if (p->section < section || (p->section == section && p->at + p->r.len <= at))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->sites && c->site[lo].section == section && c->site[lo].at <= at ? &c->site[lo] : NULL;
}

static void finding(struct check *c, const char *section, const GElf_Shdr *sh, uint64_t at, const char *what, const char *text)
{
	c->findings++;
	fprintf(c->out, "%s: %s+%#llx (%#llx): %s%s\n", c->path, section, (unsigned long long)at, (unsigned long long)(sh->sh_addr + at), what, text);
}

static void section_decode(struct check *c, size_t section, const GElf_Shdr *sh, const char *name, const uint8_t *p)
{
	ZydisDecoder d;
	ZydisFormatter f;
	ZydisDecodedInstruction i;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	size_t next = 0;
	char text[96];

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_ATT);
	for (uint64_t at = 0; at < sh->sh_size;) {
		uint64_t end = sh->sh_size;
		while (next < c->starts && c->start[next] <= at)
			next++;
		if (next < c->starts && c->start[next] < end)
			end = c->start[next];
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, p + at, end - at, &i, ops))) {
			at++; /* data, or bytes that only look like it */
			continue;
		}
		enum afterburn_kind kind = afterburn_classify(&i, ops);
		const struct place *s = kind == AB_NONE || kind == AB_RDTSC ? NULL : site_at(c, section, at);
		if (kind != AB_NONE && kind != AB_RDTSC && (!s || s->at + s->r.insn_at != at || s->r.kind != kind)) {
			ZydisFormatterFormatInstruction(&f, &i, ops, i.operand_count_visible, text, sizeof(text), sh->sh_addr + at, NULL);
			finding(c, name, sh, at, "not annotated: ", text);
		}
		at += i.length;
	}
}

/* The section's own annotations against its bytes. */
static void section_verify(struct check *c, size_t section, const GElf_Shdr *sh, const char *name, const uint8_t *p)
{
	uint64_t past = 0;

	for (size_t k = 0; k < c->sites; k++) {
		const struct place *s = &c->site[k];
		if (s->section != section)
			continue;
		if (s->at > sh->sh_size || s->r.len > sh->sh_size - s->at)
			finding(c, name, sh, s->at, "a site reaches past the section's end", "");
		else if (afterburn_verify(&s->r, p + s->at) != AB_OK)
			finding(c, name, sh, s->at, "a site ", afterburn_wrong_text[afterburn_verify(&s->r, p + s->at)]);
		else if (s->at < past)
			finding(c, name, sh, s->at, "a site overlaps the one before it", "");
		past = s->at + s->r.len;
	}
}

static bool skipped(const char *const *skip, const char *name)
{
	for (; skip && *skip; skip++)
		if (!strcmp(*skip, name))
			return true;
	return false;
}

static int check_elf(struct check *c, const char *const *skip)
{
	GElf_Ehdr eh;
	GElf_Shdr sh;
	Elf_Scn *s;

	if (!gelf_getehdr(c->elf, &eh) || eh.e_machine != EM_386 || elf_getshdrstrndx(c->elf, &c->names))
		return -1;
	c->object = eh.e_type == ET_REL;
	for (s = elf_nextscn(c->elf, NULL); s; s = elf_nextscn(c->elf, s)) {
		const char *name = gelf_getshdr(s, &sh) ? elf_strptr(c->elf, c->names, sh.sh_name) : NULL;
		if (name && !strcmp(name, AFTERBURN_SECTION) && sites_read(c, s, &sh))
			return -1;
	}
	if (c->sites)
		qsort(c->site, c->sites, sizeof(*c->site), by_place);
	for (s = elf_nextscn(c->elf, NULL); s; s = elf_nextscn(c->elf, s)) {
		const char *name = gelf_getshdr(s, &sh) ? elf_strptr(c->elf, c->names, sh.sh_name) : NULL;
		const uint8_t *p;
		if (!name || !(sh.sh_flags & SHF_EXECINSTR) || skipped(skip, name) || !(p = bytes_of(c, &sh)))
			continue;
		if (starts_collect(c, elf_ndxscn(s), &sh))
			return -1;
		section_verify(c, elf_ndxscn(s), &sh, name, p);
		section_decode(c, elf_ndxscn(s), &sh, name, p);
	}
	return 0;
}

int afterburn_check(const char *path, const void *file, size_t n, const char *const *skip, FILE *out)
{
	struct check c = { .path = path, .out = out, .file = file, .n = n };
	int r = -1;

	elf_version(EV_CURRENT);
	if (n >= SELFMAG && !memcmp(file, ELFMAG, SELFMAG) && (c.elf = elf_memory((char *)(uintptr_t)file, n)))
		r = check_elf(&c, skip);
	if (r)
		fprintf(out, "%s: this is not a sound 32-bit x86 ELF file\n", path);
	free(c.start);
	free(c.site);
	if (c.elf)
		elf_end(c.elf);
	return r ? -1 : c.findings;
}
