/* images.c - see images.h. */
#include "images.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/elfnote.h>

static const char names[] = "\0_start\0main\0table\0";
static const char section_names[] = "\0.text\0.symtab\0.strtab\0.shstrtab\0.note\0__xen_guest\0";
static const char legacy[] = "GUEST_OS=test,XEN_VER=xen-3.0,VIRT_BASE=0xc0000000,ELF_PADDR_OFFSET=0xc0000000,HYPERCALL_PAGE=0x2,"
	"PAE=yes,LOADER=generic";

static void put(struct bytes *b, size_t at, const void *data, size_t n)
{
	memcpy(b->b + at, data, n);
	if (b->n < at + n)
		b->n = at + n;
}

static size_t put_note(struct bytes *b, size_t at, uint32_t type, const void *desc, uint32_t n, uint32_t claimed)
{
	Elf32_Nhdr nh = { .n_namesz = 4, .n_descsz = claimed, .n_type = type };

	put(b, at, &nh, sizeof(nh));
	put(b, at + sizeof(nh), "Xen", 4);
	put(b, at + sizeof(nh) + 4, desc, n);
	return at + sizeof(nh) + 4 + ((n + 3) & ~3u);
}

/* The size of all notes. */
static size_t put_notes(struct bytes *b, bool long_note)
{
	uint32_t base = 0xc0000000, entry = 0xc0000040, page = 0xc0001000;
	size_t at = NOTE_OFFSET;

	at = put_note(b, at, XEN_ELFNOTE_GUEST_OS, "test", 5, 5);
	at = put_note(b, at, XEN_ELFNOTE_XEN_VERSION, "xen-3.0", 8, 8);
	at = put_note(b, at, XEN_ELFNOTE_VIRT_BASE, &base, 4, 4);
	at = put_note(b, at, XEN_ELFNOTE_ENTRY, &entry, 4, 4);
	at = put_note(b, at, XEN_ELFNOTE_HYPERCALL_PAGE, &page, 4, 4);
	at = put_note(b, at, XEN_ELFNOTE_FEATURES, "writable_page_tables", 21, 21);
	at = put_note(b, at, XEN_ELFNOTE_LOADER, "generic", 8, 8);
	at = put_note(b, at, XEN_ELFNOTE_PAE_MODE, "yes", 4, long_note ? 12 : 4);
	return at - NOTE_OFFSET;
}

static void put_text(struct bytes *b, const struct recipe *r)
{
	uint32_t header[3] = { 0x1badb002, r->multiboot_flags ? r->multiboot_flags : 3, 0 };

	header[2] = -(header[0] + header[1]);
	for (size_t i = 0; i < TEXT_SIZE; i++)
		b->b[TEXT_OFFSET + i] = (uint8_t)(0x90 + i % 7);
	if (r->multiboot)
		put(b, TEXT_OFFSET, header, sizeof(header));
	for (size_t i = 0; i < DATA_SIZE; i++)
		b->b[DATA_OFFSET + i] = (uint8_t)i;
	b->n = DATA_OFFSET + DATA_SIZE;
}

static void put_sections(struct bytes *b, const struct recipe *r, uint32_t notes)
{
	uint32_t v = (uint32_t)r->vaddr_offset, symbols = 0x3000, strings = 0x3100, shstr = 0x3200, headers = 0x3400;
	Elf32_Sym sym[] = {
		{ 0 },
		{ .st_name = 1, .st_value = TEXT_AT + ENTRY_OFFSET + v, .st_info = ELF32_ST_INFO(STB_GLOBAL, STT_NOTYPE), .st_shndx = 1 },
		{ .st_name = 8, .st_value = TEXT_AT + 0x80 + v, .st_size = 0x20, .st_info = ELF32_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1 },
		{ .st_name = 13, .st_value = DATA_AT + 0x10 + v, .st_size = 8, .st_info = ELF32_ST_INFO(STB_GLOBAL, STT_OBJECT), .st_shndx = 1 },
	};
	Elf32_Shdr sh[] = {
		{ 0 },
		{ .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC, .sh_addr = TEXT_AT + v, .sh_offset = TEXT_OFFSET, .sh_size = TEXT_SIZE },
		{ .sh_name = 7, .sh_type = SHT_SYMTAB, .sh_offset = symbols, .sh_size = sizeof(sym), .sh_link = 3, .sh_entsize = sizeof(Elf32_Sym) },
		{ .sh_name = 15, .sh_type = SHT_STRTAB, .sh_offset = strings, .sh_size = sizeof(names) },
		{ .sh_name = 23, .sh_type = SHT_STRTAB, .sh_offset = shstr, .sh_size = sizeof(section_names) },
		{ .sh_name = 33, .sh_type = SHT_NOTE, .sh_offset = NOTE_OFFSET, .sh_size = notes },
		{ .sh_name = 39, .sh_type = SHT_PROGBITS, .sh_offset = 0x3300, .sh_size = sizeof(legacy) },
	};
	Elf32_Ehdr *eh = ehdr32(b);

	put(b, symbols, sym, sizeof(sym));
	put(b, strings, names, sizeof(names));
	put(b, shstr, section_names, sizeof(section_names));
	put(b, 0x3300, legacy, sizeof(legacy));
	put(b, headers, sh, sizeof(sh));
	eh->e_shoff = headers;
	eh->e_shentsize = sizeof(Elf32_Shdr);
	eh->e_shnum = r->xen_legacy ? 7 : r->xen_section ? 6 : 5;
	eh->e_shstrndx = 4;
}

void image_elf32(struct bytes *to, const struct recipe *r)
{
	uint32_t v = (uint32_t)r->vaddr_offset, notes;
	Elf32_Ehdr eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_EXEC,
		.e_machine = EM_386, .e_version = EV_CURRENT, .e_entry = TEXT_AT + ENTRY_OFFSET + v, .e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh), .e_phentsize = sizeof(Elf32_Phdr), .e_phnum = r->xen_note ? 3 : 2 };
	Elf32_Phdr ph[3] = {
		{ .p_type = PT_LOAD, .p_offset = TEXT_OFFSET, .p_vaddr = TEXT_AT + v, .p_paddr = TEXT_AT, .p_filesz = TEXT_SIZE,
			.p_memsz = TEXT_SIZE, .p_flags = PF_R | PF_X, .p_align = 0x1000 },
		{ .p_type = PT_LOAD, .p_offset = DATA_OFFSET, .p_vaddr = DATA_AT + v, .p_paddr = DATA_AT, .p_filesz = DATA_SIZE,
			.p_memsz = DATA_MEMSZ, .p_flags = PF_R | PF_W, .p_align = 0x1000 },
		{ .p_type = PT_NOTE, .p_offset = NOTE_OFFSET },
	};

	memset(to, 0, sizeof(*to));
	put_text(to, r);
	notes = r->xen_note || r->xen_section ? (uint32_t)put_notes(to, r->long_note) : 0;
	ph[2].p_filesz = ph[2].p_memsz = notes;
	put(to, 0, &eh, sizeof(eh));
	put(to, sizeof(eh), ph, sizeof(ph[0]) * eh.e_phnum);
	put_sections(to, r, notes);
}

void image_elf64(struct bytes *to)
{
	Elf64_Ehdr eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_EXEC,
		.e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_entry = TEXT_AT + ENTRY_OFFSET, .e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1, .e_shentsize = sizeof(Elf64_Shdr) };
	Elf64_Phdr ph = { .p_type = PT_LOAD, .p_offset = TEXT_OFFSET, .p_vaddr = TEXT_AT, .p_paddr = TEXT_AT, .p_filesz = TEXT_SIZE,
		.p_memsz = 0x4000, .p_flags = PF_R | PF_X, .p_align = 0x1000 };

	memset(to, 0, sizeof(*to));
	put_text(to, &(struct recipe){ 0 });
	put(to, 0, &eh, sizeof(eh));
	put(to, sizeof(eh), &ph, sizeof(ph));
}

void image_flat(struct bytes *to)
{
	uint32_t h[8] = { 0x1badb002, 0x10003, 0, 0x200010, 0x200000, 0x200400, 0x201000, 0x200040 };

	memset(to, 0, sizeof(*to));
	h[2] = -(h[0] + h[1]);
	for (size_t i = 0; i < 0x400; i++)
		to->b[i] = (uint8_t)i;
	to->n = 0x400;
	put(to, 0x10, h, sizeof(h));
}

static void put_le(struct bytes *to, size_t at, uint64_t v, unsigned size)
{
	put(to, at, &v, size);
}

/* The fields are those of the kernel's Documentation/arch/x86/boot.rst. */
void image_bzimage(struct bytes *to)
{
	memset(to, 0, sizeof(*to));
	to->n = BZ_SETUP + BZ_PART;
	put_le(to, 0x1f1, 2, 1);                          /* setup_sects */
	put_le(to, 0x1f4, (BZ_PART + 15) / 16, 4);        /* syssize */
	put_le(to, 0x1fe, 0xaa55, 2);
	put_le(to, 0x200, 0x6aeb, 2);                     /* jmp: its second byte says where the header ends */
	put(to, 0x202, "HdrS", 4);
	put_le(to, 0x206, 0x20f, 2);                      /* version */
	put_le(to, 0x211, 1, 1);                          /* loadflags: LOADED_HIGH */
	put_le(to, 0x214, 0x100000, 4);                   /* code32_start */
	put_le(to, 0x22c, 0x7fffffff, 4);                 /* initrd_addr_max */
	put_le(to, 0x230, 0x10000, 4);                    /* kernel_alignment */
	put_le(to, 0x234, 1, 1);                          /* relocatable_kernel */
	put_le(to, 0x238, BZ_CMDLINE, 4);                 /* cmdline_size */
	put_le(to, 0x258, BZ_PREF, 8);                    /* pref_address */
	put_le(to, 0x260, BZ_INIT_SIZE, 4);               /* init_size */
	memset(to->b + BZ_SETUP, 0xf4, BZ_PART);
}

Elf32_Ehdr *ehdr32(struct bytes *b)
{
	return (Elf32_Ehdr *)b->b;
}

Elf32_Phdr *phdr32(struct bytes *b, unsigned i)
{
	return (Elf32_Phdr *)(b->b + sizeof(Elf32_Ehdr)) + i;
}

int image_open(const struct bytes *b, char *path, size_t n)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	if (fd < 0 || write(fd, b->b, b->n) != (ssize_t)b->n) {
		perror("memfd");
		_exit(1);
	}
	snprintf(path, n, "/proc/self/fd/%d", fd);
	return fd;
}

void image_close(int fd)
{
	close(fd);
}
