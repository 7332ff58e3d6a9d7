/*
 * result.c - a result directory, read back: env.json, raw.csv, timeline.csv, modelled.csv (docs/results.md).
 *
 * The directory may come from another machine, an older version or an interrupted run, so nothing in it is believed: each error is a
 * sentence with file, line and column. Strings stay where they were read; samples are grouped by result_group.c.
 * Called by summary.c, plots.c, `ringlab report` and `ringlab diff`. Read next: csv.c, result_group.c, result_env.c.
 */
#include "result.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "csv.h"
#include "result_private.h"

#define FILE_MAX ((off_t)4 << 30) /* more is no result, and would not fit into memory */

static const char *const raw_columns[] = { "suite", "workload", "variant", "engine", "origin", "metric", "kind", "mechanism", "unit",
	"round", "rep", "value", "calib_before", "calib_after", "disturbed", NULL };
static const char *const time_columns[] = { "suite", "workload", "variant", "engine", "origin", "t_s", "width_s", "kind", "mechanism",
	"count", NULL };

enum { FILE_RAW, FILE_MODELLED, FILE_TIME, FILES };
static const char *const file_name[FILES] = { "raw.csv", "modelled.csv", "timeline.csv" };

/* One file being read; why and n are the caller's. */
struct reading {
	struct result *r;
	const char *file;
	struct csv csv;
	char *why;
	size_t n;
};

int result_wrong(char *why, size_t n, const struct result *r, const char *file, const char *fmt, ...)
{
	int used = snprintf(why, n, "%.300s%s%s: ", r->dir, file ? "/" : "", file ? file : "");
	va_list ap;

	va_start(ap, fmt);
	if (used > 0 && (size_t)used < n)
		vsnprintf(why + used, n - (size_t)used, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

__attribute__((format(printf, 3, 4)))
static int field_wrong(struct reading *in, const char *column, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return result_wrong(in->why, in->n, in->r, in->file, "line %u, column %s: %s", in->csv.line, column, text);
}

/* --- fields --- */

static int field_text(struct reading *in, unsigned i, const char *column, const char **out)
{
	*out = in->csv.field[i];
	if (!**out)
		return field_wrong(in, column, "it is empty");
	return 0;
}

/* A decimal number as raw.csv may hold it: no hexadecimal, no infinity, no NaN, nothing after it. */
static int field_number(struct reading *in, unsigned i, const char *column, double *out)
{
	const char *text = in->csv.field[i];
	char *end;

	*out = strtod(text, &end);
	if (!*text || *end || strspn(text, "0123456789+-.eE") != strlen(text) || !isfinite(*out))
		return field_wrong(in, column, *text ? "\"%.60s\" is not a decimal number" : "it is empty%.0s", text);
	return 0;
}

static int field_count(struct reading *in, unsigned i, const char *column, unsigned *out)
{
	const char *text = in->csv.field[i];
	size_t digits = strspn(text, "0123456789");

	if (!digits || text[digits] || digits > 9)
		return field_wrong(in, column, "\"%.60s\" is not a whole number from 0", text);
	*out = (unsigned)strtoul(text, NULL, 10);
	return 0;
}

static int field_calibration(struct reading *in, unsigned i, const char *column, double *out)
{
	int r;

	*out = NAN;
	if (!*in->csv.field[i])
		return 0;
	r = field_number(in, i, column, out);
	if (!r && !(*out > 0))
		return field_wrong(in, column, "\"%.60s\" cycles for the calibration loop", in->csv.field[i]);
	return r;
}

/* measured and nested numbers and modelled ones never share a file. */
static int field_origin(struct reading *in, unsigned i, bool modelled, const char **out)
{
	*out = in->csv.field[i];
	if (modelled ? strcmp(*out, "modelled") != 0 : strcmp(*out, "measured") && strcmp(*out, "nested"))
		return field_wrong(in, "origin", "\"%.60s\", where %s is expected", *out, modelled ? "modelled" : "measured or nested");
	return 0;
}

static int field_disturbed(struct reading *in, unsigned i, int *out)
{
	const char *text = in->csv.field[i];

	if (*text && strcmp(text, "0") && strcmp(text, "1"))
		return field_wrong(in, "disturbed", "\"%.60s\", where 0, 1 or nothing is expected", text);
	*out = *text ? *text - '0' : -1;
	return 0;
}

/* --- records --- */

static int row_parse(struct reading *in, struct result_row *row, bool modelled)
{
	char *const *f = in->csv.field;
	int r;

	*row = (struct result_row){ .variant = f[2], .kind = f[6], .mechanism = f[7], .line = in->csv.line, .modelled = modelled };
	if ((r = field_text(in, 0, "suite", &row->suite)) || (r = field_text(in, 1, "workload", &row->workload)) ||
		(r = field_text(in, 3, "engine", &row->engine)) || (r = field_origin(in, 4, modelled, &row->origin)) ||
		(r = field_text(in, 5, "metric", &row->metric)) || (r = field_text(in, 8, "unit", &row->unit)) ||
		(r = field_count(in, 9, "round", &row->round)) || (r = field_count(in, 10, "rep", &row->rep)) ||
		(r = field_number(in, 11, "value", &row->value)) ||
		(r = field_calibration(in, 12, "calib_before", &row->calib_before)) ||
		(r = field_calibration(in, 13, "calib_after", &row->calib_after)))
		return r;
	return field_disturbed(in, 14, &row->disturbed);
}

static int time_parse(struct reading *in, struct result_time *t)
{
	char *const *f = in->csv.field;
	int r;

	*t = (struct result_time){ .variant = f[2] };
	if ((r = field_text(in, 0, "suite", &t->suite)) || (r = field_text(in, 1, "workload", &t->workload)) ||
		(r = field_text(in, 3, "engine", &t->engine)) || (r = field_origin(in, 4, false, &t->origin)) ||
		(r = field_number(in, 5, "t_s", &t->t_s)) || (r = field_number(in, 6, "width_s", &t->width_s)) ||
		(r = field_text(in, 7, "kind", &t->kind)) || (r = field_text(in, 8, "mechanism", &t->mechanism)) ||
		(r = field_number(in, 9, "count", &t->count)))
		return r;
	if (t->t_s < 0)
		return field_wrong(in, "t_s", "\"%.60s\" is before the start", f[5]);
	if (!(t->width_s > 0))
		return field_wrong(in, "width_s", "\"%.60s\" is no width", f[6]);
	return t->count < 0 ? field_wrong(in, "count", "\"%.60s\" is negative", f[9]) : 0;
}

/* Makes room for one more of an array that doubles. */
static void *array_more(void *v, size_t n, size_t size)
{
	return n & (n - 1) ? v : reallocarray(v, n ? 2 * n : 1, size); /* full where n is a power of two */
}

static int record_add(struct reading *in, int file)
{
	struct result *r = in->r;
	void *grown;

	if (file == FILE_TIME) {
		if (!(grown = array_more(r->time, r->times, sizeof(*r->time))))
			return -ENOMEM;
		r->time = grown;
		return time_parse(in, &r->time[r->times++]);
	}
	if (!(grown = array_more(r->row, r->rows, sizeof(*r->row))))
		return -ENOMEM;
	r->row = grown;
	return row_parse(in, &r->row[r->rows++], file == FILE_MODELLED);
}

static int file_parse(struct result *r, int file, char *text, size_t size, char *why, size_t n)
{
	const char *const *columns = file == FILE_TIME ? time_columns : raw_columns;
	struct reading in = { .r = r, .file = file_name[file], .why = why, .n = n };
	unsigned want = 0;
	char what[400];
	int got;

	while (columns[want])
		want++;
	csv_open(&in.csv, text, size);
	got = csv_record(&in.csv, what, sizeof(what));
	if (!got)
		return result_wrong(why, n, r, in.file, "it is empty; its first line names the columns");
	if (got < 0 || csv_header(&in.csv, columns, what, sizeof(what)))
		return result_wrong(why, n, r, in.file, "%s", what);
	while ((got = csv_record(&in.csv, what, sizeof(what))) > 0) {
		if (in.csv.fields != want)
			return result_wrong(why, n, r, in.file, "line %u: %u fields, where %u are expected", in.csv.line, in.csv.fields, want);
		got = record_add(&in, file);
		if (got == -ENOMEM)
			result_wrong(why, n, r, in.file, "line %u: there is no memory for more rows", in.csv.line);
		if (got)
			return got;
	}
	return got ? result_wrong(why, n, r, in.file, "%s", what) : 0;
}

/* --- files --- */

int result_file_open(const struct result *r, const char *file, int *fd, size_t *size, char *why, size_t n)
{
	char path[sizeof(r->dir) + 40];
	struct stat st;

	*size = 0;
	snprintf(path, sizeof(path), "%s/%s", r->dir, file);
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not make us wait */
	if (*fd < 0 && errno == ENOENT)
		return 0;
	if (*fd < 0 || fstat(*fd, &st)) {
		int e = errno;

		result_wrong(why, n, r, file, "cannot read it: %s", strerror(e));
		return -e;
	}
	if (!S_ISREG(st.st_mode))
		return result_wrong(why, n, r, file, "it is not a file");
	if (st.st_size > FILE_MAX)
		return result_wrong(why, n, r, file, "%.1f GiB; at most 4 are read", (double)st.st_size / (1 << 30));
	*size = (size_t)st.st_size;
	return 0;
}

static int file_read(struct result *r, const char *file, int fd, char *text, size_t *size, char *why, size_t n)
{
	size_t at = 0;

	while (at < *size) {
		ssize_t got = read(fd, text + at, *size - at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int e = errno;

			result_wrong(why, n, r, file, "cannot read it: %s", strerror(e));
			return -e;
		}
		if (!got)
			break;
		at += (size_t)got;
	}
	*size = at;
	return 0;
}

static int files_read(struct result *r, const int *fd, size_t *size, char *why, size_t n)
{
	size_t all = FILES, at = 0;
	int e = 0;

	for (int i = 0; i < FILES; i++)
		all += size[i];
	r->text = malloc(all);
	if (!r->text) {
		result_wrong(why, n, r, NULL, "there is no memory for its %zu MiB", all >> 20);
		return -ENOMEM;
	}
	for (int i = 0; i < FILES && !e; i++) {
		size_t room = size[i] + 1;

		if (fd[i] < 0)
			continue;
		e = file_read(r, file_name[i], fd[i], r->text + at, &size[i], why, n);
		if (!e)
			e = file_parse(r, i, r->text + at, size[i], why, n);
		at += room;
	}
	return e;
}

static int tables_read(struct result *r, char *why, size_t n)
{
	int fd[FILES] = { -1, -1, -1 }, e = 0;
	size_t size[FILES] = { 0 };

	for (int i = 0; i < FILES && !e; i++)
		e = result_file_open(r, file_name[i], &fd[i], &size[i], why, n);
	if (!e && fd[FILE_RAW] < 0) {
		result_wrong(why, n, r, NULL, "there is no raw.csv in it: it is not a result of `ringlab bench`");
		e = -ENOENT;
	}
	if (!e)
		e = files_read(r, fd, size, why, n);
	for (int i = 0; i < FILES; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	return e;
}

/* The last component of a path, without slashes at its end; of "." and the like, that of the true path. */
static void name_set(struct result *r)
{
	char *real = realpath(r->dir, NULL);
	const char *path = real ? real : r->dir, *last = strrchr(path, '/');

	snprintf(r->name, sizeof(r->name), "%.255s", last && last[1] ? last + 1 : path);
	free(real);
}

static int dir_check(struct result *r, const char *dir, char *why, size_t n)
{
	struct stat st;
	int e;

	if ((size_t)snprintf(r->dir, sizeof(r->dir), "%s", dir) >= sizeof(r->dir)) {
		snprintf(why, n, "the path of the result directory is too long");
		return -ENAMETOOLONG;
	}
	if (!stat(dir, &st) && !S_ISDIR(st.st_mode)) {
		result_wrong(why, n, r, NULL, "it is not a directory; a result is a directory with env.json and raw.csv");
		return -ENOTDIR;
	}
	if (access(dir, R_OK | X_OK)) {
		e = errno;
		result_wrong(why, n, r, NULL, "cannot read the result directory: %s", strerror(e));
		return -e;
	}
	name_set(r);
	return 0;
}

int result_read(struct result *r, const char *dir, char *why, size_t n)
{
	int e;

	memset(r, 0, sizeof(*r));
	e = dir_check(r, dir, why, n);
	if (!e)
		e = tables_read(r, why, n);
	if (!e)
		e = result_env_read(r, why, n);
	if (!e && (e = result_groups_make(r)) < 0)
		result_wrong(why, n, r, NULL, "there is no memory for its %zu rows", r->rows);
	if (e)
		result_free(r);
	return e;
}

void result_free(struct result *r)
{
	result_groups_free(r);
	json_decref(r->env);
	free(r->row);
	free(r->time);
	free(r->text);
	memset(r, 0, sizeof(*r));
}

const struct result_group *result_find(const struct result *r, const char *suite, const char *workload, const char *engine, const char *metric)
{
	for (size_t i = 0; i < r->groups; i++) {
		const struct result_row *k = r->group[i].key;

		if (!k->modelled && !*k->variant && (!suite || !strcmp(k->suite, suite)) && (!workload || !strcmp(k->workload, workload)) &&
			(!engine || !strcmp(k->engine, engine)) && (!metric || !strcmp(k->metric, metric)))
			return &r->group[i];
	}
	return NULL;
}
