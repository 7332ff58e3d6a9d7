/*
 * shmem.c - memory of the host's, given to the guest: PCI slot 3, the memory itself in BAR 2. The direct way to a device.
 *
 * It presents itself as QEMU's "ivshmem-plain" does (its ivshmem-spec: 1af4:1110, revision 1), so that drivers and guests
 * run on both. The memory is mapped by each backend as RAM is (mem.h): a KVM memory slot, pages of bt's windows, host mappings
 * of pv, frames that a Xen domain may map. No access ever leaves the guest. Therefore its address is fixed: BAR 2 answers to
 * sizing and does not move. BAR 0 has the registers of the variant with interrupts, which this is not: they read 0.
 */
#include <errno.h>
#include <stdlib.h>
#include "core/vm.h"
#include "dev/pci.h"

#define SLOT 3
#define REGISTERS 256u

struct shmem {
	struct pci_function pci;
};

static void registers_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	if (!write)
		*data = 0;
}

static bool shmem_present(const struct pci_function *f)
{
	return f->vm->mem.shared != NULL;
}

int shmem_create(struct vm *vm)
{
	struct shmem *s = calloc(1, sizeof(*s));
	struct pci_function *f;

	if (!s)
		return -ENOMEM;
	vm->dev->shmem = s;
	f = &s->pci;
	*f = (struct pci_function){ .dev = s, .slot = SLOT, .present = shmem_present };
	pci_config_put(f, PCI_VENDOR, 4, 0x11101af4);
	f->config[PCI_REVISION] = 1;
	pci_config_put(f, PCI_CLASS, 2, 0x0500); /* memory: RAM */
	pci_config_put(f, PCI_SUB_VENDOR, 4, 0x11001af4);
	f->bar[0] = (struct pci_bar){ .size = REGISTERS, .fn = registers_io };
	pci_config_put(f, PCI_BAR, 4, PCI_MMIO_BASE + 0x10000);
	if (vm->mem.shared) {
		f->bar[2] = (struct pci_bar){ .size = (uint32_t)vm->mem.shared_size, .fixed = MEM_SHARED_BASE };
		pci_config_put(f, PCI_BAR + 8, 4, MEM_SHARED_BASE | 8); /* prefetchable */
	}
	return pci_add(vm, f);
}

void shmem_destroy(struct vm *vm)
{
	free(vm->dev->shmem);
	vm->dev->shmem = NULL;
}
