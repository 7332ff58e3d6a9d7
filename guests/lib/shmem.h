/*
 * shmem.h - memory that the host shares with the guest by a PCI device (ivshmem-plain): BAR 2, reached without exits.
 *
 * Both builds: the pages are mapped over a window in the image by page_set, which a Xen guest does by hypercall.
 */
#pragma once
#include "disk.h"

#define SHMEM_WINDOW_PAGES 64

uint8_t *shmem_map(uint32_t *bytes); /* the window, and how much of it there is; NULL: no such device */
/* The shared memory as a disk: submit copies. A file is then the same disk as by the other ways. */
struct disk *shmem_disk(void);
