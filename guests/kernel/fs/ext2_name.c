/*
 * ext2_name.c - what changes names: create, unlink, rmdir, rename; and the table of all operations, for the VFS.
 *
 * Order of writes: there is no journal, and the cache writes in any order; what a crash leaves is for e2fsck.
 */
#include "ext2.h"

static int name_check(const char *name)
{
	if (!name[0])
		return -LENOENT;
	return strlen(name) > NAME_LEN ? -LENAMETOOLONG : 0;
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static int lookup(struct inode *dir, const char *name, struct inode **out)
{
	uint32_t ino;
	int err = name_check(name);

	if (!err)
		err = ext2_find(dir, name, &ino);
	return err ? err : ext2_iget(EXT2_I(dir)->fs, ino, out);
}

/* Directories have two links and one of their parent's; what fails is undone when the inode is put without links. */
static int create_linked(struct inode *dir, const char *name, struct inode *i)
{
	bool is_dir = inode_is(i, LS_IFDIR);
	int err = is_dir ? ext2_make_dots(i, dir->ino) : 0;

	if (!err)
		err = ext2_add(dir, name, i->ino, i->mode);
	if (err)
		return err;
	i->nlink = is_dir ? 2 : 1;
	dir->nlink += is_dir;
	err = ext2_istore(i);
	return err ? err : ext2_istore(dir);
}

static int create(struct inode *dir, const char *name, uint32_t mode, struct inode **out)
{
	struct ext2 *fs = EXT2_I(dir)->fs;
	uint32_t ino;
	int err = name_check(name);

	if (!err)
		err = ext2_find(dir, name, &ino);
	if (!err)
		return -LEEXIST;
	if (err != -LENOENT)
		return err;
	if (!dir->nlink) /* it has been removed while somebody was in it */
		return -LENOENT;
	if ((mode & LS_IFMT) == LS_IFDIR && dir->nlink >= EXT2_LINK_MAX)
		return -LEMLINK;
	err = ext2_begin(fs);
	if (!err)
		err = ext2_inew(fs, dir, mode, out);
	if (err)
		return err;
	err = create_linked(dir, name, *out);
	if (err) {
		(*out)->nlink = 0;
		inode_put(*out);
	}
	return err;
}

/* One link less; the inode goes when nobody has it open. */
static int drop_link(struct inode *i)
{
	i->nlink -= i->nlink > 0;
	i->ctime = ext2_now(EXT2_I(i)->fs);
	return ext2_istore(i);
}

static int unlink(struct inode *dir, const char *name)
{
	struct inode *i;
	int err = ext2_begin(EXT2_I(dir)->fs);

	if (!err)
		err = lookup(dir, name, &i);
	if (err)
		return err;
	err = inode_is(i, LS_IFDIR) ? -LEISDIR : ext2_remove(dir, name);
	if (!err)
		err = drop_link(i);
	inode_put(i);
	return err;
}

/* Takes an empty directory's own links and the one that it gives its parent. */
static int drop_dir(struct inode *parent, struct inode *i)
{
	int err;

	i->nlink = 0;
	i->ctime = ext2_now(EXT2_I(i)->fs);
	parent->nlink -= parent->nlink > 0;
	err = ext2_istore(i);
	return err ? err : ext2_istore(parent);
}

static int must_be_empty(struct inode *i)
{
	int r = ext2_is_empty(i);

	return r == 1 ? 0 : r ? r : -LENOTEMPTY;
}

static int rmdir(struct inode *dir, const char *name)
{
	struct inode *i;
	int err = ext2_begin(EXT2_I(dir)->fs);

	if (!strcmp(name, "."))
		return -LEINVAL;
	if (!strcmp(name, ".."))
		return -LENOTEMPTY;
	if (!err)
		err = lookup(dir, name, &i);
	if (err)
		return err;
	if (!inode_is(i, LS_IFDIR))
		err = -LENOTDIR;
	else
		err = i == EXT2_I(i)->fs->root ? -LEBUSY : must_be_empty(i);
	if (!err)
		err = ext2_remove(dir, name);
	if (!err)
		err = drop_dir(dir, i);
	inode_put(i);
	return err;
}

/* 0: a directory that moves to `to` would not lie inside itself. */
static int not_inside(struct inode *moved, struct inode *to)
{
	struct ext2 *fs = EXT2_I(to)->fs;
	uint32_t ino = to->ino;

	for (uint32_t steps = 0; ino != EXT2_ROOT_INO; steps++) {
		struct inode *at;
		int err;

		if (ino == moved->ino)
			return -LEINVAL;
		if (steps > fs->super.inodes_count) /* a ring of directories */
			return ext2_damaged(fs);
		err = ext2_iget(fs, ino, &at);
		if (err)
			return err;
		err = ext2_find(at, "..", &ino);
		inode_put(at);
		if (err)
			return err;
	}
	return 0;
}

/* Whether `moved` may take the place of `old`. */
static int may_replace(struct inode *moved, struct inode *old)
{
	if (inode_is(old, LS_IFDIR))
		return inode_is(moved, LS_IFDIR) ? must_be_empty(old) : -LEISDIR;
	return inode_is(moved, LS_IFDIR) ? -LENOTDIR : 0;
}

/* Gives the name in `to`, whatever was there. */
static int take_name(struct inode *moved, struct inode *to, const char *name, struct inode *old)
{
	int err;

	if (!old)
		return ext2_add(to, name, moved->ino, moved->mode);
	err = ext2_replace(to, name, moved->ino, moved->mode);
	if (err)
		return err;
	return inode_is(old, LS_IFDIR) ? drop_dir(to, old) : drop_link(old);
}

static int new_parent(struct inode *moved, struct inode *from, struct inode *to)
{
	int err = ext2_replace(moved, "..", to->ino, LS_IFDIR);

	from->nlink -= from->nlink > 0;
	to->nlink++;
	if (!err)
		err = ext2_istore(from);
	return err ? err : ext2_istore(to);
}

static int move(struct inode *moved, struct inode *from, const char *name, struct inode *to, const char *new_name, struct inode *old)
{
	int err = old ? may_replace(moved, old) : 0;

	if (!err && inode_is(moved, LS_IFDIR))
		err = not_inside(moved, to);
	if (!err && !old && from != to && inode_is(moved, LS_IFDIR) && to->nlink >= EXT2_LINK_MAX)
		err = -LEMLINK;
	if (!err)
		err = take_name(moved, to, new_name, old);
	if (!err)
		err = ext2_remove(from, name);
	if (!err && from != to && inode_is(moved, LS_IFDIR))
		err = new_parent(moved, from, to);
	if (!err) {
		moved->ctime = ext2_now(EXT2_I(moved)->fs);
		err = ext2_istore(moved);
	}
	return err;
}

static int rename(struct inode *from, const char *name, struct inode *to, const char *new_name)
{
	struct inode *moved, *old = NULL;
	int err = name_check(new_name);

	if (!err && (is_dots(name) || is_dots(new_name)))
		err = -LEBUSY;
	if (!err)
		err = ext2_begin(EXT2_I(from)->fs);
	if (!err)
		err = lookup(from, name, &moved);
	if (err)
		return err;
	err = lookup(to, new_name, &old);
	if (err == -LENOENT)
		err = to->nlink ? 0 : err;
	if (!err && old != moved)
		err = move(moved, from, name, to, new_name, old);
	inode_put(old);
	inode_put(moved);
	return err;
}

static int sync_inode(struct inode *i)
{
	return ext2_sync(EXT2_I(i)->fs);
}

const struct inode_ops ext2_inode_ops = {
	.lookup = lookup, .create = create, .unlink = unlink, .rmdir = rmdir, .rename = rename,
	.read = ext2_read, .write = ext2_write, .truncate = ext2_truncate, .readdir = ext2_readdir, .readlink = ext2_readlink,
	.sync = sync_inode, .release = ext2_release,
};
