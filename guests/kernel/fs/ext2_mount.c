/*
 * ext2_mount.c - mounting, the superblock and group descriptors, writing back; one file system at a time (fs.h).
 *
 * The first change after a mount or a sync clears the "valid" flag on the disk at once; ext2_sync sets it when all else
 * is written. So e2fsck knows whether the power went off in between.
 */
#include "ext2.h"

#define CACHE_PAGES 512

static struct ext2 *mounted;

/* ---- blocks ---- */

static int block_get(struct ext2 *fs, uint32_t nr, bool read, struct block *b)
{
	uint32_t sector = nr * fs->block_sectors;
	int err = nr >= fs->super.blocks_count ? ext2_damaged(fs) : 0;

	b->page = NULL;
	if (!err)
		err = cache_get(&fs->cache, sector, fs->block_sectors, read, &b->page);
	if (err)
		return err;
	b->nr = nr;
	b->data = b->page->data + sector % CHUNK_SECTORS * SECTOR;
	return 0;
}

int block_read(struct ext2 *fs, uint32_t nr, struct block *b)
{
	return block_get(fs, nr, true, b);
}

int block_new(struct ext2 *fs, uint32_t nr, bool clear, struct block *b)
{
	int err = block_get(fs, nr, false, b);

	if (err)
		return err;
	if (clear)
		memset(b->data, 0, fs->block_size);
	block_dirty(fs, b);
	return 0;
}

void block_dirty(struct ext2 *fs, const struct block *b)
{
	cache_dirty(&fs->cache, b->page, b->nr * fs->block_sectors, fs->block_sectors);
}

void block_put(struct block *b)
{
	if (b->page)
		cache_put(b->page);
	b->page = NULL;
}

/* ---- superblock and descriptors ---- */

static int super_transfer(struct ext2 *fs, bool write)
{
	struct cache_page *p;
	int err = cache_get(&fs->cache, 2, 2, true, &p);

	if (err)
		return err;
	if (write) {
		memcpy(p->data + 1024, &fs->super, 1024);
		cache_dirty(&fs->cache, p, 2, 2);
	} else {
		memcpy(&fs->super, p->data + 1024, 1024);
	}
	cache_put(p);
	return 0;
}

static int groups_transfer(struct ext2 *fs, bool write)
{
	uint32_t left = fs->group_count * sizeof(struct ext2_group);
	uint8_t *at = (uint8_t *)fs->groups;

	for (uint32_t i = 0; left; i++) {
		uint32_t n = min(left, fs->block_size);
		struct block b;
		int err = block_read(fs, fs->super.first_data_block + 1 + i, &b);

		if (err)
			return err;
		if (write) {
			memcpy(b.data, at, n);
			block_dirty(fs, &b);
		} else {
			memcpy(at, b.data, n);
		}
		block_put(&b);
		at += n;
		left -= n;
	}
	return 0;
}

int ext2_damaged(struct ext2 *fs)
{
	fs->super.state |= EXT2_STATE_ERROR;
	fs->dirty |= !fs->read_only; /* so that the next sync writes it */
	return -LEIO;
}

/* Never before the last write: a machine without a clock begins in 1970, and e2fsck takes small times of deletion for links. */
uint32_t ext2_now(const struct ext2 *fs)
{
	return max(time_wall(), fs->super.wtime);
}

int ext2_begin(struct ext2 *fs)
{
	int err;

	if (fs->read_only)
		return -LEROFS;
	if (fs->dirty)
		return 0;
	if (fs->super.state & EXT2_STATE_VALID) {
		fs->super.state &= ~EXT2_STATE_VALID;
		err = super_transfer(fs, true);
		if (!err)
			err = cache_sync(&fs->cache);
		if (err)
			return err;
		fs->super.state |= EXT2_STATE_VALID; /* what the next sync writes */
	}
	fs->dirty = true;
	return 0;
}

int ext2_sync(struct ext2 *fs)
{
	int err;

	if (!fs->dirty)
		return cache_sync(&fs->cache);
	err = groups_transfer(fs, true);
	if (!err)
		err = cache_sync(&fs->cache);
	if (err)
		return err;
	fs->super.wtime = ext2_now(fs);
	err = super_transfer(fs, true);
	if (!err)
		err = cache_sync(&fs->cache);
	if (!err)
		fs->dirty = false;
	return err;
}

/* ---- mounting ---- */

/* NULL, or what is wrong with the superblock. */
static const char *super_check(struct ext2 *fs)
{
	const struct ext2_super *s = &fs->super;
	uint32_t bits;

	if (s->magic != EXT2_MAGIC)
		return "no ext2 file system";
	if (s->log_block_size > 2)
		return "blocks larger than 4 KiB";
	fs->block_size = 1024u << s->log_block_size;
	fs->block_sectors = fs->block_size / SECTOR;
	bits = fs->block_size * 8;
	fs->inode_size = s->rev ? s->inode_size : 128;
	fs->first_ino = s->rev ? s->first_ino : 11;
	if (fs->inode_size < 128 || fs->inode_size > fs->block_size || fs->inode_size & (fs->inode_size - 1))
		return "a strange inode size";
	if (s->rev && s->feature_incompat & ~EXT2_FEATURE_FILETYPE)
		return "features that this kernel does not know";
	if (s->first_data_block != (fs->block_size == 1024) || s->blocks_count <= s->first_data_block)
		return "a strange first block";
	if (!s->blocks_per_group || s->blocks_per_group > bits || !s->inodes_per_group || s->inodes_per_group > bits)
		return "strange group sizes";
	if (s->blocks_count > fs->cache.disk->sectors / fs->block_sectors)
		return "more blocks than the disk has";
	fs->group_count = (s->blocks_count - s->first_data_block - 1) / s->blocks_per_group + 1;
	if (fs->group_count > 2048 || s->inodes_count != fs->group_count * s->inodes_per_group)
		return "strange group counts";
	fs->group_blocks = (fs->group_count * sizeof(struct ext2_group) - 1) / fs->block_size + 1;
	return NULL;
}

static bool groups_check(struct ext2 *fs)
{
	uint32_t table = (fs->super.inodes_per_group * fs->inode_size - 1) / fs->block_size + 1;
	uint32_t first = fs->super.first_data_block + 1 + fs->group_blocks, end = fs->super.blocks_count;

	for (uint32_t g = 0; g < fs->group_count; g++) {
		const struct ext2_group *d = &fs->groups[g];

		if (d->block_bitmap < first || d->block_bitmap >= end || d->inode_bitmap < first || d->inode_bitmap >= end ||
		    d->inode_table < first || d->inode_table >= end || table > end - d->inode_table)
			return false;
	}
	return true;
}

static const char *mount_super(struct ext2 *fs, bool read_only)
{
	const char *wrong;

	if (super_transfer(fs, false))
		return "the superblock cannot be read";
	wrong = super_check(fs);
	if (wrong)
		return wrong;
	fs->groups = kmalloc(fs->group_count * sizeof(struct ext2_group));
	if (!fs->groups)
		return "no memory";
	if (groups_transfer(fs, false) || !groups_check(fs))
		return "bad group descriptors";
	fs->read_only = read_only || (fs->super.rev && fs->super.feature_ro_compat & ~(EXT2_FEATURE_SPARSE | EXT2_FEATURE_LARGE_FILE));
	return NULL;
}

static void unmount(struct ext2 *fs)
{
	cache_drop(&fs->cache);
	kfree(fs->groups);
	kfree(fs);
}

int ext2_mount(struct disk *d, bool read_only, struct inode **root)
{
	struct ext2 *fs = kzalloc(sizeof(*fs));
	const char *wrong;
	int err;

	if (!fs)
		return -LENOMEM;
	cache_init(&fs->cache, d, CACHE_PAGES);
	list_init(&fs->inodes);
	wrong = mount_super(fs, read_only);
	if (wrong) {
		printk("ext2: disk %s: %s\n", d->name, wrong);
		unmount(fs);
		return -LEINVAL;
	}
	err = ext2_iget(fs, EXT2_ROOT_INO, root);
	if (!err && !inode_is(*root, LS_IFDIR)) {
		inode_put(*root);
		err = -LEIO;
	}
	if (err) {
		printk("ext2: disk %s: no root directory\n", d->name);
		unmount(fs);
		return err;
	}
	fs->root = *root;
	if (mounted && list_empty(&mounted->inodes))
		unmount(mounted);
	mounted = fs;
	return 0;
}

int fs_sync(void)
{
	return mounted ? ext2_sync(mounted) : 0;
}

/* At the end nobody closes files any more: those without a name lose their blocks here, or e2fsck would find them. */
static void free_orphans(struct ext2 *fs)
{
	for (struct list *at = fs->inodes.next, *next; at != &fs->inodes; at = next) {
		struct inode *i = list_of(at, struct inode, link);

		next = at->next;
		i->refs = 1;
		if (!i->nlink)
			inode_put(i);
	}
}

void fs_drop_caches(void)
{
	if (!mounted)
		return;
	free_orphans(mounted);
	ext2_sync(mounted);
	cache_drop(&mounted->cache);
}
