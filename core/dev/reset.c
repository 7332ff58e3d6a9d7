/*
 * reset.c - the three ways in which PC software asks for a reset: the keyboard controller's pulse command (0x64), port
 * 0x92 and port 0xcf9. A guest that resets has ended, and not well: its status port is 0xf4 (debugexit.c).
 *
 * Port 0xcf9 lies within PCI's configuration address register: pci.c owns it, and passes bytes on.
 * There is no keyboard controller behind 0x64: reads give all ones, by which Linux sees at once that none is there.
 */
#include <errno.h>
#include <stdlib.h>
#include "core/vm.h"
#include "dev/machine.h"

struct reset_ctl {
	struct vm *vm;
	uint8_t port92, portcf9;
};

static void reset_now(struct vm *vm, unsigned port)
{
	vm_stop(vm, END_CRASH, 0, "the guest asked for a reset through port %#x; to end well it writes its status to port %#x",
		port, PORT_DEBUG_EXIT);
}

static void port64_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct reset_ctl *r = dev;

	/* 0xf0..0xff pulse the lines whose bits are clear; bit 0 is the CPU's reset. */
	if (write && (*data & 0xf1) == 0xf0)
		reset_now(r->vm, 0x64);
}

static void port92_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct reset_ctl *r = dev;

	if (!write) {
		*data = r->port92;
		return;
	}
	if (*data & 1)
		reset_now(r->vm, 0x92);
	r->port92 = *data | 2; /* A20 is always open */
}

void reset_portcf9(struct vm *vm, bool write, uint64_t *data)
{
	struct reset_ctl *r = vm->dev->reset;

	if (!write) {
		*data = r->portcf9;
		return;
	}
	if ((*data & 4) && !(r->portcf9 & 4)) /* a rising RST_CPU */
		reset_now(r->vm, 0xcf9);
	r->portcf9 = *data & 0x0e;
}

int reset_create(struct vm *vm)
{
	struct reset_ctl *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	vm->dev->reset = r;
	*r = (struct reset_ctl){ .vm = vm, .port92 = 2 };
	err = bus_add_port(&vm->bus, "i8042", 0x64, 1, port64_io, r);
	if (!err)
		err = bus_add_port(&vm->bus, "port92", 0x92, 1, port92_io, r);
	if (err)
		reset_destroy(vm);
	return err;
}

void reset_destroy(struct vm *vm)
{
	free(vm->dev->reset);
	vm->dev->reset = NULL;
}
