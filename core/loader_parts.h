/*
 * loader_parts.h - what the files of the loader share: one load in progress, and how it refuses.
 *
 * Private to core/loader*.c. Read next: loader.c.
 */
#pragma once
#include <gelf.h>
#include <sys/types.h>
#include "core/loader.h"

/* Sizes a file may have. Beyond this it is no guest. */
#define LOADER_FILE_MAX (1ull << 30)

/* The PC's memory map below 1 MiB. */
#define LOW_RAM_END 0x9fc00ull
#define HIGH_RAM 0x100000ull

struct loading {
	const struct load_request *req;
	const char *name; /* the file's, without its directory */
	struct mem *m;
	struct image *img;
	struct cpu_state *state;
	char *why;
	size_t why_n;
	uint64_t low_top; /* low memory is handed out downwards from here, and */
	uint64_t end;     /* high memory upwards from here */
};

/* Writes "FILE: sentence" and returns -EINVAL. */
__attribute__((format(printf, 2, 3)))
int load_refuse(struct loading *l, const char *fmt, ...);
/* Refuses because what (a phrase) needs guest RAM up to end, and says how much to give. */
int load_refuse_ram(struct loading *l, const char *what, uint64_t end);

/* Opens path and checks that it is a file of sane size: a descriptor, or -errno with a sentence. */
int load_open(struct loading *l, const char *path, uint64_t *size);
/* Reads exactly size bytes. */
int load_read(struct loading *l, int fd, void *buf, uint64_t size, const char *path);

/* Room for tables that the loader makes: page-aligned, in low memory if nothing of the image is there, else past it. */
int load_room(struct loading *l, uint64_t size, const char *what, gpa_t *at);
/* Page-aligned room past everything that was placed. */
int load_room_high(struct loading *l, uint64_t size, const char *what, gpa_t *at);

/* loader_elf.c: reads img->file's headers into img; then, if they are to be placed, checks and copies segments. */
int elf_describe(struct loading *l, Elf *elf);
int elf_place(struct loading *l);
/* Translates an entry point as linked to where it lies in RAM. */
int elf_entry(struct loading *l, uint64_t *entry);
/* Places one checked or unchecked segment: RAM, hole, overlap, truncation. i is for the sentence. */
int segment_place(struct loading *l, unsigned i);

/* loader_xen.c: fills img->xen. Never fails: notes that make no sense are not there. */
void xen_notes_read(struct loading *l, Elf *elf);

/* loader_multiboot.c. The header's file offset, or -1 when there is none. */
int64_t multiboot_find(const uint8_t *file, size_t size);
int multiboot_load(struct loading *l, Elf *elf, int64_t header);
/* Builds the information structure; elf may be NULL. */
int multiboot_info(struct loading *l, Elf *elf, gpa_t *info);
#define MULTIBOOT_BOOT_MAGIC 0x2badb002u

/* loader_linux.c: is it a bzImage; and loads it. */
bool linux_is_bzimage(const uint8_t *file, size_t size);
int linux_load(struct loading *l);

/* loader_long.c: page tables, GDT and state for a 64-bit image. */
int long_mode_enter(struct loading *l, uint64_t entry);
