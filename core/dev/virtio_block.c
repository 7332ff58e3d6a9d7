/*
 * virtio_block.c - the disk as a virtio block device: PCI slot 1, IRQ 11, one queue.
 *
 * Source: VIRTIO 1.2, 5.2. All requests that a notification finds are done before it returns, so 32 of them cost the exits of
 * one; the file is read straight into the guest's pages. A machine without a disk, and a Xen domain (whose page tables
 * a device that writes memory by itself could forge), have no such device. Read next: virtio_queue.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "core/vm.h"
#include "dev/virtio.h"

#define SLOT 1
#define IRQ 11
#define SEGMENTS 254 /* of data, beside header and status */

#define F_SEG_MAX (1ull << 2)
#define F_RO (1ull << 5)
#define F_BLK_SIZE (1ull << 6)
#define F_FLUSH (1ull << 9)

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8 };
enum { S_OK, S_IOERR, S_UNSUPP };

struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

static uint64_t block_features(const struct virtio *d)
{
	return F_SEG_MAX | F_BLK_SIZE | F_FLUSH | (d->vm->disk && d->vm->disk->readonly ? F_RO : 0);
}

/* 5.2.4: capacity, size_max, seg_max, geometry, blk_size. */
static void block_config(const struct virtio *d, uint8_t out[64])
{
	uint64_t capacity = d->vm->disk ? d->vm->disk->sectors : 0;
	uint32_t segments = SEGMENTS, size = SECTOR_SIZE;

	memcpy(out, &capacity, 8);
	memcpy(out + 12, &segments, 4);
	memcpy(out + 20, &size, 4);
}

/* One sector that lies in more than one segment: by a buffer. */
static int sector_by_parts(struct virtio *d, uint64_t sector, uint32_t at, bool write)
{
	uint8_t buf[SECTOR_SIZE];
	int r;

	if (write) {
		chain_read(&d->chain, at, buf, sizeof(buf));
		return disk_write(d->vm->disk, sector, buf, 1);
	}
	r = disk_read(d->vm->disk, sector, buf, 1);
	if (!r)
		chain_write(d, at, buf, sizeof(buf));
	return r;
}

/*
 * Moves `len` bytes, whole sectors, between the disk and the chain's data: the out segments behind the header, or the in
 * segments before the status. Whole sectors of a segment go straight.
 */
static int transfer(struct virtio *d, uint64_t sector, uint32_t len, bool write)
{
	const struct virtio_chain *c = &d->chain;
	unsigned i = write ? 0 : c->outs;
	uint32_t skip = write ? sizeof(struct header) : 0, at = skip, end = skip + len, base = 0;
	int r = 0;

	while (at < end && !r) {
		const struct virtio_seg *s = &c->seg[i];
		uint32_t off = at - base, n;

		if (off >= s->len) {
			base += s->len;
			i++;
			continue;
		}
		n = (s->len - off < end - at ? s->len - off : end - at) / SECTOR_SIZE;
		if (!n)
			r = sector_by_parts(d, sector, at, write);
		else if (write)
			r = disk_write(d->vm->disk, sector, s->p + off, n);
		else if (r = disk_read(d->vm->disk, sector, s->p + off, n), !r)
			vm_mem_written(d->vm, GPA(s->gpa.a + off), n * SECTOR_SIZE);
		n = n ? n : 1;
		at += n * SECTOR_SIZE;
		sector += n;
	}
	return r;
}

static uint8_t get_id(struct virtio *d, uint32_t room)
{
	static const char id[20] = "ringlab";

	chain_write(d, 0, id, room < sizeof(id) ? room : sizeof(id));
	return S_OK;
}

static uint8_t request(struct virtio *d, const struct header *h, uint32_t *written)
{
	const struct virtio_chain *c = &d->chain;
	uint32_t out = c->out_len - sizeof(*h), in = c->in_len - 1;

	switch (h->type) {
	case T_IN:
		if (in % SECTOR_SIZE || transfer(d, h->sector, in, false))
			return S_IOERR;
		*written = in;
		return S_OK;
	case T_OUT:
		return out % SECTOR_SIZE || transfer(d, h->sector, out, true) ? S_IOERR : S_OK;
	case T_FLUSH:
		return disk_flush(d->vm->disk) ? S_IOERR : S_OK;
	case T_GET_ID:
		*written = in < 20 ? in : 20;
		return get_id(d, in);
	default:
		return S_UNSUPP;
	}
}

/* 5.2.6: a header to read, and a status byte as the last of what is written. */
static void serve(struct virtio *d, struct virtq *q)
{
	const struct virtio_chain *c = &d->chain;
	struct header h;
	uint32_t written = 0;
	uint8_t status;

	if (!c->in_len || chain_read(c, 0, &h, sizeof(h)) != sizeof(h)) {
		virtio_broken(d, "a request without header or status");
		return;
	}
	status = request(d, &h, &written);
	chain_write(d, c->in_len - 1, &status, 1);
	virtq_give(d, q, written + 1);
}

static void block_notify(struct virtio *d, unsigned queue)
{
	struct virtq *q = &d->q[queue];
	unsigned n = virtq_pending(d, q);

	while (n-- > 0 && virtio_running(d) && virtq_take(d, q))
		serve(d, q);
	virtq_done(d, q);
}

static const struct virtio_ops block_ops = {
	.name = "virtio-block",
	.id = 2,
	.class_hi = 1, /* mass storage, SCSI: what others say of it, too */
	.queues = 1,
	.features = block_features,
	.config = block_config,
	.notify = block_notify,
};

static bool block_present(const struct pci_function *f)
{
	return f->vm->disk && f->vm->image.kind != IMAGE_XEN;
}

int virtio_block_create(struct vm *vm)
{
	int err = virtio_create(&vm->dev->block, vm, &block_ops, SLOT, IRQ);

	if (!err)
		vm->dev->block->pci.present = block_present;
	return err;
}

void virtio_block_destroy(struct vm *vm)
{
	free(vm->dev->block);
	vm->dev->block = NULL;
}
