/*
 * kernel_fs_damage_test.c - guests/kernel's ext2 on damaged images and failing disks: errors, but no crash and no hang.
 *
 * Under the sanitizers (preset dev) this is where wild numbers from the disk would show. RINGLAB_FS_ROUNDS sets how many
 * images are tried.
 */
#include <criterion/criterion.h>
#undef assert
#include <stdio.h>
#include <stdlib.h>
#include <stdlib.h>
#include <unistd.h>
#include "cache.h"
#include "model.h"

static uint32_t rounds(uint32_t otherwise)
{
	const char *s = getenv("RINGLAB_FS_ROUNDS");

	return s ? (uint32_t)atoi(s) : otherwise;
}

/* Looks at everything, as deep as eight levels, and reads the first 64 KiB of each file. */
static void read_all(struct inode *dir, int depth, uint32_t *budget)
{
	struct dirent e;
	uint32_t pos = 0;
	uint8_t *buf = malloc(65536);

	while (*budget && dir->ops->readdir(dir, &pos, &e) == 1) {
		struct inode *i;

		--*budget;
		if (dir->ops->lookup(dir, e.name, &i))
			continue;
		i->ops->read(i, 0, buf, 65536);
		i->ops->read(i, i->size - 100, buf, 200);
		if (inode_is(i, LS_IFLNK))
			i->ops->readlink(i, (char *)buf, 65536);
		if (inode_is(i, LS_IFDIR) && depth < 8 && strcmp(e.name, ".") && strcmp(e.name, ".."))
			read_all(i, depth + 1, budget);
		inode_put(i);
	}
	free(buf);
}

/* Tries to change what is there: removes and cuts files, makes new ones. */
static void change_all(struct inode *root, uint32_t *seed)
{
	struct dirent e;
	struct inode *i;
	char name[32], buf[3000] = "x";

	for (uint32_t n = 0; n < 30; n++) {
		uint32_t pos = host_random(seed) % 4096 * 4;

		if (root->ops->readdir(root, &pos, &e) != 1)
			continue;
		switch (host_random(seed) % 5) {
		case 0: root->ops->unlink(root, e.name); break;
		case 1: root->ops->rmdir(root, e.name); break;
		case 2:
			sprintf(name, "r%u", host_random(seed) % 20);
			root->ops->rename(root, e.name, root, name);
			break;
		case 3:
			if (!root->ops->lookup(root, e.name, &i)) {
				if (inode_is(i, LS_IFREG))
					i->ops->truncate(i, host_random(seed) % 100000);
				inode_put(i);
			}
			break;
		default:
			sprintf(name, "n%u", n);
			if (!root->ops->create(root, name, host_random(seed) % 4 ? LS_IFREG : LS_IFDIR, &i)) {
				if (inode_is(i, LS_IFREG))
					for (int k = 0; k < 10; k++)
						i->ops->write(i, host_random(seed) % 1000000, buf, sizeof(buf));
				inode_put(i);
			}
		}
	}
}

static uint32_t mounts; /* images that could be mounted */

static void try_image(uint8_t *image, uint32_t bytes, uint32_t *seed, uint32_t fail_one_in)
{
	struct host_disk h;
	struct inode *root;
	uint32_t budget = 2000;

	host_disk_init(&h, image, bytes);
	h.fail_one_in = fail_one_in;
	h.seed = *seed;
	if (!ext2_mount(&h.disk, false, &root)) {
		mounts++;
		read_all(root, 0, &budget);
		change_all(root, seed);
		budget = 500;
		read_all(root, 0, &budget);
		inode_put(root);
		fs_sync();
		h.fail_one_in = 0;
		fs_sync();
		fs_drop_caches();
	}
	cr_assert_eq(host_pages, 0, "%d pages are left", host_pages);
	host_pages = 0;
}

static void populate(uint8_t *image, uint32_t bytes)
{
	struct host_disk h;
	struct inode *root;
	struct model *m;

	host_disk_init(&h, image, bytes);
	cr_assert_eq(ext2_mount(&h.disk, false, &root), 0);
	for (uint32_t i = 0; i < 100; i++) { /* directory blocks that are full to their ends */
		struct inode *file;
		char name[64];

		snprintf(name, sizeof(name), "%0*u", 10 + i % 40, i);
		cr_assert_eq(root->ops->create(root, name, LS_IFREG | 0600, &file), 0);
		inode_put(file);
	}
	m = model_new(root, 3);
	model_run(m, 1500);
	model_free(m);
	inode_put(root);
	fs_sync();
	fs_drop_caches();
}

static uint32_t word(const uint8_t *image, uint32_t at)
{
	uint32_t v;

	memcpy(&v, image + at, 4);
	return v;
}

/* Bytes of the root directory: lengths of names and entries. */
static void damage_root(uint8_t *image, const uint8_t *good, uint32_t *seed)
{
	uint32_t block = 1024u << word(good, 1024 + 24), inode_size = word(good, 1024 + 88) & 0xffff;
	uint32_t root = word(good, (block == 1024 ? 2048 : block) + 8) * block + inode_size, n = 1 + host_random(seed) % 6;
	uint32_t blocks = word(good, root + 4) / block;

	while (n--) {
		uint32_t dir = word(good, root + 40 + host_random(seed) % min(blocks, 12u) * 4) * block, at = 0, next = 0;

		for (uint32_t k = host_random(seed) % 300; k && next < block; k--) { /* often the last one */
			at = next;
			next += word(good, dir + at + 4) & 0xffff;
		}
		image[dir + at + 4 + host_random(seed) % 4] = host_random(seed);
		if (host_random(seed) % 4 == 0)
			image[dir + at + 6] = 255;
	}
}

/* Where numbers hurt: superblock, descriptors, bitmaps, inodes; and anywhere, where directories and index blocks are. */
static void damage(uint8_t *image, uint32_t bytes, uint32_t *seed)
{
	uint32_t n = 1 + host_random(seed) % 40;
	bool super = host_random(seed) % 4 == 0; /* few of these can be mounted */

	while (n--) {
		uint32_t kind = 2 * !super + host_random(seed) % 6, at, value = host_random(seed);

		if (kind == 0)
			at = 1024 + host_random(seed) % 120;
		else if (kind == 1)
			at = 2048 + host_random(seed) % 256;
		else if (kind < 6)
			at = 2048 + host_random(seed) % 60000;
		else
			at = host_random(seed) % bytes;
		if (kind % 2)
			value %= 5000; /* numbers that might be blocks and inodes */
		else if (value % 3 == 0)
			value = 0xffffffff;
		memcpy(image + (at & ~3u), &value, 4);
	}
}

static void fuzz(const char *options, uint32_t kib, uint32_t n, uint32_t seed)
{
	uint32_t bytes;
	uint8_t *good = image_make(options, kib, &bytes), *image = malloc(bytes);

	cr_assert_not_null(good);
	populate(good, bytes);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t s = seed = seed * 1664525 + 1013904223, fail_one_in;

		s |= 1;
		memcpy(image, good, bytes);
		if (i % 3)
			damage(image, bytes, &s);
		else
			damage_root(image, good, &s);
		fail_one_in = i % 4 == 3 ? 50 : 0;
		alarm(20); /* a hang ends the test */
		try_image(image, bytes, &s, fail_one_in);
	}
	alarm(0);
	cr_log_info("%u of %u images could be mounted\n", mounts, n);
	cr_expect_gt(mounts, n / 2, "most images are refused at once: %u of %u could be mounted", mounts, n);
	free(image);
	free(good);
}

Test(kernel_fs_damage, small_blocks) { fuzz("-t ext2 -b 1024 -g 1024 -O none,filetype,sparse_super", 3072, rounds(150), 1); }
Test(kernel_fs_damage, large_blocks) { fuzz("-t ext2 -b 4096 -O none,filetype,sparse_super", 4096, rounds(100), 2); }

/* A disk that fails now and then, on a sound image. */
Test(kernel_fs_damage, failing_disk)
{
	uint32_t bytes;
	uint8_t *good = image_make("-t ext2 -b 1024 -O none,filetype", 3072, &bytes), *image = malloc(bytes);

	cr_assert_not_null(good);
	populate(good, bytes);
	for (uint32_t i = 0; i < rounds(60); i++) {
		uint32_t seed = i * 2654435761u | 1;

		memcpy(image, good, bytes);
		try_image(image, bytes, &seed, 2 + i);
	}
	free(image);
	free(good);
}

/* Index blocks that lead back to themselves, in a tree of three levels, cut off. */
Test(kernel_fs_damage, ring_of_index_blocks)
{
	uint32_t bytes;
	uint8_t *image = image_make("-t ext2 -b 4096 -O none,filetype", 4096, &bytes);
	struct host_disk h;
	struct inode *root, *i;

	cr_assert_not_null(image);
	host_disk_init(&h, image, bytes);
	cr_assert_eq(ext2_mount(&h.disk, false, &root), 0);
	cr_assert_eq(root->ops->create(root, "x", LS_IFREG | 0600, &i), 0);
	cr_assert_eq(i->ops->write(i, (12 + 5) * 4096, "x", 1), 1);
	uint32_t *block = (uint32_t *)((uint8_t *)i->priv + sizeof(struct inode) + sizeof(void *));
	uint32_t nr = block[12];
	cr_assert_gt(nr, 0);
	cr_assert_eq(fs_sync(), 0);
	for (int k = 0; k < 1024; k++)
		((uint32_t *)(image + nr * 4096))[k] = nr;
	block[13] = block[14] = nr;
	uint32_t ino = i->ino;
	cr_assert_eq(i->ops->write(i, 0, "y", 1), 1);
	inode_put(i);
	inode_put(root);
	fs_sync();
	fs_drop_caches();
	for (int k = 0; k < 1024; k++)
		((uint32_t *)(image + nr * 4096))[k] = nr;

	cr_assert_eq(ext2_mount(&h.disk, false, &root), 0);
	cr_assert_eq(root->ops->lookup(root, "x", &i), 0);
	cr_assert_eq(i->ino, ino);
	alarm(10);
	cr_assert_eq(i->ops->truncate(i, 13 * 4096 + 1), -LEIO);
	root->ops->unlink(root, "x");
	inode_put(i);
	alarm(0);
	inode_put(root);
	fs_sync();
	fs_drop_caches();
	free(image);
}
