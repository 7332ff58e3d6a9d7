/*
 * layout.h - the 32-bit address space that a test sees, the same natively and in the VM.
 *
 *   0x10000000  code, 32 pages, read and execute; one slot of 256 bytes for each test of a batch, filled up with INT3
 *   0x20000000  data: 2 pages read-write, 1 page read-only, 1 page hole, 1 page read-write, then nothing
 *   0x30000000  stack, 1 page, nothing on either side
 *   0xfffff000  top of the address space, 1 page
 *
 * Everything else is unmapped, but for the VM's own supervisor pages at 0xc0000000, which tests stay away from. The
 * selectors are those of a Linux process in compatibility mode, and an LDT that native.c installs with modify_ldt and
 * engine.c writes into the guest.
 */
#pragma once
#include "core/cpu.h"

#define IT_CODE 0x10000000u
#define IT_CODE_PAGES 32u
#define IT_CODE_SIZE (IT_CODE_PAGES * PAGE_SIZE)
#define IT_SLOT 256u
#define IT_SLOTS (IT_CODE_SIZE / IT_SLOT)
#define IT_DATA 0x20000000u
#define IT_DATA_RO (IT_DATA + 2 * PAGE_SIZE)
#define IT_HOLE (IT_DATA + 3 * PAGE_SIZE)
#define IT_ISLAND (IT_DATA + 4 * PAGE_SIZE)
#define IT_STACK 0x30000000u
#define IT_TOP 0xfffff000u
#define IT_SUPER 0xc0000000u
#define IT_SUPER_PAGES 8u
/* Engines only: the guest-physical pages that hold the page tables (and all below them), for ring 0 to change. */
#define IT_TABLES (IT_SUPER + 0x10000u)
#define IT_TABLES_PAGES 32u

/* The memory image: writable pages first. */
#define IT_RW_PAGES 5u
#define IT_IMAGE_PAGES 6u
#define IT_RW_SIZE (IT_RW_PAGES * PAGE_SIZE)
#define IT_IMAGE_SIZE (IT_IMAGE_PAGES * PAGE_SIZE)

struct it_region {
	uint32_t linear, pages, image_page;
	bool writable;
};
#define IT_REGIONS 5u
extern const struct it_region it_regions[IT_REGIONS];

/* Offset in the image of a linear address, or -1. */
int64_t image_offset(uint32_t linear);
struct itest;
/* The image with the test's patches applied; only the pages of seed are cached by the caller's struct. */
struct it_image {
	uint32_t seed;
	bool valid;
	uint8_t byte[IT_IMAGE_SIZE];
};
void image_seed(struct it_image *im, uint32_t seed);
void image_patch(uint8_t *image, const struct itest *t);
/* Hash of the writable pages; zeroes the ignored ranges first. */
uint64_t image_hash(uint8_t *image, const struct itest *t);

/* Selectors */
#define SEL_CODE 0x23u
#define SEL_DATA 0x2bu
#define SEL_CODE0 0x08u /* ring 0, engines only */
#define SEL_DATA0 0x18u

struct it_segdef {
	uint32_t base, limit; /* limit in units of the granularity */
	uint8_t type;         /* descriptor type, accessed */
	bool big, pages, present;
};
/* LDT entries; selector (index << 3) | 7. */
enum { LDT_FS, LDT_GS, LDT_SMALL, LDT_RO, LDT_DOWN, LDT_ABSENT, LDT_XONLY, LDT_CONFORMING, LDT_SEGS,
	/* Engines only: 16-bit code and stack, a stack that grows into a limit. */
	LDT_CODE16 = LDT_SEGS, LDT_STACK16, LDT_SHORT, LDT_ALL };
#define SEL_LDT(i) (uint16_t)(((i) << 3) | 7)
extern const struct it_segdef it_ldt[LDT_ALL];
/* The GDT's eight bytes for selector sel >> 3, as the host has them for user mode. */
#define IT_GDT_ENTRIES 16u
uint64_t segdef_descriptor(const struct it_segdef *d);
