/*
 * host.c - the kernel's functions that the file system calls, by malloc, so that AddressSanitizer sees each buffer's end.
 */
#include "host.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int host_pages, host_objects;
uint32_t host_memory_limit = 1u << 20;

void hal_printf(const char *fmt, ...)
{
	va_list args;

	if (!getenv("FS_TEST_VERBOSE"))
		return;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
}

void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	abort();
}

void *page_alloc(unsigned order)
{
	if ((uint32_t)host_pages >= host_memory_limit)
		return NULL;
	host_pages++;
	return aligned_alloc(PAGE, (size_t)PAGE << order);
}

void page_put(void *va)
{
	host_pages--;
	free(va);
}

void *kmalloc(size_t n)
{
	host_objects++;
	return malloc(n);
}

void *kzalloc(size_t n)
{
	host_objects++;
	return calloc(1, n);
}

void kfree(void *p)
{
	host_objects -= p != NULL;
	free(p);
}

uint32_t time_wall(void) { return 1767225600 + 86400; }

uint32_t host_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static int submit(struct disk *d, struct disk_req *req, unsigned n)
{
	struct host_disk *h = container_of(d, struct host_disk, disk);
	int err = 0;

	for (unsigned i = 0; i < n; i++) {
		struct disk_req *r = &req[i];

		assert(r->count && r->count <= 8 && r->sector < d->sectors && r->count <= d->sectors - r->sector);
		assert(((uintptr_t)r->data & PAGE_MASK) + r->count * 512 <= PAGE);
		if (h->fail_one_in && host_random(&h->seed) % h->fail_one_in == 0) {
			r->status = err = -1;
			continue;
		}
		r->status = 0;
		if (r->write)
			memcpy(h->image + r->sector * 512, r->data, r->count * 512);
		else
			memcpy(r->data, h->image + r->sector * 512, r->count * 512);
		*(r->write ? &h->writes : &h->reads) += 1;
	}
	return err;
}

static int flush(struct disk *d)
{
	container_of(d, struct host_disk, disk)->flushes++;
	return 0;
}

void host_disk_init(struct host_disk *h, uint8_t *image, uint32_t bytes)
{
	*h = (struct host_disk){
		.disk = { .name = "host", .sectors = bytes / 512, .submit = submit, .flush = flush },
		.image = image, .bytes = bytes, .seed = 1,
	};
}
