/*
 * dir.c - directories, by getdents64.
 */
#include "user.h"

struct dir *opendir(const char *path)
{
	struct dir *d = malloc(sizeof(*d));

	if (!d)
		return NULL;
	d->at = d->have = 0;
	d->fd = open(path, LO_RDONLY | LO_DIRECTORY | LO_CLOEXEC);
	if (d->fd < 0) {
		free(d);
		return NULL;
	}
	return d;
}

struct linux_dirent64 *readdir(struct dir *d)
{
	struct linux_dirent64 *e;

	if (d->at >= d->have) {
		long n = syscall_raw(LNR_getdents64, d->fd, d->buf, sizeof(d->buf));

		if (n < 0)
			errno = -n;
		if (n <= 0)
			return NULL;
		d->at = 0;
		d->have = n;
	}
	e = (struct linux_dirent64 *)(d->buf + d->at);
	d->at += e->reclen;
	return e;
}

int closedir(struct dir *d)
{
	int r = close(d->fd);

	free(d);
	return r;
}
