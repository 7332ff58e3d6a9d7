/*
 * ext2_file.c - reading, writing and cutting files, and symbolic links.
 */
#include "ext2.h"

#define AHEAD 16 /* blocks that one read brings in together, at least */

/* Brings in the blocks that a read is about to use, and a few behind them, in one go. */
static void fetch(struct inode *i, uint32_t pos, uint32_t n)
{
	struct ext2 *fs = EXT2_I(i)->fs;
	uint32_t sectors[AHEAD], index = pos / fs->block_size, end = (min(pos + n, i->size) - 1) / fs->block_size, nr;
	unsigned have = 0;

	if (end < index + AHEAD - 1)
		end = min(index + AHEAD - 1, (i->size - 1) / fs->block_size);
	for (; index <= end; index++) {
		if (ext2_bmap(i, index, false, &nr, NULL))
			break;
		if (nr)
			sectors[have++] = nr * fs->block_sectors;
		if (have == AHEAD) {
			cache_fetch(&fs->cache, sectors, have);
			have = 0;
		}
	}
	cache_fetch(&fs->cache, sectors, have);
}

int32_t ext2_read(struct inode *i, uint32_t pos, void *buf, uint32_t n)
{
	struct ext2 *fs = EXT2_I(i)->fs;
	uint32_t done = 0;
	bool ahead = false;

	if (pos >= i->size)
		return 0;
	n = min(n, i->size - pos);
	while (done < n) {
		uint32_t off = (pos + done) % fs->block_size, part = min(fs->block_size - off, n - done), nr;
		struct block b;
		int err = ext2_bmap(i, (pos + done) / fs->block_size, false, &nr, NULL);

		if (!err && nr && !ahead && off == 0) {
			fetch(i, pos + done, n - done);
			ahead = true;
		}
		if (!err && nr)
			err = block_read(fs, nr, &b);
		if (err)
			return done ? (int32_t)done : err;
		if (nr) {
			memcpy((uint8_t *)buf + done, b.data + off, part);
			block_put(&b);
		} else {
			memset((uint8_t *)buf + done, 0, part);
		}
		done += part;
	}
	return done;
}

/* One block or a part of it. */
static int write_block(struct inode *i, uint32_t pos, const void *buf, uint32_t n)
{
	struct ext2 *fs = EXT2_I(i)->fs;
	uint32_t off = pos % fs->block_size, nr;
	struct block b;
	bool made;
	int err = ext2_bmap(i, pos / fs->block_size, true, &nr, &made);

	if (err)
		return err;
	if (made || n == fs->block_size)
		err = block_new(fs, nr, n < fs->block_size, &b);
	else
		err = block_read(fs, nr, &b);
	if (err)
		return err;
	memcpy(b.data + off, buf, n);
	block_dirty(fs, &b);
	block_put(&b);
	return 0;
}

int32_t ext2_write(struct inode *i, uint32_t pos, const void *buf, uint32_t n)
{
	struct ext2 *fs = EXT2_I(i)->fs;
	uint32_t done = 0;
	int err = ext2_begin(fs), stored;

	n = min(n, 0x7fffffffu - min(pos, 0x7fffffffu)); /* larger ones need a feature of the file system */
	if (!err && !n)
		err = -LEFBIG;
	while (!err && done < n) {
		uint32_t part = min(fs->block_size - (pos + done) % fs->block_size, n - done);

		err = write_block(i, pos + done, (const uint8_t *)buf + done, part);
		if (!err)
			done += part;
	}
	if (done) {
		i->size = max(i->size, pos + done);
		i->mtime = i->ctime = ext2_now(fs);
	}
	stored = fs->read_only ? 0 : ext2_istore(i);
	return done ? (stored ? stored : (int32_t)done) : err;
}

/* The end of the last block must be zeros, for when the file grows again. */
static int clear_tail(struct inode *i, uint32_t size)
{
	struct ext2 *fs = EXT2_I(i)->fs;
	uint32_t off = size % fs->block_size, nr;
	struct block b;
	int err;

	if (!off)
		return 0;
	err = ext2_bmap(i, size / fs->block_size, false, &nr, NULL);
	if (err || !nr)
		return err;
	err = block_read(fs, nr, &b);
	if (err)
		return err;
	memset(b.data + off, 0, fs->block_size - off);
	block_dirty(fs, &b);
	block_put(&b);
	return 0;
}

int ext2_truncate(struct inode *i, uint32_t size)
{
	struct ext2 *fs = EXT2_I(i)->fs;
	int err, stored;

	if (!inode_is(i, LS_IFREG))
		return inode_is(i, LS_IFDIR) ? -LEISDIR : -LEINVAL;
	if (size > 0x7fffffffu)
		return -LEFBIG;
	err = ext2_begin(fs);
	if (err)
		return err;
	if (size < i->size) {
		err = ext2_shrink(i, (size + fs->block_size - 1) / fs->block_size);
		if (!err)
			err = clear_tail(i, size);
	}
	if (!err) {
		i->size = size;
		i->mtime = i->ctime = ext2_now(fs);
	}
	stored = ext2_istore(i);
	return err ? err : stored;
}

int ext2_readlink(struct inode *i, char *buf, uint32_t n)
{
	if (!inode_is(i, LS_IFLNK))
		return -LEINVAL;
	if (!i->blocks) { /* short ones lie in the inode */
		n = min(n, min(i->size, (uint32_t)sizeof(EXT2_I(i)->block)));
		memcpy(buf, EXT2_I(i)->block, n);
		return n;
	}
	return ext2_read(i, 0, buf, n);
}
