/*
 * mem.c - guest RAM on a memfd, and its hash.
 *
 * Core's view is one shared mapping placed by the kernel, high in the address space. Backends map the same descriptor
 * where they want it. Pages are not reserved: a guest that never touches its memory costs nothing.
 */
#include "core/mem.h"
#include <errno.h>
#include <sha2.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int mem_init(struct mem *m, uint64_t size)
{
	int r;

	*m = (struct mem){ .fd = -1, .size = size };
	if (!size || size % PAGE_SIZE || size > MEM_MAX)
		return -EINVAL;
	m->fd = memfd_create("guest-ram", MFD_CLOEXEC);
	if (m->fd < 0)
		return -errno;
	if (ftruncate(m->fd, (off_t)size)) {
		r = -errno;
		goto fail;
	}
	m->host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, m->fd, 0);
	if (m->host == MAP_FAILED) {
		r = -errno;
		goto fail;
	}
	return 0;
fail:
	close(m->fd);
	*m = (struct mem){ .fd = -1 };
	return r;
}

void mem_fini(struct mem *m)
{
	if (m->host)
		munmap(m->host, m->size);
	if (m->fd >= 0)
		close(m->fd);
	*m = (struct mem){ .fd = -1 };
}

static void hash_u64(SHA2_CTX *c, uint64_t v)
{
	uint8_t le[8];

	for (int i = 0; i < 8; i++)
		le[i] = (uint8_t)(v >> (8 * i));
	SHA256Update(c, le, sizeof(le));
}

/* Where the next run of data (SEEK_DATA) or the next hole (SEEK_HOLE) begins, at or after `at`; size when there is none. */
static uint64_t seek(const struct mem *m, uint64_t at, int what)
{
	off_t found = at < m->size ? lseek(m->fd, (off_t)at, what) : -1;

	if (found < 0)
		return m->size;
	return (uint64_t)found < m->size ? (uint64_t)found & PAGE_MASK : m->size;
}

/* Pages of zeros are left out: hashing 64 MiB costs seconds on an emulated machine, and RAM is mostly empty. */
void mem_sha256(const struct mem *m, char hex[65])
{
	static const uint8_t zeros[PAGE_SIZE];
	SHA2_CTX c;

	SHA256Init(&c);
	hash_u64(&c, m->size);
	for (uint64_t at = seek(m, 0, SEEK_DATA), end; at < m->size; at = seek(m, end, SEEK_DATA)) {
		end = seek(m, at, SEEK_HOLE);
		for (; at < end; at += PAGE_SIZE) {
			if (!memcmp(m->host + at, zeros, PAGE_SIZE))
				continue;
			hash_u64(&c, at);
			SHA256Update(&c, m->host + at, PAGE_SIZE);
		}
	}
	SHA256End(&c, hex);
}
