/* PCI configuration space, and the virtio devices behind it at register and ring level; hostile drivers. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "rig.h"

#define SECTORS 2048u
#define BLOCK 1
#define CONSOLE 2
#define RING 0x100000u /* guest-physical: descriptors, available at +0x1000, used at +0x2000 */
#define BUFFER 0x200000u
enum { COMMON = 0, ISR = 0x1000, DEVICE = 0x2000, NOTIFY = 0x3000 };

static struct rig *r;
static struct disk disk;
static uint32_t base; /* of the memory BAR under test */

static void setup(void)
{
	rig_disk_make(&disk, SECTORS, 11);
	r = rig_new();
	r->vm.disk = &disk;
	rig_pic_init(r);
}

static void teardown(void)
{
	r->vm.disk = NULL;
	rig_free(r);
	close(disk.fd);
}

TestSuite(pci, .init = setup, .fini = teardown);
TestSuite(virtio, .init = setup, .fini = teardown);

static uint32_t config(unsigned slot, unsigned at, unsigned size)
{
	bus_port_out(&r->vm.bus, 0xcf8, 4, 0x80000000u | slot << 11 | (at & 0xfc));
	return bus_port_in(&r->vm.bus, 0xcfc + (at & 3), size);
}

static void config_set(unsigned slot, unsigned at, unsigned size, uint32_t v)
{
	bus_port_out(&r->vm.bus, 0xcf8, 4, 0x80000000u | slot << 11 | (at & 0xfc));
	bus_port_out(&r->vm.bus, 0xcfc + (at & 3), size, v);
}

/* ---- PCI ---- */

Test(pci, finds_the_functions_and_nothing_else)
{
	cr_assert_eq(config(0, 0x0a, 2), 0x0600);
	cr_assert_eq(config(BLOCK, 0, 4), 0x10011af4);
	cr_assert_eq(config(CONSOLE, 0, 4), 0x10031af4);
	cr_assert_eq(config(3, 0, 4), 0xffffffff, "no memory is shared");
	cr_assert_eq(config(31, 0, 4), 0xffffffff);
	bus_port_out(&r->vm.bus, 0xcf8, 4, 0x80010000u | BLOCK << 11);
	cr_assert_eq(bus_port_in(&r->vm.bus, 0xcfc, 4), 0xffffffff, "bus 1");
	bus_port_out(&r->vm.bus, 0xcf8, 4, BLOCK << 11);
	cr_assert_eq(bus_port_in(&r->vm.bus, 0xcfc, 4), 0xffffffff, "not enabled");
	r->vm.disk = NULL;
	cr_assert_eq(config(BLOCK, 0, 4), 0xffffffff, "no disk");
	r->vm.disk = &disk;
	r->vm.image.kind = IMAGE_XEN;
	cr_assert_eq(config(BLOCK, 0, 4), 0xffffffff, "not for a Xen domain");
}

Test(pci, sizes_and_moves_a_bar)
{
	uint32_t old = config(BLOCK, 0x20, 4);

	config_set(BLOCK, 0x20, 4, 0xffffffff);
	cr_assert_eq(config(BLOCK, 0x20, 4), 0xffffc000);
	config_set(BLOCK, 0x20, 4, 0xe8000000);
	cr_assert_eq(bus_mmio_read(&r->vm.bus, GPA(0xe8000012), 2), 1, "one queue, at its new place");
	cr_assert_eq(bus_mmio_read(&r->vm.bus, GPA(old + 0x12), 2), 0xffff);
	config_set(BLOCK, 4, 2, 0);
	cr_assert_eq(bus_mmio_read(&r->vm.bus, GPA(0xe8000012), 2), 0xffff, "decoding is off");
	config_set(BLOCK, 4, 2, 7);
	cr_assert_eq(bus_mmio_read(&r->vm.bus, GPA(0xe8000012), 2), 1);
	config_set(BLOCK, 0x10, 4, 0xffffffff);
	cr_assert_eq(config(BLOCK, 0x10, 4), 0xffffff81);
	config_set(BLOCK, 0, 4, 0);
	cr_assert_eq(config(BLOCK, 0, 4), 0x10011af4, "identifiers are read-only");
}

Test(pci, the_reset_port_is_still_there)
{
	rig_out(r, 0xcf9, 0x02);
	cr_assert_eq(rig_in(r, 0xcf9), 0x02);
	bus_port_out(&r->vm.bus, 0xcf8, 4, 0x80000a00u);
	cr_assert_eq(bus_port_in(&r->vm.bus, 0xcf8, 4), 0x80000a00u);
	cr_assert_eq(r->vm.end, END_NONE);
}

/* ---- a driver in miniature ---- */

static uint32_t get(uint32_t at, unsigned size)
{
	return (uint32_t)bus_mmio_read(&r->vm.bus, GPA(base + at), size);
}

static void set(uint32_t at, unsigned size, uint32_t v)
{
	bus_mmio_write(&r->vm.bus, GPA(base + at), size, v);
}

static void *ram(uint32_t gpa)
{
	return r->vm.mem.host + gpa;
}

static void poke16(uint32_t gpa, uint16_t v)
{
	memcpy(ram(gpa), &v, 2);
}

static uint16_t peek16(uint32_t gpa)
{
	uint16_t v;

	memcpy(&v, ram(gpa), 2);
	return v;
}

static void desc(uint32_t ring, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	struct { uint64_t addr; uint32_t len; uint16_t flags, next; } d = { addr, len, flags, next };

	memcpy(ram(ring + 16 * i), &d, sizeof(d));
}

static void negotiate(unsigned slot, uint64_t features)
{
	base = config(slot, 0x20, 4) & ~15u;
	set(COMMON + 20, 1, 0);
	set(COMMON + 20, 1, 1);
	set(COMMON + 20, 1, 3);
	for (unsigned i = 0; i < 2; i++) {
		set(COMMON + 8, 4, i);
		set(COMMON + 12, 4, (uint32_t)(features >> 32 * i));
	}
	set(COMMON + 20, 1, 11);
}

static void queue(unsigned n, uint32_t ring, unsigned size)
{
	memset(ram(ring), 0, 0x3000);
	set(COMMON + 22, 2, n);
	set(COMMON + 24, 2, size);
	set(COMMON + 32, 4, ring);
	set(COMMON + 36, 4, 0);
	set(COMMON + 40, 4, ring + 0x1000);
	set(COMMON + 44, 4, 0);
	set(COMMON + 48, 4, ring + 0x2000);
	set(COMMON + 52, 4, 0);
	set(COMMON + 28, 2, 1);
}

static void start(unsigned slot, uint64_t features)
{
	negotiate(slot, features);
	cr_assert_eq(get(COMMON + 20, 1), 11, "FEATURES_OK");
	queue(0, RING, 64);
	if (slot == CONSOLE)
		queue(1, RING + 0x4000, 64);
	set(COMMON + 20, 1, 15);
}

#define V1 (1ull << 32)
#define EVENT (1ull << 29)

/* Makes descriptor chain `head` available in the ring, and notifies. */
static void submit(uint32_t ring, unsigned q, uint16_t head, bool kick)
{
	uint16_t idx = peek16(ring + 0x1002);

	poke16(ring + 0x1004 + 2 * (idx % 64), head);
	poke16(ring + 0x1002, idx + 1);
	if (kick)
		set(NOTIFY + 4 * q, 2, q);
}

static void request(uint16_t head, uint32_t type, uint64_t sector, uint32_t addr, uint32_t len, uint32_t at)
{
	struct { uint32_t type, zero; uint64_t sector; } h = { type, 0, sector };

	memcpy(ram(at), &h, sizeof(h));
	memset(ram(at + 16), 0xee, 1);
	desc(RING, head, at, 16, 1, head + 1);
	desc(RING, head + 1u, addr, len, type == 1 ? 1 : 3, head + 2);
	desc(RING, head + 2u, at + 16, 1, 2, 0);
}

static uint8_t status(uint32_t at)
{
	return *(uint8_t *)ram(at + 16);
}

static uint32_t number(uint32_t gpa)
{
	uint32_t n;

	memcpy(&n, ram(gpa), 4);
	return n;
}

static int irq(void)
{
	int v = rig_ack(r);

	if (v >= 0x28)
		rig_out(r, 0xa0, 0x20);
	if (v >= 0)
		rig_out(r, 0x20, 0x20);
	return v;
}

#define HEADER 0x180000u

Test(virtio, negotiates_only_what_it_offers)
{
	negotiate(BLOCK, V1 | 1ull << 40);
	cr_assert_eq(get(COMMON + 20, 1), 3, "an unknown feature");
	negotiate(BLOCK, 0);
	cr_assert_eq(get(COMMON + 20, 1), 3, "without VERSION_1");
	negotiate(BLOCK, V1 | EVENT);
	cr_assert_eq(get(COMMON + 20, 1), 11);
	set(COMMON + 12, 4, 0);
	cr_assert_eq(get(COMMON + 12, 4), 1, "not after FEATURES_OK");
	cr_assert_eq(get(COMMON + 24, 2), 256);
	cr_assert_eq(get(COMMON + 21, 1), 0, "generation");
	cr_assert_eq(get(DEVICE, 4), SECTORS);
	cr_assert_eq(get(COMMON + 16, 2), 0xffff, "no MSI-X");
}

Test(virtio, reads_and_interrupts)
{
	start(BLOCK, V1);
	request(0, 0, 7, BUFFER, 4096, HEADER);
	submit(RING, 0, 0, true);
	cr_assert_eq(status(HEADER), 0);
	cr_assert_eq(peek16(RING + 0x2002), 1);
	cr_assert_eq(number(RING + 0x2004), 0);
	cr_assert_eq(number(RING + 0x2008), 4097, "bytes written");
	for (unsigned i = 0; i < 8; i++)
		cr_assert_eq(number(BUFFER + 512 * i), 7 + i);
	cr_assert_eq(irq(), 0x28 + 3, "IRQ 11");
	cr_assert_eq(config(BLOCK, 6, 2) & 8, 8);
	cr_assert_eq(get(ISR, 1), 1);
	cr_assert_eq(get(ISR, 1), 0, "reading clears it");
	cr_assert_eq(config(BLOCK, 6, 2) & 8, 0);
	cr_assert_eq(r->written, 4096 + 1 + 8 + 2, "the backend is told of data, status, and the used ring");
}

Test(virtio, writes_flushes_and_refuses)
{
	uint8_t b[512];

	start(BLOCK, V1 | 1ull << 9);
	memset(ram(BUFFER), 0x5a, 512);
	request(0, 1, SECTORS - 1, BUFFER, 512, HEADER);
	submit(RING, 0, 0, true);
	cr_assert_eq(status(HEADER), 0);
	cr_assert_eq(pread(disk.fd, b, 512, (SECTORS - 1) * 512), 512);
	cr_assert_eq(b[511], 0x5a);
	request(0, 1, SECTORS, BUFFER, 512, HEADER);
	submit(RING, 0, 0, true);
	cr_assert_eq(status(HEADER), 1, "beyond the end");
	request(0, 0, UINT64_MAX, BUFFER, 512, HEADER);
	submit(RING, 0, 0, true);
	cr_assert_eq(status(HEADER), 1);
	request(0, 0, 0, BUFFER, 100, HEADER);
	submit(RING, 0, 0, true);
	cr_assert_eq(status(HEADER), 1, "not whole sectors");
	request(0, 4, 0, BUFFER, 512, HEADER);
	submit(RING, 0, 0, true);
	cr_assert_eq(status(HEADER), 0, "flush");
	request(0, 77, 0, BUFFER, 512, HEADER);
	submit(RING, 0, 0, true);
	cr_assert_eq(status(HEADER), 2, "unsupported");
	disk.readonly = true;
	request(0, 1, 0, BUFFER, 512, HEADER);
	submit(RING, 0, 0, true);
	cr_assert_eq(status(HEADER), 1, "read-only");
	cr_assert_eq(get(COMMON + 20, 1), 15, "none of this broke the device");
}

Test(virtio, segments_of_any_length)
{
	struct { uint32_t type, zero; uint64_t sector; } h = { 0, 0, 3 };

	start(BLOCK, V1);
	memcpy(ram(HEADER), &h, 16);
	desc(RING, 0, HEADER, 7, 1, 1);
	desc(RING, 1, HEADER + 7, 9, 1, 2);
	desc(RING, 2, BUFFER, 100, 3, 3);
	desc(RING, 3, BUFFER + 100, 1000, 3, 4);
	desc(RING, 4, BUFFER + 1100, 437, 2, 0); /* 1536 bytes and the status */
	submit(RING, 0, 0, true);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(number(BUFFER + 512 * i), 3 + i);
		cr_assert_eq(*(uint8_t *)ram(BUFFER + 512 * i + 511), (uint8_t)((3 + i) * 11));
	}
	cr_assert_eq(*(uint8_t *)ram(BUFFER + 1536), 0, "status");
}

Test(virtio, thirty_two_requests_by_one_notification_and_one_interrupt)
{
	start(BLOCK, V1 | EVENT);
	for (uint16_t i = 0; i < 20; i++) {
		request(3 * i, 0, 8u * i, BUFFER + 0x1000u * i, 4096, HEADER + 32u * i);
		submit(RING, 0, 3 * i, false);
	}
	poke16(RING + 0x1004 + 128, 19); /* used_event: after the twentieth */
	set(NOTIFY, 2, 0);
	cr_assert_eq(peek16(RING + 0x2002), 20);
	cr_assert_eq(irq(), 0x2b);
	get(ISR, 1);
	cr_assert_eq(peek16(RING + 0x2004 + 8 * 64), 20, "avail_event: tell me of the next");
	poke16(RING + 0x1004 + 128, 40);
	submit(RING, 0, 0, true);
	cr_assert_eq(peek16(RING + 0x2002), 21);
	cr_assert_eq(irq(), -1, "not yet wanted");
}

Test(virtio, no_interrupt_where_the_driver_says_so)
{
	start(BLOCK, V1);
	poke16(RING + 0x1000, 1);
	request(0, 0, 0, BUFFER, 512, HEADER);
	submit(RING, 0, 0, true);
	cr_assert_eq(status(HEADER), 0);
	cr_assert_eq(irq(), -1);
	poke16(RING + 0x1000, 0);
	config_set(BLOCK, 4, 2, 0x407);
	submit(RING, 0, 0, true);
	cr_assert_eq(irq(), -1, "INTx is disabled");
	config_set(BLOCK, 4, 2, 7);
	cr_assert_eq(irq(), 0x2b, "and was pending");
}

Test(virtio, the_legacy_interface_does_the_same)
{
	uint16_t io = (uint16_t)(config(BLOCK, 0x10, 4) & ~3u);
	uint32_t used = (RING + 16 * 256 + 6 + 2 * 256 + 4095) & ~4095u;

	bus_port_out(&r->vm.bus, io + 18, 1, 0);
	bus_port_out(&r->vm.bus, io + 18, 1, 3);
	cr_assert(bus_port_in(&r->vm.bus, io, 4) & 1u << 9);
	bus_port_out(&r->vm.bus, io + 4, 4, 0);
	bus_port_out(&r->vm.bus, io + 14, 2, 0);
	cr_assert_eq(bus_port_in(&r->vm.bus, io + 12, 2), 256);
	memset(ram(RING), 0, 0x4000);
	bus_port_out(&r->vm.bus, io + 8, 4, RING >> 12);
	bus_port_out(&r->vm.bus, io + 18, 1, 7);
	cr_assert_eq(bus_port_in(&r->vm.bus, io + 20, 4), SECTORS);
	request(0, 0, 9, BUFFER, 1024, HEADER);
	poke16(RING + 4096 + 4, 0);
	poke16(RING + 4096 + 2, 1);
	bus_port_out(&r->vm.bus, io + 16, 2, 0);
	cr_assert_eq(peek16(used + 2), 1);
	cr_assert_eq(number(BUFFER), 9);
	cr_assert_eq(irq(), 0x2b);
	cr_assert_eq(rig_in(r, io + 19), 1);
	cr_assert_eq(rig_in(r, io + 19), 0);
}

Test(virtio, configuration_space_is_a_window_to_the_registers)
{
	start(BLOCK, V1);
	config_set(BLOCK, 0x8c, 1, 4);
	config_set(BLOCK, 0x90, 4, 18);
	config_set(BLOCK, 0x94, 4, 2);
	cr_assert_eq(config(BLOCK, 0x98, 2), 1, "one queue");
	config_set(BLOCK, 0x90, 4, 20);
	config_set(BLOCK, 0x94, 4, 1);
	config_set(BLOCK, 0x98, 1, 0);
	cr_assert_eq(get(COMMON + 20, 1), 0, "reset through it");
}

Test(virtio, the_console_sends_and_receives)
{
	start(CONSOLE, V1);
	memcpy(ram(BUFFER), "hello, world", 12);
	desc(RING + 0x4000, 0, BUFFER, 7, 1, 1);
	desc(RING + 0x4000, 1, BUFFER + 7, 5, 0, 0);
	submit(RING + 0x4000, 1, 0, true);
	cr_assert_eq(r->out_n, 12);
	cr_assert_eq(memcmp(r->out, "hello, world", 12), 0);
	cr_assert_eq(irq(), 0x2a, "IRQ 10");
	get(ISR, 1);
	desc(RING, 0, BUFFER + 64, 4, 2, 0);
	desc(RING, 1, BUFFER + 128, 64, 2, 0);
	submit(RING, 0, 0, false);
	submit(RING, 0, 1, true);
	r->in = "typed";
	r->ahead = true;
	r->now += 100000;
	uart_poll_input(&r->vm);
	cr_assert_eq(peek16(RING + 0x2002), 2);
	cr_assert_eq(memcmp(ram(BUFFER + 64), "type", 4), 0);
	cr_assert_eq(memcmp(ram(BUFFER + 128), "d", 1), 0);
	cr_assert_eq(irq(), 0x2a);
}

/* ---- hostile drivers ---- */

static void broken(const char *what)
{
	cr_assert(get(COMMON + 20, 1) & 0x40, "DEVICE_NEEDS_RESET after %s", what);
	request(0, 0, 0, BUFFER, 512, HEADER);
	submit(RING, 0, 0, true);
	cr_assert_eq(status(HEADER), 0xee, "it has stopped after %s", what);
	start(BLOCK, V1);
	request(0, 0, 5, BUFFER, 512, HEADER);
	submit(RING, 0, 0, true);
	cr_assert_eq(number(BUFFER), 5, "a reset brings it back after %s", what);
}

Test(virtio, wild_rings_stop_it)
{
	start(BLOCK, V1);
	request(0, 0, 0, BUFFER, 512, HEADER);
	poke16(RING + 0x1002, 65);
	set(NOTIFY, 2, 0);
	broken("65 requests in a ring of 64");
	submit(RING, 0, 64, true);
	broken("a head beyond the table");
	request(0, 0, 0, BUFFER, 512, HEADER);
	desc(RING, 2, HEADER + 16, 1, 3, 2);
	submit(RING, 0, 0, true);
	broken("a loop");
	request(0, 0, 0, 0xfffff000, 4096, HEADER);
	submit(RING, 0, 0, true);
	broken("a buffer outside RAM");
	desc(RING, 0, UINT64_MAX - 8, 16, 1, 1);
	submit(RING, 0, 0, true);
	broken("a buffer at the end of all addresses");
	request(0, 0, 0, BUFFER, 0x2000000, HEADER);
	submit(RING, 0, 0, true);
	broken("a huge buffer");
	desc(RING, 0, HEADER, 8, 1, 1);
	desc(RING, 1, HEADER + 16, 1, 2, 0);
	submit(RING, 0, 0, true);
	broken("half a header");
	desc(RING, 0, HEADER + 16, 1, 3, 1);
	desc(RING, 1, HEADER, 16, 0, 0);
	submit(RING, 0, 0, true);
	broken("a readable descriptor after a writable one");
	negotiate(BLOCK, V1);
	set(COMMON + 22, 2, 0);
	set(COMMON + 36, 4, 0x80000000);
	set(COMMON + 28, 2, 1);
	set(COMMON + 20, 1, 15);
	set(NOTIFY, 2, 0);
	broken("rings outside RAM");
	negotiate(BLOCK, V1);
	set(COMMON + 22, 2, 0);
	set(COMMON + 32, 4, RING + 8);
	set(COMMON + 28, 2, 1);
	broken("a table that is not aligned");
}

/* A read over its own available ring must not go on for ever. */
Test(virtio, a_request_that_makes_requests_ends)
{
	uint8_t sector[512];

	memset(sector, 0xff, sizeof(sector));
	cr_assert_eq(pwrite(disk.fd, sector, 512, 0), 512);
	start(BLOCK, V1);
	request(0, 0, 0, RING + 0x1000, 512, HEADER);
	submit(RING, 0, 0, true);
	cr_assert_eq(peek16(RING + 0x2002), 1);
}

static uint32_t seed = 1;

static uint32_t rnd(void)
{
	return seed = seed * 1664525 + 1013904223;
}

/* Random registers, and rings of half-sensible garbage: no crash, no hang, and a reset brings both devices back. */
static void storm(unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		unsigned slot = rnd() >> 31 ? BLOCK : CONSOLE;
		uint32_t at = rnd() >> 18, size = 1u << (rnd() >> 30);

		if ((rnd() >> 24) < 200) {
			start(slot, V1 | (rnd() >> 31 ? EVENT : 0));
			for (unsigned k = 0; k < 64; k++)
				desc(RING + (rnd() >> 31 ? 0x4000 : 0), k, (rnd() >> 28 ? BUFFER + (rnd() >> 12) % 0x10000 : rnd()), rnd() >> 28 ? rnd() >> 22 : rnd(),
					(uint16_t)(rnd() >> 30), (uint16_t)(rnd() >> 26));
			for (unsigned k = 0; k < 8; k++)
				poke16((rnd() >> 31 ? RING : RING + 0x4000) + 0x1000 + 2 * (rnd() >> 25), (uint16_t)(rnd() >> 26));
			set(NOTIFY, 2, 0);
			set(NOTIFY + 4, 2, 1);
		} else if (rnd() >> 31) {
			bus_mmio_write(&r->vm.bus, GPA(0xe0000000u + slot * 0x4000 + at % 0x4000), size, rnd());
		} else {
			bus_port_out(&r->vm.bus, (uint16_t)(0xc000 + slot * 0x80 + at % 0x78), size > 4 ? 4 : size, rnd());
		}
		if ((rnd() >> 24) == 0)
			config_set(slot, at & 0xfc, 4, rnd());
		bus_mmio_read(&r->vm.bus, GPA(0xe0000000u + slot * 0x4000 + at % 0x4000), size);
		if (config(BLOCK, 0x20, 4) != 0xe0004000)
			config_set(BLOCK, 0x20, 4, 0xe0004000);
		if (config(CONSOLE, 0x20, 4) != 0xe0008000)
			config_set(CONSOLE, 0x20, 4, 0xe0008000);
		config_set(BLOCK, 4, 2, 7);
		config_set(CONSOLE, 4, 2, 7);
	}
	start(BLOCK, V1);
	request(0, 0, 5, BUFFER, 512, HEADER);
	submit(RING, 0, 0, true);
	cr_assert_eq(status(HEADER), 0);
}

Test(virtio, survives_a_storm)
{
	const char *more = getenv("RINGLAB_VIRTIO_STORM");

	r->deaf = true;
	seed = more ? (uint32_t)atoi(more) : 1;
	storm(more ? 2000000 : 20000);
}
