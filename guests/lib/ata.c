/*
 * ata.c - a disk driven through ATA registers: the primary channel's device 0, programmed I/O, polled.
 *
 * ATA/ATAPI-6. Interrupts stay off (nIEN): every register access is an exit anyway, and this machine's disk answers within
 * it. A page is one command and, where READ MULTIPLE is there, one REP INSW. Both builds: a Xen guest has the ports as a
 * privileged domain has them. See disk.h; read next: virtio_block.c.
 */
#include "disk.h"
#include "x86.h"

#define BASE 0x1f0
#define CONTROL 0x3f6
#define SECTOR_WORDS 256
#define MULTIPLE 8        /* sectors in a block: a page */
#define SPINS 10000000u   /* an emulator's disk may take its time */

enum { DATA, ERROR, COUNT, LOW, MID, HIGH, DEVICE, COMMAND };
enum { ERR = 1, DRQ = 8, DF = 0x20, BSY = 0x80 };
enum { NIEN = 2, SRST = 4 };
enum { READ = 0x20, WRITE = 0x30, READ_MULTIPLE = 0xc4, WRITE_MULTIPLE = 0xc5, SET_MULTIPLE = 0xc6, FLUSH = 0xe7, IDENTIFY = 0xec };

static struct ata {
	struct disk disk;
	uint32_t multiple; /* sectors in a block; 1: READ SECTORS */
	uint16_t identity[SECTOR_WORDS];
} ata;

static void insw(void *to, uint32_t words)
{
	truth_add(PORT_IN, words);
	__asm__ volatile("cld; rep insw" : "+D"(to), "+c"(words) : "d"(BASE + DATA) : "memory");
}

static void outsw(const void *from, uint32_t words)
{
	truth_add(PORT_OUT, words);
	__asm__ volatile("cld; rep outsw" : "+S"(from), "+c"(words) : "d"(BASE + DATA) : "memory");
}

/* Waits for the end of BSY, by alternate status; gives that, or -1 when it does not come. */
static int32_t wait_idle(void)
{
	for (uint32_t i = 0; i < SPINS; i++) {
		uint8_t s = inb(CONTROL);
		if (!(s & BSY))
			return s;
	}
	return -1;
}

/* The device is ready to move a block. */
static bool wait_block(void)
{
	int32_t s = wait_idle();
	return s >= 0 && (s & (DRQ | ERR | DF)) == DRQ;
}

/* The command is over, and well: reading STATUS also takes a pending interrupt away. */
static bool done(void)
{
	return wait_idle() >= 0 && !(inb(BASE + COMMAND) & (ERR | DF | DRQ));
}

/* Not inlined: demonstrations show it. */
static __attribute__((noinline)) void ata_command(uint32_t sector, uint32_t count, uint8_t what)
{
	outb(BASE + DEVICE, (uint8_t)(0xe0 | (sector >> 24 & 15)));
	outb(BASE + COUNT, (uint8_t)count);
	outb(BASE + LOW, (uint8_t)sector);
	outb(BASE + MID, (uint8_t)(sector >> 8));
	outb(BASE + HIGH, (uint8_t)(sector >> 16));
	outb(BASE + COMMAND, what);
}

static int transfer(const struct ata *a, const struct disk_req *r)
{
	uint8_t *data = r->data;
	bool many = a->multiple > 1;

	if (!r->count || r->count > 256 || r->sector + r->count < r->sector || r->sector + r->count > a->disk.sectors)
		return -1;
	ata_command(r->sector, r->count, r->write ? (many ? WRITE_MULTIPLE : WRITE) : (many ? READ_MULTIPLE : READ));
	for (uint32_t left = r->count, n; left; left -= n, data += n * SECTOR_WORDS * 2) {
		n = left < a->multiple ? left : a->multiple;
		if (!wait_block())
			return -1;
		if (r->write)
			outsw(data, n * SECTOR_WORDS);
		else
			insw(data, n * SECTOR_WORDS);
	}
	return done() ? 0 : -1;
}

static int submit(struct disk *d, struct disk_req *req, unsigned n)
{
	int result = 0;

	for (unsigned i = 0; i < n; i++)
		result |= req[i].status = transfer(d->priv, &req[i]);
	return result;
}

static int flush(struct disk *d)
{
	(void)d;
	outb(BASE + DEVICE, 0xe0);
	outb(BASE + COMMAND, FLUSH);
	return done() ? 0 : -1;
}

static bool identify(struct ata *a)
{
	outb(BASE + COMMAND, IDENTIFY);
	if (!wait_block())
		return false;
	insw(a->identity, SECTOR_WORDS);
	return done() && (a->identity[49] & 0x200); /* with linear addresses */
}

static void set_multiple(struct ata *a)
{
	outb(BASE + COUNT, MULTIPLE);
	outb(BASE + COMMAND, SET_MULTIPLE);
	a->multiple = (a->identity[47] & 0xff) >= MULTIPLE && done() ? MULTIPLE : 1;
}

struct disk *ata_disk(void)
{
	struct ata *a = &ata;

	outb(BASE + DEVICE, 0xe0);
	outb(CONTROL, NIEN | SRST);
	for (unsigned i = 0; i < 10; i++) /* 5 us at least */
		inb(CONTROL);
	outb(CONTROL, NIEN);
	if (inb(CONTROL) == 0xff || wait_idle() < 0) /* an empty cable floats */
		return NULL;
	if (inb(BASE + MID) || inb(BASE + HIGH) || !identify(a)) /* a signature other than a disk's */
		return NULL;
	set_multiple(a);
	a->disk = (struct disk){ .name = "ata", .submit = submit, .flush = flush, .priv = a };
	a->disk.sectors = a->identity[60] | (uint32_t)a->identity[61] << 16;
	return &a->disk;
}
