/*
 * mem.h - guest-physical memory: one memfd, so that backends can map any page of it any number of times.
 *
 * RAM is contiguous from guest-physical 0; everything above mem.size is MMIO or nothing. `host` is core's own view of
 * it, high in the address space, never reachable by guest code.
 */
#pragma once
#include "core/types.h"

struct mem {
	int fd;
	uint8_t *host;
	uint64_t size; /* bytes, a multiple of PAGE_SIZE */
};

#define MEM_MAX (3ull << 30) /* the top GiB of 32-bit guest-physical space is for devices */

int mem_init(struct mem *m, uint64_t size); /* 0 or -errno */
void mem_fini(struct mem *m);

static inline bool mem_contains(const struct mem *m, gpa_t gpa, uint64_t len)
{
	return gpa.a < m->size && len <= m->size - gpa.a;
}

/* Core's pointer to guest RAM, or NULL when any of it is outside. */
static inline void *mem_ptr(const struct mem *m, gpa_t gpa, uint64_t len)
{
	return mem_contains(m, gpa, len) ? m->host + gpa.a : NULL;
}

/*
 * SHA-256 of all RAM, as 64 hex digits and a NUL: over the size, then for each page that is not all zeros its address and
 * its bytes (size and addresses as 8 little-endian bytes).
 */
void mem_sha256(const struct mem *m, char hex[65]);
