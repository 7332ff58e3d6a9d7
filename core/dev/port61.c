/*
 * port61.c - system control port B: the speaker gate, counter 2's output, and the refresh toggle that old code uses
 * as a clock (82371AB datasheet, NMISC). Linux calibrates its TSC with counter 2 through here.
 */
#include <errno.h>
#include <stdlib.h>
#include "core/vm.h"
#include "dev/machine.h"

#define REFRESH_NS 15085u /* one DRAM refresh request: 18 ticks of the timer */

struct port61 {
	struct vm *vm;
	uint8_t low; /* bits 3..0 as written: GATE 2, speaker, and the two parity enables */
};

static void port61_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct port61 *p = dev;
	struct pit *pit = p->vm->dev->pit;

	if (write) {
		p->low = *data & 0x0f;
		pit_set_gate2(pit, p->low & 1);
	} else {
		*data = p->low | (clock_now(&p->vm->clock) / REFRESH_NS & 1) << 4 | pit_out2(pit) << 5;
	}
}

int port61_create(struct vm *vm)
{
	struct port61 *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	vm->dev->port61 = p;
	p->vm = vm;
	err = bus_add_port(&vm->bus, "port61", 0x61, 1, port61_io, p);
	if (err)
		port61_destroy(vm);
	return err;
}

void port61_destroy(struct vm *vm)
{
	free(vm->dev->port61);
	vm->dev->port61 = NULL;
}
