/*
 * virtio_console.h - the virtio console's port 0 for guests: bytes out by one notification for each write, polled input.
 */
#pragma once
#include "hal.h"

bool vcon_open(bool modern);
/* At most a page of image memory, in one notification; waits until the device has taken it. False: it does not. */
bool vcon_write(const void *buf, uint32_t n);
uint32_t vcon_read(void *buf, uint32_t n); /* what is there, without waiting */
