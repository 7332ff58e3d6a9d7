/*
 * loader.h - puts a guest image into guest memory and says how to enter it.
 *
 * A Linux bzImage by its 32-bit boot protocol; and ELF by libelf: 32-bit with a Multiboot 1 header (info structure, memory map, command line, modules), plain 32-bit
 * (flat protected mode at e_entry), 32-bit with Xen notes (described in struct image for the pv builder, nothing is
 * placed), and 64-bit (identity page tables of 2 MiB pages, long mode at e_entry). Every malformed file is refused
 * with a sentence; nothing is read or written outside the file and guest RAM.
 */
#pragma once
#include "core/cpu.h"
#include "core/mem.h"

enum image_kind { IMAGE_NONE, IMAGE_ELF32, IMAGE_MULTIBOOT, IMAGE_XEN, IMAGE_ELF64, IMAGE_LINUX };

/* The ELF notes of a Xen guest (xen/elfnote.h), where present. */
struct xen_notes {
	bool present;
	uint64_t virt_base, paddr_offset, entry, hypercall_page, init_p2m;
	bool have_hypercall_page, have_init_p2m;
	bool pae;
	char guest_os[32], features[128], loader[16];
};

struct image_segment {
	uint64_t vaddr, paddr; /* p_vaddr, p_paddr (for Xen: p_vaddr - virt_base + paddr_offset rules are the builder's) */
	uint64_t filesz, memsz, offset;
	uint32_t flags; /* PF_R/W/X of elf.h */
};

#define IMAGE_SEGMENTS 16

struct image {
	enum image_kind kind;
	uint8_t *file;        /* the whole file, read into memory; owned */
	size_t file_size;
	char sha256[65];      /* loader_sha256 fills it when first asked */
	uint64_t entry;       /* e_entry */
	struct image_segment seg[IMAGE_SEGMENTS];
	unsigned segs;
	struct xen_notes xen;
	uint8_t *module;      /* a Xen guest's module, for the builder; owned; NULL: none */
	size_t module_size;
	uint64_t load_end;    /* first guest-physical byte past all that was placed */
};

struct load_module {
	const char *path;
	const char *args;
};
#define LOAD_MODULES 16

struct load_request {
	const char *path;
	const char *append; /* command line, may be NULL */
	struct load_module module[LOAD_MODULES];
	unsigned modules;
	const char *initrd; /* a Linux kernel's initial RAM disk; NULL for none */
	bool bzimage;       /* nothing but a Linux kernel will do */
	bool xen_ok; /* the backend can build a Xen domain: an image with Xen notes stays unplaced */
};

/*
 * Reads req->path into *img, and unless it is a Xen image for a builder, places it in m, which must be fresh (zero:
 * .bss is not cleared again), and sets *s to the entry state. 0, or -errno with a sentence (what, where, what to do)
 * in why[n]. The command line that the guest sees is "NAME APPEND", NAME being the image's file name without directory;
 * modules likewise. A Linux kernel gets append alone.
 */
int loader_load(const struct load_request *req, struct mem *m, struct image *img, struct cpu_state *s, char *why, size_t n);
void loader_free(struct image *img);

/* SHA-256 of the file as 64 hex digits. Worked out when first asked, for a start must not wait for it. */
const char *loader_sha256(struct image *img);

/* The virtual address and size of an ELF symbol of the image; false when there is none. */
bool loader_symbol(const struct image *img, const char *name, uint64_t *vaddr, uint64_t *size);
/* The name of the function symbol that covers vaddr, and the offset into it; NULL when none does. */
const char *loader_symbolize(const struct image *img, uint64_t vaddr, uint64_t *offset);
/* Calls fn for each function symbol of the image. */
void loader_functions(const struct image *img, void (*fn)(void *ctx, uint64_t vaddr), void *ctx);
/*
 * Calls fn for each piece of the image that holds instructions: sections that say so, or, in a file without section headers,
 * executable segments as far as the file fills them.
 */
void loader_code(const struct image *img, void (*fn)(void *ctx, uint64_t vaddr, uint64_t size), void *ctx);
/* Guest-physical address of a virtual address of the image as loaded; false when no segment covers it. */
bool loader_vaddr_to_gpa(const struct image *img, uint64_t vaddr, gpa_t *gpa);
