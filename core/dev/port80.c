/*
 * port80.c - ports 0x80 to 0x8f: the POST code and the DMA page registers, which here only remember what was written.
 *
 * Guests write 0x80 as a delay of one bus cycle, and nano does for its cheapest OUT, so the handler does no more than
 * store the byte.
 */
#include <errno.h>
#include <stdlib.h>
#include "core/vm.h"
#include "dev/machine.h"

struct latches {
	uint8_t byte[16];
};

static void latch_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct latches *l = dev;

	if (size > 1)
		dev_split(latch_io, dev, addr, size, write, data);
	else if (write)
		l->byte[addr & 15] = *data;
	else
		*data = l->byte[addr & 15];
}

int port80_create(struct vm *vm)
{
	struct latches *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	vm->dev->latches = l;
	err = bus_add_port(&vm->bus, "port80", 0x80, sizeof(l->byte), latch_io, l);
	if (err)
		port80_destroy(vm);
	return err;
}

void port80_destroy(struct vm *vm)
{
	free(vm->dev->latches);
	vm->dev->latches = NULL;
}
