/*
 * images.h - guest images made in memory, good ones, for the loader's tests to load, break and mutate.
 */
#pragma once
#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_MAX 32768

struct bytes {
	size_t n;
	_Alignas(16) uint8_t b[IMAGE_MAX];
};

/* What a 32-bit image shall have. Segment 0 is text at 1 MiB, segment 1 data with .bss at 1 MiB + 64 KiB. */
struct recipe {
	bool multiboot;
	uint32_t multiboot_flags; /* 0: bits 0 and 1 */
	bool xen_note;            /* PT_NOTE */
	bool xen_section;         /* SHT_NOTE only */
	bool xen_legacy;          /* __xen_guest */
	bool long_note;           /* the last Xen note claims more than there is */
	uint64_t vaddr_offset;    /* virtual minus physical addresses */
};

void image_elf32(struct bytes *to, const struct recipe *r);
void image_elf64(struct bytes *to);
/* No ELF: a Multiboot header with addresses. */
void image_flat(struct bytes *to);

/* A Linux bzImage of protocol 2.15: two real-mode sectors besides the boot sector, BZ_PART bytes of protected-mode part. */
void image_bzimage(struct bytes *to);
#define BZ_SETUP 0x600u
#define BZ_PART 0x1230u /* no multiple of 16, as signed kernels have it */
#define BZ_PREF 0x120000u
#define BZ_INIT_SIZE 0x40000u
#define BZ_CMDLINE 0x7ffu

/* Where things are in image_elf32. */
#define TEXT_OFFSET 0x1000
#define DATA_OFFSET 0x2000
#define TEXT_AT 0x100000
#define DATA_AT 0x110000
#define TEXT_SIZE 0x200
#define DATA_SIZE 0x100
#define DATA_MEMSZ 0x3000
#define ENTRY_OFFSET 0x40
#define NOTE_OFFSET 0x800

Elf32_Ehdr *ehdr32(struct bytes *b);
Elf32_Phdr *phdr32(struct bytes *b, unsigned i);

/* Gives the image a path of the form /proc/self/fd/N, which image_close frees. */
int image_open(const struct bytes *b, char *path, size_t n);
void image_close(int fd);
