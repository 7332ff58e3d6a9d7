/* virtio_console.c - see virtio_console.h; VIRTIO 1.2, 5.3. */
#include "virtio_console.h"
#include "virtio.h"

#define PCI_CONSOLE 0x1003
#define BUFFERS 4
#define SPINS 400000000u
enum { RECEIVE, SEND };

static struct vcon {
	struct virtio dev;
	struct virtq q[2];
	struct virtq_memory memory[2];
	uint8_t in[BUFFERS][64];
	uint32_t have, at, head; /* of in[head]: bytes received, and taken */
} vcon __attribute__((aligned(4096)));

static void offer(struct vcon *c, uint32_t i)
{
	volatile struct virtq_desc *d = &c->q[RECEIVE].desc[i];

	d->addr = dma_address(c->in[i]);
	d->len = sizeof c->in[i];
	d->flags = VIRTQ_WRITE;
	virtq_put(&c->q[RECEIVE], (uint16_t)i);
}

bool vcon_open(bool modern)
{
	struct vcon *c = &vcon;

	if (virtio_open(&c->dev, PCI_CONSOLE, modern, 1ull << VIRTIO_EVENT_IDX) ||
	    virtio_queue(&c->dev, &c->q[RECEIVE], RECEIVE, &c->memory[RECEIVE]) ||
	    virtio_queue(&c->dev, &c->q[SEND], SEND, &c->memory[SEND]))
		return false;
	virtio_ready(&c->dev);
	for (uint32_t i = 0; i < BUFFERS; i++)
		offer(c, i);
	virtq_kick(&c->dev, &c->q[RECEIVE]);
	c->have = c->at = 0;
	return true;
}

bool vcon_write(const void *buf, uint32_t n)
{
	struct vcon *c = &vcon;
	volatile struct virtq_desc *d = &c->q[SEND].desc[0];
	uint32_t len;

	d->addr = dma_address(buf);
	d->len = n;
	d->flags = 0;
	virtq_put(&c->q[SEND], 0);
	virtq_kick(&c->dev, &c->q[SEND]);
	for (uint32_t i = 0; i < SPINS; i++)
		if (virtq_get(&c->q[SEND], &len) >= 0)
			return true;
	return false;
}

uint32_t vcon_read(void *buf, uint32_t n)
{
	struct vcon *c = &vcon;
	int32_t head;

	if (c->at == c->have) {
		if (c->have) { /* the last buffer is empty: give it back */
			offer(c, c->head);
			virtq_kick(&c->dev, &c->q[RECEIVE]);
			c->have = c->at = 0;
		}
		head = virtq_get(&c->q[RECEIVE], &c->have);
		if (head < 0) {
			c->have = 0;
			return 0;
		}
		c->head = (uint32_t)head;
	}
	n = n < c->have - c->at ? n : c->have - c->at;
	memcpy(buf, c->in[c->head] + c->at, n);
	c->at += n;
	return n;
}
