/*
 * bus.c - routes one port or MMIO access to the device that claims it.
 *
 * Backends call it from their hot paths: regions are few and kept in order of registration, most used first
 * (dev_create registers the UART and the interrupt controllers early), so a linear search beats anything cleverer.
 */
#include "core/bus.h"
#include <errno.h>
#include "core/vm.h"

static int bus_add(struct bus_region *table, unsigned *n, const struct bus_region *r)
{
	if (!r->len || r->start + r->len < r->start)
		return -EINVAL;
	if (*n == BUS_REGIONS)
		return -ENOSPC;
	for (unsigned i = 0; i < *n; i++)
		if (r->start < table[i].start + table[i].len && table[i].start < r->start + r->len)
			return -EEXIST;
	table[(*n)++] = *r;
	return 0;
}

int bus_add_port(struct bus *b, const char *name, uint16_t start, unsigned len, bus_handler *fn, void *dev)
{
	if (start + len > 0x10000)
		return -EINVAL;
	return bus_add(b->port, &b->ports, &(struct bus_region){ .start = start, .len = len, .fn = fn, .dev = dev, .name = name });
}

int bus_add_mmio(struct bus *b, const char *name, gpa_t start, uint64_t len, bus_handler *fn, void *dev)
{
	return bus_add(b->mmio, &b->mmios, &(struct bus_region){ .start = start.a, .len = len, .fn = fn, .dev = dev, .name = name });
}

static inline const struct bus_region *bus_find(const struct bus_region *table, unsigned n, uint64_t addr, unsigned size)
{
	for (unsigned i = 0; i < n; i++)
		if (addr - table[i].start < table[i].len && size <= table[i].len - (addr - table[i].start))
			return &table[i];
	return NULL;
}

/* Counts an access that nobody claims, and says so once for each address. */
static void bus_unknown(struct bus *b, bool mmio, uint64_t addr, unsigned size, bool write)
{
	uint64_t tag = addr | (mmio ? 1ull << 63 : 0);

	b->unknown++;
	if (b->probing)
		return;
	for (unsigned i = 0; i < b->unknown_n; i++)
		if (b->unknown_seen[i] == tag)
			return;
	if (b->unknown_n == BUS_UNKNOWN_LOG)
		return;
	b->unknown_seen[b->unknown_n++] = tag;
	say("guest %s of %u bytes %s %s %#llx: no such device; %s", write ? "write" : "read", size, write ? "to" : "from",
		mmio ? "physical address" : "port", (unsigned long long)addr, write ? "ignored" : "reads all ones");
	if (b->unknown_n == BUS_UNKNOWN_LOG)
		say("further accesses to unknown addresses are counted, but not logged");
}

static uint64_t ones(unsigned size)
{
	return size >= 8 ? ~0ull : (1ull << (8 * size)) - 1;
}

void bus_port_strings(struct bus *b, uint16_t start, bus_string *fn)
{
	for (unsigned i = 0; i < b->ports; i++)
		if (b->port[i].start == start)
			b->port[i].string = fn;
}

uint32_t bus_port_string(struct bus *b, uint16_t port, unsigned size, bool write, void *buf, uint32_t n)
{
	const struct bus_region *r = bus_find(b->port, b->ports, port, size);

	return r && r->string ? r->string(r->dev, port - r->start, size, write, buf, n) : 0;
}

uint32_t bus_port_in(struct bus *b, uint16_t port, unsigned size)
{
	const struct bus_region *r = bus_find(b->port, b->ports, port, size);
	uint64_t v = ones(size);

	if (r)
		r->fn(r->dev, port - r->start, size, false, &v);
	else
		bus_unknown(b, false, port, size, false);
	return (uint32_t)(v & ones(size));
}

void bus_port_out(struct bus *b, uint16_t port, unsigned size, uint32_t value)
{
	const struct bus_region *r = bus_find(b->port, b->ports, port, size);
	uint64_t v = value & ones(size);

	if (r)
		r->fn(r->dev, port - r->start, size, true, &v);
	else
		bus_unknown(b, false, port, size, true);
}

uint64_t bus_mmio_read(struct bus *b, gpa_t gpa, unsigned size)
{
	const struct bus_region *r = bus_find(b->mmio, b->mmios, gpa.a, size);
	uint64_t v = ones(size);

	if (r)
		r->fn(r->dev, gpa.a - r->start, size, false, &v);
	else
		bus_unknown(b, true, gpa.a, size, false);
	return v & ones(size);
}

void bus_mmio_write(struct bus *b, gpa_t gpa, unsigned size, uint64_t value)
{
	const struct bus_region *r = bus_find(b->mmio, b->mmios, gpa.a, size);
	uint64_t v = value & ones(size);

	if (r)
		r->fn(r->dev, gpa.a - r->start, size, true, &v);
	else
		bus_unknown(b, true, gpa.a, size, true);
}
