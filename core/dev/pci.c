/*
 * pci.c - a PCI host bridge: configuration mechanism #1 (ports 0xcf8 and 0xcfc), bus 0, and the decoding of base addresses.
 *
 * Source: PCI Local Bus Specification 2.3, 3.2.2.3.2 (the mechanism) and chapter 6 (configuration space). Functions
 * register by pci_add; the bridge keeps their configuration space and passes accesses in its two windows to whichever
 * BAR decodes them. INTA goes straight to a line of the 8259 pair, told in the Interrupt Line register, as firmware would.
 * Port 0xcf9, in the midst of the address register, is the reset control (reset.c).
 */
#include "dev/pci.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "core/irq.h"
#include "core/vm.h"

#define SLOTS 32
#define ENABLE 0x80000000u

struct pci {
	struct vm *vm;
	uint32_t address;
	struct pci_function *fn[SLOTS];
	struct pci_function bridge;
};

uint32_t pci_config_get(const struct pci_function *f, unsigned at, unsigned size)
{
	uint32_t v = 0;

	memcpy(&v, f->config + at, size);
	return v;
}

void pci_config_put(struct pci_function *f, unsigned at, unsigned size, uint32_t v)
{
	memcpy(f->config + at, &v, size);
}

/* ---- interrupts ---- */

static bool asserts(const struct pci_function *f)
{
	return f && f->level && !(pci_config_get(f, PCI_COMMAND, 2) & PCI_COMMAND_INTX_OFF);
}

/* The line is the wired OR of all that share it. */
static void line_update(struct vm *vm, unsigned irq)
{
	const struct pci *p = vm->dev->pci;
	bool level = false;

	for (unsigned i = 0; i < SLOTS; i++)
		level |= asserts(p->fn[i]) && p->fn[i]->irq == irq;
	irq_set(vm, irq, level);
}

void pci_intx(struct pci_function *f, bool level)
{
	if (f->level == level)
		return;
	f->level = level;
	f->config[PCI_STATUS] = (f->config[PCI_STATUS] & ~PCI_STATUS_INTX) | (level ? PCI_STATUS_INTX : 0);
	line_update(f->vm, f->irq);
}

/* ---- configuration space ---- */

/*
 * 6.2.5.1: the low bits of a base address register are hardwired; writing all ones shows the size. So do the upper bits of
 * one whose address is fixed, but after all ones.
 */
static void bar_write(struct pci_function *f, unsigned at, unsigned size, uint32_t v)
{
	unsigned n = (at - PCI_BAR) / 4, reg = PCI_BAR + 4 * n, shift = (at & 3) * 8;
	uint32_t mask = (size == 4 ? 0xffffffffu : (1u << 8 * size) - 1) << shift, old = pci_config_get(f, reg, 4);
	const struct pci_bar *b = &f->bar[n];

	if (!b->size)
		return;
	v = (old & ~mask) | (v << shift & mask);
	if (b->fixed && v != 0xffffffffu)
		v = b->fixed;
	pci_config_put(f, reg, 4, (v & ~(b->size - 1)) | (old & (b->io ? 3 : 15)));
}

/* The bits of a configuration byte that software may change; the BARs are bar_write's. */
static uint8_t writable(const struct pci_function *f, unsigned at)
{
	if (at >= f->open && at < f->open_end)
		return 0xff;
	switch (at) {
	case PCI_COMMAND: return 0x47;
	case PCI_COMMAND + 1: return 0x05;
	case 0x0c: case 0x0d: return 0xff; /* cache line size, latency timer */
	case PCI_IRQ_LINE: return 0xff;
	default: return 0;
	}
}

static void config_write(struct pci_function *f, unsigned at, unsigned size, uint32_t v)
{
	if (at >= PCI_BAR && at < PCI_BAR + 24) {
		bar_write(f, at, size, v);
		return;
	}
	for (unsigned i = 0; i < size; i++) {
		uint8_t w = writable(f, at + i);
		f->config[at + i] = (uint8_t)((f->config[at + i] & ~w) | (v >> (8 * i) & w));
	}
	if (f->config_hook)
		f->config_hook(f, at, size, true);
	if (at <= PCI_COMMAND + 1)
		line_update(f->vm, f->irq);
}

/* The function that the address register names; NULL: nobody answers. */
static struct pci_function *selected(const struct pci *p)
{
	struct pci_function *f = p->fn[p->address >> 11 & 31];

	if (!(p->address & ENABLE) || (p->address & 0x00ff0700) || !f || (f->present && !f->present(f)))
		return NULL;
	return f;
}

static void data_io(struct pci *p, unsigned byte, unsigned size, bool write, uint64_t *data)
{
	struct pci_function *f = selected(p);
	unsigned at = (p->address & 0xfc) + byte;

	if (!f)
		return; /* a master abort: reads are all ones */
	if (write) {
		config_write(f, at, size, (uint32_t)*data);
		return;
	}
	if (f->config_hook)
		f->config_hook(f, at, size, false);
	*data = pci_config_get(f, at, size);
}

/* 3.2.2.3.2: only a doubleword at 0xcf8 is the address register; other accesses there are I/O. */
static void config_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct pci *p = dev;

	if (addr == 0 && size == 4 && write)
		p->address = (uint32_t)*data & ~0x7f000003u;
	else if (addr == 0 && size == 4)
		*data = p->address;
	else if (addr == 1 && size == 1)
		reset_portcf9(p->vm, write, data);
	else if (addr >= 4 && (addr & 3) + size <= 4)
		data_io(p, addr & 3, size, write, data);
	else if (addr >= 4)
		dev_split(config_io, dev, addr, size, write, data);
}

/* ---- the windows ---- */

static bool decodes(const struct pci_function *f, unsigned n, bool io, uint32_t addr, unsigned size, uint32_t *off)
{
	const struct pci_bar *b = &f->bar[n];
	uint32_t base = pci_config_get(f, PCI_BAR + 4 * n, 4) & (io ? ~3u : ~15u);

	if (!b->size || b->io != io || !b->fn || !(f->config[PCI_COMMAND] & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEM)))
		return false;
	*off = addr - base;
	return *off < b->size && size <= b->size - *off;
}

static void window_io(struct pci *p, bool io, uint32_t addr, unsigned size, bool write, uint64_t *data)
{
	uint32_t off;

	for (unsigned s = 0; s < SLOTS; s++) {
		struct pci_function *f = p->fn[s];

		if (!f || (f->present && !f->present(f)))
			continue;
		for (unsigned n = 0; n < 6; n++)
			if (decodes(f, n, io, addr, size, &off)) {
				f->bar[n].fn(f->dev, off, size, write, data);
				return;
			}
	}
}

static void port_window(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	window_io(dev, true, (uint32_t)addr + PCI_IO_BASE, size, write, data);
}

static void mmio_window(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	window_io(dev, false, (uint32_t)addr + PCI_MMIO_BASE, size, write, data);
}

/* ---- life ---- */

int pci_add(struct vm *vm, struct pci_function *f)
{
	struct pci *p = vm->dev->pci;

	if (f->slot >= SLOTS || p->fn[f->slot])
		return -EEXIST;
	f->vm = vm;
	p->fn[f->slot] = f;
	pci_config_put(f, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEM);
	if (f->irq) {
		f->config[PCI_IRQ_LINE] = f->irq;
		f->config[PCI_IRQ_PIN] = 1;
	}
	return 0;
}

int pci_create(struct vm *vm)
{
	struct pci *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	vm->dev->pci = p;
	p->vm = vm;
	pci_config_put(&p->bridge, PCI_VENDOR, 4, 0x00081b36); /* a generic host bridge of Red Hat's */
	pci_config_put(&p->bridge, PCI_CLASS, 2, 0x0600);
	err = pci_add(vm, &p->bridge);
	if (!err)
		err = bus_add_port(&vm->bus, "pci-config", 0xcf8, 8, config_io, p);
	if (!err)
		err = bus_add_port(&vm->bus, "pci-io", PCI_IO_BASE, PCI_IO_SIZE, port_window, p);
	if (!err)
		err = bus_add_mmio(&vm->bus, "pci-mmio", GPA(PCI_MMIO_BASE), PCI_MMIO_SIZE, mmio_window, p);
	if (err)
		pci_destroy(vm);
	return err;
}

void pci_destroy(struct vm *vm)
{
	free(vm->dev->pci);
	vm->dev->pci = NULL;
}
