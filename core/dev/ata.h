/*
 * ata.h - what the two files of the ATA disk share.
 *
 * Read next: ata.c (registers and commands), ata_identify.c (what the disk says of itself).
 */
#pragma once
#include "core/disk.h"
#include "dev/machine.h"

#define ATA_SECTOR 512u
#define ATA_MULTIPLE 16u /* sectors in a block of READ MULTIPLE, at most */
/* The geometry for software that still counts cylinders. */
#define ATA_HEADS 16u
#define ATA_TRACK 63u

/* The 256 words of IDENTIFY DEVICE; multiple as SET MULTIPLE MODE set it. */
void ata_identify(const struct disk *d, uint8_t multiple, uint8_t out[ATA_SECTOR]);
