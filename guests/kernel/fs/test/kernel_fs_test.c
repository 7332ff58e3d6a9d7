/*
 * kernel_fs_test.c - guests/kernel's ext2 against a model and against e2fsck, on disks of every block size.
 */
#include <criterion/criterion.h>
#undef assert
#include <stdio.h>
#include <stdlib.h>
#include "cache.h"
#include "model.h"

/* Mounts an image of its own; the caller frees it. */
static struct inode *mount(struct host_disk *h, uint8_t *image, uint32_t bytes)
{
	struct inode *root = NULL;
	int err;

	cr_assert_not_null(image, "mke2fs has made no image");
	host_disk_init(h, image, bytes);
	err = ext2_mount(&h->disk, false, &root);
	cr_assert_eq(err, 0, "mount: %d", err);
	return root;
}

static void end(struct host_disk *h)
{
	cr_assert_eq(fs_sync(), 0);
	fs_drop_caches();
	cr_expect_eq(host_pages, 0, "%d pages are left", host_pages);
	cr_expect(image_clean(h->image, h->bytes), "e2fsck finds fault");
	free(h->image);
}

static struct inode *walk(struct inode *root, const char *path)
{
	char part[64];
	struct inode *at = inode_get(root), *next;

	while (*path) {
		size_t n = strcspn(path, "/");

		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		path += n + (path[n] == '/');
		if (at->ops->lookup(at, part, &next))
			next = NULL;
		inode_put(at);
		at = next;
		if (!at)
			return NULL;
	}
	return at;
}

/* The image that the build makes: a file that reaches into double indirect blocks, read in odd pieces. */
Test(kernel_fs, reads_what_debugfs_wrote)
{
	uint32_t bytes, want_bytes, at = 0;
	uint8_t *image = image_load(KERNEL_DISK, &bytes), *want = image_load(KERNEL_DISK_WORK "/data/numbers", &want_bytes), buf[5000];
	struct host_disk h;
	struct inode *root = mount(&h, image, bytes), *i = walk(root, "data/numbers");
	int32_t n;

	cr_assert_not_null(i);
	cr_assert_eq(i->size, want_bytes);
	cr_assert_gt(want_bytes, 268 * 1024 + 4096, "too short to test double indirect blocks");
	while ((n = i->ops->read(i, at, buf, 1 + at * 7919 % sizeof(buf))) > 0) {
		cr_assert_arr_eq(buf, want + at, n);
		at += n;
	}
	cr_assert_eq(at, want_bytes);
	inode_put(i);
	cr_assert_null(walk(root, "data/nothing"));
	i = walk(root, "dev/zero");
	cr_assert(i && inode_is(i, LS_IFCHR) && i->rdev == 0x105);
	inode_put(i);
	inode_put(root);
	cr_assert_eq(h.writes, 0, "reading has written");
	end(&h);
	free(want);
}

static void run_model(const char *options, uint32_t kib, uint32_t seeds, uint32_t operations)
{
	for (uint32_t seed = 1; seed <= seeds; seed++) {
		uint32_t bytes;
		uint8_t *image = image_make(options, kib, &bytes);
		struct host_disk h;
		struct inode *root = mount(&h, image, bytes);
		struct model *m = model_new(root, seed);
		const char *wrong;

		model_run(m, operations);
		wrong = model_check(m);
		cr_assert_null(wrong, "%s, seed %u: %s", options, seed, wrong);
		inode_put(root);
		end(&h);

		/* Again, from the disk. */
		host_disk_init(&h, image_make(options, kib, &bytes), bytes);
		free(h.image);
		model_free(m);
	}
}

Test(kernel_fs, model_1k) { run_model("-t ext2 -b 1024 -I 128 -g 2048 -O none,filetype,sparse_super", 6144, 4, 3000); }
Test(kernel_fs, model_2k) { run_model("-t ext2 -b 2048 -I 256 -O none,filetype,sparse_super", 8192, 2, 2000); }
Test(kernel_fs, model_4k) { run_model("-t ext2 -b 4096 -I 256 -O none,filetype", 8192, 2, 2000); }
Test(kernel_fs, model_revision_0) { run_model("-t ext2 -r 0 -b 1024 -I 128 -O none", 4096, 2, 2000); }
/* So small that it is full most of the time. */
Test(kernel_fs, model_full) { run_model("-t ext2 -b 1024 -I 128 -N 64 -O none,filetype", 600, 4, 3000); }

/* What a first mount wrote, a second one reads. */
Test(kernel_fs, survives_a_new_mount)
{
	uint32_t bytes;
	uint8_t *image = image_make("-t ext2 -b 1024 -O none,filetype", 4096, &bytes);
	struct host_disk h;
	struct inode *root = mount(&h, image, bytes);
	struct model *m = model_new(root, 77);

	model_run(m, 2000);
	cr_assert_null(model_check(m));
	model_free(m);
	m = model_new(root, 77);
	inode_put(root);
	cr_assert_eq(fs_sync(), 0);
	fs_drop_caches();
	model_free(m);

	root = mount(&h, image, bytes);
	struct dirent e;
	uint32_t pos = 0, names = 0;
	while (root->ops->readdir(root, &pos, &e) == 1)
		names++;
	cr_assert_gt(names, 5);
	inode_put(root);
	end(&h);
}

/* A cache that may hold only a few pages: everything is evicted all the time. */
Test(kernel_fs, little_memory)
{
	uint32_t bytes;
	uint8_t *image = image_make("-t ext2 -b 1024 -O none,filetype", 4096, &bytes);
	struct host_disk h;
	struct inode *root = mount(&h, image, bytes);
	struct model *m = model_new(root, 5);

	host_memory_limit = 8;
	model_run(m, 1000);
	const char *wrong = model_check(m);
	cr_assert_null(wrong, "%s", wrong);
	inode_put(root);
	end(&h);
	model_free(m);
}

/* An unlinked file that is open when the kernel ends: its blocks come back all the same. */
Test(kernel_fs, open_file_without_a_name_at_the_end)
{
	uint32_t bytes;
	uint8_t *image = image_make("-t ext2 -b 1024 -O none,filetype", 2048, &bytes);
	struct host_disk h;
	struct inode *root = mount(&h, image, bytes), *i;

	cr_assert_eq(root->ops->create(root, "x", LS_IFREG | 0600, &i), 0);
	cr_assert_eq(i->ops->write(i, 300000, "abc", 3), 3);
	cr_assert_eq(root->ops->unlink(root, "x"), 0);
	end(&h);
}

/* The flag that says whether the power went off between two syncs. */
Test(kernel_fs, valid_flag)
{
	uint32_t bytes;
	uint8_t *image = image_make("-t ext2 -b 1024 -O none,filetype", 2048, &bytes);
	struct host_disk h;
	struct inode *root = mount(&h, image, bytes), *i;

	cr_assert_eq(image[1024 + 58] & 1, 1);
	cr_assert_eq(root->ops->create(root, "x", LS_IFREG | 0600, &i), 0);
	cr_assert_eq(image[1024 + 58] & 1, 0, "changed, but marked as clean");
	cr_assert_eq(fs_sync(), 0);
	cr_assert_eq(image[1024 + 58] & 1, 1, "synced, but not marked as clean");
	inode_put(i);
	inode_put(root);
	end(&h);
}

Test(kernel_fs, refuses)
{
	uint32_t bytes;
	uint8_t *image = image_make("-t ext2 -b 1024 -O none,filetype", 2048, &bytes);
	struct host_disk h;
	struct inode *root = mount(&h, image, bytes), *d, *e, *f;
	char long_name[300];

	memset(long_name, 'n', 299);
	long_name[299] = 0;
	cr_assert_eq(root->ops->create(root, long_name, LS_IFREG | 0600, &f), -LENAMETOOLONG);
	long_name[255] = 0;
	cr_assert_eq(root->ops->create(root, long_name, LS_IFREG | 0600, &f), 0);
	inode_put(f);
	cr_assert_eq(root->ops->create(root, "d", LS_IFDIR | 0700, &d), 0);
	cr_assert_eq(d->ops->create(d, "e", LS_IFDIR | 0700, &e), 0);
	cr_assert_eq(e->ops->create(e, "f", LS_IFREG | 0600, &f), 0);
	cr_assert_eq(root->ops->rename(root, "d", e, "g"), -LEINVAL, "a directory moved into itself");
	cr_assert_eq(root->ops->rename(root, "d", root, long_name), -LENOTDIR);
	cr_assert_eq(root->ops->rename(root, long_name, root, "d"), -LEISDIR);
	cr_assert_eq(root->ops->unlink(root, "d"), -LEISDIR);
	cr_assert_eq(root->ops->rmdir(root, "d"), -LENOTEMPTY);
	cr_assert_eq(root->ops->rmdir(root, long_name), -LENOTDIR);
	cr_assert_eq(f->ops->lookup(f, "x", &f), -LENOTDIR);
	cr_assert_eq(d->ops->rename(d, "e", root, "e"), 0);
	cr_assert_eq(d->nlink, 2);
	cr_assert_eq(root->ops->rmdir(root, "d"), 0);
	cr_assert_eq(d->ops->create(d, "x", LS_IFREG | 0600, &f), -LENOENT, "a file in a directory that is gone");
	inode_put(d);
	inode_put(e);
	inode_put(f);
	inode_put(root);
	end(&h);
}
