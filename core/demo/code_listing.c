/*
 * code_listing.c - guest code on the stage: an ELF symbol's bytes from the image, read by libelf, disassembled by Capstone.
 *
 * Called by the demonstrations through demo_code. The image is the file that the run then loads. Read next: guest.c.
 */
#include <capstone/capstone.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/vm.h"
#include "stage.h"

struct code {
	uint8_t byte[4096];
	size_t size;
	uint64_t at;
};

/* The symbol's bytes, from the section that holds them. */
static bool code_bytes(Elf *elf, const GElf_Sym *sym, struct code *c)
{
	Elf_Scn *scn = elf_getscn(elf, sym->st_shndx);
	Elf_Data *data = scn ? elf_getdata(scn, NULL) : NULL;
	GElf_Shdr sh;

	if (!data || !data->d_buf || !gelf_getshdr(scn, &sh) || sym->st_value < sh.sh_addr)
		return false;
	uint64_t off = sym->st_value - sh.sh_addr;
	if (off >= data->d_size)
		return false;
	uint64_t left = data->d_size - off, n = sym->st_size && sym->st_size < left ? sym->st_size : left;
	c->size = n < sizeof(c->byte) ? n : sizeof(c->byte);
	c->at = sym->st_value;
	memcpy(c->byte, (const uint8_t *)data->d_buf + off, c->size);
	return true;
}

static bool code_find(Elf *elf, const char *symbol, struct code *c)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr sh;
		GElf_Sym sym;
		Elf_Data *data;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_SYMTAB || !sh.sh_entsize || !(data = elf_getdata(scn, NULL)))
			continue;
		for (size_t i = 0; i < sh.sh_size / sh.sh_entsize; i++) {
			const char *name = gelf_getsym(data, (int)i, &sym) ? elf_strptr(elf, sh.sh_link, sym.st_name) : NULL;
			if (name && !strcmp(name, symbol) && sym.st_shndx != SHN_UNDEF)
				return code_bytes(elf, &sym, c);
		}
	}
	return false;
}

static int code_read(const char *path, const char *symbol, struct code *c)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), e = 0;

	if (fd < 0)
		return -errno;
	elf_version(EV_CURRENT);
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF)
		e = -ENOEXEC;
	else if (!code_find(elf, symbol, c))
		e = -ENOENT;
	elf_end(elf);
	close(fd);
	return e;
}

/* One line: address, bytes, instruction. */
static void code_line(FILE *f, const cs_insn *i)
{
	char bytes[40] = "";

	for (size_t b = 0; b < i->size && b < 10; b++)
		sprintf(bytes + 3 * b, "%02x ", i->bytes[b]);
	if (i->size > 10)
		strcpy(bytes + 30, "…");
	fprintf(f, "%08llx  %-22s %-7s %s\n", (unsigned long long)i->address, bytes, i->mnemonic, i->op_str);
}

int demo_code(struct stage *s, const char *image, const char *symbol, unsigned max)
{
	struct code c = { .size = 0 };
	char path[700], caption[200], *text = NULL;
	size_t size = 0;
	cs_insn *insn;
	csh cs;

	if (s->quit)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", s->setup->guests, image);
	int e = code_read(path, symbol, &c);
	if (e) {
		say("%s: %s: %s", path, symbol, e == -ENOENT ? "no such file or symbol" : strerror(-e));
		return e;
	}
	FILE *f = open_memstream(&text, &size);
	if (!f || cs_open(CS_ARCH_X86, CS_MODE_32, &cs) != CS_ERR_OK) {
		if (f)
			fclose(f);
		free(text);
		return -ENOMEM;
	}
	size_t n = cs_disasm(cs, c.byte, c.size, c.at, max, &insn);
	for (size_t i = 0; i < n; i++)
		code_line(f, &insn[i]);
	cs_free(insn, n);
	cs_close(&cs);
	fclose(f);
	snprintf(caption, sizeof(caption), "%s of %s:", symbol, image);
	demo_lines(s, caption, text);
	free(text);
	return 0;
}
