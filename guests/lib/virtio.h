/*
 * virtio.h - a virtio device on PCI as a guest drives it: by its legacy I/O registers or its modern memory ones, with split
 * virtqueues (VIRTIO 1.2, 2.7 and 4.1). Polled: a driver asks for no interrupt.
 *
 * The functions are the same for both interfaces. Queue memory is part of the image, so page_pa gives its addresses, page
 * by page: a queue is made of pages that need not be contiguous but for the legacy interface, which demands that, and
 * which a native image offers. Read next: virtio.c, virtio_block.c, virtio_console.c.
 */
#pragma once
#include "hal.h"

#define VIRTIO_VENDOR 0x1af4u
#define VIRTQ_MAX 256 /* descriptors in a queue */

#define VIRTIO_EVENT_IDX 29
#define VIRTIO_VERSION_1 32

struct virtq_desc { uint64_t addr; uint32_t len; uint16_t flags, next; };
enum { VIRTQ_NEXT = 1, VIRTQ_WRITE = 2 };

/* Room for a queue of VIRTQ_MAX in the layout that the legacy interface prescribes: the used ring begins a page. */
struct virtq_memory { uint8_t bytes[3 * PAGE]; } __attribute__((aligned(4096)));

struct virtq {
	volatile struct virtq_desc *desc;
	volatile uint16_t *avail_ring;   /* flags, idx, ring[size], used_event */
	volatile uint16_t *used_ring;    /* flags, idx, { id, len }[size], avail_event */
	uint32_t index, size;
	uint16_t avail, seen;            /* the next entries to fill and to look at */
	volatile uint8_t *doorbell;      /* modern */
};

/* The address by which a device reaches image memory. */
static inline uint32_t dma_address(const volatile void *va)
{
	return (page_pa((const void *)va) & ~(PAGE - 1)) | ((uint32_t)va & (PAGE - 1));
}

struct virtio {
	bool modern;
	uint32_t slot, io;         /* legacy: the I/O BAR */
	volatile uint8_t *common, *isr, *device, *notify;
	uint32_t notify_multiplier;
	uint64_t features;         /* agreed on */
};

/*
 * Finds the device (pci_id: of the transitional one), resets it, and agrees on those of `wanted` that it offers. modern: by the
 * memory BAR. 0, or -1 when it is not there or refuses.
 */
int virtio_open(struct virtio *d, uint16_t pci_id, bool modern, uint64_t wanted);
/* Sets a queue up in *m; 0 or -1. Then virtio_ready, once. */
int virtio_queue(struct virtio *d, struct virtq *q, uint32_t index, struct virtq_memory *m);
void virtio_ready(struct virtio *d);
uint8_t virtio_config8(struct virtio *d, uint32_t at);
uint32_t virtio_config32(struct virtio *d, uint32_t at);

/* Makes the chain that begins at descriptor head available; the device sees it at the next virtq_kick. */
void virtq_put(struct virtq *q, uint16_t head);
/* Shows the device what was put, and notifies it unless it said that it need not be. */
void virtq_kick(struct virtio *d, struct virtq *q);
/* Takes a used chain: its head, and in *len what was written; -1: none yet. */
int32_t virtq_get(struct virtq *q, uint32_t *len);
