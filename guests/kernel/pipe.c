/*
 * pipe.c - pipes: a page of bytes between those who write and those who read.
 *
 * A read waits while the pipe is empty and somebody could write; a write waits for room, and up to a page is written in one
 * piece. No readers: SIGPIPE and EPIPE; no writers: end of file.
 */
#include "proc.h"

#define PIPE_BYTES PAGE

struct pipe {
	uint8_t *data;
	uint32_t head, used;
	uint32_t readers, writers; /* struct files, not descriptors */
	struct waitq changed;
};

static int32_t pipe_read(struct file *f, void *buf, uint32_t n)
{
	struct pipe *p = f->priv;
	uint32_t some, first;
	int r;

	while (!p->used) {
		if (!p->writers)
			return 0;
		if (f->flags & LO_NONBLOCK)
			return -LEAGAIN;
		if ((r = proc_sleep(&p->changed)))
			return r;
	}
	some = min(n, p->used);
	first = min(some, PIPE_BYTES - p->head);
	memcpy(buf, p->data + p->head, first);
	memcpy((char *)buf + first, p->data, some - first);
	p->head = (p->head + some) % PIPE_BYTES;
	p->used -= some;
	wake(&p->changed);
	return (int32_t)some;
}

static int32_t pipe_write(struct file *f, const void *buf, uint32_t n)
{
	struct pipe *p = f->priv;
	uint32_t tail, first;
	int r;

	while (p->readers && PIPE_BYTES - p->used < n) {
		if (f->flags & LO_NONBLOCK)
			return -LEAGAIN;
		if ((r = proc_sleep(&p->changed)))
			return r;
	}
	if (!p->readers) {
		signal_send(current, LSIGPIPE, NULL);
		return -LEPIPE;
	}
	tail = (p->head + p->used) % PIPE_BYTES;
	first = min(n, PIPE_BYTES - tail);
	memcpy(p->data + tail, buf, first);
	memcpy(p->data, (const char *)buf + first, n - first);
	p->used += n;
	wake(&p->changed);
	return (int32_t)n;
}

static int pipe_stat(struct file *f, struct linux_stat64 *st)
{
	st->mode = LS_IFIFO | 0600;
	st->nlink = 1;
	st->blksize = PAGE;
	return 0;
}

static void pipe_free(struct pipe *p)
{
	if (p->data)
		arena_free(ARENA_KERNEL, p->data, 0);
	kfree(p);
}

static void pipe_close(struct file *f)
{
	struct pipe *p = f->priv;

	if ((f->flags & LO_ACCMODE) == LO_RDONLY)
		p->readers--;
	else
		p->writers--;
	wake(&p->changed);
	if (!p->readers && !p->writers)
		pipe_free(p);
}

static const struct file_ops read_end = { .read = pipe_read, .stat = pipe_stat, .close = pipe_close };
static const struct file_ops write_end = { .write = pipe_write, .stat = pipe_stat, .close = pipe_close };

int pipe_new(struct file *end[2])
{
	struct pipe *p = kzalloc(sizeof *p);

	if (!p)
		return -LENOMEM;
	waitq_init(&p->changed);
	p->data = arena_alloc(ARENA_KERNEL, 0);
	end[0] = p->data ? file_new(&read_end, LO_RDONLY, p) : NULL;
	p->readers = 1;
	if (!end[0]) {
		pipe_free(p);
		return -LENFILE;
	}
	end[1] = file_new(&write_end, LO_WRONLY, p);
	if (!end[1]) {
		file_put(end[0]);
		return -LENFILE;
	}
	p->writers = 1;
	return 0;
}
