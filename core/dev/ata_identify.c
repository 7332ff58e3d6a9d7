/*
 * ata_identify.c - IDENTIFY DEVICE: 256 words by which a disk says what it is.
 *
 * Source: ATA/ATAPI-6, 8.15, table 27. Called by ata.c.
 */
#include <string.h>
#include "dev/ata.h"

static void put(uint8_t *out, unsigned word, uint16_t v)
{
	out[2 * word] = (uint8_t)v;
	out[2 * word + 1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *out, unsigned word, uint32_t v)
{
	put(out, word, (uint16_t)v);
	put(out, word + 1, (uint16_t)(v >> 16));
}

/* Text: two characters a word, the first in the high byte, filled with spaces (8.15.6). */
static void put_text(uint8_t *out, unsigned word, unsigned words, const char *s)
{
	size_t n = strlen(s);

	for (unsigned i = 0; i < 2 * words; i++)
		out[2 * word + (i ^ 1)] = i < n ? (uint8_t)s[i] : ' ';
}

void ata_identify(const struct disk *d, uint8_t multiple, uint8_t out[ATA_SECTOR])
{
	uint64_t cylinders = d->sectors / (ATA_HEADS * ATA_TRACK);
	uint32_t lba28 = d->sectors < 0x0fffffff ? (uint32_t)d->sectors : 0x0fffffff;

	if (cylinders > 16383)
		cylinders = 16383;
	memset(out, 0, ATA_SECTOR);
	put(out, 0, 0x0040);                      /* fixed device */
	put(out, 1, (uint16_t)cylinders);
	put(out, 3, ATA_HEADS);
	put(out, 6, ATA_TRACK);
	put_text(out, 10, 10, "1");
	put_text(out, 23, 4, "1.0");
	put_text(out, 27, 20, "RINGLAB DISK");
	put(out, 47, 0x8000 | ATA_MULTIPLE);
	put(out, 49, 0x0a00);                     /* IORDY, LBA; no DMA */
	put(out, 50, 0x4000);
	put(out, 53, 0x0003);                     /* words 54 to 58 and 64 to 70 are valid */
	put(out, 54, (uint16_t)cylinders);
	put(out, 55, ATA_HEADS);
	put(out, 56, ATA_TRACK);
	put32(out, 57, (uint32_t)(cylinders * ATA_HEADS * ATA_TRACK));
	put(out, 59, multiple ? 0x0100 | multiple : 0);
	put32(out, 60, lba28);
	put(out, 64, 0x0003);                     /* PIO modes 3 and 4 */
	put(out, 67, 120);
	put(out, 68, 120);
	put(out, 80, 0x0070);                     /* ATA-4 to ATA-6 */
	put(out, 82, 0x4000);                     /* NOP is not there; word 82 valid by 83 */
	put(out, 83, 0x7400);                     /* FLUSH CACHE, FLUSH CACHE EXT, 48-bit addresses */
	put(out, 84, 0x4000);
	put(out, 86, 0x3400);                     /* and these are on */
	put(out, 87, 0x4000);
	put(out, 93, 0x6001);
	put32(out, 100, (uint32_t)d->sectors);
	put32(out, 102, (uint32_t)(d->sectors >> 32));
}
