/*
 * virtio.h - a virtio device behind PCI, as its three layers see it: rings (virtio_queue.c), registers (virtio_pci.c), and
 * what it does (virtio_block.c, virtio_console.c). Private to core/dev/.
 *
 * Source: Virtual I/O Device (VIRTIO) Version 1.2; section numbers are its. Everything that the guest writes, in registers or in
 * rings, is hostile until checked: an address outside RAM, a loop or a size that no driver needs makes the device say
 * DEVICE_NEEDS_RESET and stop (2.1.2). Work is done inside the exit that notifies, and is bounded: a queue's length of
 * requests, VIRTIO_CHAIN_MAX bytes each. Used buffers are told by INTx, no MSI-X. Read next: virtio_queue.c.
 */
#pragma once
#include "dev/pci.h"

#define VIRTIO_QUEUES 2
#define VIRTIO_QUEUE_SIZE 256
#define VIRTIO_CHAIN_MAX (2u << 20) /* bytes of one request */

#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)

enum { VS_ACKNOWLEDGE = 1, VS_DRIVER = 2, VS_DRIVER_OK = 4, VS_FEATURES_OK = 8, VS_NEEDS_RESET = 0x40, VS_FAILED = 0x80 };
enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

struct virtq {
	uint16_t size;   /* a power of two up to VIRTIO_QUEUE_SIZE */
	bool ready;
	uint64_t desc, avail, used; /* guest-physical */
	uint16_t last_avail;        /* the next entry of the available ring to take */
	uint16_t used_idx;          /* the next of the used ring to fill */
	uint16_t signalled;         /* used_idx at the last interrupt decision */
};

struct virtio_seg {
	uint8_t *p;
	gpa_t gpa;
	uint32_t len;
};

/* A request: what the device reads (out), then what it writes (in), all checked to lie in RAM. */
struct virtio_chain {
	uint16_t head;
	unsigned outs, n;
	uint32_t out_len, in_len;
	struct virtio_seg seg[VIRTIO_QUEUE_SIZE];
};

struct virtio;
struct virtio_ops {
	const char *name;      /* for messages and the bus */
	uint16_t id;           /* 5: 2 block, 3 console */
	uint8_t class_hi, class_lo;
	unsigned queues;
	uint64_t (*features)(const struct virtio *d);
	void (*config)(const struct virtio *d, uint8_t out[64]); /* the device's configuration */
	void (*notify)(struct virtio *d, unsigned queue);
};

struct virtio {
	struct vm *vm;
	const struct virtio_ops *ops;
	struct pci_function pci;
	uint8_t status, isr;
	bool legacy;           /* the driver used the legacy registers */
	bool told;             /* that it misbehaved */
	uint64_t features;     /* that the driver accepted */
	uint32_t feature_select, driver_select;
	uint16_t queue_select;
	struct virtq q[VIRTIO_QUEUES];
	struct virtio_chain chain; /* the request under way */
};

/* virtio_pci.c: a transitional device in this slot. 0 or -errno; *d is calloc'ed and belongs to vm->dev's pointer. */
int virtio_create(struct virtio **out, struct vm *vm, const struct virtio_ops *ops, uint8_t slot, uint8_t irq);
void virtio_reset(struct virtio *d);
/* The driver broke the rules: the device stops until it is reset. */
__attribute__((format(printf, 2, 3)))
void virtio_broken(struct virtio *d, const char *fmt, ...);
void virtio_interrupt(struct virtio *d, uint8_t cause);
static inline bool virtio_running(const struct virtio *d)
{
	return !(d->status & VS_NEEDS_RESET) && (d->status & VS_DRIVER_OK || d->legacy);
}

/* virtio_queue.c */
void virtq_reset(struct virtq *q);
/* How many requests the driver has made available; 0 too where the rings are not all in RAM, or lie about it. */
unsigned virtq_pending(struct virtio *d, struct virtq *q);
/* Takes the next request into d->chain; false when it is malformed: then the device is broken. Only where one is pending. */
bool virtq_take(struct virtio *d, struct virtq *q);
/* Gives d->chain back, with so many bytes written to its in segments. */
void virtq_give(struct virtio *d, struct virtq *q, uint32_t written);
/* After a batch: interrupts the driver if it wants that, and asks to be notified of the next request. */
void virtq_done(struct virtio *d, struct virtq *q);
/* Copies between a buffer and the out (from byte `at`) or in segments; bytes moved. */
uint32_t chain_read(const struct virtio_chain *c, uint32_t at, void *buf, uint32_t n);
uint32_t chain_write(struct virtio *d, uint32_t at, const void *buf, uint32_t n);
