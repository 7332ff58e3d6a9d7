/*
 * machine.c - the machine: a list of devices, created in this order and destroyed in reverse.
 *
 * Called by vm_create and vm_destroy. A new device is one file here and one line in the table. Read next: pic.c.
 */
#include <errno.h>
#include <stdlib.h>
#include "core/vm.h"
#include "dev/machine.h"

struct device {
	int (*create)(struct vm *vm);
	void (*destroy)(struct vm *vm); /* NULL when there is nothing to free */
};

/*
 * The bus searches in this order, so the devices that guests poll come first. None raises a line before all exist;
 * port 0x61 needs the PIT, and PCI functions their bridge.
 */
static const struct device machine[] = {
	{ uart_create, uart_destroy },
	{ debugexit_create, NULL },
	{ pic_create, pic_destroy },
	{ port80_create, port80_destroy },
	{ pit_create, pit_destroy },
	{ port61_create, port61_destroy },
	{ rtc_create, rtc_destroy },
	{ reset_create, reset_destroy },
	{ ata_create, ata_destroy },
	{ pci_create, pci_destroy },
	{ virtio_block_create, virtio_block_destroy },
	{ virtio_console_create, virtio_console_destroy },
	{ shmem_create, shmem_destroy },
};

static void destroy_first(struct vm *vm, size_t n)
{
	while (n-- > 0)
		if (machine[n].destroy)
			machine[n].destroy(vm);
	free(vm->dev);
	vm->dev = NULL;
}

int dev_create(struct vm *vm)
{
	vm->dev = calloc(1, sizeof(*vm->dev));
	if (!vm->dev)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_LEN(machine); i++) {
		int err = machine[i].create(vm);

		if (err) {
			destroy_first(vm, i);
			return err;
		}
	}
	return 0;
}

void dev_destroy(struct vm *vm)
{
	if (vm->dev)
		destroy_first(vm, ARRAY_LEN(machine));
}

struct pic *dev_pic(const struct vm *vm)
{
	return vm->dev->pic;
}

void dev_split(bus_handler *fn, void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < size; i++) {
		uint64_t byte = write ? *data >> (8 * i) & 0xff : 0xff;

		fn(dev, addr + i, 1, write, &byte);
		all |= (byte & 0xff) << (8 * i);
	}
	if (!write)
		*data = all;
}
