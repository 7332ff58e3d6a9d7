/*
 * ext2_inode.c - inodes in memory and on the disk, and the tree of blocks of a file.
 */
#include "ext2.h"

/* ---- where an inode lies ---- */

static int inode_block(struct ext2 *fs, uint32_t ino, struct block *b, struct ext2_disk_inode **out)
{
	uint32_t g = (ino - 1) / fs->super.inodes_per_group, at = (ino - 1) % fs->super.inodes_per_group * fs->inode_size;
	int err = block_read(fs, fs->groups[g].inode_table + at / fs->block_size, b);

	if (!err)
		*out = (struct ext2_disk_inode *)(b->data + at % fs->block_size);
	return err;
}

static struct inode *find(struct ext2 *fs, uint32_t ino)
{
	list_each(at, &fs->inodes) {
		struct inode *i = list_of(at, struct inode, link);

		if (i->ino == ino)
			return i;
	}
	return NULL;
}

static struct inode *inode_make(struct ext2 *fs, uint32_t ino)
{
	struct ext2_inode *e = kzalloc(sizeof(*e));

	if (!e)
		return NULL;
	e->fs = fs;
	e->i.ino = ino;
	e->i.refs = 1;
	e->i.ops = &ext2_inode_ops;
	e->i.priv = e;
	list_append(&fs->inodes, &e->i.link);
	return &e->i;
}

static void inode_forget(struct inode *i)
{
	list_remove(&i->link);
	kfree(i->priv);
}

static void inode_load(struct ext2_inode *e, const struct ext2_disk_inode *d)
{
	struct inode *i = &e->i;

	i->mode = d->mode;
	i->nlink = d->links;
	i->size = d->size;
	i->blocks = d->blocks;
	i->uid = d->uid | (uint32_t)d->uid_high << 16;
	i->gid = d->gid | (uint32_t)d->gid_high << 16;
	i->atime = d->atime;
	i->mtime = d->mtime;
	i->ctime = d->ctime;
	memcpy(e->block, d->block, sizeof(e->block));
	e->flags = d->flags;
	e->generation = d->generation;
	if (inode_is(i, LS_IFCHR))
		i->rdev = d->block[0] ? d->block[0] & 0xffff : d->block[1] & 0xffff;
}

int ext2_iget(struct ext2 *fs, uint32_t ino, struct inode **out)
{
	struct ext2_disk_inode *d;
	struct inode *i;
	struct block b;
	bool sane;
	int err;

	if (!ino || ino > fs->super.inodes_count || (ino < fs->first_ino && ino != EXT2_ROOT_INO))
		return ext2_damaged(fs);
	i = find(fs, ino);
	if (i) {
		*out = inode_get(i);
		return 0;
	}
	err = inode_block(fs, ino, &b, &d);
	if (err)
		return err;
	sane = d->links && d->mode;
	if ((d->mode & LS_IFMT) == LS_IFDIR) /* no directory is larger than the disk, and it has whole blocks */
		sane = sane && d->size % fs->block_size == 0 && d->size / fs->block_size <= fs->super.blocks_count;
	else if (d->size_high)
		sane = false; /* more than 4 GiB */
	i = sane ? inode_make(fs, ino) : NULL;
	if (i)
		inode_load(EXT2_I(i), d);
	block_put(&b);
	*out = i;
	return i ? 0 : sane ? -LENOMEM : ext2_damaged(fs);
}

int ext2_istore(struct inode *i)
{
	struct ext2_inode *e = EXT2_I(i);
	struct ext2_disk_inode *d;
	struct block b;
	int err = inode_block(e->fs, i->ino, &b, &d);

	if (err)
		return err;
	d->mode = i->mode;
	d->links = i->nlink;
	d->size = i->size;
	d->blocks = i->blocks;
	d->uid = i->uid;
	d->uid_high = i->uid >> 16;
	d->gid = i->gid;
	d->gid_high = i->gid >> 16;
	d->atime = i->atime;
	d->mtime = i->mtime;
	d->ctime = i->ctime;
	d->dtime = i->nlink ? 0 : ext2_now(e->fs);
	d->flags = e->flags;
	d->generation = e->generation;
	memcpy(d->block, e->block, sizeof(e->block));
	block_dirty(e->fs, &b);
	block_put(&b);
	return 0;
}

int ext2_inew(struct ext2 *fs, struct inode *dir, uint32_t mode, struct inode **out)
{
	bool is_dir = (mode & LS_IFMT) == LS_IFDIR;
	struct ext2_disk_inode *d;
	struct inode *i;
	struct block b;
	uint32_t ino;
	int err = ext2_ino_alloc(fs, dir->ino, is_dir, &ino);

	if (err)
		return err;
	if (find(fs, ino)) /* the bitmap calls an inode free that is in use */
		return ext2_damaged(fs);
	err = inode_block(fs, ino, &b, &d);
	if (!err) {
		uint32_t generation = d->generation + 1;

		memset(d, 0, fs->inode_size);
		d->generation = generation;
		block_dirty(fs, &b);
		block_put(&b);
	}
	i = err ? NULL : inode_make(fs, ino);
	if (!i) {
		ext2_ino_free(fs, ino, is_dir);
		return err ? err : -LENOMEM;
	}
	i->mode = mode;
	i->nlink = 1;
	i->atime = i->mtime = i->ctime = ext2_now(fs);
	*out = i;
	return 0;
}

void ext2_release(struct inode *i)
{
	struct ext2 *fs = EXT2_I(i)->fs;

	if (!i->nlink && !ext2_begin(fs)) {
		if (inode_is(i, LS_IFREG) || inode_is(i, LS_IFDIR) || (inode_is(i, LS_IFLNK) && i->blocks))
			ext2_shrink(i, 0);
		i->size = 0;
		ext2_istore(i);
		ext2_ino_free(fs, i->ino, inode_is(i, LS_IFDIR));
	}
	inode_forget(i);
}

/* ---- the tree of blocks ---- */

/*
 * Where block `index` is found: path[0] is the place in the inode, each later one the place in the index block that the
 * one before names. Gives the depth, or 0: beyond what the tree reaches.
 */
static unsigned block_path(struct ext2 *fs, uint32_t index, uint32_t path[4])
{
	uint32_t per = fs->block_size / 4, reach = 1;

	if (index < EXT2_DIRECT) {
		path[0] = index;
		return 1;
	}
	index -= EXT2_DIRECT;
	for (unsigned levels = 1; levels <= 3; levels++) {
		reach = levels == 3 && per == 1024 ? 1u << 30 : reach * per; /* 1024 to the third */
		if (index >= reach) {
			index -= reach;
			continue;
		}
		path[0] = EXT2_DIRECT - 1 + levels;
		for (unsigned i = levels; i; i--) {
			path[i] = index % per;
			index /= per;
		}
		return levels + 1;
	}
	return 0;
}

/* Allocates a block for the file; an index block is cleared. */
static int grow(struct inode *i, uint32_t goal, bool clear, uint32_t *nr)
{
	struct ext2 *fs = EXT2_I(i)->fs;
	int err = ext2_block_alloc(fs, goal, nr);
	struct block b;

	if (!err && clear) {
		err = block_new(fs, *nr, true, &b);
		if (err)
			ext2_block_free(fs, *nr);
		else
			block_put(&b);
	}
	if (!err)
		i->blocks += fs->block_sectors;
	return err;
}

/* Near the block before it in the same table, or near the inode. */
static uint32_t goal_for(struct inode *i, const uint32_t *table, uint32_t at, uint32_t table_nr)
{
	struct ext2 *fs = EXT2_I(i)->fs;

	if (at && table[at - 1])
		return table[at - 1] + 1;
	if (table_nr)
		return table_nr + 1;
	return fs->super.first_data_block + (i->ino - 1) / fs->super.inodes_per_group * fs->super.blocks_per_group + 1;
}

int ext2_bmap(struct inode *i, uint32_t index, bool make, uint32_t *nr, bool *made)
{
	struct ext2_inode *e = EXT2_I(i);
	struct ext2 *fs = e->fs;
	uint32_t path[4], table_nr = 0, *table = e->block;
	unsigned depth = block_path(fs, index, path);
	struct block b = { 0 };
	int err = 0;

	if (!depth)
		return -LEFBIG;
	*nr = 0;
	if (made)
		*made = false;
	for (unsigned level = 0; level < depth; level++) {
		uint32_t *slot = &table[path[level]];
		bool last = level + 1 == depth;

		if (!*slot && make) {
			err = grow(i, goal_for(i, table, path[level], table_nr), !last, slot);
			if (!err && level)
				block_dirty(fs, &b);
			if (!err && last)
				*made = true;
		}
		table_nr = err ? 0 : *slot;
		block_put(&b);
		if (!err && table_nr && !ext2_block_ok(fs, table_nr))
			err = ext2_damaged(fs);
		if (err || !table_nr)
			return err;
		if (last)
			break;
		err = block_read(fs, table_nr, &b);
		if (err)
			return err;
		table = (uint32_t *)b.data;
	}
	*nr = table_nr;
	return 0;
}

static int drop(struct inode *i, uint32_t nr)
{
	struct ext2 *fs = EXT2_I(i)->fs;
	int err = ext2_block_free(fs, nr);

	if (!err)
		i->blocks -= min(i->blocks, fs->block_sectors);
	return err;
}

/*
 * Frees what slot leads to, but for its first `keep` data blocks; levels: of index blocks from here on. An index block is
 * freed before what it names, so that a damaged tree that leads back to itself meets a free block and ends.
 */
static int drop_tree(struct inode *i, uint32_t *slot, unsigned levels, uint32_t keep)
{
	struct ext2 *fs = EXT2_I(i)->fs;
	uint32_t per = fs->block_size / 4, each = 1, nr = *slot;
	struct block b;
	int err;

	if (!nr)
		return 0;
	if (!ext2_block_ok(fs, nr))
		return ext2_damaged(fs);
	if (!keep) {
		err = drop(i, nr);
		if (err)
			return err;
		*slot = 0;
	}
	if (!levels)
		return 0;
	for (unsigned k = 1; k < levels; k++)
		each *= per;
	err = block_read(fs, nr, &b);
	for (uint32_t k = keep / each; !err && k < per; k++)
		err = drop_tree(i, (uint32_t *)b.data + k, levels - 1, k == keep / each ? keep % each : 0);
	if (!err || keep)
		block_dirty(fs, &b);
	block_put(&b);
	return err;
}

int ext2_shrink(struct inode *i, uint32_t keep)
{
	struct ext2_inode *e = EXT2_I(i);
	uint32_t per = e->fs->block_size / 4, base = 0, reach = 1;
	int err = 0;

	for (uint32_t k = keep; k < EXT2_DIRECT && !err; k++)
		err = drop_tree(i, &e->block[k], 0, 0);
	base = EXT2_DIRECT;
	for (unsigned levels = 1; levels <= 3 && !err; levels++) {
		reach = levels == 3 && per == 1024 ? 1u << 30 : reach * per;
		if (keep < base + reach)
			err = drop_tree(i, &e->block[EXT2_DIRECT - 1 + levels], levels, keep > base ? keep - base : 0);
		base += reach;
	}
	return err;
}
