/*
 * pci.h - PCI configuration space for guests, by configuration mechanism #1 (PCI 2.3, 3.2.2.3.2), bus 0 only.
 *
 * Both builds: a Xen guest has the ports as a privileged domain has them. Read next: virtio.h.
 */
#pragma once
#include "hal.h"

enum { PCI_ID = 0, PCI_COMMAND = 4, PCI_CLASS = 8, PCI_BAR0 = 0x10, PCI_CAPS = 0x34, PCI_IRQ = 0x3c };
#define PCI_ENABLE 7u /* of PCI_COMMAND: I/O, memory, bus master */

/* slot: device number; function 0. at: a multiple of 4. */
uint32_t pci_read(uint32_t slot, uint32_t at);
void pci_write(uint32_t slot, uint32_t at, uint32_t v);
uint8_t pci_read8(uint32_t slot, uint32_t at);
/* The slot of the function with this vendor | device << 16, from slot `from` on; -1: none. */
int32_t pci_find(uint32_t id, uint32_t from);
/* The address in a base address register; 0 where there is none, or it is of the other kind. */
uint32_t pci_bar(uint32_t slot, uint32_t n, bool io);
uint32_t pci_bar_size(uint32_t slot, uint32_t n); /* by writing all ones, with decoding off */

/*
 * Maps n bytes of device memory, uncached, and gives their virtual address; NULL where that cannot be. The native library
 * has it (mmio.c); a kernel with page tables of its own brings its own.
 */
volatile void *mmio_map(uint32_t pa, uint32_t n);
