/*
 * disk_test.c - raw disk images: what is refused, what a read-only disk and a snapshot keep from the file.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/disk.h"

#define SECTORS 9

static char image[] = "disk-test-XXXXXX";

static void image_make(void)
{
	uint8_t b[SECTOR_SIZE];
	int fd = mkstemp(image);

	for (int i = 0; i < SECTORS; i++) {
		memset(b, 'a' + i, sizeof(b));
		cr_assert_eq(write(fd, b, sizeof(b)), sizeof(b));
	}
	cr_assert_eq(write(fd, "tail", 4), 4);
	close(fd);
}

static void image_remove(void)
{
	unlink(image);
}

static uint8_t file_byte(off_t at)
{
	uint8_t b = 0;
	int fd = open(image, O_RDONLY);

	cr_assert_eq(pread(fd, &b, 1, at), 1);
	close(fd);
	return b;
}

TestSuite(disk, .init = image_make, .fini = image_remove);

Test(disk, sectors_are_read_and_written)
{
	uint8_t b[2 * SECTOR_SIZE];
	struct disk *d;

	cr_assert_eq(disk_open(&d, image, DISK_WRITE), 0);
	cr_assert_eq(d->sectors, SECTORS);
	cr_assert_eq(disk_read(d, 3, b, 2), 0);
	cr_assert_eq(b[0], 'd');
	cr_assert_eq(b[SECTOR_SIZE], 'e');
	memset(b, 'z', sizeof(b));
	cr_assert_eq(disk_write(d, 7, b, 2), 0);
	cr_assert_eq(disk_flush(d), 0);
	cr_assert_eq(file_byte(7 * SECTOR_SIZE - 1), 'g');
	cr_assert_eq(file_byte(7 * SECTOR_SIZE), 'z');
	cr_assert_eq(file_byte(SECTORS * SECTOR_SIZE), 't');
	disk_close(d);
}

Test(disk, nothing_beyond_the_end)
{
	uint8_t b[2 * SECTOR_SIZE];
	struct disk *d;

	cr_assert_eq(disk_open(&d, image, DISK_WRITE), 0);
	cr_assert_eq(disk_read(d, SECTORS - 1, b, 2), -EINVAL);
	cr_assert_eq(disk_write(d, SECTORS, b, 1), -EINVAL);
	cr_assert_eq(disk_read(d, UINT64_MAX, b, 1), -EINVAL);
	cr_assert_eq(disk_read(d, 1, b, SIZE_MAX), -EINVAL);
	cr_assert(disk_contains(d, SECTORS, 0));
	disk_close(d);
}

Test(disk, read_only_refuses_writes)
{
	uint8_t b[SECTOR_SIZE] = { 0 };
	struct disk *d;

	cr_assert_eq(disk_open(&d, image, DISK_READONLY), 0);
	cr_assert_eq(disk_write(d, 0, b, 1), -EROFS);
	cr_assert_eq(file_byte(0), 'a');
	disk_close(d);
}

Test(disk, a_snapshot_keeps_writes_to_itself)
{
	uint8_t b[SECTOR_SIZE];
	struct disk *d;

	cr_assert_eq(chmod(image, 0400), 0);
	cr_assert_eq(disk_open(&d, image, DISK_SNAPSHOT), 0);
	memset(b, 'z', sizeof(b));
	cr_assert_eq(disk_write(d, 2, b, 1), 0);
	memset(b, 0, sizeof(b));
	cr_assert_eq(disk_read(d, 2, b, 1), 0);
	cr_assert_eq(b[0], 'z');
	cr_assert_eq(disk_read(d, 8, b, 1), 0);
	cr_assert_eq(b[511], 'i');
	cr_assert_eq(file_byte(2 * SECTOR_SIZE), 'c');
	disk_close(d);
}

Test(disk, what_is_no_disk_is_refused)
{
	struct disk *d;

	cr_assert_eq(disk_open(&d, "/nonexistent/disk", DISK_WRITE), -ENOENT);
	cr_assert_eq(disk_open(&d, "/dev/null", DISK_READONLY), -EINVAL);
	cr_assert_eq(disk_open(&d, ".", DISK_READONLY), -EINVAL);
	cr_assert_eq(truncate(image, 511), 0);
	cr_assert_eq(disk_open(&d, image, DISK_WRITE), -EINVAL);
}
