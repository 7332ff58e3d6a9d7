/*
 * pv_patch.h - the `patch` interface's own state: which frames hold code, what was proved of it, and where traps are.
 *
 * A frame (a page of guest-physical memory) is data until code is proved or fetched in it. Then it has a copy with traps in
 * it, and only the copy is mapped executable; guest RAM itself keeps the guest's own bytes, so that the interpreter, devices
 * and debuggers see those. No frame is executable and writable at once. Read next: pv_patch.c, pv_patch_page.c, pv_patch_scan.h.
 */
#pragma once
#include "pv.h"
#include "pv_patch_scan.h"

#define PATCH_TRAP 0xcc /* INT3 */
#define PATCH_RANGES 32u

enum code_state {
	CODE_NONE,    /* data: never executable */
	CODE_SCANNED, /* the copy is executable */
	CODE_LEFT,    /* user code that did not come with the image: executable as it is */
};

/* What was proved of one frame; a bit for each byte. */
struct code_page {
	uint8_t start[PAGE_SIZE / 8];   /* an instruction begins here */
	uint8_t covered[PAGE_SIZE / 8]; /* is part of an instruction */
	uint8_t site[PAGE_SIZE / 8];    /* the copy has a trap here */
	uint32_t sites, writes;
	bool head;                      /* an instruction comes in from the page before, */
	uint32_t head_from;             /* which is this frame */
};

struct patch_counts {
	uint64_t found, privileged, overlaps; /* sensitive instructions; of these privileged; others that need a trap because they overlap one */
	uint64_t traps, follows;      /* sites executed: by a trap; behind another one without a trap of their own */
	uint64_t scans, late;         /* scans after the load; instructions proved by them */
	uint64_t dropped, left;       /* frames that became data again; frames of user code left alone */
	uint64_t limited;             /* scans that reached their limit */
	uint64_t text_writes;         /* writes to frames of code, interpreted */
};

struct patch {
	struct pv *pv;
	int fd;                  /* the copies: as large as guest RAM, sparse */
	uint8_t *copy;           /* our view of them */
	struct code_page **page; /* by frame; NULL unless CODE_SCANNED */
	uint8_t *state;          /* enum code_state, by frame */
	uint32_t frames;
	struct patch_range { uint32_t from, to; } range[PATCH_RANGES]; /* of the image that holds instructions, by virtual address */
	unsigned ranges;
	bool loading;            /* addresses are the image's, not the guest's page tables' */
	bool user;               /* the scan is for user mode */
	bool scanning;           /* translations do not change meanwhile: the last one is kept */
	uint32_t last_page, last_frame; /* last byte of a page, and where it is */
	bool ready;
	uint64_t idt_base;       /* when last scanned */
	uint16_t idt_limit;
	struct patch_counts n;
	struct scan_counts scan;
};

/* ---- pv_patch_page.c ---- */
int patch_pages_init(struct patch *p, const struct mem *m);
void patch_pages_fini(struct patch *p, const struct mem *m);
/* The frame of a linear address, as the guest would fetch from it (or the image places it, while loading); -1: none. */
int64_t patch_frame_of(struct patch *p, uint32_t la);
/* Scanner's callbacks, with struct patch as ctx. */
unsigned patch_read(void *ctx, uint32_t la, uint8_t *buf, unsigned n);
bool patch_word(void *ctx, uint32_t la, uint32_t *value);
bool patch_known(void *ctx, uint32_t la);
void patch_code(void *ctx, uint32_t la, const struct insn_info *i);
/* The frame gets its copy, and loses every writable mapping. False without memory. */
bool patch_promote(struct patch *p, uint32_t frame);
/* The frame is data again. */
void patch_drop(struct patch *p, uint32_t frame);
void patch_leave(struct patch *p, uint32_t frame); /* CODE_LEFT */
bool patch_is_site(const struct patch *p, uint32_t frame, unsigned off);
bool patch_is_start(const struct patch *p, uint32_t frame, unsigned off);
/* Guest RAM was written at gpa by us. */
void patch_written(struct patch *p, gpa_t gpa, uint64_t len);
