/*
 * path.c - the system calls that take a path or a directory: each fetches the path, and asks vfs.c.
 */
#include "proc.h"

/* A path of the user's, in memory of the kernel's; NULL after setting *err. kfree it. */
static char *path_from_user(uint32_t at, int32_t *err)
{
	char *path = kmalloc(PATH_LEN);

	*err = path ? string_from_user(path, at, PATH_LEN) : -LENOMEM;
	if (*err >= 0) {
		*err = 0;
		return path;
	}
	kfree(path);
	return NULL;
}

int32_t sys_open(const uint32_t *a, struct regs *r)
{
	int32_t err;
	struct file *f;
	char *path = path_from_user(a[0], &err);

	if (!path)
		return err;
	err = path_open(path, a[1], a[2], &f);
	kfree(path);
	if (err)
		return err;
	err = fd_new(f, 0, a[1] & LO_CLOEXEC);
	if (err < 0)
		file_put(f);
	return err;
}

static int32_t stat_path(const uint32_t *a, bool follow)
{
	struct linux_stat64 st;
	int32_t err;
	char *path = path_from_user(a[0], &err);

	if (!path)
		return err;
	err = path_stat(path, follow, &st);
	kfree(path);
	return err ? err : copy_to_user(a[1], &st, sizeof st) ? 0 : -LEFAULT;
}

int32_t sys_stat64(const uint32_t *a, struct regs *r)
{
	return stat_path(a, true);
}

int32_t sys_lstat64(const uint32_t *a, struct regs *r)
{
	return stat_path(a, false);
}

int32_t sys_fstat64(const uint32_t *a, struct regs *r)
{
	struct linux_stat64 st;
	struct file *f = fd_file(a[0]);
	int err = f ? file_stat(f, &st) : -LEBADF;
	return err ? err : copy_to_user(a[1], &st, sizeof st) ? 0 : -LEFAULT;
}

/* Everyone may read and write everything; what may be run says the mode. */
int32_t sys_access(const uint32_t *a, struct regs *r)
{
	struct linux_stat64 st;
	int32_t err;
	char *path = path_from_user(a[0], &err);

	if (!path)
		return err;
	err = path_stat(path, true, &st);
	kfree(path);
	return err ? err : (a[1] & 1) && !(st.mode & 0111) ? -LEACCES : 0;
}

static int32_t change(uint32_t at, enum path_change what, uint32_t mode)
{
	int32_t err;
	char *path = path_from_user(at, &err);

	if (!path)
		return err;
	err = path_change(path, what, mode);
	kfree(path);
	return err;
}

int32_t sys_unlink(const uint32_t *a, struct regs *r)
{
	return change(a[0], PATH_UNLINK, 0);
}

int32_t sys_rmdir(const uint32_t *a, struct regs *r)
{
	return change(a[0], PATH_RMDIR, 0);
}

int32_t sys_mkdir(const uint32_t *a, struct regs *r)
{
	return change(a[0], PATH_MKDIR, a[1]);
}

int32_t sys_rename(const uint32_t *a, struct regs *r)
{
	int32_t err;
	char *from = path_from_user(a[0], &err), *to = from ? path_from_user(a[1], &err) : NULL;

	if (to)
		err = path_rename(from, to);
	kfree(from);
	kfree(to);
	return err;
}

int32_t sys_chdir(const uint32_t *a, struct regs *r)
{
	int32_t err;
	struct inode *i;
	char *path = path_from_user(a[0], &err);

	if (!path)
		return err;
	err = path_lookup(path, &i);
	kfree(path);
	if (err)
		return err;
	if (!inode_is(i, LS_IFDIR)) {
		inode_put(i);
		return -LENOTDIR;
	}
	inode_put(current->cwd);
	current->cwd = i;
	return 0;
}

static int32_t truncate(struct inode *i, uint32_t low, uint32_t high)
{
	if (inode_is(i, LS_IFDIR))
		return -LEISDIR;
	if (high || (int32_t)low < 0)
		return -LEFBIG;
	return i->busy ? -LETXTBSY : i->ops->truncate ? i->ops->truncate(i, low) : -LEROFS;
}

int32_t sys_truncate64(const uint32_t *a, struct regs *r)
{
	int32_t err;
	struct inode *i;
	char *path = path_from_user(a[0], &err);

	if (!path)
		return err;
	if (!(err = path_lookup(path, &i))) {
		err = truncate(i, a[1], a[2]);
		inode_put(i);
	}
	kfree(path);
	return err;
}

int32_t sys_ftruncate64(const uint32_t *a, struct regs *r)
{
	struct file *f = fd_file(a[0]);

	if (!f)
		return -LEBADF;
	return f->inode && (f->flags & LO_ACCMODE) != LO_RDONLY ? truncate(f->inode, a[1], a[2]) : -LEINVAL;
}

int32_t sys_sync(const uint32_t *a, struct regs *r)
{
	fs_sync();
	return 0;
}

int32_t sys_fsync(const uint32_t *a, struct regs *r)
{
	struct file *f = fd_file(a[0]);
	return !f ? -LEBADF : f->inode ? fs_sync() : -LEINVAL;
}

/* ---- directories ---- */

/* One entry in Linux's form at buf; its length, or 0 if it does not fit into room. */
static uint32_t entry_put(char *buf, uint32_t room, const struct dirent *d, uint32_t next)
{
	struct linux_dirent64 *e = (struct linux_dirent64 *)buf;
	uint32_t n = (uint32_t)strlen(d->name), length = (offsetof(struct linux_dirent64, name) + n + 1 + 7) & ~7u;

	if (length > room)
		return 0;
	memset(buf, 0, length);
	e->ino = d->ino;
	e->off = (int64_t)next;
	e->reclen = (uint16_t)length;
	e->type = d->type;
	memcpy(e->name, d->name, n);
	return length;
}

int32_t sys_getdents64(const uint32_t *a, struct regs *r)
{
	struct file *f = fd_file(a[0]);
	struct inode *dir = f ? f->inode : NULL;
	uint32_t used = 0, room = min(a[2], PAGE), pos, next, some;
	struct dirent *d;
	char *buf;
	int err = 0;

	if (!f)
		return -LEBADF;
	if (!dir || !inode_is(dir, LS_IFDIR) || !dir->ops->readdir)
		return -LENOTDIR;
	d = kmalloc(sizeof *d);
	buf = arena_alloc(ARENA_KERNEL, 0);
	pos = f->pos;
	while (d && buf && (next = pos, err = dir->ops->readdir(dir, &next, d)) > 0) {
		if (!(some = entry_put(buf + used, room - used, d, next)))
			break;
		used += some;
		pos = next;
	}
	if (!d || !buf)
		err = -LENOMEM;
	else if (err > 0 && !used)
		err = -LEINVAL;
	else if (used)
		err = copy_to_user(a[1], buf, used) ? (int)used : -LEFAULT;
	if (err > 0)
		f->pos = pos;
	if (buf)
		arena_free(ARENA_KERNEL, buf, 0);
	kfree(d);
	return err;
}

/* The name of the entry of dir that is inode `ino`. */
static int name_of(struct inode *dir, uint32_t ino, struct dirent *d)
{
	uint32_t pos = 0;
	int r;

	while ((r = dir->ops->readdir(dir, &pos, d)) > 0)
		if (d->ino == ino && strcmp(d->name, ".") && strcmp(d->name, ".."))
			return 0;
	return r ? r : -LENOENT;
}

/* Builds the path from its end, going up by "..". */
static int32_t cwd_build(char *buf, uint32_t *at, struct dirent *d)
{
	struct inode *here = inode_get(current->cwd), *up;
	int err = 0;

	while (here->ino != root_dir->ino && !err) {
		if ((err = here->ops->lookup(here, "..", &up)))
			break;
		if (!(err = name_of(up, here->ino, d))) {
			uint32_t n = (uint32_t)strlen(d->name);
			if (n + 1 > *at) {
				err = -LERANGE;
			} else {
				*at -= n + 1;
				buf[*at] = '/';
				memcpy(buf + *at + 1, d->name, n);
			}
		}
		inode_put(here);
		here = up;
	}
	inode_put(here);
	return err;
}

int32_t sys_getcwd(const uint32_t *a, struct regs *r)
{
	char *buf = kmalloc(PATH_LEN);
	struct dirent *d = kmalloc(sizeof *d);
	uint32_t at = PATH_LEN - 1;
	int32_t err = buf && d ? 0 : -LENOMEM;

	if (!err) {
		buf[at] = 0;
		err = cwd_build(buf, &at, d);
		if (!err && at == PATH_LEN - 1)
			buf[--at] = '/';
		if (!err)
			err = PATH_LEN - at > a[1] ? -LERANGE : copy_to_user(a[0], buf + at, PATH_LEN - at) ? (int32_t)(PATH_LEN - at) : -LEFAULT;
	}
	kfree(buf);
	kfree(d);
	return err;
}
