/*
 * ext2_dir.c - directories: blocks full of entries, each of which says where the next one begins.
 */
#include "ext2.h"

/* A walk over the entries of a directory; its block is pinned while block.page is not NULL. */
struct walk {
	struct inode *dir;
	struct block block;
	uint32_t index;            /* of the block */
	uint32_t off, prev;        /* of this entry and the one before, in the block; equal in front */
	struct ext2_entry *e;
};

static int load(struct walk *w)
{
	struct ext2 *fs = EXT2_I(w->dir)->fs;
	uint32_t nr;
	int err = ext2_bmap(w->dir, w->index, false, &nr, NULL);

	if (!err && !nr) /* a directory has no holes */
		err = ext2_damaged(fs);
	return err ? err : block_read(fs, nr, &w->block);
}

/* Sets w->e to what lies at w->off, if it makes sense. */
static int look(struct walk *w)
{
	struct ext2 *fs = EXT2_I(w->dir)->fs;
	struct ext2_entry *e = (struct ext2_entry *)(w->block.data + w->off);

	if (fs->block_size - w->off < 8 || e->rec_len < 8 || e->rec_len % 4 || e->rec_len > fs->block_size - w->off ||
	    (e->ino && (!e->name_len || EXT2_ENTRY_SIZE(e->name_len) > e->rec_len))) {
		block_put(&w->block);
		return ext2_damaged(fs);
	}
	w->e = e;
	return 1;
}

static int walk_first(struct walk *w, struct inode *dir, uint32_t index)
{
	int err;

	*w = (struct walk){ .dir = dir, .index = index };
	if (index >= dir->size / EXT2_I(dir)->fs->block_size)
		return 0;
	err = load(w);
	return err ? err : look(w);
}

/* 1; 0 at the end, or an error: then no block is pinned. */
static int walk_next(struct walk *w)
{
	uint32_t block_size = EXT2_I(w->dir)->fs->block_size;

	w->prev = w->off;
	w->off += w->e->rec_len;
	if (w->off < block_size)
		return look(w);
	block_put(&w->block);
	return walk_first(w, w->dir, w->index + 1);
}

static bool is_name(const struct ext2_entry *e, const char *name, uint32_t len)
{
	return e->ino && e->name_len == len && !memcmp(e->name, name, len);
}

/* 1: w stands at it. -LENOENT. */
static int walk_to(struct walk *w, struct inode *dir, const char *name)
{
	uint32_t len = strlen(name);
	int r;

	if (!inode_is(dir, LS_IFDIR))
		return -LENOTDIR;
	for (r = walk_first(w, dir, 0); r > 0; r = walk_next(w))
		if (is_name(w->e, name, len))
			return 1;
	return r ? r : -LENOENT;
}

int ext2_find(struct inode *dir, const char *name, uint32_t *ino)
{
	struct walk w;
	int r = walk_to(&w, dir, name);

	if (r < 0)
		return r;
	*ino = w.e->ino;
	block_put(&w.block);
	return 0;
}

static uint8_t entry_type(struct ext2 *fs, uint32_t mode)
{
	if (!fs->super.rev || !(fs->super.feature_incompat & EXT2_FEATURE_FILETYPE))
		return 0;
	switch (mode & LS_IFMT) { /* the disk's numbers are not those of getdents */
	case LS_IFREG: return 1;
	case LS_IFDIR: return 2;
	case LS_IFCHR: return 3;
	case LS_IFIFO: return 5;
	case LS_IFLNK: return 7;
	default: return 0;
	}
}

static void fill(struct ext2 *fs, struct ext2_entry *e, const char *name, uint32_t ino, uint32_t mode)
{
	e->ino = ino;
	e->name_len = strlen(name);
	e->type = entry_type(fs, mode);
	memcpy(e->name, name, e->name_len);
}

/* The directory has changed: its times, and an index by hashes would be wrong now. */
static int touched(struct inode *dir)
{
	dir->mtime = dir->ctime = ext2_now(EXT2_I(dir)->fs);
	EXT2_I(dir)->flags &= ~EXT2_INDEX_FL;
	return ext2_istore(dir);
}

/* A new block at the end, which is one unused entry; w stands at it. */
static int extend(struct walk *w, struct inode *dir)
{
	struct ext2 *fs = EXT2_I(dir)->fs;
	uint32_t nr;
	bool made;
	int err;

	*w = (struct walk){ .dir = dir, .index = dir->size / fs->block_size };
	err = ext2_bmap(dir, w->index, true, &nr, &made);
	if (!err)
		err = block_new(fs, nr, true, &w->block);
	if (err)
		return err;
	w->e = (struct ext2_entry *)w->block.data;
	w->e->rec_len = fs->block_size;
	dir->size += fs->block_size;
	return 1;
}

int ext2_add(struct inode *dir, const char *name, uint32_t ino, uint32_t mode)
{
	struct ext2 *fs = EXT2_I(dir)->fs;
	uint32_t need = EXT2_ENTRY_SIZE(strlen(name)), used;
	struct walk w;
	int r;

	for (r = walk_first(&w, dir, 0); r > 0; r = walk_next(&w)) {
		used = w.e->ino ? EXT2_ENTRY_SIZE(w.e->name_len) : 0;
		if (w.e->rec_len - used >= need)
			break;
	}
	if (!r)
		r = extend(&w, dir);
	if (r < 0)
		return r;
	used = w.e->ino ? EXT2_ENTRY_SIZE(w.e->name_len) : 0;
	if (used) { /* cut what is unused off the entry */
		struct ext2_entry *rest = (struct ext2_entry *)((uint8_t *)w.e + used);

		rest->rec_len = w.e->rec_len - used;
		w.e->rec_len = used;
		w.e = rest;
	}
	fill(fs, w.e, name, ino, mode);
	block_dirty(fs, &w.block);
	block_put(&w.block);
	return touched(dir);
}

int ext2_remove(struct inode *dir, const char *name)
{
	struct walk w;
	int r = walk_to(&w, dir, name);

	if (r < 0)
		return r;
	if (w.off != w.prev) /* the one before takes its place */
		((struct ext2_entry *)(w.block.data + w.prev))->rec_len += w.e->rec_len;
	w.e->ino = 0;
	block_dirty(EXT2_I(dir)->fs, &w.block);
	block_put(&w.block);
	return touched(dir);
}

int ext2_replace(struct inode *dir, const char *name, uint32_t ino, uint32_t mode)
{
	struct ext2 *fs = EXT2_I(dir)->fs;
	struct walk w;
	int r = walk_to(&w, dir, name);

	if (r < 0)
		return r;
	w.e->ino = ino;
	w.e->type = entry_type(fs, mode);
	block_dirty(fs, &w.block);
	block_put(&w.block);
	return touched(dir);
}

int ext2_is_empty(struct inode *dir)
{
	struct walk w;
	int r;

	for (r = walk_first(&w, dir, 0); r > 0; r = walk_next(&w))
		if (w.e->ino && !is_name(w.e, ".", 1) && !is_name(w.e, "..", 2)) {
			block_put(&w.block);
			return 0;
		}
	return r ? r : 1;
}

static uint8_t dirent_type(uint8_t type)
{
	static const uint8_t types[] = { 0, LDT_REG, LDT_DIR, LDT_CHR, 0, LDT_FIFO, 0, LDT_LNK };

	return type < ARRAY_LEN(types) ? types[type] : 0;
}

/*
 * The position is a byte offset. Entries may have been joined since it was given out, so it is looked for from the start
 * of its block: the first entry at or behind it.
 */
int ext2_readdir(struct inode *dir, uint32_t *pos, struct dirent *out)
{
	uint32_t block_size = EXT2_I(dir)->fs->block_size;
	struct walk w;
	int r;

	if (!inode_is(dir, LS_IFDIR))
		return -LENOTDIR;
	for (r = walk_first(&w, dir, *pos / block_size); r > 0; r = walk_next(&w)) {
		if (!w.e->ino || w.index * block_size + w.off < *pos)
			continue;
		out->ino = w.e->ino;
		out->type = dirent_type(w.e->type);
		memcpy(out->name, w.e->name, w.e->name_len);
		out->name[w.e->name_len] = 0;
		*pos = w.index * block_size + w.off + w.e->rec_len;
		block_put(&w.block);
		return 1;
	}
	return r;
}

int ext2_make_dots(struct inode *dir, uint32_t parent)
{
	struct ext2 *fs = EXT2_I(dir)->fs;
	struct ext2_entry *dots;
	struct walk w;
	int r = extend(&w, dir);

	if (r < 0)
		return r;
	fill(fs, w.e, ".", dir->ino, LS_IFDIR);
	w.e->rec_len = EXT2_ENTRY_SIZE(1);
	dots = (struct ext2_entry *)(w.block.data + w.e->rec_len);
	fill(fs, dots, "..", parent, LS_IFDIR);
	dots->rec_len = fs->block_size - EXT2_ENTRY_SIZE(1);
	block_put(&w.block);
	return touched(dir);
}
