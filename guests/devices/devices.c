/*
 * devices.c - one disk and one console, driven each way that this machine offers: what a 4 KiB read and a byte cost.
 *
 * A guest cannot count exits. It prints a line before and after each measured part, by which the VMM notes its own
 * counters (run --phase WAY); the suite `devices` of ringlab bench subtracts and divides. The lines are as long as each other, and the way
 * "none" measures nothing, so that what the lines cost can be taken off. What is read is checked: all ways must give the same bytes.
 * Command line: n=256 reads of 4 KiB and 16 lines' worth of bytes; only=ata|virtio|virtio-modern|xen|direct; write (a pattern
 * too, flushed and read back); echo (what the virtio console receives, up to a newline).
 */
#include "disk.h"
#include "hal.h"
#include "pci.h"
#include "shmem.h"
#ifdef HAL_XEN
#include "xen_front.h"
#else
#include "virtio_console.h"
#endif

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

/* Lines of one length: the numbers that differ come after. */
static void way(const char *name, uint32_t depth, bool end)
{
	printf("WAY %-22s qd=%-2u %s\n", name, depth, end ? "end  " : "begin");
}

static void got(const char *name, uint32_t depth, uint32_t n, uint64_t cycles)
{
	printf("GOT %s qd=%u n=%u kcycles=%u\n", name, depth, n, (uint32_t)(cycles >> 10));
}

static void measure(struct disk *d, uint32_t n, uint32_t depth)
{
	read_pages(d, depth, depth); /* code and pages are warm */
	read_pages(d, depth, depth);
	way(d->name, depth, false);
	uint64_t t0 = hal_rdtsc();
	read_pages(d, n, depth);
	uint64_t cycles = hal_rdtsc() - t0;
	way(d->name, depth, true);
	got(d->name, depth, n, cycles);
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

/* ---- consoles: lines of 64 bytes ---- */

#define LINES 16
static char line[64] __attribute__((aligned(64))) = "sixty-four bytes for each of the ways from a guest to its user\r\n";

static bool put_hal(const char *s, uint32_t n)
{
	while (n--)
		hal_putc(*s++);
	return true;
}

#ifdef HAL_XEN
static bool put_ring(const char *s, uint32_t n)
{
	xen_console_put(s, n);
	return true;
}
#else
static bool put_virtio(const char *s, uint32_t n)
{
	return vcon_write(s, n);
}
#endif

/* To shared memory, where another process of the host can read it: a byte is a store. */
static uint8_t *shared;
static uint32_t shared_bytes, shared_at;
static bool put_shared(const char *s, uint32_t n)
{
	for (; n--; shared_at = (shared_at + 1) % shared_bytes)
		((volatile uint8_t *)shared)[shared_at] = (uint8_t)*s++;
	return true;
}

static void console_way(const char *name, bool (*put)(const char *s, uint32_t n))
{
	bool ok = put(line, sizeof line);
	way(name, 1, false);
	uint64_t t0 = hal_rdtsc();
	for (uint32_t i = 0; i < LINES; i++)
		ok &= put(line, sizeof line);
	uint64_t cycles = hal_rdtsc() - t0;
	way(name, 1, true);
	got(name, 1, LINES * sizeof line, cycles);
	if (!ok) {
		printf("FAIL %s\n", name);
		failures++;
	}
}

#ifndef HAL_XEN
static struct disk *virtio_modern_disk(void)
{
	return virtio_disk_by(true);
}

static void echo(void)
{
	char c = 0, back[80];
	uint32_t n = 0;
	while (c != '\n' && n < sizeof back)
		if (vcon_read(&c, 1))
			back[n++] = c;
		else
			__asm__ volatile("pause");
	vcon_write("ECHO ", 5);
	vcon_write(back, n);
}
#endif

static void consoles(void)
{
#ifdef HAL_XEN
	console_way("console-hypercall", put_hal);
	console_way("console-ring", put_ring);
#else
	console_way("console-uart", put_hal);
	for (uint32_t modern = 0; modern < 2; modern++)
		if (vcon_open(modern))
			console_way(modern ? "console-virtio-modern" : "console-virtio", put_virtio);
	if (hal_flag("echo"))
		echo();
#endif
	shared = shmem_map(&shared_bytes);
	if (shared && hal_flag("write"))
		console_way("console-direct", put_shared);
}

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
		{ "direct", shmem_disk },
	};
	char only[16] = "";
	uint32_t n = hal_number("n", 256), found = 0;

	hal_word("only", only, sizeof only);
	for (uint32_t i = 0; i < 2; i++) { /* the first time warms the code */
		way("none", 1, false);
		hal_rdtsc();
		hal_rdtsc();
		way("none", 1, true);
	}
	for (uint32_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct disk *d = *only && strcmp(only, ways[i].name) ? NULL : ways[i].find();
		if (!d)
			continue;
		found++;
		disk_way(d, n);
	}
	if (!*only)
		consoles();
	printf("%s disks=%u\n", failures ? "FAILED" : "OK", found);
	return failures ? 1 : 0;
}
