/*
 * disk.c - a raw disk image: open, read, write, flush.
 *
 * Called by vm.c, and by the disk controllers of every kind. Read next: core/dev/ata.c.
 */
#include "core/disk.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/vm.h"

/* A copy in memory, as sparse as the image: the kernel shares nothing between a file and a memfd. */
static int snapshot(int fd, off_t size)
{
	int copy = memfd_create("ringlab-disk", MFD_CLOEXEC);
	char buf[65536];
	off_t at = 0;
	ssize_t r = 0;

	if (copy < 0 || ftruncate(copy, size))
		goto fail;
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
		off_t hole = lseek(fd, at, SEEK_HOLE);
		for (; at < hole; at += r) {
			size_t n = (uint64_t)(hole - at) < sizeof(buf) ? (size_t)(hole - at) : sizeof(buf);
			r = pread(fd, buf, n, at);
			if (r <= 0 || pwrite(copy, buf, (size_t)r, at) != r)
				goto fail;
		}
	}
	return copy;
fail:
	r = errno ? -errno : -EIO;
	if (copy >= 0)
		close(copy);
	return (int)r;
}

static int disk_snapshot(struct disk *d, const char *path, off_t size)
{
	int copy = snapshot(d->fd, size);

	if (copy < 0) {
		say("cannot keep a copy of the disk image %s: %s", path, strerror(-copy));
		return copy;
	}
	close(d->fd);
	d->fd = copy;
	return 0;
}

int disk_open(struct disk **out, const char *path, enum disk_mode mode)
{
	struct disk *d = calloc(1, sizeof(*d));
	struct stat st;
	off_t size;
	int r;

	if (!d)
		return -ENOMEM;
	d->readonly = mode == DISK_READONLY;
	d->fd = open(path, (mode == DISK_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK); /* a FIFO is refused below, not waited for */
	if (d->fd < 0) {
		int e = errno;
		say("cannot open the disk image %s: %s%s", path, strerror(e), e == EACCES || e == EROFS ? "; with ,ro or ,snapshot it need not be writable" : "");
		free(d);
		return -e;
	}
	size = fstat(d->fd, &st) || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) ? -1 : lseek(d->fd, 0, SEEK_END);
	if (size < (off_t)SECTOR_SIZE) {
		say("%s is no disk image: %s", path, size < 0 ? "it is neither a file nor a block device" : "it is shorter than a sector, 512 bytes");
		disk_close(d);
		return -EINVAL;
	}
	if (mode == DISK_SNAPSHOT && (r = disk_snapshot(d, path, size))) {
		disk_close(d);
		return r;
	}
	d->sectors = (uint64_t)size / SECTOR_SIZE;
	*out = d;
	return 0;
}

void disk_close(struct disk *d)
{
	if (!d)
		return;
	close(d->fd);
	free(d);
}

bool disk_contains(const struct disk *d, uint64_t sector, uint64_t n)
{
	return sector <= d->sectors && n <= d->sectors - sector;
}

int disk_read(const struct disk *d, uint64_t sector, void *buf, size_t n)
{
	size_t done = 0, len = n * SECTOR_SIZE;

	if (!disk_contains(d, sector, n))
		return -EINVAL;
	while (done < len) {
		ssize_t r = pread(d->fd, (char *)buf + done, len - done, (off_t)(sector * SECTOR_SIZE + done));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r ? -errno : -EIO; /* the file was truncated behind our back */
		done += (size_t)r;
	}
	return 0;
}

int disk_write(const struct disk *d, uint64_t sector, const void *buf, size_t n)
{
	size_t done = 0, len = n * SECTOR_SIZE;

	if (d->readonly)
		return -EROFS;
	if (!disk_contains(d, sector, n))
		return -EINVAL;
	while (done < len) {
		ssize_t r = pwrite(d->fd, (const char *)buf + done, len - done, (off_t)(sector * SECTOR_SIZE + done));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r ? -errno : -EIO;
		done += (size_t)r;
	}
	return 0;
}

int disk_flush(const struct disk *d)
{
	return fdatasync(d->fd) && errno != EINVAL ? -errno : 0;
}
