/*
 * loader_multiboot.c - Multiboot 1: the header, the modules, and the information structure that the guest finds in EBX.
 *
 * Source: Multiboot Specification version 0.6.96; section numbers are its. The information structure, memory map,
 * module list and strings go into one block at the top of low memory, or past the image if the image is there; modules
 * and the image's symbol tables follow the image. The command line is the image's file name, a space and --append, as
 * GRUB and QEMU have it; only names without directories go into guest memory, so that its hash does not depend on
 * where files lie. Called by loader.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "loader_parts.h"

typedef unsigned long long ull;

#define HEADER_MAGIC 0x1badb002u
#define HEADER_WITHIN 8192u
#define LOADER_NAME "ringlab"

/* 3.1.1 to 3.1.3 */
struct header {
	uint32_t magic, flags, checksum;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};
enum { WANT_PAGE_ALIGN = 1 << 0, WANT_MEMORY = 1 << 1, WANT_VIDEO = 1 << 2, MANDATORY = 0xffff, HAVE_ADDRESSES = 1 << 16 };

/* 3.3 */
struct info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	uint32_t shdr_num, shdr_size, shdr_addr, shdr_shndx;
	uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name, apm_table;
	uint32_t vbe[4];
};
enum { INFO_MEMORY = 1 << 0, INFO_CMDLINE = 1 << 2, INFO_MODS = 1 << 3, INFO_SHDR = 1 << 5, INFO_MMAP = 1 << 6,
	INFO_LOADER = 1 << 9 };
_Static_assert(sizeof(struct info) == 88, "Multiboot 3.3");

struct module {
	uint32_t start, end, string, reserved;
};

struct mmap_entry {
	uint32_t size; /* of what follows */
	uint64_t base, length;
	uint32_t type; /* 1: RAM, 2: reserved */
} __attribute__((packed));

/* The block in low memory; the strings follow it. */
struct block {
	struct info info;
	struct mmap_entry map[3];
	struct module module[LOAD_MODULES];
};

int64_t multiboot_find(const uint8_t *file, size_t size)
{
	size_t end = size < HEADER_WITHIN ? size : HEADER_WITHIN;
	uint32_t w[3];

	for (size_t at = 0; at + sizeof(w) <= end; at += 4) {
		memcpy(w, file + at, sizeof(w));
		if (w[0] == HEADER_MAGIC && w[0] + w[1] + w[2] == 0)
			return (int64_t)at;
	}
	return -1;
}

/* 3.1.3: the header itself says what to load where; then an ELF header, if any, does not count. */
static int place_by_addresses(struct loading *l, const struct header *h, uint64_t at)
{
	struct image *img = l->img;
	uint64_t before = (uint64_t)h->header_addr - h->load_addr, offset = at - before, filesz, memsz;

	if (h->header_addr < h->load_addr || before > at)
		return load_refuse(l, "the Multiboot header at offset %#llx says that it lies at %#x in an image loaded at %#x: "
			"that is before the file's start", (ull)at, h->header_addr, h->load_addr);
	filesz = h->load_end_addr ? (uint64_t)h->load_end_addr - h->load_addr : img->file_size - offset;
	memsz = h->bss_end_addr ? (uint64_t)h->bss_end_addr - h->load_addr : filesz;
	if ((h->load_end_addr && h->load_end_addr < h->load_addr) || (h->bss_end_addr && h->bss_end_addr < h->load_addr) ||
			memsz < filesz)
		return load_refuse(l, "the Multiboot header at offset %#llx has addresses out of order (load %#x, load end %#x, bss end "
			"%#x)", (ull)at, h->load_addr, h->load_end_addr, h->bss_end_addr);
	if (filesz > img->file_size - offset)
		return load_refuse(l, "the Multiboot header at offset %#llx asks for %#llx bytes from offset %#llx, and the file ends at "
			"%#zx: it is damaged or cut short", (ull)at, (ull)filesz, (ull)offset, img->file_size);
	img->seg[0] = (struct image_segment){ .vaddr = h->load_addr, .paddr = h->load_addr, .filesz = filesz, .memsz = memsz,
		.offset = offset, .flags = PF_R | PF_W | PF_X };
	img->segs = 1;
	img->entry = h->entry_addr;
	return segment_place(l, 0);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int load_module(struct loading *l, unsigned i, gpa_t *at, uint64_t *size)
{
	const struct load_module *mod = &l->req->module[i];
	int fd = load_open(l, mod->path, size), err;
	char what[80];

	if (fd < 0)
		return fd;
	snprintf(what, sizeof(what), "module %s", base_name(mod->path));
	err = load_room_high(l, *size, what, at);
	if (!err)
		err = load_read(l, fd, mem_ptr(l->m, *at, *size), *size, mod->path);
	close(fd);
	return err;
}

static int load_modules(struct loading *l, struct module *mods)
{
	for (unsigned i = 0; i < l->req->modules; i++) {
		uint64_t size;
		gpa_t at;
		int err = load_module(l, i, &at, &size);

		if (err)
			return err;
		mods[i].start = (uint32_t)at.a;
		mods[i].end = (uint32_t)(at.a + size);
	}
	return 0;
}

/* The bytes of a section that symbols need and that no segment loads; 0 if it is not such a one, or lies outside. */
static uint32_t symbol_bytes(const struct image *img, const Elf32_Shdr *sh)
{
	if ((sh->sh_type != SHT_SYMTAB && sh->sh_type != SHT_STRTAB) || (sh->sh_flags & SHF_ALLOC) ||
			sh->sh_offset > img->file_size || sh->sh_size > img->file_size - sh->sh_offset)
		return 0;
	return (sh->sh_size + 3) & ~3u;
}

/*
 * 3.3, syms: the section headers, with the symbol and string tables placed and their addresses filled in. For 32-bit
 * ELF only, and left out without complaint where the table is damaged or RAM is short: no guest depends on it.
 */
static void load_symbols(struct loading *l, Elf *elf, struct info *info)
{
	const struct image *img = l->img;
	const Elf32_Ehdr *eh = elf ? elf32_getehdr(elf) : NULL;
	uint64_t table, total;
	uint8_t *to;
	gpa_t at;

	if (!eh || !eh->e_shnum || eh->e_shentsize != sizeof(Elf32_Shdr) || eh->e_shoff > img->file_size ||
			(img->file_size - eh->e_shoff) / sizeof(Elf32_Shdr) < eh->e_shnum)
		return;
	total = table = eh->e_shnum * sizeof(Elf32_Shdr);
	for (unsigned i = 0; i < eh->e_shnum; i++) {
		Elf32_Shdr sh;

		memcpy(&sh, img->file + eh->e_shoff + i * sizeof(sh), sizeof(sh));
		total += symbol_bytes(img, &sh);
	}
	if (total > img->file_size || load_room_high(l, total, "the symbol table", &at)) {
		l->why[0] = 0;
		return;
	}
	to = mem_ptr(l->m, at, total);
	total = table;
	for (unsigned i = 0; i < eh->e_shnum; i++) {
		Elf32_Shdr sh;

		memcpy(&sh, img->file + eh->e_shoff + i * sizeof(sh), sizeof(sh));
		if (symbol_bytes(img, &sh)) {
			memcpy(to + total, img->file + sh.sh_offset, sh.sh_size);
			sh.sh_addr = (uint32_t)(at.a + total);
			total += symbol_bytes(img, &sh);
		}
		memcpy(to + i * sizeof(sh), &sh, sizeof(sh));
	}
	info->flags |= INFO_SHDR;
	info->shdr_num = eh->e_shnum;
	info->shdr_size = sizeof(Elf32_Shdr);
	info->shdr_addr = (uint32_t)at.a;
	info->shdr_shndx = eh->e_shstrndx;
}

/* RAM as a PC's firmware would report it. */
static void fill_memory(struct block *b, uint64_t ram)
{
	uint64_t low = ram < LOW_RAM_END ? ram : LOW_RAM_END, high = ram > HIGH_RAM ? ram - HIGH_RAM : 0;
	unsigned n = 0;

	b->map[n++] = (struct mmap_entry){ 20, 0, low, 1 };
	b->map[n++] = (struct mmap_entry){ 20, LOW_RAM_END, HIGH_RAM - LOW_RAM_END, 2 };
	if (high)
		b->map[n++] = (struct mmap_entry){ 20, HIGH_RAM, high, 1 };
	b->info.mmap_length = n * sizeof(struct mmap_entry);
	b->info.mem_lower = (uint32_t)(low >> 10);
	b->info.mem_upper = (uint32_t)(high >> 10);
	b->info.flags |= INFO_MEMORY | INFO_MMAP;
}

/* "name args" into to; its length with the NUL. With to = NULL only counts. */
static size_t put_string(char *to, const char *path, const char *args)
{
	const char *name = base_name(path);
	bool more = args && *args;
	size_t n = strlen(name) + (more ? 1 + strlen(args) : 0) + 1;

	if (to)
		snprintf(to, n, "%s%s%s", name, more ? " " : "", more ? args : "");
	return n;
}

static size_t strings_size(const struct load_request *req)
{
	size_t n = sizeof(LOADER_NAME) + put_string(NULL, req->path, req->append);

	for (unsigned i = 0; i < req->modules; i++)
		n += put_string(NULL, req->module[i].path, req->module[i].args);
	return n;
}

/* Writes the strings after the block, and their addresses into it. at is the block's own address. */
static void fill_strings(struct block *b, char *strings, uint32_t at, const struct load_request *req)
{
	size_t used = sizeof(LOADER_NAME);
	uint32_t base = at + sizeof(*b);

	memcpy(strings, LOADER_NAME, sizeof(LOADER_NAME));
	b->info.boot_loader_name = base;
	b->info.cmdline = base + (uint32_t)used;
	used += put_string(strings + used, req->path, req->append);
	for (unsigned i = 0; i < req->modules; i++) {
		b->module[i].string = base + (uint32_t)used;
		used += put_string(strings + used, req->module[i].path, req->module[i].args);
	}
	b->info.flags |= INFO_LOADER | INFO_CMDLINE;
	b->info.mmap_addr = at + offsetof(struct block, map);
	b->info.mods_addr = at + offsetof(struct block, module);
	b->info.mods_count = req->modules;
	b->info.flags |= INFO_MODS;
}

int multiboot_info(struct loading *l, Elf *elf, gpa_t *info)
{
	struct block b = { 0 };
	size_t size = sizeof(b) + strings_size(l->req);
	uint8_t *to;
	int err = load_modules(l, b.module);

	if (err)
		return err;
	load_symbols(l, elf, &b.info);
	err = load_room(l, size, "the Multiboot information", info);
	if (err)
		return err;
	to = mem_ptr(l->m, *info, size);
	fill_memory(&b, l->m->size);
	fill_strings(&b, (char *)to + sizeof(b), (uint32_t)info->a, l->req);
	memcpy(to, &b, sizeof(b));
	return 0;
}

int multiboot_load(struct loading *l, Elf *elf, int64_t header)
{
	struct header h = { 0 };
	size_t left = l->img->file_size - (size_t)header;
	uint64_t entry;
	gpa_t info;
	int err;

	memcpy(&h, l->img->file + header, left < sizeof(h) ? left : sizeof(h));
	if (h.flags & WANT_VIDEO)
		return load_refuse(l, "its Multiboot header (offset %#llx) asks for a video mode, and this machine has only a serial "
			"console: build it without flag bit 2", (ull)header);
	if (h.flags & MANDATORY & ~(WANT_PAGE_ALIGN | WANT_MEMORY))
		return load_refuse(l, "its Multiboot header (offset %#llx) has flags %#x: bits 3 to 15 ask for what Multiboot 0.6.96 does "
			"not define", (ull)header, h.flags);
	if ((h.flags & HAVE_ADDRESSES) && left < sizeof(h))
		return load_refuse(l, "its Multiboot header (offset %#llx) is cut short by the end of the file", (ull)header);
	if (!(h.flags & HAVE_ADDRESSES) && !elf)
		return load_refuse(l, "it has a Multiboot header (offset %#llx) without addresses (flag bit 16), and is not an ELF file",
			(ull)header);
	err = h.flags & HAVE_ADDRESSES ? place_by_addresses(l, &h, (uint64_t)header) : elf_place(l);
	if (err || (err = elf_entry(l, &entry)) || (err = multiboot_info(l, elf, &info)))
		return err;
	l->img->kind = IMAGE_MULTIBOOT;
	cpu_enter_flat32(l->state, (uint32_t)entry);
	l->state->gpr[R_EAX] = MULTIBOOT_BOOT_MAGIC;
	l->state->gpr[R_EBX] = info.a;
	return 0;
}
