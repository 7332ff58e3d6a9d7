/*
 * virtio_block.c - a disk driven through a virtio ring: as many requests as there are, one notification.
 *
 * VIRTIO 1.2, 5.2. A request is three descriptors: header, data, status. Used buffers are polled for. By default through
 * the legacy registers, for they need no mapping; virtio_disk_modern takes the others. See disk.h; read next: virtio.c.
 */
#include "disk.h"
#include "virtio.h"

#define PCI_BLOCK 0x1001
#define DEPTH (VIRTQ_MAX / 3) /* at most: fewer in a shorter queue */
#define F_FLUSH 9
#define SPINS 400000000u

enum { READ = 0, WRITE = 1, FLUSH = 4 };

struct header { uint32_t type, reserved; uint64_t sector; };

static struct block {
	struct disk disk;
	struct virtio dev;
	struct virtq q;
	struct virtq_memory memory;
	struct header header[DEPTH];
	volatile uint8_t status[DEPTH];
} block __attribute__((aligned(4096)));

/* Descriptors 3i to 3i + 2 are those of slot i; data NULL: none. */
static void start(struct block *b, uint32_t i, uint32_t type, uint32_t sector, void *data, uint32_t n)
{
	volatile struct virtq_desc *d = &b->q.desc[3 * i];

	b->header[i] = (struct header){ type, 0, sector };
	b->status[i] = 0xff;
	d[0].addr = dma_address(&b->header[i]);
	d[0].len = sizeof(struct header);
	d[0].flags = VIRTQ_NEXT;
	d[0].next = (uint16_t)(data ? 3 * i + 1 : 3 * i + 2);
	d[1].addr = data ? dma_address(data) : 0;
	d[1].len = n;
	d[1].flags = VIRTQ_NEXT | (type == READ ? VIRTQ_WRITE : 0);
	d[1].next = (uint16_t)(3 * i + 2);
	d[2].addr = dma_address(&b->status[i]);
	d[2].len = 1;
	d[2].flags = VIRTQ_WRITE;
	virtq_put(&b->q, (uint16_t)(3 * i));
}

/* Waits for n completions; false when the device is silent. */
static bool wait(struct block *b, uint32_t n)
{
	uint32_t len;

	for (uint32_t spin = 0; n && spin < SPINS; spin++)
		if (virtq_get(&b->q, &len) >= 0)
			n--;
		else
			__asm__ volatile("pause");
	return n == 0;
}

static int batch(struct block *b, struct disk_req *req, uint32_t n)
{
	int result = 0;

	for (uint32_t i = 0; i < n; i++)
		start(b, i, req[i].write ? WRITE : READ, req[i].sector, req[i].data, req[i].count * 512);
	virtq_kick(&b->dev, &b->q);
	if (!wait(b, n))
		return -1;
	for (uint32_t i = 0; i < n; i++)
		result |= req[i].status = b->status[i] ? -1 : 0;
	return result;
}

static int submit(struct disk *d, struct disk_req *req, unsigned n)
{
	struct block *b = d->priv;
	uint32_t depth = b->q.size / 3;
	int result = 0;

	for (unsigned at = 0; at < n; at += depth)
		result |= batch(b, req + at, n - at < depth ? n - at : depth);
	return result;
}

static int flush(struct disk *d)
{
	struct block *b = d->priv;

	start(b, 0, FLUSH, 0, NULL, 0);
	virtq_kick(&b->dev, &b->q);
	return wait(b, 1) && !b->status[0] ? 0 : -1;
}

struct disk *virtio_disk_by(bool modern)
{
	struct block *b = &block;

	if (virtio_open(&b->dev, PCI_BLOCK, modern, 1ull << VIRTIO_EVENT_IDX | 1ull << F_FLUSH) ||
	    virtio_queue(&b->dev, &b->q, 0, &b->memory))
		return NULL;
	virtio_ready(&b->dev);
	b->disk = (struct disk){ .name = modern ? "virtio-modern" : "virtio", .submit = submit, .priv = b };
	b->disk.flush = b->dev.features & 1ull << F_FLUSH ? flush : NULL;
	b->disk.sectors = virtio_config32(&b->dev, 4) ? 0xffffffffu : virtio_config32(&b->dev, 0);
	return &b->disk;
}

struct disk *virtio_disk(void)
{
	return virtio_disk_by(false);
}
