/*
 * disk.h - a raw disk image: the backing of every disk that a guest can have, however it drives it.
 *
 * Opened before the jail closes. Sectors are 512 bytes; a size that is no multiple of that loses its tail. All calls are synchronous and on
 * the vCPU's thread, so that the ways to a disk differ in nothing but their exits.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR_SIZE 512u

enum disk_mode {
	DISK_WRITE,
	DISK_READONLY,
	DISK_SNAPSHOT, /* what the guest writes is lost when the VM ends */
};

struct disk {
	int fd;
	uint64_t sectors;
	bool readonly;
};

/* A regular file or a block device. 0, or -errno after a sentence on stderr. */
int disk_open(struct disk **out, const char *path, enum disk_mode mode);
void disk_close(struct disk *d); /* NULL is allowed */
bool disk_contains(const struct disk *d, uint64_t sector, uint64_t n);
/* n whole sectors. 0, -EINVAL beyond the end, -EROFS, or -errno. */
int disk_read(const struct disk *d, uint64_t sector, void *buf, size_t n);
int disk_write(const struct disk *d, uint64_t sector, const void *buf, size_t n);
int disk_flush(const struct disk *d); /* what was written is on the medium */
