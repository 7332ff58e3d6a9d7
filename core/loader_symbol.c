/*
 * loader_symbol.c - names and addresses of an image's symbols, for tables and traces.
 *
 * Nothing is built at load time: each question walks the symbol table through libelf, which for guests of this size
 * is microseconds, and is asked when a run has ended. Names are returned as pointers into the image.
 */
#include <string.h>
#include "loader_parts.h"

/* The name at offset off of the string section strndx, if it lies in the file and ends there; else NULL. */
static const char *symbol_name(const struct image *img, Elf *elf, size_t strndx, uint64_t off)
{
	Elf_Scn *scn = elf_getscn(elf, strndx);
	const char *name;
	GElf_Shdr sh;

	if (!scn || !gelf_getshdr(scn, &sh) || sh.sh_type != SHT_STRTAB || off >= sh.sh_size)
		return NULL;
	if (sh.sh_offset > img->file_size || sh.sh_size > img->file_size - sh.sh_offset)
		return NULL;
	name = (const char *)img->file + sh.sh_offset + off;
	return memchr(name, 0, sh.sh_size - off) ? name : NULL;
}

/* What is looked for, and what was found. */
struct query {
	const char *name; /* a symbol of this name; or, if NULL, */
	uint64_t vaddr;   /* the function that covers this */
	const char *found;
	uint64_t value, size;
};

/* Takes the symbol if it answers the query better than what was found. True: look no further. */
static bool symbol_match(const struct image *img, Elf *elf, size_t strndx, const GElf_Sym *sym, struct query *q)
{
	const char *name;

	if (sym->st_shndx == SHN_UNDEF)
		return false;
	if (!q->name && (GELF_ST_TYPE(sym->st_info) > STT_FUNC || GELF_ST_TYPE(sym->st_info) == STT_OBJECT))
		return false;
	/* Labels of assembly have no size: they cover what follows, until a nearer symbol is found. */
	if (!q->name && (q->vaddr < sym->st_value || (sym->st_size && q->vaddr - sym->st_value >= sym->st_size) ||
			(q->found && sym->st_value < q->value)))
		return false;
	name = symbol_name(img, elf, strndx, sym->st_name);
	if (!name || !*name || (q->name && strcmp(name, q->name)))
		return false;
	q->found = name;
	q->value = sym->st_value;
	q->size = sym->st_size;
	return q->name != NULL;
}

static Elf *image_elf(const struct image *img)
{
	if (!img->file || img->file_size < SELFMAG || memcmp(img->file, ELFMAG, SELFMAG))
		return NULL;
	elf_version(EV_CURRENT);
	return elf_memory((char *)img->file, img->file_size);
}

static void symbols_search(const struct image *img, struct query *q)
{
	Elf *elf;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	elf = image_elf(img);
	if (!elf)
		return;
	while ((scn = elf_nextscn(elf, scn))) {
		Elf_Data *data;
		GElf_Sym sym;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_SYMTAB || !(data = elf_getdata(scn, NULL)))
			continue;
		for (int i = 1; gelf_getsym(data, i, &sym); i++)
			if (symbol_match(img, elf, sh.sh_link, &sym, q))
				goto done;
	}
done:
	elf_end(elf);
}

bool loader_symbol(const struct image *img, const char *name, uint64_t *vaddr, uint64_t *size)
{
	struct query q = { .name = name };

	symbols_search(img, &q);
	if (!q.found)
		return false;
	*vaddr = q.value;
	*size = q.size;
	return true;
}

const char *loader_symbolize(const struct image *img, uint64_t vaddr, uint64_t *offset)
{
	struct query q = { .vaddr = vaddr };
	bool covered = false;

	for (unsigned i = 0; i < img->segs; i++)
		covered |= vaddr - img->seg[i].vaddr < img->seg[i].memsz;
	if (!covered)
		return NULL;
	symbols_search(img, &q);
	if (q.found && offset)
		*offset = vaddr - q.value;
	return q.found;
}

void loader_functions(const struct image *img, void (*fn)(void *ctx, uint64_t vaddr), void *ctx)
{
	Elf *elf = image_elf(img);
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	while (elf && (scn = elf_nextscn(elf, scn))) {
		Elf_Data *data;
		GElf_Sym sym;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_SYMTAB || !(data = elf_getdata(scn, NULL)))
			continue;
		for (int i = 1; gelf_getsym(data, i, &sym); i++)
			if (sym.st_shndx != SHN_UNDEF && GELF_ST_TYPE(sym.st_info) == STT_FUNC)
				fn(ctx, sym.st_value);
	}
	elf_end(elf);
}

void loader_code(const struct image *img, void (*fn)(void *ctx, uint64_t vaddr, uint64_t size), void *ctx)
{
	Elf *elf = image_elf(img);
	Elf_Scn *scn = NULL;
	bool any = false;
	GElf_Shdr sh;

	while (elf && (scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_PROGBITS && (sh.sh_flags & SHF_ALLOC) && (sh.sh_flags & SHF_EXECINSTR)) {
			fn(ctx, sh.sh_addr, sh.sh_size);
			any = true;
		}
	elf_end(elf);
	for (unsigned i = 0; i < img->segs && !any; i++)
		if (img->seg[i].flags & PF_X)
			fn(ctx, img->seg[i].vaddr, img->seg[i].filesz);
}

bool loader_vaddr_to_gpa(const struct image *img, uint64_t vaddr, gpa_t *gpa)
{
	for (unsigned i = 0; i < img->segs; i++) {
		const struct image_segment *s = &img->seg[i];

		if (vaddr - s->vaddr >= s->memsz)
			continue;
		/* A Xen domain's builder places by virtual address, and machine frames are what they seem. */
		*gpa = GPA(img->kind == IMAGE_XEN ? vaddr - img->xen.virt_base : s->paddr + (vaddr - s->vaddr));
		return true;
	}
	return false;
}
