/*
 * host.h - the file system as a host program: what of the kernel it needs, and disks that misbehave.
 *
 * Built with the real kernel.h and fs.h, but with hal.h and arch.h of this folder.
 */
#pragma once
#include "fs.h"

struct host_disk {
	struct disk disk;
	uint8_t *image;
	uint32_t bytes;
	uint32_t fail_one_in; /* 0: never */
	uint32_t seed, reads, writes, flushes;
};

/* What the kernel allocates and has not freed: a leak, at the end of a test. */
extern int host_pages, host_objects;
extern uint32_t host_memory_limit; /* pages; then page_alloc fails */
void host_disk_init(struct host_disk *h, uint8_t *image, uint32_t bytes);
uint32_t host_random(uint32_t *seed);
