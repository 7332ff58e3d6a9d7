/*
 * virtio_pci.c - the two register interfaces of a virtio device on PCI: legacy in an I/O BAR, modern in a memory BAR.
 *
 * Source: VIRTIO 1.2, 4.1: a transitional device has both, and the driver takes one. BAR 0 is the legacy header and the
 * device's configuration (4.1.4.10); BAR 4 has the four structures that the capabilities name, a page each (4.1.4). The
 * capability for access through configuration space (4.1.4.9) is there too. Read next: virtio_queue.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "core/vm.h"
#include "dev/virtio.h"

#define BAR_LEGACY 0
#define BAR_MODERN 4
#define MODERN_SIZE 0x4000u
enum { AT_COMMON, AT_ISR = 0x1000, AT_DEVICE = 0x2000, AT_NOTIFY = 0x3000 };
enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI };
#define CAP_PCI_AT 0x88 /* in configuration space; the others lie before it */

/* 4.1.4.3, struct virtio_pci_common_cfg. */
enum { CC_DEVICE_SELECT = 0, CC_DEVICE_FEATURES = 4, CC_DRIVER_SELECT = 8, CC_DRIVER_FEATURES = 12, CC_MSIX = 16,
	CC_QUEUES = 18, CC_STATUS = 20,
	CC_GENERATION = 21, CC_QUEUE_SELECT = 22, CC_QUEUE_SIZE = 24, CC_QUEUE_MSIX = 26, CC_QUEUE_ENABLE = 28, CC_NOTIFY_OFF = 30,
	CC_DESC = 32, CC_AVAIL = 40, CC_USED = 48, CC_NOTIFY_DATA = 56, CC_QUEUE_RESET = 58, CC_END = 60 };

/* 4.1.4.10, the legacy header. */
enum { LG_FEATURES = 0, LG_ACCEPTED = 4, LG_PFN = 8, LG_QUEUE_SIZE = 12, LG_QUEUE_SELECT = 14,
	LG_NOTIFY = 16, LG_STATUS = 18, LG_ISR = 19, LG_CONFIG = 20 };

static uint64_t offered(const struct virtio *d)
{
	return d->ops->features(d) | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1;
}

void virtio_reset(struct virtio *d)
{
	d->status = d->isr = 0;
	d->legacy = false;
	d->features = 0;
	d->feature_select = d->driver_select = 0;
	d->queue_select = 0;
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
		virtq_reset(&d->q[i]);
	pci_intx(&d->pci, false);
}

void virtio_interrupt(struct virtio *d, uint8_t cause)
{
	d->isr |= cause;
	pci_intx(&d->pci, true);
}

void virtio_broken(struct virtio *d, const char *fmt, ...)
{
	char why[120];
	va_list ap;

	d->status |= VS_NEEDS_RESET;
	if (d->status & VS_DRIVER_OK)
		virtio_interrupt(d, ISR_CONFIG);
	if (d->told)
		return;
	d->told = true;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	say("the guest's driver of %s broke the rules of virtio: %s; the device stops until it is reset", d->ops->name, why);
}

/* Reading it takes the interrupt away (4.1.4.5). */
static uint8_t isr_read(struct virtio *d)
{
	uint8_t v = d->isr;

	d->isr = 0;
	pci_intx(&d->pci, false);
	return v;
}

static void notify(struct virtio *d, uint32_t queue)
{
	if (queue < d->ops->queues && virtio_running(d))
		d->ops->notify(d, queue);
}

/* 3.1.1, step 5: features that we did not offer, or a modern driver without VERSION_1, and FEATURES_OK stays clear. */
static void status_write(struct virtio *d, uint8_t v, bool legacy)
{
	if (!v) {
		virtio_reset(d);
		return;
	}
	if (!legacy && (v & VS_FEATURES_OK) && !(d->status & VS_FEATURES_OK) &&
	    ((d->features & ~offered(d)) || !(d->features & VIRTIO_F_VERSION_1)))
		v &= (uint8_t)~VS_FEATURES_OK;
	d->status = (uint8_t)((v & 0x8f) | (d->status & VS_NEEDS_RESET));
}

static struct virtq *queue(struct virtio *d)
{
	return d->queue_select < d->ops->queues ? &d->q[d->queue_select] : NULL;
}

static void config_read(const struct virtio *d, uint64_t at, unsigned size, uint64_t *data)
{
	uint8_t all[64] = { 0 };

	*data = 0;
	d->ops->config(d, all);
	if (at + size <= sizeof(all))
		memcpy(data, all + at, size);
}

/* ---- legacy ---- */

/* 2.7.2: one address of a page, and all three parts behind it. */
static void legacy_queue(struct virtq *q, uint32_t pfn)
{
	uint16_t size = q->size;

	virtq_reset(q);
	q->size = size;
	q->desc = (uint64_t)pfn << PAGE_SHIFT;
	q->avail = q->desc + 16u * size;
	q->used = (q->avail + 6 + 2u * size + PAGE_SIZE - 1) & PAGE_MASK;
	q->ready = pfn != 0;
}

static void legacy_write(struct virtio *d, uint64_t at, uint32_t v)
{
	struct virtq *q = queue(d);

	d->legacy = true;
	switch (at) {
	case LG_ACCEPTED: d->features = v & offered(d) & 0xffffffffu; break;
	case LG_PFN:
		if (q)
			legacy_queue(q, v);
		break;
	case LG_QUEUE_SELECT: d->queue_select = (uint16_t)v; break;
	case LG_NOTIFY: notify(d, v & 0xffff); break;
	case LG_STATUS: status_write(d, (uint8_t)v, true); break;
	}
}

static uint32_t legacy_read(struct virtio *d, uint64_t at)
{
	const struct virtq *q = queue(d);

	switch (at) {
	case LG_FEATURES: return (uint32_t)offered(d);
	case LG_ACCEPTED: return (uint32_t)d->features;
	case LG_PFN: return q && q->ready ? (uint32_t)(q->desc >> PAGE_SHIFT) : 0;
	case LG_QUEUE_SIZE: return q ? VIRTIO_QUEUE_SIZE : 0;
	case LG_QUEUE_SELECT: return d->queue_select;
	case LG_STATUS: return d->status;
	case LG_ISR: return isr_read(d);
	default: return 0;
	}
}

static void legacy_io(void *dev, uint64_t at, unsigned size, bool write, uint64_t *data)
{
	struct virtio *d = dev;

	if (at >= LG_CONFIG && !write)
		config_read(d, at - LG_CONFIG, size, data);
	else if (at >= LG_CONFIG)
		return; /* no device of ours has a configuration to write */
	else if (write)
		legacy_write(d, at, (uint32_t)*data);
	else
		*data = legacy_read(d, at);
}

/* ---- modern ---- */

static void put_half(uint64_t *a, uint64_t at, uint32_t v)
{
	*a = at & 4 ? (*a & 0xffffffffu) | (uint64_t)v << 32 : (*a & ~0xffffffffull) | v;
}

static void queue_enable(struct virtio *d, struct virtq *q, uint32_t v)
{
	if (v != 1 || q->ready)
		return;
	if ((q->desc & 15) || (q->avail & 1) || (q->used & 3)) /* 2.7: alignment */
		virtio_broken(d, "a ring that is not aligned");
	else
		q->ready = true;
}

static void queue_write(struct virtio *d, struct virtq *q, uint64_t at, uint32_t v)
{
	if (at == CC_QUEUE_ENABLE) {
		queue_enable(d, q, v);
		return;
	}
	if (q->ready) /* 4.1.4.3.2: not while it is enabled */
		return;
	switch (at) {
	case CC_QUEUE_SIZE:
		if (v && v <= VIRTIO_QUEUE_SIZE && !(v & (v - 1)))
			q->size = (uint16_t)v;
		break;
	case CC_DESC: case CC_DESC + 4: put_half(&q->desc, at, v); break;
	case CC_AVAIL: case CC_AVAIL + 4: put_half(&q->avail, at - CC_AVAIL, v); break;
	case CC_USED: case CC_USED + 4: put_half(&q->used, at - CC_USED, v); break;
	}
}

static void common_write(struct virtio *d, uint64_t at, uint32_t v)
{
	struct virtq *q = queue(d);

	switch (at) {
	case CC_DEVICE_SELECT: d->feature_select = v; break;
	case CC_DRIVER_SELECT: d->driver_select = v; break;
	case CC_DRIVER_FEATURES:
		if (d->driver_select < 2 && !(d->status & VS_FEATURES_OK))
			put_half(&d->features, d->driver_select ? 4 : 0, v);
		break;
	case CC_STATUS: status_write(d, (uint8_t)v, false); break;
	case CC_QUEUE_SELECT: d->queue_select = (uint16_t)v; break;
	default:
		if (q)
			queue_write(d, q, at, v);
	}
}

static uint32_t common_read(struct virtio *d, uint64_t at)
{
	const struct virtq *q = queue(d);
	static const struct virtq none;

	q = q ? q : &none;
	switch (at) {
	case CC_DEVICE_SELECT: return d->feature_select;
	case CC_DEVICE_FEATURES: return d->feature_select < 2 ? (uint32_t)(offered(d) >> 32 * d->feature_select) : 0;
	case CC_DRIVER_SELECT: return d->driver_select;
	case CC_DRIVER_FEATURES: return d->driver_select < 2 ? (uint32_t)(d->features >> 32 * d->driver_select) : 0;
	case CC_MSIX: case CC_QUEUE_MSIX: return 0xffff; /* no vector */
	case CC_QUEUES: return d->ops->queues;
	case CC_STATUS: return d->status;
	case CC_QUEUE_SELECT: return d->queue_select;
	case CC_QUEUE_SIZE: return q->size;
	case CC_QUEUE_ENABLE: return q->ready;
	case CC_NOTIFY_OFF: return d->queue_select;
	case CC_DESC: return (uint32_t)q->desc;
	case CC_DESC + 4: return (uint32_t)(q->desc >> 32);
	case CC_AVAIL: return (uint32_t)q->avail;
	case CC_AVAIL + 4: return (uint32_t)(q->avail >> 32);
	case CC_USED: return (uint32_t)q->used;
	case CC_USED + 4: return (uint32_t)(q->used >> 32);
	default: return 0; /* the configuration never changes: its generation is 0 */
	}
}

static void modern_io(void *dev, uint64_t at, unsigned size, bool write, uint64_t *data)
{
	struct virtio *d = dev;

	if (at >= AT_NOTIFY) {
		*data = write ? *data : 0;
		if (write)
			notify(d, (uint32_t)(at - AT_NOTIFY) / 4); /* which register, not what: 4.1.5.2 */
	} else if (at >= AT_DEVICE) {
		if (!write)
			config_read(d, at - AT_DEVICE, size, data);
	} else if (at >= AT_ISR) {
		if (!write)
			*data = at == AT_ISR ? isr_read(d) : 0;
	} else if (size == 8) { /* the queue's addresses may be written whole */
		uint64_t half = *data >> 32;
		modern_io(dev, at, 4, write, data);
		modern_io(dev, at + 4, 4, write, &half);
		if (!write)
			*data = (*data & 0xffffffffu) | half << 32;
	} else if (at >= CC_END) {
		*data = write ? *data : 0;
	} else if (write) {
		common_write(d, at, (uint32_t)*data);
	} else {
		*data = common_read(d, at);
	}
}

/* ---- configuration space ---- */

/* 4.1.4.9: the last capability is a window: bar, offset and length, and then data that reads or writes there. */
static void config_hook(struct pci_function *f, unsigned at, unsigned size, bool write)
{
	struct virtio *d = f->dev;
	uint32_t off = pci_config_get(f, CAP_PCI_AT + 8, 4), len = pci_config_get(f, CAP_PCI_AT + 12, 4);
	uint64_t v = pci_config_get(f, CAP_PCI_AT + 16, 4);
	bool io = f->config[CAP_PCI_AT + 4] == BAR_LEGACY;

	if (at != CAP_PCI_AT + 16 || size != len || (len != 1 && len != 2 && len != 4))
		return;
	if (!io && f->config[CAP_PCI_AT + 4] != BAR_MODERN)
		return;
	if (off >= f->bar[io ? BAR_LEGACY : BAR_MODERN].size || (off & (len - 1)))
		return;
	(io ? legacy_io : modern_io)(d, off, len, write, &v);
	if (!write)
		pci_config_put(f, CAP_PCI_AT + 16, 4, (uint32_t)v);
}

static unsigned cap_add(struct pci_function *f, unsigned at, unsigned len, uint8_t type, uint32_t off, uint32_t size)
{
	uint8_t *c = f->config + at;

	c[0] = 9; /* vendor-specific */
	c[1] = (uint8_t)(type == CAP_PCI ? 0 : at + len);
	c[2] = (uint8_t)len;
	c[3] = type;
	c[4] = BAR_MODERN;
	pci_config_put(f, at + 8, 4, off);
	pci_config_put(f, at + 12, 4, size);
	return at + len;
}

static void config_space(struct virtio *d, uint8_t slot)
{
	struct pci_function *f = &d->pci;
	unsigned at = 0x40;

	pci_config_put(f, PCI_VENDOR, 2, 0x1af4);
	pci_config_put(f, PCI_DEVICE, 2, d->ops->id == 2 ? 0x1001 : 0x1003); /* 4.1.2.1: transitional identifiers */
	f->config[PCI_CLASS + 1] = d->ops->class_hi;
	f->config[PCI_CLASS] = d->ops->class_lo;
	pci_config_put(f, PCI_SUB_VENDOR, 2, 0x1af4);
	pci_config_put(f, PCI_SUB_DEVICE, 2, d->ops->id);
	pci_config_put(f, PCI_STATUS, 2, PCI_STATUS_CAPS);
	f->bar[BAR_LEGACY] = (struct pci_bar){ .size = 0x80, .io = true, .fn = legacy_io };
	pci_config_put(f, PCI_BAR + 4 * BAR_LEGACY, 4, (PCI_IO_BASE + 0x80u * slot) | 1);
	f->bar[BAR_MODERN] = (struct pci_bar){ .size = MODERN_SIZE, .fn = modern_io };
	pci_config_put(f, PCI_BAR + 4 * BAR_MODERN, 4, PCI_MMIO_BASE + MODERN_SIZE * slot);
	f->config[PCI_CAPS] = (uint8_t)at;
	at = cap_add(f, at, 16, CAP_COMMON, AT_COMMON, CC_END);
	at = cap_add(f, at, 16, CAP_ISR, AT_ISR, 1);
	at = cap_add(f, at, 16, CAP_DEVICE, AT_DEVICE, 64);
	pci_config_put(f, at + 16, 4, 4); /* notify_off_multiplier */
	at = cap_add(f, at, 24, CAP_NOTIFY, AT_NOTIFY, 4 * d->ops->queues);
	cap_add(f, CAP_PCI_AT, 20, CAP_PCI, 0, 0);
	f->open = CAP_PCI_AT + 4;
	f->open_end = CAP_PCI_AT + 20;
	f->config_hook = config_hook;
}

int virtio_create(struct virtio **out, struct vm *vm, const struct virtio_ops *ops, uint8_t slot, uint8_t irq)
{
	struct virtio *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	*out = d;
	d->vm = vm;
	d->ops = ops;
	d->pci = (struct pci_function){ .vm = vm, .dev = d, .slot = slot, .irq = irq };
	config_space(d, slot);
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
		virtq_reset(&d->q[i]);
	err = pci_add(vm, &d->pci);
	if (err) {
		free(d);
		*out = NULL;
	}
	return err;
}
