/*
 * disk.h - a disk as a guest's driver offers it, whichever way it reaches the machine's.
 *
 * ata.c drives emulated registers, virtio_block.c and xen_block.c shared rings. All give the same interface, so that a
 * guest can compare them. Addresses of data are the guest's own, in memory that the library or the guest's kernel has
 * mapped; 512-byte sectors.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct disk_req {
	uint32_t sector, count; /* count at most 8: one page, and data must not cross a page boundary */
	void *data;
	bool write;
	int status;             /* 0, or -1: the device says no */
};

struct disk {
	const char *name; /* "ata", "virtio", "xen" */
	uint32_t sectors;
	/* Starts n requests at once, as far as the device can, and returns when all are done; 0, or -1 if one failed. */
	int (*submit)(struct disk *d, struct disk_req *req, unsigned n);
	int (*flush)(struct disk *d); /* NULL: nothing to do */
	void *priv;
};

/* Each finds and starts its device; NULL when it is not there. A driver polls or sleeps until done, as the guest set it up. */
struct disk *ata_disk(void);
struct disk *virtio_disk(void);          /* by its legacy registers, in I/O space */
struct disk *virtio_disk_by(bool modern); /* or by those in a memory BAR, which mmio_map (pci.h) must be able to map */
struct disk *xen_disk(void);
