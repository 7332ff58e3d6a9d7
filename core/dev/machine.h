/*
 * machine.h - what the devices share among themselves: the set of them, and the way an ISA bus splits wide accesses.
 *
 * Private to core/dev/. The rest of core sees core/dev.h. Read next: machine.c, then any one device.
 */
#pragma once
#include "core/bus.h"
#include "core/dev.h"
#include "core/types.h"

struct pit;
struct uart;
struct rtc;
struct port61;
struct latches;
struct reset_ctl;
struct ata;
struct pci;
struct virtio;
struct shmem;

/* One pointer for each device; NULL until its create function has run. */
struct dev_set {
	struct pic *pic;
	struct pit *pit;
	struct port61 *port61;
	struct uart *uart;
	struct rtc *rtc;
	struct latches *latches;
	struct reset_ctl *reset;
	struct ata *ata;
	struct pci *pci;
	struct virtio *block, *vconsole;
	struct shmem *shmem;
};

/* Each create fills its pointer in vm->dev and claims its ports: 0 or -errno. Each destroy accepts a NULL pointer. */
int pic_create(struct vm *vm);
void pic_destroy(struct vm *vm);
int pit_create(struct vm *vm);
void pit_destroy(struct vm *vm);
int port61_create(struct vm *vm);
void port61_destroy(struct vm *vm);
int uart_create(struct vm *vm);
void uart_destroy(struct vm *vm);
int rtc_create(struct vm *vm);
void rtc_destroy(struct vm *vm);
int port80_create(struct vm *vm);
void port80_destroy(struct vm *vm);
int debugexit_create(struct vm *vm);
int reset_create(struct vm *vm);
void reset_destroy(struct vm *vm);
int ata_create(struct vm *vm);
void ata_destroy(struct vm *vm);
int pci_create(struct vm *vm);
void pci_destroy(struct vm *vm);
int virtio_block_create(struct vm *vm);
void virtio_block_destroy(struct vm *vm);
int virtio_console_create(struct vm *vm);
void virtio_console_destroy(struct vm *vm);
int shmem_create(struct vm *vm);
void shmem_destroy(struct vm *vm);

/* The virtio console has buffers for what is received; gives it what the console has read. */
bool virtio_console_listens(const struct vm *vm);
void virtio_console_take(struct vm *vm);

/* One byte at port 0xcf9. */
void reset_portcf9(struct vm *vm, bool write, uint64_t *data);

/* Channel 2 of the PIT as port 0x61 sees it: its GATE input and its OUT output. */
void pit_set_gate2(struct pit *p, bool gate);
bool pit_out2(struct pit *p);

/*
 * A wide access to an 8-bit ISA device becomes consecutive byte accesses, low byte first. The handler sees offsets past
 * the end of its region when the access reaches there: reads of those give all ones, writes nothing.
 */
void dev_split(bus_handler *fn, void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data);
