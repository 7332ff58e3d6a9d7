/*
 * pv_patch_scan.h - recursive descent through 32-bit code: what is proved to be code, and what is not.
 *
 * The scanner knows nothing of pages and patches: it asks for bytes, and tells of each instruction once. Read next:
 * pv_patch_scan.c; pv_patch_page.c is what it talks to.
 */
#pragma once
#include "pv_insn.h"

struct scan_ops {
	void *ctx;
	/* Copies what may be code at la, up to n bytes, into buf; how many there are. */
	unsigned (*read)(void *ctx, uint32_t la, uint8_t *buf, unsigned n);
	/* A word of data that does not change (a jump table): false when it cannot be known. May be NULL. */
	bool (*word)(void *ctx, uint32_t la, uint32_t *value);
	/* Was an instruction at la proved in an earlier scan? Then this one stops there. */
	bool (*known)(void *ctx, uint32_t la);
	void (*code)(void *ctx, uint32_t la, const struct insn_info *i);
};

struct scan_counts {
	uint64_t insns;      /* proved */
	uint64_t indirect;   /* jumps and calls whose targets are not known */
	uint64_t tables;     /* jump tables whose bound was proved */
	uint64_t dead_ends;  /* chains that ran into what is no instruction */
	uint64_t no_return;  /* calls of functions that never return: what follows was not taken for code */
};

struct scan;

/* A scan of at most limit instructions. NULL without memory. */
struct scan *scan_create(const struct scan_ops *ops, uint64_t limit);
/* Code begins at la: an entry point, a function, a handler. */
void scan_root(struct scan *s, uint32_t la);
/* Follows everything. False when the limit was reached, or memory ran out: what was told is right, but there may be more. */
bool scan_run(struct scan *s, struct scan_counts *sum);
void scan_free(struct scan *s);
