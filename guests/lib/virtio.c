/*
 * virtio.c - see virtio.h: finding the device, agreeing with it, and its rings.
 *
 * Called by virtio_block.c and virtio_console.c. x86 keeps stores in order, so a compiler barrier is all that the rings need
 * but where a store must be seen before a later load (virtq_kick).
 */
#include "virtio.h"
#include "pci.h"
#include "x86.h"

enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
enum { LEGACY_FEATURES = 0, LEGACY_ACCEPT = 4, LEGACY_PFN = 8, LEGACY_SIZE = 12, LEGACY_SELECT = 14, LEGACY_NOTIFY = 16, LEGACY_STATUS = 18,
	LEGACY_CONFIG = 20 };
enum { COMMON_FEATURE_SELECT = 0, COMMON_FEATURES = 4, COMMON_ACCEPT_SELECT = 8, COMMON_ACCEPT = 12, COMMON_STATUS = 20, COMMON_QUEUE = 22,
	COMMON_SIZE = 24, COMMON_ENABLE = 28, COMMON_NOTIFY = 30, COMMON_DESC = 32, COMMON_AVAIL = 40, COMMON_USED = 48 };
enum { CAP_VENDOR = 9, CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE };
enum { AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };

#define barrier() __asm__ volatile("" : : : "memory")
#define fence() __asm__ volatile("lock; addl $0, (%%esp)" : : : "memory", "cc")

/* ---- registers; each access to the memory BAR is counted as what it is ---- */

static void io16(uint16_t port, uint16_t v)
{
	truth_add(PORT_OUT, 1);
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static uint16_t in16(uint16_t port)
{
	uint16_t v;
	truth_add(PORT_IN, 1);
	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static void put8(volatile uint8_t *p, uint8_t v)
{
	truth_add(MMIO, 1);
	*p = v;
}

static void put16(volatile uint8_t *p, uint16_t v)
{
	truth_add(MMIO, 1);
	*(volatile uint16_t *)p = v;
}

static void put32(volatile uint8_t *p, uint32_t v)
{
	truth_add(MMIO, 1);
	*(volatile uint32_t *)p = v;
}

static uint16_t get16(const volatile uint8_t *p)
{
	truth_add(MMIO, 1);
	return *(const volatile uint16_t *)p;
}

static uint32_t get32(const volatile uint8_t *p)
{
	truth_add(MMIO, 1);
	return *(const volatile uint32_t *)p;
}

static uint8_t get8(const volatile uint8_t *p)
{
	truth_add(MMIO, 1);
	return *p;
}

static void status_set(struct virtio *d, uint8_t v)
{
	if (d->modern)
		put8(d->common + COMMON_STATUS, v);
	else
		outb((uint16_t)(d->io + LEGACY_STATUS), v);
}

static uint8_t status_get(struct virtio *d)
{
	return d->modern ? get8(d->common + COMMON_STATUS) : inb((uint16_t)(d->io + LEGACY_STATUS));
}

/* ---- finding it ---- */

/* One structure of the memory BARs (4.1.4); NULL when it cannot be mapped. */
static volatile uint8_t *structure(struct virtio *d, uint32_t cap)
{
	uint32_t bar = pci_read(d->slot, cap + 4) & 0xff, pa = bar < 6 ? pci_bar(d->slot, bar, false) : 0;
	return pa ? mmio_map(pa + pci_read(d->slot, cap + 8), pci_read(d->slot, cap + 12)) : NULL;
}

static bool capabilities(struct virtio *d)
{
	uint32_t at = pci_read8(d->slot, PCI_CAPS);

	for (uint32_t n = 0; at && n < 32; n++, at = pci_read8(d->slot, at + 1)) {
		if (pci_read8(d->slot, at) != CAP_VENDOR)
			continue;
		switch (pci_read8(d->slot, at + 3)) {
		case CAP_COMMON: d->common = structure(d, at); break;
		case CAP_ISR: d->isr = structure(d, at); break;
		case CAP_DEVICE: d->device = structure(d, at); break;
		case CAP_NOTIFY:
			d->notify = structure(d, at);
			d->notify_multiplier = pci_read(d->slot, at + 16);
			break;
		}
	}
	return d->common && d->device && d->notify;
}

static uint64_t offered(struct virtio *d)
{
	uint64_t low;

	if (!d->modern)
		return inl((uint16_t)(d->io + LEGACY_FEATURES));
	put32(d->common + COMMON_FEATURE_SELECT, 0);
	low = get32(d->common + COMMON_FEATURES);
	put32(d->common + COMMON_FEATURE_SELECT, 1);
	return low | (uint64_t)get32(d->common + COMMON_FEATURES) << 32;
}

/* 3.1.1, steps 1 to 6. */
static int agree(struct virtio *d, uint64_t wanted)
{
	status_set(d, 0);
	for (uint32_t i = 0; status_get(d) && i < 100000; i++)
		;
	status_set(d, ACKNOWLEDGE);
	status_set(d, ACKNOWLEDGE | DRIVER);
	if (d->modern)
		wanted |= 1ull << VIRTIO_VERSION_1;
	d->features = offered(d) & wanted;
	if (!d->modern) {
		outl((uint16_t)(d->io + LEGACY_ACCEPT), (uint32_t)d->features);
		return 0;
	}
	for (uint32_t half = 0; half < 2; half++) {
		put32(d->common + COMMON_ACCEPT_SELECT, half);
		put32(d->common + COMMON_ACCEPT, (uint32_t)(d->features >> 32 * half));
	}
	status_set(d, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	return status_get(d) & FEATURES_OK ? 0 : -1;
}

int virtio_open(struct virtio *d, uint16_t pci_id, bool modern, uint64_t wanted)
{
	int32_t slot = pci_find(VIRTIO_VENDOR | (uint32_t)pci_id << 16, 0);

	*d = (struct virtio){ .modern = modern, .slot = (uint32_t)slot };
	if (slot < 0)
		return -1;
	pci_write(d->slot, PCI_COMMAND, (pci_read(d->slot, PCI_COMMAND) & 0xffff) | PCI_ENABLE);
	if (modern ? !capabilities(d) : !(d->io = pci_bar(d->slot, 0, true)))
		return -1;
	return agree(d, wanted);
}

/* ---- queues ---- */

/* 2.7.2: the used ring begins on the next page. */
static void layout(struct virtq *q, struct virtq_memory *m, uint32_t size)
{
	q->size = size;
	q->desc = (volatile struct virtq_desc *)m->bytes;
	q->avail_ring = (volatile uint16_t *)(m->bytes + 16 * size);
	q->used_ring = (volatile uint16_t *)(m->bytes + ((16 * size + 6 + 2 * size + PAGE - 1) & ~(PAGE - 1)));
}

static int queue_legacy(struct virtio *d, struct virtq *q, struct virtq_memory *m)
{
	uint32_t pa = dma_address(m), size;

	io16((uint16_t)(d->io + LEGACY_SELECT), (uint16_t)q->index);
	size = in16((uint16_t)(d->io + LEGACY_SIZE));
	if (!size || size > VIRTQ_MAX || dma_address(m->bytes + PAGE) != pa + PAGE || dma_address(m->bytes + 2 * PAGE) != pa + 2 * PAGE)
		return -1;
	layout(q, m, size);
	outl((uint16_t)(d->io + LEGACY_PFN), pa / PAGE);
	return 0;
}

static void put_address(struct virtio *d, uint32_t at, const volatile void *va)
{
	put32(d->common + at, dma_address(va));
	put32(d->common + at + 4, 0);
}

static int queue_modern(struct virtio *d, struct virtq *q, struct virtq_memory *m)
{
	volatile uint8_t *c = d->common;
	uint32_t size;

	put16(c + COMMON_QUEUE, (uint16_t)q->index);
	size = get16(c + COMMON_SIZE);
	if (!size)
		return -1;
	layout(q, m, size < VIRTQ_MAX ? size : VIRTQ_MAX);
	put16(c + COMMON_SIZE, (uint16_t)q->size);
	put_address(d, COMMON_DESC, q->desc);
	put_address(d, COMMON_AVAIL, q->avail_ring);
	put_address(d, COMMON_USED, q->used_ring);
	q->doorbell = d->notify + get16(c + COMMON_NOTIFY) * d->notify_multiplier;
	put16(c + COMMON_ENABLE, 1);
	return 0;
}

int virtio_queue(struct virtio *d, struct virtq *q, uint32_t index, struct virtq_memory *m)
{
	int result;

	*q = (struct virtq){ .index = index };
	memset(m, 0, sizeof *m);
	result = d->modern ? queue_modern(d, q, m) : queue_legacy(d, q, m);
	if (!result)
		q->avail_ring[0] = AVAIL_NO_INTERRUPT;
	return result;
}

void virtio_ready(struct virtio *d)
{
	status_set(d, status_get(d) | DRIVER_OK);
}

uint8_t virtio_config8(struct virtio *d, uint32_t at)
{
	return d->modern ? get8(d->device + at) : inb((uint16_t)(d->io + LEGACY_CONFIG + at));
}

uint32_t virtio_config32(struct virtio *d, uint32_t at)
{
	return d->modern ? get32(d->device + at) : inl((uint16_t)(d->io + LEGACY_CONFIG + at));
}

/* ---- rings ---- */

void virtq_put(struct virtq *q, uint16_t head)
{
	q->avail_ring[2 + q->avail++ % q->size] = head;
}

static bool wants_notice(struct virtio *d, struct virtq *q, uint16_t old)
{
	if (d->features & 1ull << VIRTIO_EVENT_IDX)
		return (uint16_t)(q->avail - q->used_ring[2 + 4 * q->size] - 1) < (uint16_t)(q->avail - old);
	return !(q->used_ring[0] & USED_NO_NOTIFY);
}

void virtq_kick(struct virtio *d, struct virtq *q)
{
	uint16_t old = q->avail_ring[1];

	barrier();
	q->avail_ring[1] = q->avail;
	if (d->features & 1ull << VIRTIO_EVENT_IDX) /* no interrupt: an event far behind what was seen (2.7.7) */
		q->avail_ring[2 + q->size] = (uint16_t)(q->seen - 1);
	fence(); /* before looking whether the device wants to know */
	if (!wants_notice(d, q, old))
		return;
	if (d->modern)
		put16(q->doorbell, (uint16_t)q->index);
	else
		io16((uint16_t)(d->io + LEGACY_NOTIFY), (uint16_t)q->index);
}

int32_t virtq_get(struct virtq *q, uint32_t *len)
{
	const volatile uint32_t *element = (const volatile uint32_t *)(q->used_ring + 2) + 2 * (q->seen % q->size);

	if (q->seen == q->used_ring[1])
		return -1;
	barrier();
	q->seen++;
	*len = element[1];
	return (int32_t)element[0];
}
