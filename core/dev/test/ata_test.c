/* The ATA disk at register level: commands, addresses, interrupts, resets, and what it refuses (ATA/ATAPI-6). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "rig.h"

enum { DATA = 0x1f0, ERROR, COUNT, LOW, MID, HIGH, DEVICE, STATUS, CONTROL = 0x3f6 };
#define SECTORS 4096u

static struct rig *r;
static struct disk disk;

static void setup(void)
{
	rig_disk_make(&disk, SECTORS, 7);
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

TestSuite(ata, .init = setup, .fini = teardown);

static void command(uint64_t lba, unsigned count, uint8_t c)
{
	rig_out(r, DEVICE, 0xe0 | (lba >> 24 & 15));
	rig_out(r, COUNT, (uint8_t)count);
	rig_out(r, LOW, (uint8_t)lba);
	rig_out(r, MID, (uint8_t)(lba >> 8));
	rig_out(r, HIGH, (uint8_t)(lba >> 16));
	rig_out(r, STATUS, c);
}

static void command_ext(uint64_t lba, unsigned count, uint8_t c)
{
	rig_out(r, DEVICE, 0x40);
	rig_out(r, COUNT, (uint8_t)(count >> 8));
	rig_out(r, COUNT, (uint8_t)count);
	for (unsigned i = 0; i < 3; i++) {
		rig_out(r, LOW + i, (uint8_t)(lba >> (24 + 8 * i)));
		rig_out(r, LOW + i, (uint8_t)(lba >> (8 * i)));
	}
	rig_out(r, STATUS, c);
}

static bool irq14(void)
{
	bool got = rig_ack(r) == 0x2e;

	if (got) {
		rig_out(r, 0xa0, 0x20);
		rig_out(r, 0x20, 0x20);
	}
	return got;
}

static void in_sectors(void *to, unsigned n)
{
	uint16_t *p = to;

	for (unsigned i = 0; i < n * 256; i++)
		p[i] = (uint16_t)bus_port_in(&r->vm.bus, DATA, 2);
}

static void out_sectors(const void *from, unsigned n)
{
	const uint16_t *p = from;

	for (unsigned i = 0; i < n * 256; i++)
		bus_port_out(&r->vm.bus, DATA, 2, p[i]);
}

static uint32_t number_of(const uint8_t *sector)
{
	uint32_t n;

	memcpy(&n, sector, 4);
	return n;
}

Test(ata, identify_tells_size_and_name)
{
	uint16_t id[256];

	command(0, 0, 0xec);
	cr_assert_eq(rig_in(r, CONTROL), 0x58);
	cr_assert(irq14());
	in_sectors(id, 1);
	cr_assert_eq(rig_in(r, STATUS), 0x50);
	cr_assert_eq(id[60] | (uint32_t)id[61] << 16, SECTORS);
	cr_assert_eq(id[100], SECTORS);
	cr_assert_eq(id[27], 'R' << 8 | 'I');
	cr_assert(id[83] & 0x400, "48-bit addresses");
}

Test(ata, reads_a_sector_an_interrupt)
{
	uint8_t buf[3 * 512];

	command(100, 3, 0x20);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(irq14(), "sector %u", i);
		cr_assert_eq(rig_in(r, STATUS), 0x58);
		in_sectors(buf + 512 * i, 1);
		cr_assert_eq(number_of(buf + 512 * i), 100 + i);
	}
	cr_assert_eq(rig_in(r, STATUS), 0x50);
	cr_assert_not(irq14(), "none after the last");
	cr_assert_eq(buf[1535], (uint8_t)(102 * 7));
}

Test(ata, multiple_moves_a_block_an_interrupt)
{
	static uint8_t buf[20 * 512];

	command(0, 8, 0xc4);
	cr_assert_eq(rig_in(r, STATUS) & 1, 1, "off until SET MULTIPLE");
	rig_out(r, COUNT, 3);
	rig_out(r, STATUS, 0xc6);
	cr_assert_eq(rig_in(r, STATUS) & 1, 1, "no power of two");
	rig_out(r, COUNT, 16);
	rig_out(r, STATUS, 0xc6);
	cr_assert_eq(rig_in(r, STATUS), 0x50);
	command(7, 20, 0xc4);
	cr_assert(irq14());
	rig_in(r, STATUS);
	in_sectors(buf, 16);
	cr_assert(irq14());
	cr_assert_eq(rig_in(r, STATUS), 0x58);
	in_sectors(buf + 16 * 512, 4);
	cr_assert_eq(rig_in(r, STATUS), 0x50);
	for (unsigned i = 0; i < 20; i++)
		cr_assert_eq(number_of(buf + 512 * i), 7 + i);
}

Test(ata, writes_and_flushes)
{
	uint8_t a[1024], b[1024];

	memset(a, 0x5a, sizeof(a));
	command(SECTORS - 2, 2, 0x30);
	cr_assert_not(irq14(), "none before the first block");
	cr_assert_eq(rig_in(r, STATUS), 0x58);
	out_sectors(a, 1);
	cr_assert(irq14());
	cr_assert_eq(rig_in(r, STATUS), 0x58);
	out_sectors(a + 512, 1);
	cr_assert(irq14());
	cr_assert_eq(rig_in(r, STATUS), 0x50);
	rig_out(r, STATUS, 0xe7);
	cr_assert(irq14());
	cr_assert_eq(rig_in(r, STATUS), 0x50);
	cr_assert_eq(pread(disk.fd, b, 1024, (SECTORS - 2) * 512), 1024);
	cr_assert_eq(memcmp(a, b, 1024), 0);
}

Test(ata, addresses_of_48_bits_and_of_cylinders)
{
	uint8_t buf[512];

	command_ext(0x123, 1, 0x24);
	in_sectors(buf, 1);
	cr_assert_eq(number_of(buf), 0x123);
	rig_out(r, DEVICE, 0xa0 | 2); /* head 2 */
	rig_out(r, COUNT, 1);
	rig_out(r, LOW, 5);
	rig_out(r, MID, 1);
	rig_out(r, HIGH, 0);
	rig_out(r, STATUS, 0x20);
	in_sectors(buf, 1);
	cr_assert_eq(number_of(buf), (1 * 16 + 2) * 63 + 4);
	rig_out(r, LOW, 0);
	rig_out(r, STATUS, 0x20);
	cr_assert_eq(rig_in(r, STATUS), 0x51, "sectors of a track count from 1");
	cr_assert_eq(rig_in(r, ERROR), 0x10);
}

Test(ata, refuses_what_is_beyond_the_end)
{
	static const uint64_t lba[] = { SECTORS, SECTORS - 1, 0xfffffff, 0xffffffffffff };

	for (unsigned i = 0; i < 4; i++) {
		if (lba[i] > 0xfffffff)
			command_ext(lba[i], 65536, 0x24);
		else
			command(lba[i], 2, 0x20);
		cr_assert(irq14());
		cr_assert_eq(rig_in(r, STATUS), 0x51);
		cr_assert_eq(rig_in(r, ERROR), 0x10);
	}
	command(0, 1, 0x9f);
	cr_assert_eq(rig_in(r, STATUS), 0x51);
	cr_assert_eq(rig_in(r, ERROR), 4, "no such command");
}

Test(ata, refuses_writes_to_a_read_only_disk_and_survives_a_short_file)
{
	disk.readonly = true;
	command(0, 1, 0x30);
	cr_assert_eq(rig_in(r, STATUS), 0x51);
	cr_assert_eq(rig_in(r, ERROR), 4);
	cr_assert_eq(ftruncate(disk.fd, 10 * 512), 0);
	command(20, 1, 0x20);
	cr_assert_eq(rig_in(r, STATUS), 0x51);
	cr_assert_eq(rig_in(r, ERROR), 0x40);
	cr_assert_eq(rig_in(r, LOW), 20);
}

Test(ata, nien_hides_the_interrupt_and_status_takes_it)
{
	uint8_t buf[512];

	rig_out(r, CONTROL, 2);
	command(0, 1, 0x20);
	cr_assert_not(irq14());
	rig_out(r, CONTROL, 0);
	cr_assert(irq14(), "it was pending");
	command(0, 1, 0x20);
	rig_in(r, CONTROL);
	cr_assert(irq14(), "alternate status leaves it");
	in_sectors(buf, 1);
	command(0, 1, 0x20);
	rig_in(r, STATUS);
	cr_assert_eq(rig_ack(r), -1);
}

Test(ata, software_reset_gives_the_signature)
{
	command(5, 2, 0x20);
	rig_out(r, CONTROL, 4);
	cr_assert_eq(rig_in(r, CONTROL), 0x80);
	rig_out(r, STATUS, 0xec);
	cr_assert_eq(rig_in(r, CONTROL), 0x80, "busy: deaf");
	rig_out(r, CONTROL, 0);
	cr_assert_eq(rig_in(r, STATUS), 0x50);
	cr_assert_eq(rig_in(r, ERROR), 1);
	cr_assert_eq(rig_in(r, COUNT), 1);
	cr_assert_eq(rig_in(r, LOW), 1);
	cr_assert_eq(rig_in(r, MID), 0);
	cr_assert_eq(rig_in(r, HIGH), 0);
}

Test(ata, device_1_is_absent_and_so_is_a_disk_that_was_not_given)
{
	rig_out(r, DEVICE, 0xf0);
	cr_assert_eq(rig_in(r, STATUS), 0);
	rig_out(r, STATUS, 0xec);
	cr_assert_eq(rig_in(r, STATUS), 0);
	rig_out(r, DEVICE, 0xe0);
	cr_assert_eq(rig_in(r, STATUS), 0x50);
	r->vm.disk = NULL;
	cr_assert_eq(rig_in(r, STATUS), 0xff);
	rig_out(r, STATUS, 0xec);
	cr_assert_eq(bus_port_in(&r->vm.bus, DATA, 4), 0xffffffffu);
}

Test(ata, hob_shows_the_previous_values)
{
	rig_out(r, LOW, 0x11);
	rig_out(r, LOW, 0x22);
	cr_assert_eq(rig_in(r, LOW), 0x22);
	rig_out(r, CONTROL, 0x80);
	cr_assert_eq(rig_in(r, LOW), 0x11);
	rig_out(r, COUNT, 1);
	cr_assert_eq(rig_in(r, LOW), 0x22, "a write ends it");
}

/* Anything at all, in any width: no crash, no lost disk, and a reset always brings it back. */
Test(ata, survives_a_million_random_accesses)
{
	static uint8_t some[4096];
	uint32_t x = 12345;

	for (unsigned i = 0; i < 1000000; i++) {
		if (!(i % 5))
			bus_port_string(&r->vm.bus, DATA, 1u << (x >> 20) % 3, x >> 31, some, x >> 13 & 1023);
		x = x * 1664525 + 1013904223;
		unsigned port = x >> 28 ? 0x1f0 + (x >> 20 & 7) : CONTROL, size = port == CONTROL ? 1 : 1u << (x >> 17) % 3;

		if (port + size > 0x1f8)
			size = 1;
		if (x & 0x10000)
			bus_port_in(&r->vm.bus, (uint16_t)port, size);
		else
			bus_port_out(&r->vm.bus, (uint16_t)port, size, port == STATUS && (x & 0x100) ? 0xc4 : x >> 3);
	}
	rig_out(r, DEVICE, 0);
	rig_out(r, CONTROL, 4);
	rig_out(r, CONTROL, 0);
	cr_assert_eq(rig_in(r, STATUS), 0x50);
}
