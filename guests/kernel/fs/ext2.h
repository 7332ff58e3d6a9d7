/*
 * ext2.h - the layout of ext2 on the disk, and what the files ext2_*.c share.
 *
 * Revision 1 (and 0), blocks of 1 to 4 KiB, no journal; of the features that a reader must know only "filetype"; of those
 * that a writer must know sparse_super and large_file; with any other the file system is mounted read-only, or not at
 * all. Layout: Linux, Documentation/filesystems/ext2.rst and fs/ext2/ext2.h; Poirier, The Second Extended File System.
 *
 * The disk is not trusted: every block and inode number that comes from it is checked, every loop over it is bounded. What
 * makes no sense gives -LEIO and marks the file system as damaged (ext2_damaged).
 *
 * Read next: ext2_mount.c, ext2_alloc.c, ext2_inode.c (blocks of files), ext2_file.c, ext2_dir.c, ext2_name.c.
 */
#pragma once
#include "cache.h"

#define EXT2_MAGIC 0xef53
#define EXT2_ROOT_INO 2
#define EXT2_DIRECT 12
#define EXT2_POINTERS 15
#define EXT2_LINK_MAX 32000
#define EXT2_FEATURE_FILETYPE 2u     /* incompatible */
#define EXT2_FEATURE_SPARSE 1u       /* read-only compatible */
#define EXT2_FEATURE_LARGE_FILE 2u
#define EXT2_STATE_VALID 1
#define EXT2_STATE_ERROR 2
#define EXT2_INDEX_FL 0x1000u

struct ext2_super { /* at byte 1024 */
	uint32_t inodes_count, blocks_count, reserved_blocks, free_blocks, free_inodes, first_data_block, log_block_size;
	uint32_t log_frag_size, blocks_per_group, frags_per_group, inodes_per_group, mtime, wtime;
	uint16_t mount_count, max_mount_count, magic, state, errors, minor_rev;
	uint32_t lastcheck, checkinterval, creator_os, rev;
	uint16_t def_resuid, def_resgid;
	uint32_t first_ino;
	uint16_t inode_size, group_nr;
	uint32_t feature_compat, feature_incompat, feature_ro_compat;
	uint8_t rest[1024 - 104];
};
_Static_assert(sizeof(struct ext2_super) == 1024, "as on the disk");

struct ext2_group {
	uint32_t block_bitmap, inode_bitmap, inode_table;
	uint16_t free_blocks, free_inodes, used_dirs, pad;
	uint32_t reserved[3];
};
_Static_assert(sizeof(struct ext2_group) == 32, "as on the disk");

struct ext2_disk_inode {
	uint16_t mode, uid;
	uint32_t size, atime, ctime, mtime, dtime;
	uint16_t gid, links;
	uint32_t blocks, flags, osd1, block[EXT2_POINTERS], generation, file_acl, size_high, faddr;
	uint16_t frag, pad, uid_high, gid_high;
	uint32_t reserved;
};
_Static_assert(sizeof(struct ext2_disk_inode) == 128, "as on the disk");

struct ext2_entry {
	uint32_t ino;      /* 0: unused */
	uint16_t rec_len;  /* to the next one, in the same block */
	uint8_t name_len, type;
	char name[];
};
#define EXT2_ENTRY_SIZE(name_len) (8 + (((name_len) + 3u) & ~3u))

struct ext2 {
	struct cache cache;
	struct ext2_super super;   /* written back by ext2_sync */
	struct ext2_group *groups;
	uint32_t group_count, block_size, block_sectors, group_blocks; /* the last: blocks that the descriptors take */
	uint32_t inode_size, first_ino;
	bool read_only, dirty;     /* dirty: super and groups differ from the disk */
	struct list inodes;        /* in use */
	struct inode *root;
};

struct ext2_inode { /* inode.priv points to it, and it holds the inode itself */
	struct inode i;
	struct ext2 *fs;
	uint32_t block[EXT2_POINTERS];
	uint32_t flags, generation;
};
#define EXT2_I(inode) ((struct ext2_inode *)(inode)->priv)

/* ---- blocks: a pinned part of the cache ---- */
struct block {
	struct cache_page *page;
	uint8_t *data;
	uint32_t nr;
};
int block_read(struct ext2 *fs, uint32_t nr, struct block *b);
int block_new(struct ext2 *fs, uint32_t nr, bool clear, struct block *b); /* not read: cleared, or for the caller to fill; dirty */
void block_dirty(struct ext2 *fs, const struct block *b);
void block_put(struct block *b);

/* ---- ext2_mount.c ---- */
int ext2_sync(struct ext2 *fs);
int ext2_begin(struct ext2 *fs);   /* before a change: -LEROFS; and the disk is marked as not clean */
int ext2_damaged(struct ext2 *fs); /* notes it in the superblock; -LEIO */

uint32_t ext2_now(const struct ext2 *fs); /* for time stamps */

/* ---- ext2_alloc.c ---- */
bool ext2_block_ok(struct ext2 *fs, uint32_t nr); /* may belong to a file */
int ext2_block_alloc(struct ext2 *fs, uint32_t goal, uint32_t *nr); /* -LENOSPC */
int ext2_block_free(struct ext2 *fs, uint32_t nr);
int ext2_ino_alloc(struct ext2 *fs, uint32_t near, bool dir, uint32_t *ino);
int ext2_ino_free(struct ext2 *fs, uint32_t ino, bool dir);

/* ---- ext2_inode.c ---- */
int ext2_iget(struct ext2 *fs, uint32_t ino, struct inode **out); /* takes a reference */
int ext2_inew(struct ext2 *fs, struct inode *dir, uint32_t mode, struct inode **out);
int ext2_istore(struct inode *i); /* to the cache */
void ext2_release(struct inode *i);
/* The disk block of a file's block; 0 is a hole. make: allocates it, and *made tells. */
int ext2_bmap(struct inode *i, uint32_t index, bool make, uint32_t *nr, bool *made);
int ext2_shrink(struct inode *i, uint32_t keep); /* frees all blocks but the first keep */

/* ---- ext2_file.c ---- */
int32_t ext2_read(struct inode *i, uint32_t pos, void *buf, uint32_t n);
int32_t ext2_write(struct inode *i, uint32_t pos, const void *buf, uint32_t n);
int ext2_truncate(struct inode *i, uint32_t size);
int ext2_readlink(struct inode *i, char *buf, uint32_t n);

/* ---- ext2_dir.c ---- */
int ext2_find(struct inode *dir, const char *name, uint32_t *ino);
int ext2_add(struct inode *dir, const char *name, uint32_t ino, uint32_t mode);
int ext2_remove(struct inode *dir, const char *name);
int ext2_replace(struct inode *dir, const char *name, uint32_t ino, uint32_t mode); /* the entry is there */
int ext2_is_empty(struct inode *dir); /* 1, 0 or an error */
int ext2_readdir(struct inode *dir, uint32_t *pos, struct dirent *out);
int ext2_make_dots(struct inode *dir, uint32_t parent);

extern const struct inode_ops ext2_inode_ops; /* ext2_name.c */
