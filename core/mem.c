/*
 * mem.c - guest RAM on a memfd, and its hash.
 *
 * Core's view is one shared mapping placed by the kernel, high in the address space. Backends map the same descriptor
 * where they want it. Pages are not reserved: a guest that never touches its memory costs nothing.
 */
#include "core/mem.h"
#include <errno.h>
#include <sha2.h>
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

void mem_sha256(const struct mem *m, char hex[65])
{
	SHA256Data(m->host, m->size, hex);
}
