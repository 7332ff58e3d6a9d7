/*
 * mem.h - guest-physical memory: one memfd, so that backends can map any page of it any number of times.
 *
 * RAM is contiguous from guest-physical 0; everything above mem.size is MMIO or nothing, but for one range: memory of the
 * host's that the guest shares with other processes (run --shmem), a file of its own that backends map like RAM. `host`
 * and `shared` are core's own views, high in the address space, never reachable by guest code.
 */
#pragma once
#include "core/types.h"

struct mem {
	int fd;
	uint8_t *host;
	uint64_t size; /* bytes, a multiple of PAGE_SIZE */
	int shared_fd;
	uint8_t *shared;      /* NULL: there is none */
	uint64_t shared_size; /* a power of two, at least a page */
};

#define MEM_SHARED_BASE 0xd0000000u /* guest-physical; dev/shmem.c tells the guest of it */
#define MEM_SHARED_MAX (256u << 20)

#define MEM_MAX (3ull << 30) /* the top GiB of 32-bit guest-physical space is for devices */

int mem_init(struct mem *m, uint64_t size); /* 0 or -errno */
void mem_fini(struct mem *m);
/* Opens shared memory: a file by its path (whose size is its own), or an anonymous one of so many bytes. 0, or -errno with a sentence. */
int mem_share(struct mem *m, const char *spec);

static inline bool mem_is_shared(const struct mem *m, gpa_t gpa, uint64_t len)
{
	uint64_t off = gpa.a - MEM_SHARED_BASE;

	return off < m->shared_size && len <= m->shared_size - off;
}

/* RAM, or shared memory. */
static inline bool mem_contains(const struct mem *m, gpa_t gpa, uint64_t len)
{
	return (gpa.a < m->size && len <= m->size - gpa.a) || mem_is_shared(m, gpa, len);
}

/* Core's pointer to it, or NULL when any of it is outside. */
static inline void *mem_ptr(const struct mem *m, gpa_t gpa, uint64_t len)
{
	if (gpa.a < m->size && len <= m->size - gpa.a)
		return m->host + gpa.a;
	return mem_is_shared(m, gpa, len) ? m->shared + (gpa.a - MEM_SHARED_BASE) : NULL;
}

/* What mem_ptr gave, back. */
static inline gpa_t mem_gpa(const struct mem *m, const uint8_t *p)
{
	return (uint64_t)(p - m->host) < m->size ? GPA(p - m->host) : GPA(MEM_SHARED_BASE + (uint64_t)(p - m->shared));
}

/* The descriptor and offset by which a backend maps what lies at gpa, which must be one of the two. */
static inline int mem_backing(const struct mem *m, gpa_t gpa, uint64_t *off)
{
	*off = gpa.a < m->size ? gpa.a : gpa.a - MEM_SHARED_BASE;
	return gpa.a < m->size ? m->fd : m->shared_fd;
}

/*
 * SHA-256 of all RAM, as 64 hex digits and a NUL: over the size, then for each page that is not all zeros its address and
 * its bytes (size and addresses as 8 little-endian bytes).
 */
void mem_sha256(const struct mem *m, char hex[65]);
