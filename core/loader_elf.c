/*
 * loader_elf.c - ELF headers and segments: what the file says, whether that can be, and the copy into guest RAM.
 *
 * libelf reads the headers (System V ABI, chapters 4 and 5); whether offsets lie in the file and addresses in RAM is
 * checked here, because libelf has no opinion on that. Called by loader.c.
 */
#include <stdio.h>
#include <string.h>
#include "loader_parts.h"

typedef unsigned long long ull;

static int elf_check_header(struct loading *l, Elf *elf, GElf_Ehdr *eh)
{
	unsigned class = l->img->file_size > EI_CLASS ? l->img->file[EI_CLASS] : ELFCLASSNONE;
	size_t entry = class == ELFCLASS64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, eh))
		return load_refuse(l, "the ELF header is damaged or cut short (the file has %zu bytes)", l->img->file_size);
	if (eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return load_refuse(l, "the ELF file is not little-endian (byte %d of it): it is not for x86", EI_DATA);
	if (eh->e_machine != EM_386 && eh->e_machine != EM_X86_64)
		return load_refuse(l, "the ELF file is for machine %u, not for x86 (%d) or x86-64 (%d)", eh->e_machine, EM_386,
			EM_X86_64);
	if (class != (eh->e_machine == EM_386 ? ELFCLASS32 : ELFCLASS64))
		return load_refuse(l, "the ELF class (byte %d) and machine (%u) do not go together: x32 is not supported", EI_CLASS,
			eh->e_machine);
	if (eh->e_type != ET_EXEC)
		return load_refuse(l, "the ELF type is %u, not an executable at a fixed address (%d): link it with -static -no-pie",
			eh->e_type, ET_EXEC);
	if (!eh->e_phoff || !eh->e_phnum)
		return load_refuse(l, "the ELF file has no program headers (e_phoff %#llx, e_phnum %u): link it, this may be an "
			"object file", (ull)eh->e_phoff, eh->e_phnum);
	if (eh->e_phentsize != entry)
		return load_refuse(l, "e_phentsize is %u where %zu bytes belong: the ELF header is damaged", eh->e_phentsize, entry);
	if (eh->e_phoff > l->img->file_size || (l->img->file_size - eh->e_phoff) / entry < eh->e_phnum)
		return load_refuse(l, "the program headers (%u at offset %#llx) lie outside the file, which has %zu bytes: it is "
			"damaged or cut short", eh->e_phnum, (ull)eh->e_phoff, l->img->file_size);
	return 0;
}

/* Checks of a PT_LOAD that need only the file. header is its number among all program headers. */
static int elf_check_segment(struct loading *l, unsigned header, const GElf_Phdr *ph, bool is_32)
{
	unsigned i = l->img->segs;
	uint64_t limit = is_32 ? 1ull << 32 : UINT64_MAX;

	if (ph->p_offset > l->img->file_size || ph->p_filesz > l->img->file_size - ph->p_offset)
		return load_refuse(l, "segment %u (offset %#llx, %#llx bytes) reaches past the end of the file at %#zx: it is damaged or "
			"cut short", i, (ull)ph->p_offset, (ull)ph->p_filesz, l->img->file_size);
	if (ph->p_memsz < ph->p_filesz)
		return load_refuse(l, "segment %u has more bytes in the file (%#llx) than in memory (%#llx): program header %u is damaged",
			i, (ull)ph->p_filesz, (ull)ph->p_memsz, header);
	if (ph->p_memsz > limit - ph->p_vaddr || ph->p_memsz > limit - ph->p_paddr)
		return load_refuse(l, "segment %u (virtual %#llx, physical %#llx, %#llx bytes) wraps around the end of the address space",
			i, (ull)ph->p_vaddr, (ull)ph->p_paddr, (ull)ph->p_memsz);
	if (ph->p_align & (ph->p_align - 1))
		return load_refuse(l, "segment %u has an alignment of %#llx, which is not a power of two: program header %u is damaged",
			i, (ull)ph->p_align, header);
	/* Address and offset need not agree modulo the alignment: bytes are copied here, and GRUB's images do not. */
	return 0;
}

int elf_describe(struct loading *l, Elf *elf)
{
	struct image *img = l->img;
	GElf_Ehdr eh;
	int err = elf_check_header(l, elf, &eh);

	if (err)
		return err;
	img->kind = eh.e_machine == EM_386 ? IMAGE_ELF32 : IMAGE_ELF64;
	img->entry = eh.e_entry;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(elf, (int)i, &ph))
			return load_refuse(l, "program header %u cannot be read: %s", i, elf_errmsg(-1));
		if (ph.p_type != PT_LOAD || !ph.p_memsz)
			continue;
		if ((err = elf_check_segment(l, i, &ph, img->kind == IMAGE_ELF32)))
			return err;
		if (img->segs == IMAGE_SEGMENTS)
			return load_refuse(l, "more than %d segments to load (the last is program header %u): link it with fewer",
				IMAGE_SEGMENTS, i);
		img->seg[img->segs++] = (struct image_segment){ .vaddr = ph.p_vaddr, .paddr = ph.p_paddr, .filesz = ph.p_filesz,
			.memsz = ph.p_memsz, .offset = ph.p_offset, .flags = ph.p_flags };
	}
	if (!img->segs)
		return load_refuse(l, "none of the %u program headers is a segment to load: there is nothing to run", eh.e_phnum);
	return 0;
}

/* RAM is too small: names the segment that wants most, so that the advice is right the first time. */
static int refuse_segment_ram(struct loading *l)
{
	const struct image *img = l->img;
	unsigned most = 0;
	char what[32];

	for (unsigned i = 1; i < img->segs; i++)
		if (img->seg[i].paddr + img->seg[i].memsz > img->seg[most].paddr + img->seg[most].memsz)
			most = i;
	snprintf(what, sizeof(what), "segment %u", most);
	return load_refuse_ram(l, what, img->seg[most].paddr + img->seg[most].memsz);
}

int segment_place(struct loading *l, unsigned i)
{
	const struct image_segment *s = &l->img->seg[i], *o;
	uint64_t end = s->paddr + s->memsz; /* checked not to wrap */

	if (end > l->m->size)
		return refuse_segment_ram(l);
	if (s->paddr < HIGH_RAM && end > LOW_RAM_END)
		return load_refuse(l, "segment %u (physical %#llx to %#llx) lies in the PC's hole between %#llx and %#llx: link it at "
			"1 MiB or higher", i, (ull)s->paddr, (ull)end, LOW_RAM_END, HIGH_RAM);
	for (unsigned k = 0; k < i; k++) {
		o = &l->img->seg[k];
		if (s->paddr < o->paddr + o->memsz && o->paddr < end)
			return load_refuse(l, "segments %u and %u overlap in physical memory (%#llx to %#llx, %#llx to %#llx)", k, i,
				(ull)o->paddr, (ull)(o->paddr + o->memsz), (ull)s->paddr, (ull)end);
	}
	memcpy(mem_ptr(l->m, GPA(s->paddr), s->memsz), l->img->file + s->offset, s->filesz);
	if (end > l->end)
		l->end = end;
	return 0;
}

int elf_place(struct loading *l)
{
	for (unsigned i = 0; i < l->img->segs; i++) {
		int err = segment_place(l, i);

		if (err)
			return err;
	}
	return 0;
}

/* As GRUB does: an entry point among the virtual addresses is translated, one among the physical ones stands. */
int elf_entry(struct loading *l, uint64_t *entry)
{
	const struct image *img = l->img;
	const struct image_segment *s;

	for (unsigned i = 0; i < img->segs; i++) {
		s = &img->seg[i];
		if (img->entry - s->vaddr < s->memsz) {
			*entry = s->paddr + (img->entry - s->vaddr);
			return 0;
		}
	}
	for (unsigned i = 0; i < img->segs; i++) {
		s = &img->seg[i];
		if (img->entry - s->paddr < s->memsz) {
			*entry = img->entry;
			return 0;
		}
	}
	return load_refuse(l, "the entry point %#llx lies in none of the %u segments: the ELF header is damaged, or the linker "
		"found no _start", (ull)img->entry, img->segs);
}
