/*
 * afterburn.h - sites of a pre-virtualized image: reading the records, and what a decoded instruction counts as.
 *
 * Used by pv's `previrt` interface and by tools/afterburn, so that the stage that writes annotations and the loader that trusts
 * none of them agree on what is sensitive. Read next: abi/afterburn.h, core/afterburn.c.
 */
#pragma once
#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <stdio.h>
#include "abi/afterburn.h"

extern const char *const afterburn_kind_name[AB_COUNT];
extern const uint8_t afterburn_least[AB_COUNT]; /* bytes a site must have */

/* What a 32-bit instruction is; AB_NONE for one that needs no annotation. A store to memory is never AB_PTE by itself. */
enum afterburn_kind afterburn_classify(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *ops);
/* Could it be a page-table write: an instruction that stores to memory, and that the interpreter executes? */
bool afterburn_is_store(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *ops);

/* The section's bytes in a file of size n, or NULL (then *why is NULL where there is no such section, else a sentence). */
const uint8_t *afterburn_section(const void *file, size_t n, size_t *size, const char **why);

enum afterburn_wrong { /* why a site is refused */
	AB_OK, AB_BAD_VERSION, AB_BAD_KIND, AB_TOO_SHORT, AB_BAD_EXTENT, AB_NOT_DECODED, AB_OTHER_INSN, AB_NOT_NOPS, AB_WRONGS
};
extern const char *const afterburn_wrong_text[AB_WRONGS];
/* Does code (r->len bytes) hold what the record says? Sees to version, kind, extent, instruction and NOPs. */
enum afterburn_wrong afterburn_verify(const struct afterburn_record *r, const uint8_t *code);

/*
 * Decodes every executable section of an ELF file (an object file too) and prints each sensitive instruction without an
 * annotation, and each annotation that does not hold. Sections named in skip (NULL-terminated, may be NULL) are left out. The number of
 * findings, or -1 with a sentence on out when the file cannot be read.
 */
int afterburn_check(const char *path, const void *file, size_t n, const char *const *skip, FILE *out);
