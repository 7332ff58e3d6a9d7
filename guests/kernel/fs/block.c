/*
 * block.c - block devices: a disk that is memory, and single requests of any size to any disk (fs.h).
 */
#include "cache.h"

static int ram_submit(struct disk *d, struct disk_req *req, unsigned n)
{
	int err = 0;

	for (unsigned i = 0; i < n; i++) {
		struct disk_req *r = &req[i];
		uint8_t *at = (uint8_t *)d->priv + r->sector * SECTOR;

		r->status = r->sector > d->sectors || r->count > d->sectors - r->sector ? -1 : 0;
		if (r->status)
			err = -1;
		else if (r->write)
			memcpy(at, r->data, r->count * SECTOR);
		else
			memcpy(r->data, at, r->count * SECTOR);
	}
	return err;
}

struct disk *ram_disk(void *base, uint32_t bytes)
{
	struct disk *d = kzalloc(sizeof(*d));

	if (d)
		*d = (struct disk){ .name = "ram", .sectors = bytes / SECTOR, .submit = ram_submit, .priv = base };
	return d;
}

/* Cuts at page boundaries of the buffer, as drivers want it. */
static int transfer(struct disk *d, uint32_t sector, uint32_t count, uint8_t *buf, bool write)
{
	while (count) {
		uint32_t room = (PAGE - ((uintptr_t)buf & PAGE_MASK)) / SECTOR, n = min(count, room);
		struct disk_req r = { .sector = sector, .count = n, .data = buf, .write = write };

		if (!n || d->submit(d, &r, 1) || r.status)
			return -LEIO;
		sector += n;
		count -= n;
		buf += n * SECTOR;
	}
	return 0;
}

int disk_read(struct disk *d, uint32_t sector, uint32_t count, void *buf)
{
	return transfer(d, sector, count, buf, false);
}

int disk_write(struct disk *d, uint32_t sector, uint32_t count, const void *buf)
{
	return transfer(d, sector, count, (void *)buf, true);
}
