/*
 * model.c - images by mke2fs, and a model of a file system: files in a few directories, with their contents in memory.
 */
#include "model.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- images ---- */

uint8_t *image_load(const char *path, uint32_t *bytes)
{
	struct stat st;
	uint8_t *image;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	*bytes = st.st_size;
	image = malloc(*bytes);
	if (!image || read(fd, image, *bytes) != (ssize_t)*bytes)
		abort();
	close(fd);
	return image;
}

uint8_t *image_make(const char *options, uint32_t kib, uint32_t *bytes)
{
	char path[256], command[1024];
	uint8_t *image;

	snprintf(path, sizeof(path), FS_TEST_DIR "/made-%d.img", getpid());
	snprintf(command, sizeof(command), "%s -q -F %s %s %u >/dev/null 2>&1", MKE2FS, options, path, kib);
	if (system(command))
		return NULL;
	image = image_load(path, bytes);
	remove(path);
	return image;
}

bool image_clean(const uint8_t *image, uint32_t bytes)
{
	char path[256], command[1024];
	FILE *f;
	bool clean;

	snprintf(path, sizeof(path), FS_TEST_DIR "/check-%d.img", getpid());
	f = fopen(path, "w");
	if (!f || fwrite(image, 1, bytes, f) != bytes || fclose(f))
		abort();
	snprintf(command, sizeof(command), "%s -fn %s > %s.log 2>&1", E2FSCK, path, path);
	clean = !system(command);
	if (!clean) {
		snprintf(command, sizeof(command), "cat %s.log >&2", path);
		if (system(command))
			perror("cat");
	}
	remove(path);
	snprintf(command, sizeof(command), "%s.log", path);
	remove(command);
	return clean;
}

/* ---- the model ---- */

#define DIRS 6
#define FILES 40
#define MAX_SIZE (400u << 10)

struct model {
	struct inode *root;
	uint32_t seed, refused;
	struct { bool there; } dir[DIRS]; /* dir[0] is the root itself */
	struct { bool there; int dir; uint8_t *data; uint32_t size; } file[FILES];
	char wrong[256];
};

struct model *model_new(struct inode *root, uint32_t seed)
{
	struct model *m = calloc(1, sizeof(*m));

	m->root = root;
	m->seed = seed * 2654435761u | 1;
	m->dir[0].there = true;
	for (int i = 0; i < FILES; i++)
		m->file[i].data = malloc(MAX_SIZE);
	return m;
}

void model_free(struct model *m)
{
	for (int i = 0; i < FILES; i++)
		free(m->file[i].data);
	free(m);
}

uint32_t model_refused(const struct model *m) { return m->refused; }

static uint32_t pick(struct model *m, uint32_t n) { return host_random(&m->seed) % n; }

static void fail(struct model *m, const char *what, int k, int32_t r)
{
	if (!m->wrong[0])
		snprintf(m->wrong, sizeof(m->wrong), "%s %d: %d", what, k, r);
}

static void file_name(char *s, int k) { sprintf(s, k % 3 ? "f%d" : "a-file-with-a-rather-long-name-to-fill-directories-%d", k); }

/* With a reference; NULL: it is not there, or the disk does not have it. */
static struct inode *dir_open(struct model *m, int k)
{
	struct inode *i;
	char name[16];

	if (!k)
		return inode_get(m->root);
	sprintf(name, "d%d", k);
	return m->root->ops->lookup(m->root, name, &i) ? NULL : i;
}

static struct inode *file_open(struct model *m, int k)
{
	struct inode *d = dir_open(m, m->file[k].dir), *i = NULL;
	char name[80];

	file_name(name, k);
	if (d && d->ops->lookup(d, name, &i))
		i = NULL;
	inode_put(d);
	return i;
}

static void do_mkdir(struct model *m, int k)
{
	struct inode *i;
	char name[16];
	int r;

	if (!k)
		return;
	sprintf(name, "d%d", k);
	r = m->root->ops->create(m->root, name, LS_IFDIR | 0755, &i);
	if (!r)
		inode_put(i);
	if (m->dir[k].there ? r != -LEEXIST : r && r != -LENOSPC)
		fail(m, "mkdir", k, r);
	m->refused += r != 0;
	m->dir[k].there |= !r;
}

static void do_rmdir(struct model *m, int k)
{
	bool empty = true;
	char name[16];
	int r;

	if (!k)
		return;
	for (int f = 0; f < FILES; f++)
		empty &= !(m->file[f].there && m->file[f].dir == k);
	sprintf(name, "d%d", k);
	r = m->root->ops->rmdir(m->root, name);
	if (r != (!m->dir[k].there ? -LENOENT : empty ? 0 : -LENOTEMPTY))
		fail(m, "rmdir", k, r);
	m->refused += r != 0;
	m->dir[k].there &= r != 0;
}

static void do_create(struct model *m, int k)
{
	int d = m->file[k].there ? m->file[k].dir : (int)pick(m, DIRS), r;
	struct inode *dir, *i;
	char name[80];

	if (!m->dir[d].there)
		return;
	dir = dir_open(m, d);
	if (!dir) {
		fail(m, "directory", d, 0);
		return;
	}
	file_name(name, k);
	r = dir->ops->create(dir, name, LS_IFREG | 0644, &i);
	if (!r)
		inode_put(i);
	if (m->file[k].there ? r != -LEEXIST : r && r != -LENOSPC)
		fail(m, "create", k, r);
	m->refused += r != 0;
	if (!r) {
		m->file[k].there = true;
		m->file[k].dir = d;
		m->file[k].size = 0;
	}
	inode_put(dir);
}

static void do_write(struct model *m, int k)
{
	struct inode *i = m->file[k].there ? file_open(m, k) : NULL;
	uint32_t at = pick(m, 4) ? m->file[k].size : pick(m, MAX_SIZE / 2), n = 1 + pick(m, pick(m, 4) ? 3000 : 60000);
	uint8_t *buf;
	int32_t r;

	if (!i) {
		if (m->file[k].there)
			fail(m, "open", k, 0);
		return;
	}
	if (at + n > MAX_SIZE)
		at = MAX_SIZE - n;
	buf = malloc(n);
	for (uint32_t b = 0; b < n; b++)
		buf[b] = host_random(&m->seed);
	r = i->ops->write(i, at, buf, n);
	if (r < 0 ? r != -LENOSPC : r < (int32_t)n && r == 0)
		fail(m, "write", k, r);
	m->refused += r < (int32_t)n;
	if (r > 0) {
		if (at > m->file[k].size)
			memset(m->file[k].data + m->file[k].size, 0, at - m->file[k].size);
		memcpy(m->file[k].data + at, buf, r);
		if (at + r > m->file[k].size)
			m->file[k].size = at + r;
	}
	free(buf);
	inode_put(i);
}

static void do_truncate(struct model *m, int k)
{
	struct inode *i = m->file[k].there ? file_open(m, k) : NULL;
	uint32_t size = pick(m, 3) ? pick(m, m->file[k].size + 1) : pick(m, MAX_SIZE);
	int r;

	if (!i)
		return;
	r = i->ops->truncate(i, size);
	if (r)
		fail(m, "truncate", k, r);
	else if (size > m->file[k].size)
		memset(m->file[k].data + m->file[k].size, 0, size - m->file[k].size);
	if (!r)
		m->file[k].size = size;
	inode_put(i);
}

static void do_unlink(struct model *m, int k)
{
	struct inode *d = dir_open(m, m->file[k].there ? m->file[k].dir : 0), *open = NULL;
	char name[80], byte = 0;
	int r;

	if (!d)
		return;
	file_name(name, k);
	if (pick(m, 2) && m->file[k].there)
		open = file_open(m, k);
	r = d->ops->unlink(d, name);
	if (r != (m->file[k].there ? 0 : -LENOENT))
		fail(m, "unlink", k, r);
	m->refused += r != 0;
	m->file[k].there &= r != 0;
	if (open && (open->ops->read(open, 0, &byte, 1) != (m->file[k].size > 0) || (m->file[k].size && (uint8_t)byte != m->file[k].data[0])))
		fail(m, "an open file without a name", k, byte);
	inode_put(open);
	inode_put(d);
}

/* k moves into another directory, over file `over`'s name if that lies there. */
static void do_rename(struct model *m, int k, int over)
{
	int to = pick(m, DIRS), r;
	struct inode *from_dir, *to_dir;
	char name[80], new_name[80];

	if (!m->file[k].there || !m->dir[to].there || (m->file[over].there && m->file[over].dir != to) || over == k)
		return;
	from_dir = dir_open(m, m->file[k].dir);
	to_dir = dir_open(m, to);
	file_name(name, k);
	file_name(new_name, over);
	r = from_dir && to_dir ? from_dir->ops->rename(from_dir, name, to_dir, new_name) : -LEIO;
	if (r && r != -LENOSPC)
		fail(m, "rename", k, r);
	m->refused += r != 0;
	if (!r) {
		uint8_t *data = m->file[over].data;

		m->file[over].there = true;
		m->file[over].dir = to;
		m->file[over].data = m->file[k].data;
		m->file[over].size = m->file[k].size;
		m->file[k].there = false;
		m->file[k].data = data;
	}
	inode_put(from_dir);
	inode_put(to_dir);
}

void model_run(struct model *m, uint32_t n)
{
	while (n-- && !m->wrong[0]) {
		int k = pick(m, FILES);

		switch (pick(m, 12)) {
		case 0: do_mkdir(m, pick(m, DIRS)); break;
		case 1: do_rmdir(m, pick(m, DIRS)); break;
		case 2: case 3: do_create(m, k); break;
		case 4: do_unlink(m, k); break;
		case 5: do_truncate(m, k); break;
		case 6: do_rename(m, k, pick(m, FILES)); break;
		case 7: if (pick(m, 10) == 0 && fs_sync()) fail(m, "sync", 0, 0); break;
		default: do_write(m, k);
		}
	}
}

static void check_file(struct model *m, int k)
{
	struct inode *i = file_open(m, k);
	uint8_t *buf = malloc(MAX_SIZE);
	int32_t r;

	if (!i) {
		fail(m, "a file is missing", k, 0);
	} else if (i->size != m->file[k].size) {
		fail(m, "size", k, i->size);
	} else {
		r = i->ops->read(i, 0, buf, MAX_SIZE);
		if (r != (int32_t)m->file[k].size || memcmp(buf, m->file[k].data, r))
			fail(m, "contents", k, r);
	}
	free(buf);
	inode_put(i);
}

/* The number of names in a directory, but for lost+found. */
static int count_names(struct inode *dir)
{
	struct dirent e;
	uint32_t pos = 0;
	int n = 0;

	while (dir->ops->readdir(dir, &pos, &e) == 1)
		n += strcmp(e.name, ".") && strcmp(e.name, "..") && strcmp(e.name, "lost+found");
	return n;
}

const char *model_check(struct model *m)
{
	for (int d = 0; d < DIRS; d++) {
		struct inode *dir = m->dir[d].there ? dir_open(m, d) : NULL;
		int want = 0;

		for (int k = 0; k < FILES; k++)
			want += m->file[k].there && m->file[k].dir == d;
		for (int k = 1; k < DIRS && !d; k++)
			want += m->dir[k].there;
		if (m->dir[d].there && (!dir || count_names(dir) != want))
			fail(m, "names in directory", d, dir ? count_names(dir) : -1);
		inode_put(dir);
	}
	for (int k = 0; k < FILES; k++)
		if (m->file[k].there)
			check_file(m, k);
	return m->wrong[0] ? m->wrong : NULL;
}
