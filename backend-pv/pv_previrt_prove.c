/*
 * pv_previrt_prove.c - may a site be overwritten? Not when something may jump into its middle.
 *
 * Every executable section is decoded (Zydis), from its beginning and from each site anew; the targets of direct branches are compared with
 * the insides of sites, and so are the symbols and the aligned words of the sections of data, which may be entries of a table. A number
 * that only looks like such an address costs one patch, no more. The instruction of a site with NOPs in front is no inside, but
 * for STI and POPF: it stays where it is, and traps. Called by pv_previrt.c.
 */
#include "pv_previrt.h"
#include <errno.h>
#include <gelf.h>
#include <string.h>

struct proof {
	struct previrt *p;
	const struct image *img;
	const char **why;
	uint32_t *where;
};

/* Something refers to la. */
static void target(struct proof *f, uint32_t la, const char *what)
{
	struct previrt_site *s = previrt_site_at(f->p, la);

	if (!s || la == s->addr || s->form == FORM_REFUSED || (s->insn_at && la == s->addr + s->insn_at && s->kind != AB_STI && s->kind != AB_POPF))
		return;
	s->form = FORM_REFUSED;
	*f->why = what;
	*f->where = la;
}

static void words(struct proof *f, const GElf_Shdr *sh)
{
	const uint8_t *at = f->img->file + sh->sh_offset;
	uint32_t w;

	for (uint64_t i = (0 - sh->sh_addr) & 3; i + 4 <= sh->sh_size; i += 4) {
		memcpy(&w, at + i, 4);
		target(f, w, "data holds an address in its middle");
	}
}

static void branches(struct proof *f, const GElf_Shdr *sh)
{
	const uint8_t *at = f->img->file + sh->sh_offset;
	ZydisDecoder d;
	ZydisDecodedInstruction i;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	unsigned next = 0;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	for (uint64_t off = 0; off < sh->sh_size;) {
		uint32_t la = (uint32_t)(sh->sh_addr + off);
		uint64_t end = sh->sh_size;
		while (next < f->p->n && f->p->site[next].addr <= la)
			next++;
		if (next < f->p->n && f->p->site[next].addr - la < end - off) /* what seems to reach into a site is out of step */
			end = off + (f->p->site[next].addr - la);
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, at + off, end - off, &i, ops))) {
			off++;
			continue;
		}
		off += i.length;
		if (i.operand_count && ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && ops[0].imm.is_relative)
			target(f, la + i.length + (uint32_t)ops[0].imm.value.s, "a branch goes into its middle");
	}
}

static void symbols(struct proof *f, const GElf_Shdr *sh)
{
	const uint8_t *at = f->img->file + sh->sh_offset;
	Elf32_Sym sym;

	for (uint64_t i = 0; i + sizeof(sym) <= sh->sh_size; i += sizeof(sym)) {
		memcpy(&sym, at + i, sizeof(sym));
		if (sym.st_shndx != SHN_UNDEF && sym.st_shndx < SHN_LORESERVE)
			target(f, sym.st_value, "a symbol lies in its middle");
	}
}

/* -EINVAL: the file's sections cannot be read. */
int previrt_prove(struct previrt *p, const struct image *img, const char **why, uint32_t *where)
{
	struct proof f = { p, img, why, where };
	GElf_Shdr sh;
	Elf *elf;

	elf_version(EV_CURRENT);
	if (!p->n)
		return 0;
	if (!(elf = elf_memory((char *)img->file, img->file_size)))
		return -EINVAL;
	for (Elf_Scn *s = elf_nextscn(elf, NULL); s; s = elf_nextscn(elf, s)) {
		if (!gelf_getshdr(s, &sh) || sh.sh_type == SHT_NOBITS || sh.sh_offset > img->file_size || sh.sh_size > img->file_size - sh.sh_offset ||
		    sh.sh_addr + sh.sh_size > PV_TOP)
			continue;
		if (sh.sh_type == SHT_SYMTAB)
			symbols(&f, &sh);
		else if (sh.sh_flags & SHF_EXECINSTR)
			branches(&f, &sh);
		else if (sh.sh_flags & SHF_ALLOC)
			words(&f, &sh);
	}
	elf_end(elf);
	return 0;
}
