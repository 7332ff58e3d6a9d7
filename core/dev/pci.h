/*
 * pci.h - what a function on PCI bus 0 gives the host bridge, and asks of it. Private to core/dev/.
 *
 * There is no firmware: the bridge itself gives each base address register its first value, so that guests that do not
 * assign resources find the devices decoded. Read next: pci.c, virtio_pci.c, shmem.c.
 */
#pragma once
#include "dev/machine.h"

/* What the bridge passes on; base addresses outside are not decoded. */
#define PCI_IO_BASE 0xc000u
#define PCI_IO_SIZE 0x1000u
#define PCI_MMIO_BASE 0xe0000000u
#define PCI_MMIO_SIZE 0x10000000u

enum { PCI_VENDOR = 0, PCI_DEVICE = 2, PCI_COMMAND = 4, PCI_STATUS = 6, PCI_REVISION = 8, PCI_CLASS = 0x0a, PCI_HEADER = 0x0e,
	PCI_BAR = 0x10,
	PCI_SUB_VENDOR = 0x2c, PCI_SUB_DEVICE = 0x2e, PCI_CAPS = 0x34, PCI_IRQ_LINE = 0x3c, PCI_IRQ_PIN = 0x3d };
enum { PCI_COMMAND_IO = 1, PCI_COMMAND_MEM = 2, PCI_COMMAND_INTX_OFF = 0x400, PCI_STATUS_INTX = 8, PCI_STATUS_CAPS = 0x10 };

struct pci_bar {
	uint32_t size;   /* a power of two, at least 16; 0: not there */
	bool io;         /* in I/O space */
	uint32_t fixed;  /* its address, where it does not move: the register answers to sizing, and to nothing else; or 0 */
	bus_handler *fn; /* dev is pci_function.dev, addr the offset in the BAR; NULL: a backend maps it */
};

struct pci_function {
	struct vm *vm;
	void *dev;
	uint8_t slot, irq;      /* device number on bus 0; the 8259's line for INTA */
	bool level;             /* INTA is asserted */
	uint8_t config[256];
	struct pci_bar bar[6];
	uint8_t open, open_end; /* bytes of config that software may write, beyond those of every function: [open, open_end) */
	bool (*present)(const struct pci_function *f); /* NULL: always */
	/* Before a read and after a write of configuration space; may be NULL. */
	void (*config_hook)(struct pci_function *f, unsigned at, unsigned size, bool write);
};

/* Puts a function on the bus; the bridge must exist. 0 or -EEXIST. */
int pci_add(struct vm *vm, struct pci_function *f);
/* Asserts or takes back INTA. */
void pci_intx(struct pci_function *f, bool level);
uint32_t pci_config_get(const struct pci_function *f, unsigned at, unsigned size);
void pci_config_put(struct pci_function *f, unsigned at, unsigned size, uint32_t v);
