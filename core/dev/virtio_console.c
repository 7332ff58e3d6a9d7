/*
 * virtio_console.c - the console as a virtio device: PCI slot 2, IRQ 10, port 0 alone; queue 0 receives, queue 1 sends.
 *
 * Source: VIRTIO 1.2, 5.3. It shares the host's descriptors with the UART: what the guest sends goes the same way (console.c),
 * and what is received goes to whichever of the two listens: to the UART where it interrupts on received bytes, else
 * here, once the driver has given buffers. Read next: virtio_queue.c, uart.c.
 */
#include <stdlib.h>
#include "core/console.h"
#include "core/vm.h"
#include "dev/virtio.h"

#define SLOT 2
#define IRQ 10
enum { RECEIVE, SEND };

static uint64_t console_features(const struct virtio *d)
{
	return 0; /* no size, one port */
}

static void console_config(const struct virtio *d, uint8_t out[64])
{
}

static void send(struct virtio *d, struct virtq *q)
{
	unsigned n = virtq_pending(d, q);

	while (n-- > 0 && virtio_running(d) && virtq_take(d, q)) {
		for (unsigned i = 0; i < d->chain.outs; i++)
			console_write(d->vm, d->chain.seg[i].p, d->chain.seg[i].len);
		virtq_give(d, q, 0);
	}
	virtq_done(d, q);
}

bool virtio_console_listens(const struct vm *vm)
{
	struct virtio *d = vm->dev->vconsole;

	return d && virtio_running(d) && virtq_pending(d, &d->q[RECEIVE]);
}

void virtio_console_take(struct vm *vm)
{
	struct virtio *d = vm->dev->vconsole;
	struct virtq *q = &d->q[RECEIVE];
	unsigned n = virtq_pending(d, q);
	uint8_t buf[256];

	while (n-- > 0 && console_input_waits(vm) && virtq_take(d, q)) {
		size_t room = d->chain.in_len < sizeof(buf) ? d->chain.in_len : sizeof(buf), got = console_read(vm, buf, room);

		virtq_give(d, q, chain_write(d, 0, buf, (uint32_t)got));
	}
	virtq_done(d, q);
}

static void console_notify(struct virtio *d, unsigned queue)
{
	if (queue == SEND) {
		send(d, &d->q[SEND]);
	} else if (console_input_open(d->vm)) {
		virtio_console_take(d->vm);
		console_watch(d->vm); /* a guest that polls its ring leaves no exit behind to look at the input in */
	}
}

static const struct virtio_ops console_ops = {
	.name = "virtio-console",
	.id = 3,
	.class_hi = 7,
	.class_lo = 0x80, /* another kind of communication */
	.queues = 2,
	.features = console_features,
	.config = console_config,
	.notify = console_notify,
};

static bool console_present(const struct pci_function *f)
{
	return f->vm->image.kind != IMAGE_XEN;
}

int virtio_console_create(struct vm *vm)
{
	int err = virtio_create(&vm->dev->vconsole, vm, &console_ops, SLOT, IRQ);

	if (!err)
		vm->dev->vconsole->pci.present = console_present;
	return err;
}

void virtio_console_destroy(struct vm *vm)
{
	free(vm->dev->vconsole);
	vm->dev->vconsole = NULL;
}
