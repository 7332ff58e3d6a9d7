/*
 * ext2_alloc.c - the bitmaps of blocks and inodes, and the counts in group descriptors and superblock.
 */
#include "ext2.h"

/* ---- which blocks hold the file system's own tables ---- */

/* Groups 0, 1 and powers of 3, 5 and 7 have a copy of the superblock; without sparse_super each has. */
static bool group_has_super(const struct ext2 *fs, uint32_t g)
{
	static const uint32_t bases[] = { 3, 5, 7 };

	if (g < 2 || !fs->super.rev || !(fs->super.feature_ro_compat & EXT2_FEATURE_SPARSE))
		return true;
	for (unsigned i = 0; i < ARRAY_LEN(bases); i++) {
		uint32_t power = bases[i];

		while (power < g)
			power *= bases[i];
		if (power == g)
			return true;
	}
	return false;
}

bool ext2_block_ok(struct ext2 *fs, uint32_t nr)
{
	uint32_t first = fs->super.first_data_block, table, g;
	const struct ext2_group *d;

	if (nr <= first || nr >= fs->super.blocks_count)
		return false;
	g = (nr - first) / fs->super.blocks_per_group;
	d = &fs->groups[g];
	table = (fs->super.inodes_per_group * fs->inode_size - 1) / fs->block_size + 1;
	if (nr == d->block_bitmap || nr == d->inode_bitmap || nr - d->inode_table < table)
		return false;
	return !group_has_super(fs, g) || (nr - first) % fs->super.blocks_per_group > fs->group_blocks;
}

/* ---- bitmaps ---- */

static bool bit_test(const uint8_t *map, uint32_t bit) { return map[bit / 8] >> bit % 8 & 1; }

/* The first clear bit in [from, end), or end. */
static uint32_t bit_find(const uint8_t *map, uint32_t from, uint32_t end)
{
	while (from < end) {
		if (from % 8 == 0 && map[from / 8] == 0xff) {
			from += 8;
			continue;
		}
		if (!bit_test(map, from))
			return from;
		from++;
	}
	return end;
}

static uint32_t blocks_in_group(const struct ext2 *fs, uint32_t g)
{
	uint32_t first = fs->super.first_data_block + g * fs->super.blocks_per_group;

	return min(fs->super.blocks_per_group, fs->super.blocks_count - first);
}

/* A free block of group g, at or behind bit `from` if there is one; -LENOSPC. */
static int alloc_in_group(struct ext2 *fs, uint32_t g, uint32_t from, uint32_t *nr)
{
	uint32_t first = fs->super.first_data_block + g * fs->super.blocks_per_group, n = blocks_in_group(fs, g), bit;
	struct block b;
	int err = block_read(fs, fs->groups[g].block_bitmap, &b);

	if (err)
		return err;
	bit = bit_find(b.data, from, n);
	if (bit == n)
		bit = bit_find(b.data, 0, n);
	if (bit == n) {
		block_put(&b);
		return -LENOSPC;
	}
	if (!ext2_block_ok(fs, first + bit)) { /* the bitmap says that a table is free */
		block_put(&b);
		return ext2_damaged(fs);
	}
	b.data[bit / 8] |= 1u << bit % 8;
	block_dirty(fs, &b);
	block_put(&b);
	fs->groups[g].free_blocks -= fs->groups[g].free_blocks > 0;
	fs->super.free_blocks -= fs->super.free_blocks > 0;
	*nr = first + bit;
	return 0;
}

int ext2_block_alloc(struct ext2 *fs, uint32_t goal, uint32_t *nr)
{
	uint32_t first = fs->super.first_data_block, g0, from;

	if (goal <= first || goal >= fs->super.blocks_count)
		goal = first + 1;
	g0 = (goal - first) / fs->super.blocks_per_group;
	from = (goal - first) % fs->super.blocks_per_group;
	for (uint32_t k = 0; k < fs->group_count; k++) {
		uint32_t g = (g0 + k) % fs->group_count;
		int err;

		if (!fs->groups[g].free_blocks)
			continue;
		err = alloc_in_group(fs, g, k ? 0 : from, nr);
		if (err != -LENOSPC)
			return err;
	}
	return -LENOSPC;
}

int ext2_block_free(struct ext2 *fs, uint32_t nr)
{
	uint32_t first = fs->super.first_data_block, g, bit;
	struct block b;
	int err;

	if (!ext2_block_ok(fs, nr))
		return ext2_damaged(fs);
	g = (nr - first) / fs->super.blocks_per_group;
	bit = (nr - first) % fs->super.blocks_per_group;
	err = block_read(fs, fs->groups[g].block_bitmap, &b);
	if (err)
		return err;
	if (!bit_test(b.data, bit)) { /* two files have it, or one has it twice */
		block_put(&b);
		return ext2_damaged(fs);
	}
	b.data[bit / 8] &= ~(1u << bit % 8);
	block_dirty(fs, &b);
	block_put(&b);
	fs->groups[g].free_blocks++;
	fs->super.free_blocks++;
	return 0;
}

/* ---- inodes ---- */

static int ino_in_group(struct ext2 *fs, uint32_t g, bool dir, uint32_t *ino)
{
	uint32_t n = fs->super.inodes_per_group, from = g ? 0 : fs->first_ino - 1, bit;
	struct block b;
	int err = block_read(fs, fs->groups[g].inode_bitmap, &b);

	if (err)
		return err;
	bit = bit_find(b.data, from, n);
	if (bit >= n) {
		block_put(&b);
		return -LENOSPC;
	}
	b.data[bit / 8] |= 1u << bit % 8;
	block_dirty(fs, &b);
	block_put(&b);
	fs->groups[g].free_inodes -= fs->groups[g].free_inodes > 0;
	fs->super.free_inodes -= fs->super.free_inodes > 0;
	fs->groups[g].used_dirs += dir;
	*ino = g * n + bit + 1;
	return 0;
}

int ext2_ino_alloc(struct ext2 *fs, uint32_t near, bool dir, uint32_t *ino)
{
	uint32_t g0 = (near - 1) / fs->super.inodes_per_group;

	for (uint32_t k = 0; k < fs->group_count; k++) {
		uint32_t g = (g0 + k) % fs->group_count;
		int err;

		if (!fs->groups[g].free_inodes)
			continue;
		err = ino_in_group(fs, g, dir, ino);
		if (err != -LENOSPC)
			return err;
	}
	return -LENOSPC;
}

int ext2_ino_free(struct ext2 *fs, uint32_t ino, bool dir)
{
	uint32_t g = (ino - 1) / fs->super.inodes_per_group, bit = (ino - 1) % fs->super.inodes_per_group;
	struct block b;
	int err = block_read(fs, fs->groups[g].inode_bitmap, &b);

	if (err)
		return err;
	if (!bit_test(b.data, bit)) {
		block_put(&b);
		return ext2_damaged(fs);
	}
	b.data[bit / 8] &= ~(1u << bit % 8);
	block_dirty(fs, &b);
	block_put(&b);
	fs->groups[g].free_inodes++;
	fs->super.free_inodes++;
	fs->groups[g].used_dirs -= dir && fs->groups[g].used_dirs;
	return 0;
}
