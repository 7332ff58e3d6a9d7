/*
 * virtio_queue.c - split virtqueues: descriptor table, available ring, used ring.
 *
 * Source: VIRTIO 1.2, section 2.7. The rings are reached through core's view of guest RAM and are checked anew for each
 * batch; no pointer into them is kept. The guest does not run meanwhile, but a request may write to the rings themselves,
 * so every length is read once. Called by the devices. Read next: virtio_block.c.
 */
#include <string.h>
#include "core/vm.h"
#include "dev/virtio.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4, AVAIL_NO_INTERRUPT = 1 };

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* Guests put rings where they like: nothing here is aligned for certain. */
static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint8_t *ram(struct virtio *d, uint64_t gpa, uint64_t len)
{
	return mem_ptr(&d->vm->mem, GPA(gpa), len);
}

/* Stores, and says so to the backend: rings may lie where translated code came from. */
static void put(struct virtio *d, uint64_t gpa, const void *v, unsigned n)
{
	uint8_t *p = ram(d, gpa, n);

	if (!p)
		return;
	memcpy(p, v, n);
	vm_mem_written(d->vm, GPA(gpa), n);
}

static void put16(struct virtio *d, uint64_t gpa, uint16_t v)
{
	put(d, gpa, &v, sizeof(v));
}

void virtq_reset(struct virtq *q)
{
	*q = (struct virtq){ .size = VIRTIO_QUEUE_SIZE };
}

static bool event_idx(const struct virtio *d)
{
	return d->features & VIRTIO_F_EVENT_IDX;
}

/* All three parts with their event fields, in RAM; an address near 2^64 must not wrap. */
static bool rings_in_ram(struct virtio *d, const struct virtq *q)
{
	return ram(d, q->desc, 16u * q->size) && ram(d, q->avail, 6 + 2u * q->size) && ram(d, q->used, 6 + 8u * q->size);
}

unsigned virtq_pending(struct virtio *d, struct virtq *q)
{
	uint16_t n;

	if (!q->ready || !virtio_running(d))
		return 0;
	if (!rings_in_ram(d, q)) {
		virtio_broken(d, "its rings are not in RAM");
		return 0;
	}
	n = (uint16_t)(get16(ram(d, q->avail + 2, 2)) - q->last_avail);
	if (n <= q->size)
		return n;
	virtio_broken(d, "%u requests in a queue of %u", n, q->size);
	return 0;
}

static bool chain_add(struct virtio *d, struct virtio_chain *c, const struct desc *x)
{
	bool in = x->flags & DESC_WRITE;
	uint8_t *p = x->len ? ram(d, x->addr, x->len) : NULL;

	if ((x->flags & DESC_INDIRECT) || (!in && c->n > c->outs)) {
		virtio_broken(d, "%s", in || !c->n ? "an indirect descriptor that was not agreed on" : "a readable descriptor after a writable one");
		return false;
	}
	if (!p || x->len > VIRTIO_CHAIN_MAX - c->out_len - c->in_len) {
		virtio_broken(d, "a buffer of %#x bytes at %#llx", x->len, (unsigned long long)x->addr);
		return false;
	}
	c->seg[c->n++] = (struct virtio_seg){ p, GPA(x->addr), x->len };
	if (in) {
		c->in_len += x->len;
	} else {
		c->outs = c->n;
		c->out_len += x->len;
	}
	return true;
}

bool virtq_take(struct virtio *d, struct virtq *q)
{
	struct virtio_chain *c = &d->chain;
	const uint8_t *ring = ram(d, q->avail + 4 + 2u * (q->last_avail & (q->size - 1)), 2);
	uint16_t at = ring ? get16(ring) : 0xffff;
	struct desc x;

	c->head = at; /* seg[] is filled up to n */
	c->n = c->outs = 0;
	c->out_len = c->in_len = 0;
	do {
		if (at >= q->size || c->n == q->size) {
			virtio_broken(d, at >= q->size ? "descriptor %u of %u" : "a chain without end, from descriptor %u of %u",
				at >= q->size ? at : c->head, q->size);
			return false;
		}
		memcpy(&x, ram(d, q->desc + 16u * at, sizeof(x)), sizeof(x));
		if (!chain_add(d, c, &x))
			return false;
		at = x.next;
	} while (x.flags & DESC_NEXT);
	q->last_avail++;
	return true;
}

void virtq_give(struct virtio *d, struct virtq *q, uint32_t written)
{
	uint32_t elem[2] = { d->chain.head, written };

	put(d, q->used + 4 + 8u * (q->used_idx & (q->size - 1)), elem, sizeof(elem));
	put16(d, q->used + 2, ++q->used_idx);
}

/* 2.7.7: by a flag, or by the used_event that follows the available ring. */
static bool wants_interrupt(struct virtio *d, const struct virtq *q)
{
	uint16_t event;

	if (q->used_idx == q->signalled)
		return false;
	if (!event_idx(d))
		return !(get16(ram(d, q->avail, 2)) & AVAIL_NO_INTERRUPT);
	event = get16(ram(d, q->avail + 4 + 2u * q->size, 2));
	return (uint16_t)(q->used_idx - event - 1) < (uint16_t)(q->used_idx - q->signalled);
}

void virtq_done(struct virtio *d, struct virtq *q)
{
	if (!virtio_running(d))
		return;
	if (event_idx(d)) /* 2.7.10: avail_event, behind the used ring */
		put16(d, q->used + 4 + 8u * q->size, q->last_avail);
	if (wants_interrupt(d, q))
		virtio_interrupt(d, ISR_QUEUE);
	q->signalled = q->used_idx;
}

uint32_t chain_read(const struct virtio_chain *c, uint32_t at, void *buf, uint32_t n)
{
	uint32_t done = 0;

	for (unsigned i = 0; i < c->outs && done < n; i++) {
		const struct virtio_seg *s = &c->seg[i];
		uint32_t some;

		if (at >= s->len) {
			at -= s->len;
			continue;
		}
		some = s->len - at < n - done ? s->len - at : n - done;
		memcpy((uint8_t *)buf + done, s->p + at, some);
		done += some;
		at = 0;
	}
	return done;
}

uint32_t chain_write(struct virtio *d, uint32_t at, const void *buf, uint32_t n)
{
	const struct virtio_chain *c = &d->chain;
	uint32_t done = 0;

	for (unsigned i = c->outs; i < c->n && done < n; i++) {
		const struct virtio_seg *s = &c->seg[i];
		uint32_t some;

		if (at >= s->len) {
			at -= s->len;
			continue;
		}
		some = s->len - at < n - done ? s->len - at : n - done;
		memcpy(s->p + at, (const uint8_t *)buf + done, some);
		vm_mem_written(d->vm, GPA(s->gpa.a + at), some);
		done += some;
		at = 0;
	}
	return done;
}
