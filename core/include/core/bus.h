/*
 * bus.h - port and memory-mapped I/O: who answers at which address.
 *
 * One handler signature serves ports and MMIO, reads and writes. An access nobody claims is counted, logged once for
 * each address, and reads all ones. Backends call bus_port and bus_mmio directly; they may be called only on the vCPU's thread.
 */
#pragma once
#include "core/types.h"

/*
 * addr is the offset from the region's start; size is 1, 2, 4 or 8 bytes. For a write *data holds the value
 * (zero-extended), for a read the handler stores it.
 */
typedef void bus_handler(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data);

/*
 * Up to n elements of an INS or OUTS at once, between the device and buf: how many, or 0 where the device wants them one by one now.
 */
typedef uint32_t bus_string(void *dev, uint64_t addr, unsigned size, bool write, void *buf, uint32_t n);

struct bus_region {
	uint64_t start, len;
	bus_handler *fn;
	void *dev;
	const char *name;
	bus_string *string; /* NULL: always one by one */
};

#define BUS_REGIONS 64
#define BUS_UNKNOWN_LOG 64

struct bus {
	struct bus_region port[BUS_REGIONS], mmio[BUS_REGIONS];
	unsigned ports, mmios;
	uint64_t unknown;                        /* accesses that nobody claimed */
	uint64_t unknown_seen[BUS_UNKNOWN_LOG];  /* addresses already logged; bit 63 set for MMIO */
	unsigned unknown_n;
	bool probing; /* the guest looks for devices of all PCs: what it does not find is counted, and not said */
};

int bus_add_port(struct bus *b, const char *name, uint16_t start, unsigned len, bus_handler *fn, void *dev);
int bus_add_mmio(struct bus *b, const char *name, gpa_t start, uint64_t len, bus_handler *fn, void *dev);

/* The region that starts at this port moves strings at once. */
void bus_port_strings(struct bus *b, uint16_t start, bus_string *fn);
/* See bus_string; 0 too where nobody offers it. */
uint32_t bus_port_string(struct bus *b, uint16_t port, unsigned size, bool write, void *buf, uint32_t n);

/* One access of 1, 2 or 4 bytes. Reads return zero-extended data; an access nobody claims reads all ones. */
uint32_t bus_port_in(struct bus *b, uint16_t port, unsigned size);
void bus_port_out(struct bus *b, uint16_t port, unsigned size, uint32_t value);
/* One access of 1, 2, 4 or 8 bytes. */
uint64_t bus_mmio_read(struct bus *b, gpa_t gpa, unsigned size);
void bus_mmio_write(struct bus *b, gpa_t gpa, unsigned size, uint64_t value);
