/*
 * diff_load.c - what A and B are: a file with one column or many, or a result directory.
 *
 * Files are hostile: a pipe, a file of any size, JSON of any shape, each gets a sentence. Read next: diff_shape.c.
 */
#include "diff.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COLUMNS_MAX 256

/* The columns of a file that fit what the user asked for. */
struct columns {
	const json_t *column[COLUMNS_MAX];
	unsigned n;
};

static int wrong(const struct diff_side *s, char *why, size_t n, const char *what)
{
	snprintf(why, n, "%.300s: %s", s->path, what);
	return -EINVAL;
}

static int file_open(struct diff_side *s, char *why, size_t n)
{
	struct stat st;
	int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not make us wait */

	if (fd < 0) {
		snprintf(why, n, "cannot read %.300s: %s", s->path, strerror(errno));
		return -errno;
	}
	if (!fstat(fd, &st) && !S_ISREG(st.st_mode))
		wrong(s, why, n, "it is neither a file nor a directory");
	else if (st.st_size > DIFF_FILE_MAX)
		snprintf(why, n, "%.300s: %lld MiB; statistics have at most %ld", s->path, (long long)st.st_size >> 20, DIFF_FILE_MAX >> 20);
	else
		return fd;
	close(fd);
	return -EINVAL;
}

static int file_load(struct diff_side *s, char *why, size_t n)
{
	json_error_t err;
	int fd = file_open(s, why, n);

	if (fd < 0)
		return fd;
	s->doc = json_loadfd(fd, 0, &err);
	close(fd);
	if (!s->doc) {
		char text[DIFF_TEXT];

		snprintf(why, n, "%.300s: line %d: it is no JSON: %s", s->path, err.line, diff_clean(err.text, text));
		return -EINVAL;
	}
	return 0;
}

static int side_load(struct diff_side *s, char *why, size_t n)
{
	struct stat st;
	int r;

	if (stat(s->path, &st)) {
		snprintf(why, n, "cannot read %.300s: %s", s->path, strerror(errno));
		return -errno;
	}
	if (!S_ISDIR(st.st_mode))
		return file_load(s, why, n);
	r = result_read(&s->result, s->path, why, n);
	s->is_result = !r;
	return r;
}

/* --- columns --- */

static void column_name(const json_t *c, char *name, size_t n)
{
	const char *b = json_string_value(json_object_get(c, "backend")), *i = json_string_value(json_object_get(c, "interface"));

	snprintf(name, n, "%.20s%s%.20s", b ? b : "?", i ? ":" : "", i ? i : "");
}

/* "pv" fits every interface of it. */
static bool column_fits(const json_t *c, const char *backend, size_t len, const char *guest)
{
	const char *g = json_string_value(json_object_get(c, "guest"));
	char name[50];

	column_name(c, name, sizeof(name));
	if (guest && (!g || strcmp(g, guest)))
		return false;
	return !backend || (!strncmp(name, backend, len) && (!name[len] || (name[len] == ':' && !memchr(backend, ':', len))));
}

static void columns_add(struct columns *l, const json_t *c, const char *backend, size_t len, const char *guest)
{
	if (json_is_array(json_object_get(c, "events")) && column_fits(c, backend, len, guest) && l->n < COLUMNS_MAX)
		l->column[l->n++] = c;
}

/* A column; {"guest", "backends": [column …]}; an array of either. */
static void columns_find(struct columns *l, const json_t *doc, const char *backend, size_t len, const char *guest, int depth)
{
	const json_t *list = json_is_array(doc) ? doc : json_object_get(doc, "backends");

	if (!json_is_array(list) || depth > 2) {
		columns_add(l, doc, backend, len, guest);
		return;
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		columns_find(l, json_array_get(list, i), backend, len, guest, depth + 1);
}

static void columns_list(const struct columns *l, char *text, size_t n)
{
	size_t at = 0;

	text[0] = 0;
	for (unsigned i = 0; i < l->n && at + 120 < n; i++) {
		const char *g = json_string_value(json_object_get(l->column[i], "guest"));
		char name[50], clean[DIFF_TEXT];

		column_name(l->column[i], name, sizeof(name));
		at += (size_t)snprintf(text + at, n - at, "%s%.40s", i ? ", " : "", diff_clean(name, clean));
		if (g)
			at += (size_t)snprintf(text + at, n - at, " of %.40s", diff_clean(g, clean));
	}
}

static int column_choose(struct diff_side *s, const struct columns *l, const struct diff_options *o, char *why, size_t n)
{
	struct columns all = { .n = 0 };
	char list[800];
	const char *run_why;

	if (l->n == 1) {
		s->run = l->column[0];
		if (!json_is_false(json_object_get(s->run, "available")))
			return 0;
		run_why = json_string_value(json_object_get(s->run, "why"));
		snprintf(why, n, "%.300s: there was no run in this column: %.300s", s->path, diff_clean(run_why ? run_why : "and no word why", list));
		return -EINVAL;
	}
	columns_find(&all, s->doc, NULL, 0, NULL, 0);
	columns_list(l->n ? l : &all, list, sizeof(list));
	if (!all.n)
		return wrong(s, why, n, "it holds no statistics of `run --stats` or `compare --json`");
	snprintf(why, n, "%.300s: %s: %s; choose by --backend%s", s->path, l->n ? "it holds several columns" : "no column fits; there are", list,
		o->guest || l->n < 2 ? "" : " and --guest");
	return -EINVAL;
}

/* --backend X, or X,Y: A's and B's. */
static const char *backend_of(const struct diff_options *o, int i, size_t *len)
{
	const char *comma = o->backend ? strchr(o->backend, ',') : NULL, *b = i && comma ? comma + 1 : o->backend;

	*len = !b ? 0 : !i && comma ? (size_t)(comma - b) : strlen(b);
	return b;
}

static int columns_load(struct diff *d, char *why, size_t n)
{
	struct columns l[2] = { { .n = 0 } };
	char name[50];
	size_t len;
	int r;

	for (int i = 0; i < 2; i++) {
		const char *backend = backend_of(&d->opt, i, &len);

		columns_find(&l[i], d->side[i].doc, backend, len, d->opt.guest, 0);
	}
	for (int i = 0; i < 2; i++) /* one side leaves no choice: the other follows it */
		if (!d->opt.backend && l[i].n == 1 && l[!i].n > 1) {
			column_name(l[i].column[0], name, sizeof(name));
			l[!i].n = 0;
			columns_find(&l[!i], d->side[!i].doc, name, strlen(name), d->opt.guest, 0);
		}
	for (int i = 0; i < 2; i++)
		if ((r = column_choose(&d->side[i], &l[i], &d->opt, why, n)))
			return r;
	return 0;
}

int diff_load(struct diff *d, char *why, size_t n)
{
	int r;

	for (int i = 0; i < 2; i++) {
		d->side[i].path = d->opt.path[i];
		if ((r = side_load(&d->side[i], why, n)))
			return r;
	}
	if (d->side[0].is_result != d->side[1].is_result) {
		snprintf(why, n, "a result directory and the statistics of one run have nothing in common: give two of a kind");
		return -EINVAL;
	}
	return d->side[0].is_result ? 0 : columns_load(d, why, n);
}
