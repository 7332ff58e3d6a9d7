/*
 * vfs.c - paths and inodes: resolving names, opening, and the system calls that take a path.
 *
 * One file system is mounted at the root. Names in /dev that the kernel knows (console, tty, null, zero) need no node on the
 * disk. There are no users, so permissions are only asked by exec and access. Read next: file.c, ext2.c.
 */
#include "proc.h"

#define LINKS_MAX 8

struct inode *root_dir;

static const struct { const char *name; const struct file_ops *ops; uint32_t rdev; } devices[] = {
	{ "console", &tty_file_ops, 5 << 8 | 1 }, { "tty", &tty_file_ops, 5 << 8 }, { "null", &null_file_ops, 1 << 8 | 3 },
	{ "zero", &zero_file_ops, 1 << 8 | 5 },
};

/* ---- inodes as open files ---- */

static int32_t inode_read(struct file *f, void *buf, uint32_t n)
{
	struct inode *i = f->inode;
	int32_t r;

	if (inode_is(i, LS_IFDIR))
		return -LEISDIR;
	r = i->ops->read ? i->ops->read(i, f->pos, buf, n) : -LEINVAL;
	if (r > 0)
		f->pos += (uint32_t)r;
	return r;
}

static int32_t inode_write(struct file *f, const void *buf, uint32_t n)
{
	struct inode *i = f->inode;
	int32_t r;

	if (f->flags & LO_APPEND)
		f->pos = i->size;
	r = i->ops->write ? i->ops->write(i, f->pos, buf, n) : -LEROFS;
	if (r > 0)
		f->pos += (uint32_t)r;
	return r;
}

static void stat_fill(const struct inode *i, struct linux_stat64 *st)
{
	st->dev = 1;
	st->ino_low = i->ino;
	st->ino = i->ino;
	st->mode = i->mode;
	st->nlink = i->nlink;
	st->uid = i->uid;
	st->gid = i->gid;
	st->rdev = i->rdev;
	st->size = i->size;
	st->blksize = PAGE;
	st->blocks = i->blocks;
	st->atime = i->atime;
	st->mtime = i->mtime;
	st->ctime = i->ctime;
}

static int inode_stat(struct file *f, struct linux_stat64 *st)
{
	stat_fill(f->inode, st);
	return 0;
}

const struct file_ops inode_file_ops = { .read = inode_read, .write = inode_write, .stat = inode_stat };

static int device_stat(struct file *f, struct linux_stat64 *st)
{
	st->dev = 2;
	st->mode = LS_IFCHR | 0666;
	st->nlink = 1;
	st->blksize = PAGE;
	for (unsigned n = 0; n < ARRAY_LEN(devices); n++)
		if (devices[n].ops == f->ops)
			st->rdev = devices[n].rdev;
	return 0;
}

static int32_t null_read(struct file *f, void *buf, uint32_t n)
{
	return 0;
}

static int32_t null_write(struct file *f, const void *buf, uint32_t n)
{
	return (int32_t)n;
}

static int32_t zero_read(struct file *f, void *buf, uint32_t n)
{
	memset(buf, 0, n);
	return (int32_t)n;
}

const struct file_ops null_file_ops = { .read = null_read, .write = null_write, .stat = device_stat };
const struct file_ops zero_file_ops = { .read = zero_read, .write = null_write, .stat = device_stat };

/* ---- paths ---- */

/* The next component of *path into name: its length, 0 at the end, or an error. */
static int component(const char **path, char *name)
{
	int n = 0;

	while (**path == '/')
		++*path;
	for (; **path && **path != '/'; ++*path) {
		if (n == NAME_LEN)
			return -LENAMETOOLONG;
		name[n++] = **path;
	}
	name[n] = 0;
	return n;
}

static bool last(const char *path)
{
	while (*path == '/')
		path++;
	return !*path;
}

static int step(struct inode *dir, const char *name, struct inode **out)
{
	if (!inode_is(dir, LS_IFDIR) || !dir->ops->lookup)
		return -LENOTDIR;
	return dir->ops->lookup(dir, name, out);
}

static int walk(struct inode *from, const char *path, bool parent, bool follow, char *name, struct inode **out, unsigned depth);

/* Puts what the symbolic link *at names into its place; dir is where the link lies. */
static int follow_link(struct inode *dir, struct inode **at, unsigned depth)
{
	char *target = kmalloc(PATH_LEN), *name = kmalloc(NAME_LEN + 1);
	struct inode *link = *at;
	int r = target && name ? depth < LINKS_MAX && link->ops->readlink ? link->ops->readlink(link, target, PATH_LEN - 1) : -LELOOP : -LENOMEM;

	if (r >= 0) {
		target[r] = 0;
		r = walk(dir, target, false, true, name, at, depth + 1);
	}
	inode_put(link);
	kfree(target);
	kfree(name);
	return r;
}

/* Resolves path from a directory; with parent, all but the last component, which is left in name. */
static int walk(struct inode *from, const char *path, bool parent, bool follow, char *name, struct inode **out, unsigned depth)
{
	struct inode *at = inode_get(*path == '/' ? root_dir : from), *next;
	int r;

	if (!*path)
		r = -LENOENT;
	while (*path) {
		if ((r = component(&path, name)) <= 0)
			break;
		if (parent && last(path)) {
			*out = at;
			return inode_is(at, LS_IFDIR) ? 0 : (inode_put(at), -LENOTDIR);
		}
		if ((r = step(at, name, &next)))
			break;
		if (inode_is(next, LS_IFLNK) && (follow || !last(path)) && (r = follow_link(at, &next, depth)))
			break;
		inode_put(at);
		at = next;
		r = 0;
	}
	if (!r && parent)
		r = -LEEXIST; /* "/" and the like: there is no name */
	if (r) {
		inode_put(at);
		return r;
	}
	*out = at;
	return 0;
}

static int lookup(const char *path, bool parent, bool follow, char *name, struct inode **out)
{
	return walk(current->cwd ? current->cwd : root_dir, path, parent, follow, name, out, 0);
}

int path_lookup(const char *path, struct inode **out)
{
	char name[NAME_LEN + 1];
	return lookup(path, false, true, name, out);
}

static const struct file_ops *device(const char *path)
{
	if (strncmp(path, "/dev/", 5))
		return NULL;
	for (unsigned n = 0; n < ARRAY_LEN(devices); n++)
		if (!strcmp(path + 5, devices[n].name))
			return devices[n].ops;
	return NULL;
}

static int open_create(const char *path, uint32_t flags, uint32_t mode, struct inode **out)
{
	char name[NAME_LEN + 1];
	struct inode *dir;
	int r = lookup(path, true, true, name, &dir);

	if (r)
		return r == -LEEXIST ? -LEISDIR : r;
	r = step(dir, name, out);
	if (r == -LENOENT)
		r = dir->ops->create ? dir->ops->create(dir, name, LS_IFREG | (mode & 0777 & ~current->umask), out) : -LEROFS;
	else if (!r && (flags & LO_EXCL))
		r = (inode_put(*out), -LEEXIST);
	else if (!r && inode_is(*out, LS_IFLNK))
		r = follow_link(dir, out, 0);
	inode_put(dir);
	return r;
}

static int open_check(struct inode *i, uint32_t flags)
{
	bool write = (flags & LO_ACCMODE) != LO_RDONLY;

	if (inode_is(i, LS_IFDIR) && (write || (flags & LO_CREAT)))
		return -LEISDIR;
	if (!inode_is(i, LS_IFDIR) && (flags & LO_DIRECTORY))
		return -LENOTDIR;
	if (write && i->busy)
		return -LETXTBSY;
	if (write && !i->ops->write)
		return -LEROFS;
	if ((flags & LO_TRUNC) && write && i->size)
		return i->ops->truncate ? i->ops->truncate(i, 0) : -LEROFS;
	return 0;
}

int path_open(const char *path, uint32_t flags, uint32_t mode, struct file **out)
{
	const struct file_ops *dev = device(path);
	struct inode *i = NULL;
	int r = dev ? 0 : flags & LO_CREAT ? open_create(path, flags, mode, &i) : path_lookup(path, &i);

	if (r)
		return r;
	if (i && (r = open_check(i, flags))) {
		inode_put(i);
		return r;
	}
	*out = file_new(dev ? dev : &inode_file_ops, flags & ~(uint32_t)(LO_CREAT | LO_EXCL | LO_TRUNC | LO_CLOEXEC), NULL);
	if (!*out) {
		inode_put(i);
		return -LENFILE;
	}
	(*out)->inode = i;
	return 0;
}

/* ---- stat and directories, by descriptor and by path ---- */

int file_stat(struct file *f, struct linux_stat64 *st)
{
	memset(st, 0, sizeof *st);
	return f->ops->stat ? f->ops->stat(f, st) : -LEINVAL;
}

int path_stat(const char *path, bool follow, struct linux_stat64 *st)
{
	const struct file_ops *dev = device(path);
	char name[NAME_LEN + 1];
	struct inode *i;
	int r;

	memset(st, 0, sizeof *st);
	if (dev)
		return device_stat(&(struct file){ .ops = dev }, st);
	if ((r = lookup(path, false, follow, name, &i)))
		return r;
	stat_fill(i, st);
	inode_put(i);
	return 0;
}

/* An operation on a name in a directory. */
int path_change(const char *path, enum path_change what, uint32_t mode)
{
	char name[NAME_LEN + 1];
	struct inode *dir, *made;
	int r = lookup(path, true, true, name, &dir);

	if (r)
		return r == -LEEXIST && what != PATH_MKDIR ? -LEBUSY : r;
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		r = what == PATH_MKDIR ? -LEEXIST : -LEINVAL;
	else if (what == PATH_UNLINK)
		r = dir->ops->unlink ? dir->ops->unlink(dir, name) : -LEROFS;
	else if (what == PATH_RMDIR)
		r = dir->ops->rmdir ? dir->ops->rmdir(dir, name) : -LEROFS;
	else if (!(r = dir->ops->create ? dir->ops->create(dir, name, LS_IFDIR | (mode & 0777 & ~current->umask), &made) : -LEROFS))
		inode_put(made);
	inode_put(dir);
	return r;
}

int path_rename(const char *from, const char *to)
{
	char name[NAME_LEN + 1], new_name[NAME_LEN + 1];
	struct inode *dir, *new_dir;
	int r = lookup(from, true, true, name, &dir);

	if (r)
		return r == -LEEXIST ? -LEBUSY : r;
	if (!(r = lookup(to, true, true, new_name, &new_dir))) {
		r = dir->ops->rename ? dir->ops->rename(dir, name, new_dir, new_name) : -LEROFS;
		inode_put(new_dir);
	}
	inode_put(dir);
	return r;
}
