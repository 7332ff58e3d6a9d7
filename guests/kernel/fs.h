/*
 * fs.h - files: what a file system must offer, what the VFS makes of it, and block devices beneath.
 *
 * struct inode and inode_ops are what ext2.c implements; vfs.c resolves paths, opens, and keeps descriptors; struct
 * file and file_ops are what pipes, the tty and opened inodes have in common. All of it runs in processes, never in
 * interrupt handlers; buffers are kernel memory (syscall code copies from and to the user), so no operation faults.
 * Operations may sleep only where it is said; those that do not run to completion without a lock.
 *
 * All of them return 0 or a count, or -LE... (user/abi.h).
 */
#pragma once
#include "kernel.h"
#include "disk.h"

#define NAME_LEN 255 /* without the zero */
#define PATH_LEN 1024

/* ---- inodes: one struct for each file in use, shared by all who have it open ---- */
struct inode {
	uint32_t ino;
	uint16_t mode;     /* LS_IF... and permission bits */
	uint16_t nlink;
	uint32_t size;     /* bytes; files of 4 GiB and more are not supported */
	uint32_t blocks;   /* of 512 bytes, for stat */
	uint32_t uid, gid;
	uint32_t atime, mtime, ctime;
	uint32_t rdev;     /* of a device node: major << 8 | minor */
	uint32_t refs;     /* by inode_get and inode_put */
	uint32_t busy;     /* running as a program: writing gives -LETXTBSY */
	const struct inode_ops *ops;
	void *priv;        /* the file system's */
	struct list link;  /* the file system's: its table of inodes in use */
};

struct dirent {
	uint32_t ino;
	uint8_t type;      /* LDT_... */
	char name[NAME_LEN + 1];
};

/* Names are single components without a slash, ended by a zero. A NULL operation is -LEROFS, or for lookup -LENOTDIR. */
struct inode_ops {
	/* An inode handed out through *out holds a reference for the caller. "." and ".." are asked here too. */
	int (*lookup)(struct inode *dir, const char *name, struct inode **out);
	/* mode: LS_IFREG or LS_IFDIR (then with . and ..) and permissions. -LEEXIST if the name is there. */
	int (*create)(struct inode *dir, const char *name, uint32_t mode, struct inode **out);
	int (*unlink)(struct inode *dir, const char *name); /* no directories: -LEISDIR. Open ones live on until put */
	int (*rmdir)(struct inode *dir, const char *name);  /* -LENOTEMPTY */
	int (*rename)(struct inode *from, const char *name, struct inode *to, const char *new_name);
	int32_t (*read)(struct inode *i, uint32_t pos, void *buf, uint32_t n); /* short at the end of the file */
	int32_t (*write)(struct inode *i, uint32_t pos, const void *buf, uint32_t n); /* grows the file */
	int (*truncate)(struct inode *i, uint32_t size);
	/*
	 * The entry at *pos (0 is the first; opaque beyond that, but it fits 31 bits), and *pos of the next one. 1, or 0 at
	 * the end.
	 */
	int (*readdir)(struct inode *dir, uint32_t *pos, struct dirent *out);
	int (*readlink)(struct inode *i, char *buf, uint32_t n); /* the length, without a zero */
	int (*sync)(struct inode *i);
	void (*release)(struct inode *i); /* the last reference is gone: free it, and with nlink 0 its blocks too */
};

static inline struct inode *inode_get(struct inode *i)
{
	i->refs++;
	return i;
}
static inline void inode_put(struct inode *i)
{
	if (i && !--i->refs && i->ops->release)
		i->ops->release(i);
}
#define inode_is(i, type) (((i)->mode & LS_IFMT) == (type))

/* ---- file systems ---- */
/* Mounts the ext2 file system on d, which stays in use; *root holds a reference. main.c calls it once. */
int ext2_mount(struct disk *d, bool read_only, struct inode **root);
/* Writes back all that is dirty, to the device: sync, fsync, and before the kernel ends. */
int fs_sync(void);
/* Gives back the memory that the block cache holds, after a sync: so that the end can count pages. */
void fs_drop_caches(void);

/* ---- block devices: struct disk of guests/lib/disk.h, in sectors of 512 bytes ---- */
struct disk *ram_disk(void *base, uint32_t bytes); /* a module in memory */
/* One request, waited for; 0 or -LEIO. */
int disk_read(struct disk *d, uint32_t sector, uint32_t count, void *buf);
int disk_write(struct disk *d, uint32_t sector, uint32_t count, const void *buf);

/* ---- open files: file.c ---- */
struct file {
	uint32_t refs;
	uint32_t flags;    /* LO_... as opened */
	uint32_t pos;
	const struct file_ops *ops;
	struct inode *inode; /* or NULL: pipes */
	void *priv;
};

struct file_ops {
	int32_t (*read)(struct file *f, void *buf, uint32_t n);        /* may sleep */
	int32_t (*write)(struct file *f, const void *buf, uint32_t n); /* may sleep */
	int32_t (*ioctl)(struct file *f, uint32_t cmd, uint32_t arg);  /* arg: the user's */
	int (*stat)(struct file *f, struct linux_stat64 *st);
	void (*close)(struct file *f); /* the last reference is gone; the file itself is freed by the caller */
};

struct file *file_new(const struct file_ops *ops, uint32_t flags, void *priv); /* NULL: too many, or no memory */
struct file *file_get(struct file *f);
void file_put(struct file *f);
int pipe_new(struct file *end[2]); /* pipe.c */
extern const struct file_ops inode_file_ops, null_file_ops, zero_file_ops, tty_file_ops;

/* ---- vfs.c: paths, from the current process's directory ---- */
extern struct inode *root_dir;
int path_lookup(const char *path, struct inode **out);
int path_open(const char *path, uint32_t flags, uint32_t mode, struct file **out);
int path_stat(const char *path, bool follow, struct linux_stat64 *st);
enum path_change { PATH_UNLINK, PATH_RMDIR, PATH_MKDIR };
int path_change(const char *path, enum path_change what, uint32_t mode);
int path_rename(const char *from, const char *to);
int file_stat(struct file *f, struct linux_stat64 *st);
