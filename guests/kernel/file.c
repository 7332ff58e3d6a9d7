/*
 * file.c - open files and descriptors, and the system calls that take one.
 *
 * A struct file is what fork and dup share: position, flags, operations. Data goes between user memory and operations by way
 * of a page of the kernel's, a piece at a time, so that no file system meets a page fault. Read next: vfs.c, pipe.c, tty.c.
 */
#include "proc.h"

#define FILES_TOTAL 1024

static uint32_t open_files;

struct file *file_new(const struct file_ops *ops, uint32_t flags, void *priv)
{
	struct file *f = open_files < FILES_TOTAL ? kzalloc(sizeof *f) : NULL;

	if (!f)
		return NULL;
	open_files++;
	*f = (struct file){ .refs = 1, .flags = flags, .ops = ops, .priv = priv };
	return f;
}

struct file *file_get(struct file *f)
{
	f->refs++;
	return f;
}

void file_put(struct file *f)
{
	if (--f->refs)
		return;
	if (f->ops->close)
		f->ops->close(f);
	inode_put(f->inode);
	kfree(f);
	open_files--;
}

/* ---- descriptors ---- */

int32_t fd_new(struct file *f, uint32_t from, bool close_on_exec)
{
	for (uint32_t fd = from; fd < FILES_MAX; fd++) {
		if (current->file[fd])
			continue;
		current->file[fd] = f;
		current->close_on_exec = (current->close_on_exec & ~(1u << fd)) | (uint32_t)close_on_exec << fd;
		return (int32_t)fd;
	}
	return -LEMFILE;
}

struct file *fd_file(uint32_t fd)
{
	return fd < FILES_MAX ? current->file[fd] : NULL;
}

static int fd_close(struct proc *p, uint32_t fd)
{
	struct file *f = fd < FILES_MAX ? p->file[fd] : NULL;

	if (!f)
		return -LEBADF;
	p->file[fd] = NULL;
	p->close_on_exec &= ~(1u << fd);
	file_put(f);
	return 0;
}

void fd_close_all(struct proc *p, bool exec_only)
{
	for (uint32_t fd = 0; fd < FILES_MAX; fd++)
		if (!exec_only || (p->close_on_exec >> fd & 1))
			fd_close(p, fd);
}

/* ---- read and write ---- */

/* In pieces of a page, until one is short. */
static int32_t transfer(struct file *f, uint32_t user, uint32_t n, bool out)
{
	char *buf = arena_alloc(ARENA_KERNEL, 0);
	int32_t done = 0, r = buf ? 0 : -LENOMEM;

	n = min(n, 0x7ffff000u);
	file_get(f); /* it may sleep */
	while (buf && (n || !done)) {
		uint32_t some = out ? min(n, PAGE) : min(user_room(user, n), PAGE);
		if (!some && n) { /* before anything is taken from a pipe */
			r = -LEFAULT;
			break;
		}
		if (out && !copy_from_user(buf, user, some)) {
			r = -LEFAULT;
			break;
		}
		if ((r = out ? f->ops->write(f, buf, some) : f->ops->read(f, buf, some)) <= 0)
			break;
		if (!out && !copy_to_user(user, buf, (uint32_t)r)) {
			r = -LEFAULT;
			break;
		}
		done += r;
		user += (uint32_t)r;
		n -= (uint32_t)r;
		if ((uint32_t)r < some || !n || (!out && !f->inode))
			break;
	}
	if (buf)
		arena_free(ARENA_KERNEL, buf, 0);
	file_put(f);
	return done ? done : r;
}

int32_t sys_read(const uint32_t *a, struct regs *r)
{
	struct file *f = fd_file(a[0]);

	if (!f || (f->flags & LO_ACCMODE) == LO_WRONLY)
		return -LEBADF;
	return f->ops->read ? a[2] ? transfer(f, a[1], a[2], false) : 0 : -LEINVAL;
}

int32_t sys_write(const uint32_t *a, struct regs *r)
{
	struct file *f = fd_file(a[0]);

	if (!f || (f->flags & LO_ACCMODE) == LO_RDONLY)
		return -LEBADF;
	return f->ops->write ? a[2] ? transfer(f, a[1], a[2], true) : 0 : -LEINVAL;
}

/* ---- descriptors, as system calls ---- */

int32_t sys_close(const uint32_t *a, struct regs *r)
{
	return fd_close(current, a[0]);
}

int32_t sys_dup(const uint32_t *a, struct regs *r)
{
	struct file *f = fd_file(a[0]);
	int32_t fd = f ? fd_new(f, 0, false) : -LEBADF;

	if (fd >= 0)
		file_get(f);
	return fd;
}

int32_t sys_dup2(const uint32_t *a, struct regs *r)
{
	struct file *f = fd_file(a[0]);

	if (!f || a[1] >= FILES_MAX)
		return -LEBADF;
	if (a[0] == a[1])
		return (int32_t)a[1];
	file_get(f);
	fd_close(current, a[1]);
	return fd_new(f, a[1], false);
}

int32_t sys_fcntl64(const uint32_t *a, struct regs *r)
{
	struct file *f = fd_file(a[0]);
	int32_t fd;

	if (!f)
		return -LEBADF;
	switch (a[1]) {
	case LF_DUPFD:
		if (a[2] >= FILES_MAX)
			return -LEINVAL;
		fd = fd_new(f, a[2], false);
		if (fd >= 0)
			file_get(f);
		return fd;
	case LF_GETFD:
		return current->close_on_exec >> a[0] & 1;
	case LF_SETFD:
		current->close_on_exec = (current->close_on_exec & ~(1u << a[0])) | (a[2] & LFD_CLOEXEC) << a[0];
		return 0;
	case LF_GETFL:
		return (int32_t)f->flags;
	case LF_SETFL:
		f->flags = (f->flags & ~(uint32_t)(LO_APPEND | LO_NONBLOCK)) | (a[2] & (LO_APPEND | LO_NONBLOCK));
		return 0;
	}
	return -LEINVAL;
}

int32_t sys_ioctl(const uint32_t *a, struct regs *r)
{
	struct file *f = fd_file(a[0]);
	return !f ? -LEBADF : f->ops->ioctl ? f->ops->ioctl(f, a[1], a[2]) : -LENOTTY;
}

int32_t sys_lseek(const uint32_t *a, struct regs *r)
{
	struct file *f = fd_file(a[0]);
	uint32_t base;

	if (!f)
		return -LEBADF;
	if (!f->inode || (!inode_is(f->inode, LS_IFREG) && !inode_is(f->inode, LS_IFDIR)))
		return -LESPIPE;
	switch (a[2]) {
	case LSEEK_SET: base = 0; break;
	case LSEEK_CUR: base = f->pos; break;
	case LSEEK_END: base = f->inode->size; break;
	default: return -LEINVAL;
	}
	if ((int32_t)(base + a[1]) < 0)
		return -LEINVAL;
	f->pos = base + a[1];
	return (int32_t)f->pos;
}

int32_t sys_pipe(const uint32_t *a, struct regs *r)
{
	struct file *end[2];
	int32_t fd[2], err = pipe_new(end);

	if (err)
		return err;
	fd[0] = fd_new(end[0], 0, false);
	fd[1] = fd[0] < 0 ? fd[0] : fd_new(end[1], 0, false);
	if (fd[1] >= 0 && copy_to_user(a[0], fd, sizeof fd))
		return 0;
	err = fd[1] < 0 ? fd[1] : -LEFAULT;
	if (fd[0] < 0)
		file_put(end[0]);
	else
		fd_close(current, (uint32_t)fd[0]);
	if (fd[1] < 0)
		file_put(end[1]);
	else
		fd_close(current, (uint32_t)fd[1]);
	return err;
}
