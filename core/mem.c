/*
 * mem.c - guest RAM on a memfd, and its hash.
 *
 * Core's view is one shared mapping placed by the kernel, high in the address space. Backends map the same descriptor
 * where they want it. Pages are not reserved: a guest that never touches its memory costs nothing.
 */
#include "core/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/vm.h"

int mem_init(struct mem *m, uint64_t size)
{
	int r;

	*m = (struct mem){ .fd = -1, .size = size, .shared_fd = -1 };
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
	*m = (struct mem){ .fd = -1, .shared_fd = -1 };
	return r;
}

void mem_fini(struct mem *m)
{
	if (m->host)
		munmap(m->host, m->size);
	if (m->fd >= 0)
		close(m->fd);
	if (m->shared)
		munmap(m->shared, m->shared_size);
	if (m->shared_fd >= 0)
		close(m->shared_fd);
	*m = (struct mem){ .fd = -1, .shared_fd = -1 };
}

/* The descriptor of "64M" or of a file, and its size; or -errno. */
static int share_open(const char *spec, uint64_t *size)
{
	struct stat st;
	char *end;
	uint64_t n = strtoull(spec, &end, 10);
	int fd;

	n <<= *end == 'K' ? 10 : *end == 'M' ? 20 : 0;
	if (end != spec && (!*end || ((*end == 'K' || *end == 'M') && !end[1]))) {
		*size = n;
		fd = memfd_create("guest-shared", MFD_CLOEXEC);
		return fd < 0 || ftruncate(fd, (off_t)n) ? -errno : fd;
	}
	fd = open(spec, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	*size = fstat(fd, &st) || !S_ISREG(st.st_mode) ? 0 : (uint64_t)st.st_size;
	return fd;
}

int mem_share(struct mem *m, const char *spec)
{
	uint64_t size = 0;
	int fd = share_open(spec, &size), r;

	if (fd < 0) {
		say("cannot share memory with the guest by --shmem %s: %s", spec, strerror(-fd));
		return fd;
	}
	if (size < PAGE_SIZE || size > MEM_SHARED_MAX || (size & (size - 1))) {
		say("--shmem %s: its size, %llu bytes, must be a power of two from 4K to %uM", spec, (unsigned long long)size, MEM_SHARED_MAX >> 20);
		close(fd);
		return -EINVAL;
	}
	m->shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (m->shared == MAP_FAILED) {
		r = -errno;
		m->shared = NULL;
		close(fd);
		return r;
	}
	m->shared_fd = fd;
	m->shared_size = size;
	return 0;
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
