/*
 * debugexit.c - the port by which a guest ends and says how: QEMU's isa-debug-exit at 0xf4, four bytes wide.
 *
 * The value written is the guest's status as it stands; QEMU's own process would exit with (value << 1) | 1. An access
 * of any size at any of the four ports counts, as there. Reads give 0.
 */
#include "core/vm.h"
#include "dev/machine.h"

static void debugexit_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct vm *vm = dev;

	if (write)
		vm_stop(vm, END_EXIT, (int)(uint32_t)*data, "the guest wrote %u to the debug-exit port", (uint32_t)*data);
	else
		*data = 0;
}

int debugexit_create(struct vm *vm)
{
	return bus_add_port(&vm->bus, "debug-exit", PORT_DEBUG_EXIT, 4, debugexit_io, vm);
}
