/* pci.c - see pci.h. */
#include "pci.h"
#include "x86.h"

#define ADDRESS 0xcf8
#define DATA 0xcfc

static void select(uint32_t slot, uint32_t at)
{
	outl(ADDRESS, 0x80000000u | slot << 11 | (at & 0xfc));
}

uint32_t pci_read(uint32_t slot, uint32_t at)
{
	select(slot, at);
	return inl(DATA);
}

uint8_t pci_read8(uint32_t slot, uint32_t at)
{
	return (uint8_t)(pci_read(slot, at) >> 8 * (at & 3));
}

void pci_write(uint32_t slot, uint32_t at, uint32_t v)
{
	select(slot, at);
	outl(DATA, v);
}

int32_t pci_find(uint32_t id, uint32_t from)
{
	for (uint32_t slot = from; slot < 32; slot++)
		if (pci_read(slot, PCI_ID) == id)
			return (int32_t)slot;
	return -1;
}

uint32_t pci_bar(uint32_t slot, uint32_t n, bool io)
{
	uint32_t v = pci_read(slot, PCI_BAR0 + 4 * n);
	return (v & 1) != io ? 0 : io ? v & ~3u : v & ~15u;
}

uint32_t pci_bar_size(uint32_t slot, uint32_t n)
{
	uint32_t at = PCI_BAR0 + 4 * n, old = pci_read(slot, at), command = pci_read(slot, PCI_COMMAND), mask;

	pci_write(slot, PCI_COMMAND, command & 0xffff & ~3u);
	pci_write(slot, at, 0xffffffffu);
	mask = pci_read(slot, at);
	pci_write(slot, at, old);
	pci_write(slot, PCI_COMMAND, command & 0xffff);
	mask &= old & 1 ? ~3u : ~15u;
	return mask ? ~mask + 1 : 0;
}
