/* Good images end where they say, with the state that their standard promises; bad ones get a sentence. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "core/loader.h"
#include "image_load.h"

#define RAM (16ull << 20)

static struct mem m;
static struct image img;
static struct cpu_state s;
static struct bytes b;
static char why[256];

static void setup(void)
{
	cr_assert_eq(mem_init(&m, RAM), 0);
}

static void teardown(void)
{
	loader_free(&img);
	mem_fini(&m);
}

TestSuite(loader, .init = setup, .fini = teardown);

static int load_with(struct load_request req)
{
	return image_load(&b, req, &m, &img, &s, why, sizeof(why));
}

static int load(void)
{
	return load_with((struct load_request){ 0 });
}

static uint32_t word(uint64_t at)
{
	uint32_t v;

	memcpy(&v, m.host + at, sizeof(v));
	return v;
}

static const char *string(uint64_t at)
{
	return (const char *)m.host + at;
}

Test(loader, plain_elf32)
{
	image_elf32(&b, &(struct recipe){ 0 });
	cr_assert_eq(load(), 0, "%s", why);
	cr_assert_eq(img.kind, IMAGE_ELF32);
	cr_assert_eq(s.rip, TEXT_AT + ENTRY_OFFSET);
	cr_assert_eq(s.cr0 & (CR0_PE | CR0_PG), CR0_PE);
	cr_assert_eq(s.seg[S_CS].limit, 0xffffffffu);
	cr_assert(!memcmp(m.host + TEXT_AT, b.b + TEXT_OFFSET, TEXT_SIZE));
	cr_assert(!memcmp(m.host + DATA_AT, b.b + DATA_OFFSET, DATA_SIZE));
	cr_assert_eq(img.load_end, DATA_AT + DATA_MEMSZ);
	cr_assert_eq(strlen(loader_sha256(&img)), 64);
}

Test(loader, the_hash_is_the_files)
{
	image_elf32(&b, &(struct recipe){ 0 });
	load();
	char first[65];
	strcpy(first, loader_sha256(&img));
	char want[SHA256_DIGEST_STRING_LENGTH];
	cr_assert_str_eq(first, SHA256Data(b.b, b.n, want));
	loader_free(&img);
	load();
	cr_assert_str_eq(loader_sha256(&img), first);
	loader_free(&img);
	b.b[DATA_OFFSET] ^= 1;
	load();
	cr_assert_str_neq(loader_sha256(&img), first);
}

Test(loader, multiboot_registers_and_information)
{
	image_elf32(&b, &(struct recipe){ .multiboot = true });
	cr_assert_eq(load_with((struct load_request){ .append = "n=3 quiet" }), 0, "%s", why);
	cr_assert_eq(img.kind, IMAGE_MULTIBOOT);
	cr_assert_eq(s.gpr[R_EAX], 0x2badb002u);
	uint64_t info = s.gpr[R_EBX];
	uint32_t flags = word(info);
	cr_assert_eq(flags & 0x24d, 0x24d, "memory, command line, modules, map, loader name: flags %#x", flags);
	cr_assert_eq(word(info + 4), 639);
	cr_assert_eq(word(info + 8), 15 * 1024);
	cr_assert(strstr(string(word(info + 16)), " n=3 quiet"));
	cr_assert(!strchr(string(word(info + 16)), '/'), "no path of the host's in guest memory");
	cr_assert_str_eq(string(word(info + 64)), "ringlab");
	cr_assert_eq(word(info + 20), 0);
}

Test(loader, multiboot_memory_map)
{
	static const struct { uint64_t base, length; uint32_t type; } want[] = {
		{ 0, 0x9fc00, 1 }, { 0x9fc00, 0x60400, 2 }, { 0x100000, RAM - 0x100000, 1 } };

	image_elf32(&b, &(struct recipe){ .multiboot = true });
	cr_assert_eq(load(), 0);
	uint64_t info = s.gpr[R_EBX], at = word(info + 48), end = at + word(info + 44);
	unsigned n = 0;

	for (; at < end; at += word(at) + 4, n++) {
		cr_assert_lt(n, 3);
		cr_assert_eq(word(at + 4) | (uint64_t)word(at + 8) << 32, want[n].base);
		cr_assert_eq(word(at + 12) | (uint64_t)word(at + 16) << 32, want[n].length);
		cr_assert_eq(word(at + 20), want[n].type);
	}
	cr_assert_eq(n, 3);
}

Test(loader, multiboot_modules_are_page_aligned_and_in_order)
{
	static struct bytes mod = { .n = 5000 };
	char path[2][64];
	int fd[2];

	for (unsigned i = 0; i < mod.n; i++)
		mod.b[i] = (uint8_t)(i * 7);
	fd[0] = image_open(&mod, path[0], 64);
	mod.n = 1;
	fd[1] = image_open(&mod, path[1], 64);
	image_elf32(&b, &(struct recipe){ .multiboot = true });
	cr_assert_eq(load_with((struct load_request){ .modules = 2, .module = { { path[0], "first one" }, { path[1], NULL } } }), 0, "%s", why);
	uint64_t info = s.gpr[R_EBX], list = word(info + 24);
	cr_assert_eq(word(info + 20), 2);
	cr_assert_eq(word(list) % 4096, 0);
	cr_assert_geq(word(list), DATA_AT + DATA_MEMSZ);
	cr_assert_eq(word(list + 4) - word(list), 5000);
	for (unsigned i = 0; i < 5000; i++)
		cr_assert_eq(m.host[word(list) + i], (uint8_t)(i * 7));
	cr_assert(strstr(string(word(list + 8)), " first one"));
	cr_assert_eq(word(list + 16) % 4096, 0);
	cr_assert_geq(word(list + 16), word(list + 4));
	cr_assert_eq(word(list + 20) - word(list + 16), 1);
	image_close(fd[0]);
	image_close(fd[1]);
}

Test(loader, multiboot_section_headers_lead_to_names)
{
	image_elf32(&b, &(struct recipe){ .multiboot = true });
	cr_assert_eq(load(), 0);
	uint64_t info = s.gpr[R_EBX];
	cr_assert(word(info) & 0x20);
	cr_assert_eq(word(info + 28), 5);
	cr_assert_eq(word(info + 32), sizeof(Elf32_Shdr));
	const Elf32_Shdr *sh = (void *)(m.host + word(info + 36));
	cr_assert_str_eq(string(sh[word(info + 40)].sh_addr + sh[2].sh_name), ".symtab");
	const Elf32_Sym *sym = (void *)(m.host + sh[2].sh_addr);
	cr_assert_str_eq(string(sh[3].sh_addr + sym[2].st_name), "main");
}

Test(loader, multiboot_information_avoids_the_image)
{
	image_elf32(&b, &(struct recipe){ .multiboot = true });
	phdr32(&b, 1)->p_paddr = 0x90000;
	phdr32(&b, 1)->p_memsz = 0xfc00;
	cr_assert_eq(load(), 0, "%s", why);
	cr_assert_geq(s.gpr[R_EBX], TEXT_AT + TEXT_SIZE);
	for (unsigned i = DATA_SIZE; i < 0xfc00; i++)
		cr_assert_eq(m.host[0x90000 + i], 0);
}

Test(loader, flat_multiboot_image)
{
	image_flat(&b);
	cr_assert_eq(load(), 0, "%s", why);
	cr_assert_eq(img.kind, IMAGE_MULTIBOOT);
	cr_assert_eq(s.rip, 0x200040);
	cr_assert(!memcmp(m.host + 0x200000, b.b, 0x400));
	cr_assert_geq(img.load_end, 0x201000);
}

Test(loader, higher_half_images_enter_at_the_physical_address)
{
	gpa_t gpa;

	image_elf32(&b, &(struct recipe){ .multiboot = true, .vaddr_offset = 0xc0000000 });
	cr_assert_eq(load(), 0, "%s", why);
	cr_assert_eq(s.rip, TEXT_AT + ENTRY_OFFSET);
	cr_assert_eq(img.entry, 0xc0000000 + TEXT_AT + ENTRY_OFFSET);
	cr_assert(loader_vaddr_to_gpa(&img, 0xc0000000 + DATA_AT + 0x2fff, &gpa));
	cr_assert_eq(gpa.a, DATA_AT + 0x2fff);
	cr_assert(!loader_vaddr_to_gpa(&img, 0xc0000000 + DATA_AT + 0x3000, &gpa));
	cr_assert(!loader_vaddr_to_gpa(&img, DATA_AT, &gpa));
}

Test(loader, elf64_enters_long_mode_with_the_low_4_gib_mapped)
{
	image_elf64(&b);
	cr_assert_eq(load(), 0, "%s", why);
	cr_assert_eq(img.kind, IMAGE_ELF64);
	cr_assert_eq(s.rip, TEXT_AT + ENTRY_OFFSET);
	cr_assert_eq(s.efer & (EFER_LME | EFER_LMA), EFER_LME | EFER_LMA);
	cr_assert(s.cr0 & CR0_PG);
	cr_assert(s.cr4 & CR4_PAE);
	cr_assert(s.seg[S_CS].attr & SEG_L);
	for (uint64_t a = 0; a < 1ull << 32; a += 0x12345678) {
		uint64_t t = s.cr3, e = 0;

		for (int shift = 39; shift >= 21; shift -= 9) {
			e = *(uint64_t *)mem_ptr(&m, GPA(t + (a >> shift & 511) * 8), 8);
			cr_assert(e & 1);
			t = e & 0xffffffffff000;
		}
		cr_assert(e & 0x80);
		cr_assert_eq((e & 0xfffffffe00000) + (a & 0x1fffff), a);
	}
	cr_assert_eq(*(uint64_t *)mem_ptr(&m, GPA(s.gdtr.base + 8), 8), 0x00af9b000000ffffull);
	cr_assert_eq(*(uint64_t *)mem_ptr(&m, GPA(s.gdtr.base + 16), 8), 0x00cf93000000ffffull);
}

static void check_xen(bool notes)
{
	cr_assert(img.xen.present);
	cr_assert_eq(img.kind, IMAGE_XEN);
	cr_assert_str_eq(img.xen.guest_os, "test");
	cr_assert_str_eq(img.xen.loader, "generic");
	cr_assert(img.xen.pae);
	cr_assert_eq(img.xen.virt_base, 0xc0000000);
	cr_assert(img.xen.have_hypercall_page);
	cr_assert_eq(img.xen.hypercall_page, notes ? 0xc0001000 : 0xc0002000);
	cr_assert_eq(img.xen.entry, notes ? 0xc0000040 : TEXT_AT + ENTRY_OFFSET);
	cr_assert_eq(img.xen.paddr_offset, notes ? 0 : 0xc0000000);
	cr_assert_eq(img.segs, 2);
	cr_assert_eq(word(TEXT_AT), 0, "nothing is placed");
}

Test(loader, xen_notes_in_a_segment_a_section_or_a_legacy_string)
{
	static const struct recipe r[] = { { .xen_note = true }, { .xen_section = true }, { .xen_legacy = true },
		{ .xen_note = true, .long_note = true } };

	for (unsigned i = 0; i < 4; i++) {
		image_elf32(&b, &r[i]);
		cr_assert_eq(load_with((struct load_request){ .xen_ok = true }), 0, "%s", why);
		check_xen(!r[i].xen_legacy);
		loader_free(&img);
	}
}

Test(loader, a_xen_guest_elsewhere_is_refused_and_names_the_way)
{
	image_elf32(&b, &(struct recipe){ .xen_note = true });
	cr_assert_eq(load(), -EINVAL);
	cr_assert(strstr(why, "--backend pv"));
}

Test(loader, symbols)
{
	uint64_t v, n, off;
	const char *name;

	image_elf32(&b, &(struct recipe){ 0 });
	cr_assert_eq(load(), 0);
	cr_assert(loader_symbol(&img, "table", &v, &n));
	cr_assert(v == DATA_AT + 0x10 && n == 8);
	cr_assert(!loader_symbol(&img, "tabl", &v, &n));
	name = loader_symbolize(&img, TEXT_AT + 0x9f, &off);
	cr_assert(name && !strcmp(name, "main") && off == 0x1f);
	name = loader_symbolize(&img, TEXT_AT + 0xa0, &off);
	cr_assert(name && !strcmp(name, "_start") && off == 0x60, "past main, the label before it covers");
	cr_assert_null(loader_symbolize(&img, TEXT_AT, &off));
	cr_assert_null(loader_symbolize(&img, 0x12345678, &off));
}

Test(loader, segments_without_memory_do_not_count)
{
	image_elf32(&b, &(struct recipe){ 0 });
	*phdr32(&b, 1) = (Elf32_Phdr){ .p_type = PT_LOAD, .p_vaddr = 0xf0000000, .p_paddr = 0xf0000000 };
	cr_assert_eq(load(), 0, "%s", why);
	cr_assert_eq(img.segs, 1);
}

Test(loader, address_and_offset_need_not_agree_modulo_the_alignment)
{
	image_elf32(&b, &(struct recipe){ 0 });
	phdr32(&b, 1)->p_offset += 3; /* as in Debian's grub-i386-xen.bin */
	cr_assert_eq(load(), 0, "%s", why);
	cr_assert_eq(m.host[DATA_AT], 3);
}

/* Bad images: each is a change of a good one, and a word that the sentence must have. */

static void refused(const char *want)
{
	int err = load();

	cr_assert_eq(err, -EINVAL, "%s: not refused", want);
	cr_assert(strstr(why, want), "the sentence '%s' lacks '%s'", why, want);
	cr_assert_null(img.file);
}

#define BAD(change, want) do { \
	image_elf32(&b, &(struct recipe){ .multiboot = true }); \
	change; \
	refused(want); \
} while (0)

Test(loader, damaged_headers)
{
	BAD(b.n = 0, "empty");
	BAD(b.n = 3, "not an ELF file");
	BAD(b.n = 20, "cut short");
	BAD(b.b[0] = 0x7e; b.n = TEXT_OFFSET, "not an ELF file");
	BAD(b.b[0] = 0x7e, "not an ELF file");
	BAD(b.b[EI_DATA] = ELFDATA2MSB, "little-endian");
	BAD(ehdr32(&b)->e_machine = EM_ARM, "for machine 40");
	BAD(ehdr32(&b)->e_machine = EM_X86_64, "x32");
	BAD(ehdr32(&b)->e_type = ET_DYN, "no-pie");
	BAD(ehdr32(&b)->e_type = ET_REL, "executable");
	BAD(ehdr32(&b)->e_phnum = 0, "no program headers");
	BAD(ehdr32(&b)->e_phoff = 0, "no program headers");
	BAD(ehdr32(&b)->e_phoff = 0xfffffff0, "outside the file");
	BAD(ehdr32(&b)->e_phnum = 0xfff0, "outside the file");
	BAD(ehdr32(&b)->e_phentsize = 8, "e_phentsize");
	BAD(ehdr32(&b)->e_entry = 0x50, "entry point 0x50");
	BAD(phdr32(&b, 0)->p_type = phdr32(&b, 1)->p_type = PT_NULL, "nothing to run");
}

Test(loader, damaged_segments)
{
	BAD(phdr32(&b, 1)->p_offset = 0x7fff0000, "segment 1 (offset 0x7fff0000");
	BAD(phdr32(&b, 1)->p_filesz = 0x2fffffff; phdr32(&b, 1)->p_memsz = 0x30000000, "past the end of the file");
	BAD(b.n = DATA_OFFSET + 8; ehdr32(&b)->e_shoff = 0; ehdr32(&b)->e_shnum = 0, "segment 1");
	BAD(phdr32(&b, 1)->p_memsz = 1, "more bytes in the file");
	BAD(phdr32(&b, 1)->p_paddr = 0xfffff000, "wraps around");
	BAD(phdr32(&b, 1)->p_vaddr = 0xfffff000, "wraps around");
	BAD(phdr32(&b, 1)->p_align = 3, "power of two");
	BAD(phdr32(&b, 1)->p_paddr = TEXT_AT + TEXT_SIZE - 1, "overlap");
	BAD(phdr32(&b, 1)->p_paddr = 0x9f000, "hole");
	BAD(phdr32(&b, 1)->p_paddr = 0xa0000, "hole");
}

Test(loader, too_little_memory_says_how_much)
{
	BAD(phdr32(&b, 1)->p_memsz = 0x3000000, "segment 1 wants memory up to 0x3110000, but the guest has 16 MiB: use --mem 50M or more");
	BAD(phdr32(&b, 1)->p_paddr = 0xd0000000, "link it lower");
	mem_fini(&m);
	cr_assert_eq(mem_init(&m, 64 << 10), 0);
	BAD(, "the guest has 64 KiB: use --mem 2M");
}

Test(loader, the_segment_that_wants_most_is_the_one_named)
{
	BAD(phdr32(&b, 0)->p_paddr = 0x2000000; phdr32(&b, 1)->p_paddr = 0x4000000, "--mem 65M");
}

Test(loader, damaged_multiboot_headers)
{
	image_elf32(&b, &(struct recipe){ .multiboot = true, .multiboot_flags = 7 });
	refused("video");
	image_elf32(&b, &(struct recipe){ .multiboot = true, .multiboot_flags = 0x803 });
	refused("0.6.96");
	for (unsigned i = 0; i < 4; i++) {
		static const struct { unsigned field; uint32_t v; } bad[] = {
			{ 3, 0x100000 }, { 4, 0x300000 }, { 5, 0x200800 }, { 6, 0x200200 } };
		image_flat(&b);
		memcpy(b.b + 0x10 + 4 * bad[i].field, &bad[i].v, 4);
		refused("Multiboot header");
	}
	image_flat(&b);
	b.n = 0x20;
	refused("cut short");
	image_flat(&b);
	memcpy(b.b + 0x10 + 28, &(uint32_t){ 0x300000 }, 4);
	refused("entry point");
	image_flat(&b);
	memcpy(b.b + 0x10 + 4, (uint32_t[]){ 3, -(0x1badb002u + 3) }, 8);
	refused("without addresses");
}

Test(loader, a_multiboot_header_past_8_kib_is_none)
{
	static struct bytes f;

	image_flat(&f);
	memset(&b, 0, sizeof(b));
	b.n = 8192 + 0x400;
	memcpy(b.b + 8192 - 0x10 - 8, f.b, 0x400);
	refused("no Multiboot header");
}

Test(loader, modules)
{
	image_elf32(&b, &(struct recipe){ 0 });
	cr_assert_eq(load_with((struct load_request){ .modules = 1, .module = { { "/dev/null", NULL } } }), -EINVAL);
	cr_assert(strstr(why, "--module"));
	image_elf32(&b, &(struct recipe){ .multiboot = true });
	cr_assert_eq(load_with((struct load_request){ .modules = 1, .module = { { "/no/such", NULL } } }), -ENOENT);
	cr_assert(strstr(why, "/no/such"));
	cr_assert_eq(load_with((struct load_request){ .modules = 1, .module = { { "/dev/null", NULL } } }), -EINVAL);
	cr_assert(strstr(why, "no regular file"));

	static struct bytes mod = { .n = IMAGE_MAX };
	char path[64];
	int fd = image_open(&mod, path, sizeof(path));
	cr_assert_eq(ftruncate(fd, 20 << 20), 0);
	cr_assert_eq(load_with((struct load_request){ .modules = 1, .module = { { path, NULL } } }), -EINVAL);
	cr_assert(strstr(why, "use --mem 22M"), "%s", why);
	cr_assert_eq(ftruncate(fd, 2ll << 30), 0);
	cr_assert_eq(load_with((struct load_request){ .modules = 1, .module = { { path, NULL } } }), -EINVAL);
	cr_assert(strstr(why, "larger than"), "%s", why);
	image_close(fd);
}

Test(loader, files_that_are_none)
{
	struct load_request req = { .path = "/no/such/guest.elf" };

	cr_assert_eq(loader_load(&req, &m, &img, &s, why, sizeof(why)), -ENOENT);
	cr_assert(strstr(why, "cannot open /no/such/guest.elf"));
	req.path = "/";
	cr_assert_eq(loader_load(&req, &m, &img, &s, why, sizeof(why)), -EINVAL);
	cr_assert(strstr(why, "directory"));
	req.path = "/dev/zero";
	cr_assert_eq(loader_load(&req, &m, &img, &s, why, sizeof(why)), -EINVAL);
	cr_assert(strstr(why, "no regular file"));
}
