/*
 * line.c - input by lines of any length.
 */
#include "user.h"

void line_init(struct line_reader *r, int fd)
{
	*r = (struct line_reader){ .fd = fd };
}

static bool fill(struct line_reader *r)
{
	ssize_t n;

	do
		n = read(r->fd, r->buf, sizeof(r->buf));
	while (n < 0 && errno == EINTR);
	r->at = 0;
	r->have = n > 0 ? n : 0;
	return n > 0;
}

static void add(struct line_reader *r, size_t at, char c)
{
	if (at == r->room) {
		r->room = r->room ? r->room * 2 : 128;
		r->line = realloc(r->line, r->room);
		if (!r->line)
			die("out of memory");
	}
	r->line[at] = c;
}

char *line_next(struct line_reader *r, size_t *n)
{
	size_t len = 0;
	bool any = false;

	for (;;) {
		if (r->at == r->have && !fill(r))
			break;
		any = true;
		char c = r->buf[r->at++];
		if (c == '\n')
			break;
		add(r, len++, c);
	}
	if (!any)
		return NULL;
	add(r, len, 0);
	if (n)
		*n = len;
	return r->line;
}

void line_done(struct line_reader *r)
{
	free(r->line);
	r->line = NULL;
}
