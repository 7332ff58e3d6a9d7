/*
 * ata.c - an ATA disk on the primary ISA channel: ports 0x1f0-0x1f7 and 0x3f6, IRQ 14; programmed I/O only, device 0 only.
 *
 * Source: ATA/ATAPI-6 (T13/1410D); section numbers below are its. Every register access is an exit on every backend: this
 * is the emulated way to a disk, against which the paravirtual one (virtio_block.c, Xen's ring) is measured. The backing
 * file is read and written inside the exit that asks for it, so that BSY is never seen but under software reset. A machine
 * without a disk has the ports, and nobody on the cable: all ones. Read next: ata_identify.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "core/irq.h"
#include "core/vm.h"
#include "dev/ata.h"

#define ATA_IRQ 14

/* Offsets from 0x1f0. Reading ERROR and writing FEATURE are one register's two sides; so are STATUS and COMMAND. */
enum { DATA, FEATURE, COUNT, LOW, MID, HIGH, DEVICE, COMMAND, ERROR = FEATURE, STATUS = COMMAND };
enum { ST_ERR = 1, ST_DRQ = 8, ST_DSC = 0x10, ST_DRDY = 0x40, ST_BSY = 0x80, ST_IDLE = ST_DRDY | ST_DSC };
enum { ER_ABRT = 4, ER_IDNF = 0x10, ER_UNC = 0x40 };
enum { DEV_1 = 0x10, DEV_LBA = 0x40 };
enum { CTL_NIEN = 2, CTL_SRST = 4, CTL_HOB = 0x80 };

struct ata {
	struct vm *vm;
	uint8_t reg[2][8];   /* FEATURE to HIGH as last written, and what they held before that: 48-bit commands use both */
	uint8_t device, status, error, control;
	uint8_t multiple;    /* sectors in a block of READ and WRITE MULTIPLE; 0: those are off */
	bool intrq;          /* the device's interrupt, before nIEN */
	bool ext, writing;
	uint64_t lba;        /* of the block in buf */
	uint32_t left;       /* sectors of the command, those in buf included */
	uint32_t block;      /* sectors that the command moves at a time */
	uint32_t at, len;    /* bytes of buf that the host has moved, and all of them */
	uint8_t buf[ATA_MULTIPLE * ATA_SECTOR];
};

static void intrq_set(struct ata *a, bool level)
{
	a->intrq = level;
	irq_set(a->vm, ATA_IRQ, level && !(a->control & CTL_NIEN) && !(a->device & DEV_1));
}

/* The command is over: 6.2 and 9.*, normal and error outputs. */
static void finish(struct ata *a, uint8_t error)
{
	a->error = error;
	a->status = ST_IDLE | (error ? ST_ERR : 0);
	a->at = a->len = a->left = 0;
	intrq_set(a, true);
}

/* 9.1: what reset and EXECUTE DEVICE DIAGNOSTIC leave in the registers, by which software knows an ATA disk. */
static void signature(struct ata *a)
{
	memset(a->reg, 0, sizeof(a->reg));
	a->reg[0][COUNT] = a->reg[0][LOW] = 1;
	a->device = 0;
	a->error = 1; /* diagnostic code: device 0 passed */
	a->status = ST_IDLE;
	a->at = a->len = a->left = 0;
}

/* ---- addresses ---- */

/* The first sector that the command names; false when the CHS address is none. */
static bool address(const struct ata *a, bool ext, uint64_t *lba)
{
	const uint8_t *r = a->reg[0], *old = a->reg[1];
	uint32_t low = r[LOW] | (uint32_t)r[MID] << 8 | (uint32_t)r[HIGH] << 16;

	if (ext) {
		*lba = low | (uint64_t)old[LOW] << 24 | (uint64_t)old[MID] << 32 | (uint64_t)old[HIGH] << 40;
	} else if (a->device & DEV_LBA) {
		*lba = low | (uint32_t)(a->device & 15) << 24;
	} else {
		uint32_t cylinder = r[MID] | (uint32_t)r[HIGH] << 8, head = a->device & 15;

		if (!r[LOW] || r[LOW] > ATA_TRACK || head >= ATA_HEADS)
			return false;
		*lba = (uint64_t)(cylinder * ATA_HEADS + head) * ATA_TRACK + r[LOW] - 1;
	}
	return ext || (a->device & DEV_LBA);
}

static uint32_t count_of(const struct ata *a, bool ext)
{
	uint32_t n = a->reg[0][COUNT] | (ext ? (uint32_t)a->reg[1][COUNT] << 8 : 0);

	return n ? n : ext ? 65536 : 256;
}

/* The registers name the sector that failed: error outputs of 9.*. */
static void address_store(struct ata *a, uint64_t lba)
{
	a->reg[0][LOW] = (uint8_t)lba;
	a->reg[0][MID] = (uint8_t)(lba >> 8);
	a->reg[0][HIGH] = (uint8_t)(lba >> 16);
	if (a->ext) {
		a->reg[1][LOW] = (uint8_t)(lba >> 24);
		a->reg[1][MID] = (uint8_t)(lba >> 32);
		a->reg[1][HIGH] = (uint8_t)(lba >> 40);
	} else {
		a->device = (a->device & 0xf0) | (lba >> 24 & 15);
	}
}

/* ---- data transfer ---- */

static uint32_t block_now(const struct ata *a)
{
	return a->left < a->block ? a->left : a->block;
}

/* 9.27, PIO data-in: a block is there, and an interrupt says so. */
static void read_block(struct ata *a)
{
	uint32_t n = block_now(a);

	if (disk_read(a->vm->disk, a->lba, a->buf, n)) {
		address_store(a, a->lba);
		finish(a, ER_UNC);
		return;
	}
	a->at = 0;
	a->len = n * ATA_SECTOR;
	a->status = ST_IDLE | ST_DRQ;
	intrq_set(a, true);
}

/* PIO data-out: the device asks for the first block without an interrupt (6.7). */
static void write_block_wanted(struct ata *a)
{
	a->at = 0;
	a->len = block_now(a) * ATA_SECTOR;
	a->status = ST_IDLE | ST_DRQ;
}

static void block_moved(struct ata *a)
{
	uint32_t n = a->len / ATA_SECTOR;

	if (!a->left) { /* IDENTIFY DEVICE */
		a->len = 0;
		a->status = ST_IDLE;
		return;
	}
	if (a->writing && disk_write(a->vm->disk, a->lba, a->buf, n)) {
		address_store(a, a->lba);
		finish(a, ER_ABRT);
		return;
	}
	a->lba += n;
	a->left -= n;
	if (a->left && a->writing) {
		write_block_wanted(a);
		intrq_set(a, true);
	} else if (a->left) {
		read_block(a);
	} else {
		a->len = a->at = 0;
		a->status = ST_IDLE;
		if (a->writing)
			intrq_set(a, true);
	}
}

static void data_io(struct ata *a, unsigned size, bool write, uint64_t *data)
{
	if (!(a->status & ST_DRQ) || a->writing != write || size == 1 || size > a->len - a->at) {
		if (!write)
			*data = ~0ull;
		return;
	}
	if (write)
		memcpy(a->buf + a->at, data, size);
	else
		memcpy(data, a->buf + a->at, size);
	a->at += size;
	if (a->at == a->len)
		block_moved(a);
}

/* As much of a string as the block has left. */
static uint32_t data_string(void *dev, uint64_t addr, unsigned size, bool write, void *buf, uint32_t n)
{
	struct ata *a = dev;

	if (!a->vm->disk || addr != DATA || size == 1 || !(a->status & ST_DRQ) || a->writing != write)
		return 0;
	n = n < (a->len - a->at) / size ? n : (a->len - a->at) / size;
	if (write)
		memcpy(a->buf + a->at, buf, n * size);
	else
		memcpy(buf, a->buf + a->at, n * size);
	a->at += n * size;
	if (n && a->at == a->len)
		block_moved(a);
	return n;
}

/* ---- commands ---- */

/* Reads and writes of all kinds. The whole range is checked first: a command that leaves the disk moves nothing. */
static void transfer(struct ata *a, bool write, bool ext, uint32_t block, bool move)
{
	uint64_t lba = 0, sectors = a->vm->disk->sectors;
	uint32_t n = count_of(a, ext);
	bool linear = address(a, ext, &lba);

	a->ext = ext;
	if (!block || (write && a->vm->disk->readonly)) {
		finish(a, ER_ABRT);
		return;
	}
	if ((!linear && !lba && !a->reg[0][LOW]) || lba >= sectors || n > sectors - lba) {
		if (linear)
			address_store(a, lba < sectors ? sectors : lba);
		finish(a, ER_IDNF);
		return;
	}
	a->writing = write;
	a->lba = lba;
	a->left = n;
	a->block = block;
	a->error = 0;
	if (!move)
		finish(a, 0);
	else if (write)
		write_block_wanted(a);
	else
		read_block(a);
}

static void identify(struct ata *a)
{
	ata_identify(a->vm->disk, a->multiple, a->buf);
	a->writing = false;
	a->left = 0;
	a->at = 0;
	a->len = ATA_SECTOR;
	a->error = 0;
	a->status = ST_IDLE | ST_DRQ;
	intrq_set(a, true);
}

/* 9.39: a power of two up to what IDENTIFY tells; 0 turns the commands off. */
static void set_multiple(struct ata *a)
{
	uint8_t n = a->reg[0][COUNT];

	if (n > ATA_MULTIPLE || (n & (n - 1))) {
		finish(a, ER_ABRT);
		return;
	}
	a->multiple = n;
	finish(a, 0);
}

/* 9.37: a transfer mode that programmed I/O has, and the write cache on or off, of which there is none of ours. */
static void set_features(struct ata *a)
{
	uint8_t what = a->reg[0][FEATURE], mode = a->reg[0][COUNT];
	bool ok = what == 0x02 || what == 0x82 || what == 0x55 || what == 0xaa || (what == 0x03 && (mode <= 1 || (mode >= 8 && mode <= 12)));

	finish(a, ok ? 0 : ER_ABRT);
}

static void command(struct ata *a, uint8_t c)
{
	a->intrq = false;
	irq_set(a->vm, ATA_IRQ, false);
	switch (c) {
	case 0x20: case 0x21: transfer(a, false, false, 1, true); break;         /* READ SECTOR(S) */
	case 0x24: transfer(a, false, true, 1, true); break;                     /* READ SECTOR(S) EXT */
	case 0x30: case 0x31: transfer(a, true, false, 1, true); break;          /* WRITE SECTOR(S) */
	case 0x34: transfer(a, true, true, 1, true); break;                      /* WRITE SECTOR(S) EXT */
	case 0xc4: transfer(a, false, false, a->multiple, true); break;          /* READ MULTIPLE */
	case 0x29: transfer(a, false, true, a->multiple, true); break;           /* READ MULTIPLE EXT */
	case 0xc5: transfer(a, true, false, a->multiple, true); break;           /* WRITE MULTIPLE */
	case 0x39: transfer(a, true, true, a->multiple, true); break;            /* WRITE MULTIPLE EXT */
	case 0x40: case 0x41: transfer(a, false, false, 1, false); break;        /* READ VERIFY SECTOR(S) */
	case 0x42: transfer(a, false, true, 1, false); break;                    /* READ VERIFY SECTOR(S) EXT */
	case 0xc6: set_multiple(a); break;
	case 0xe7: case 0xea: finish(a, disk_flush(a->vm->disk) ? ER_ABRT : 0); break; /* FLUSH CACHE (EXT) */
	case 0xec: identify(a); break;
	case 0xef: set_features(a); break;
	case 0x90: signature(a); intrq_set(a, true); break;                      /* EXECUTE DEVICE DIAGNOSTIC */
	case 0x91:                                                               /* INITIALIZE DEVICE PARAMETERS */
		finish(a, a->reg[0][COUNT] == ATA_TRACK && (a->device & 15) == ATA_HEADS - 1 ? 0 : ER_ABRT);
		break;
	case 0x10: case 0x70: case 0xe0: case 0xe1: case 0xe2: case 0xe3: finish(a, 0); break; /* RECALIBRATE, SEEK, power */
	case 0xe5: a->reg[0][COUNT] = 0xff; finish(a, 0); break;                 /* CHECK POWER MODE: active */
	default: finish(a, ER_ABRT); break;
	}
}

/* ---- registers ---- */

static void reg_write(struct ata *a, unsigned r, uint8_t v)
{
	if (a->status & ST_BSY)
		return;
	a->control &= (uint8_t)~CTL_HOB;
	if (r == DEVICE) {
		a->device = v;
		intrq_set(a, a->intrq); /* an absent device 1 lets go of the line */
	} else if (r != COMMAND) {
		a->reg[1][r] = a->reg[0][r];
		a->reg[0][r] = v;
	} else if (!(a->device & DEV_1) || v == 0x90) {
		command(a, v);
	}
}

/* Device 0 answers for device 1, which is absent: 9.16.2, a status of 0. */
static uint8_t reg_read(struct ata *a, unsigned r)
{
	bool other = a->device & DEV_1;

	switch (r) {
	case ERROR:
		return a->control & CTL_HOB ? 0 : a->error;
	case DEVICE:
		return a->device | 0xa0;
	case STATUS:
		if (!other)
			intrq_set(a, false);
		return other ? 0 : a->status;
	default:
		return a->reg[a->control & CTL_HOB ? 1 : 0][r];
	}
}

static bool absent(const struct ata *a)
{
	return !a->vm->disk;
}

static void ata_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct ata *a = dev;

	if (absent(a))
		return;
	if (addr == DATA)
		data_io(a, size, write, data);
	else if (size != 1)
		dev_split(ata_io, dev, addr, size, write, data);
	else if (addr > COMMAND)
		return;
	else if (write)
		reg_write(a, addr, (uint8_t)*data);
	else
		*data = reg_read(a, addr);
}

/* 9.2: SRST holds the device busy; when it goes, the signature is there. Alternate status does not touch the interrupt. */
static void control_io(void *dev, uint64_t addr, unsigned size, bool write, uint64_t *data)
{
	struct ata *a = dev;
	uint8_t v = (uint8_t)*data;

	if (absent(a))
		return;
	if (!write) {
		*data = a->device & DEV_1 ? 0 : a->status;
		return;
	}
	if (v & ~a->control & CTL_SRST) {
		signature(a);
		a->status = ST_BSY;
		a->intrq = false;
	} else if (a->control & ~v & CTL_SRST) {
		signature(a);
	}
	a->control = v & (CTL_NIEN | CTL_SRST | CTL_HOB);
	intrq_set(a, a->intrq);
}

int ata_create(struct vm *vm)
{
	struct ata *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	vm->dev->ata = a;
	a->vm = vm;
	signature(a);
	err = bus_add_port(&vm->bus, "ata", 0x1f0, 8, ata_io, a);
	bus_port_strings(&vm->bus, 0x1f0, data_string);
	if (!err)
		err = bus_add_port(&vm->bus, "ata-control", 0x3f6, 1, control_io, a);
	if (err)
		ata_destroy(vm);
	return err;
}

void ata_destroy(struct vm *vm)
{
	free(vm->dev->ata);
	vm->dev->ata = NULL;
}
