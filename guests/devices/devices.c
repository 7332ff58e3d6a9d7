/*
 * devices.c - one disk, driven each way that this machine offers: what a 4 KiB read costs, at queue depth 1 and 32.
 *
 * A guest cannot count exits. It prints a line before and after each measured part, by which the VMM notes its own
 * counters (run --phase WAY); ringlab-bench devices divides. What is read is checked: all ways must give the same bytes.
 * Command line: n=256 reads of 4 KiB, only=ata|virtio|xen, write (writes a pattern too, and reads it back).
 */
#include "disk.h"
#include "hal.h"

#define PAGES 32
#define PER_PAGE 8

static uint8_t buffer[PAGES][PAGE] __attribute__((aligned(4096)));
static uint32_t failures;

static uint32_t sum_of(const uint8_t *p, uint32_t n)
{
	uint32_t a = 1, b = 0;
	for (uint32_t i = 0; i < n; i++) {
		a = (a + p[i]) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

static void fail(const char *what, const struct disk *d)
{
	printf("FAIL %s %s\n", d->name, what);
	failures++;
}

/* n reads of a page each, depth at a time, from the start of the disk and around. */
static void read_pages(struct disk *d, uint32_t n, uint32_t depth)
{
	struct disk_req req[PAGES];
	uint32_t pages = d->sectors / PER_PAGE;

	for (uint32_t at = 0; at < n; at += depth) {
		for (uint32_t i = 0; i < depth; i++)
			req[i] = (struct disk_req){ .sector = (at + i) % pages * PER_PAGE, .count = PER_PAGE, .data = buffer[i] };
		if (d->submit(d, req, depth))
			fail("read", d);
	}
}

static void measure(struct disk *d, uint32_t n, uint32_t depth)
{
	read_pages(d, depth, depth); /* code and pages are warm */
	printf("WAY %s-read qd=%u begin\n", d->name, depth);
	uint64_t t0 = hal_rdtsc();
	read_pages(d, n, depth);
	uint64_t cycles = hal_rdtsc() - t0;
	printf("WAY %s-read qd=%u end n=%u kcycles=%u\n", d->name, depth, n, (uint32_t)(cycles >> 10));
}

/* The first pages of the disk, as one number. */
static uint32_t content(struct disk *d)
{
	struct disk_req req[PAGES];
	uint32_t pages = d->sectors / PER_PAGE, n = pages < PAGES ? pages : PAGES;

	memset(buffer, 0xee, sizeof buffer);
	for (uint32_t i = 0; i < n; i++)
		req[i] = (struct disk_req){ .sector = i * PER_PAGE, .count = PER_PAGE, .data = buffer[i] };
	if (d->submit(d, req, n))
		fail("read", d);
	return sum_of(buffer[0], n * PAGE);
}

/* A pattern to the last pages, flushed, and read back. */
static void write_check(struct disk *d, uint32_t seed)
{
	struct disk_req req[4];
	uint32_t first = (d->sectors / PER_PAGE - 4) * PER_PAGE, wrong = 0;

	for (uint32_t i = 0; i < 4; i++) {
		for (uint32_t k = 0; k < PAGE; k++)
			buffer[i][k] = (uint8_t)(seed + i + k * 7);
		req[i] = (struct disk_req){ .sector = first + i * PER_PAGE, .count = PER_PAGE, .data = buffer[i], .write = true };
	}
	if (d->submit(d, req, 4) || (d->flush && d->flush(d)))
		fail("write", d);
	memset(buffer, 0, sizeof buffer);
	for (uint32_t i = 0; i < 4; i++)
		req[i].write = false;
	if (d->submit(d, req, 4))
		fail("read back", d);
	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t k = 0; k < PAGE; k++)
			wrong += buffer[i][k] != (uint8_t)(seed + i + k * 7);
	if (wrong)
		fail("compare", d);
}

/* What the device must refuse: beyond its end. */
static void error_check(struct disk *d)
{
	struct disk_req req = { .sector = d->sectors & ~7u, .count = PER_PAGE, .data = buffer[0] };

	if (!d->submit(d, &req, 1))
		fail("a read beyond the end succeeded", d);
}

static void disk_way(struct disk *d, uint32_t n)
{
	printf("DISK %s sectors=%u sum=%08x\n", d->name, d->sectors, content(d));
	error_check(d);
	if (hal_flag("write"))
		write_check(d, d->name[0]);
	measure(d, n, 1);
	measure(d, n, 32);
}

#ifndef HAL_XEN
static struct disk *virtio_modern_disk(void)
{
	return virtio_disk_by(true);
}
#endif

int guest_main(void)
{
	static const struct { const char *name; struct disk *(*find)(void); } ways[] = {
		{ "ata", ata_disk },
#ifdef HAL_XEN /* a device that writes memory by itself is not for a Xen domain */
		{ "xen", xen_disk },
#else
		{ "virtio", virtio_disk },
		{ "virtio-modern", virtio_modern_disk },
#endif
	};
	char only[16] = "";
	uint32_t n = hal_number("n", 256), found = 0;

	hal_word("only", only, sizeof only);
	for (uint32_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct disk *d = *only && strcmp(only, ways[i].name) ? NULL : ways[i].find();
		if (!d)
			continue;
		found++;
		disk_way(d, n);
	}
	printf("%s disks=%u\n", failures ? "FAILED" : "OK", found);
	return failures ? 1 : 0;
}
