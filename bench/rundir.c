/*
 * rundir.c - the files of a run: the staging directory, raw.csv and timeline.csv as they grow, the journal, and the move to the final place.
 *
 * Order of writing: rows first, then the journal's line with the sizes that the files have now. Whoever takes the run up again cuts both files back to
 * the last such line, so that half a line, or half a task, never survives. What cannot be written (a full disk) ends the run with a
 * sentence; the staging directory stays as it was after the last whole task. Called by runner.c. Read next: resume.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runner.h"

const char rundir_raw_head[] =
	"suite,workload,variant,engine,origin,metric,kind,mechanism,unit,round,rep,value,calib_before,calib_after,disturbed\n";
const char rundir_time_head[] = "suite,workload,variant,engine,origin,t_s,width_s,kind,mechanism,count\n";

/* All of it, or -errno. */
static int write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t k = write(fd, text, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k ? -errno : -EIO;
		text += k;
		n -= (size_t)k;
	}
	return 0;
}

int json_write(const char *dir, const char *name, const json_t *j)
{
	char path[4300], new[4320];
	char *text = json_dumps(j, JSON_INDENT(1));
	int fd, err;

	if (!text)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(new, sizeof(new), "%s.new", path);
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	err = fd < 0 ? -errno : write_all(fd, text, strlen(text));
	if (!err)
		err = write_all(fd, "\n", 1);
	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	free(text);
	if (!err && rename(new, path))
		err = -errno;
	if (err) {
		unlink(new);
		say("cannot write %s: %s", path, strerror(-err));
	}
	return err;
}

/* Opens a file of the staging directory, cut to size (-1: new, with this head). 0, or -errno after saying why. */
int file_open(struct bench *b, struct file *f, const char *name, const char *head, long long size)
{
	struct stat st;
	int err = 0;

	snprintf(f->path, sizeof(f->path), "%s/%s", b->rundir.staging, name);
	f->fd = open(f->path, O_WRONLY | O_CREAT | O_CLOEXEC | (size < 0 ? O_TRUNC : 0), 0666);
	f->size = size < 0 ? (long long)strlen(head) : size;
	if (f->fd < 0)
		err = -errno;
	else if (size < 0)
		err = write_all(f->fd, head, strlen(head));
	else if (fstat(f->fd, &st))
		err = -errno;
	else if (st.st_size < size) {
		say("%s is shorter than journal.tsv says: it was changed, and this run cannot be taken up again", f->path);
		return -EINVAL;
	} else if (ftruncate(f->fd, size) || lseek(f->fd, 0, SEEK_END) < 0)
		err = -errno;
	if (err)
		say("cannot write %s: %s", f->path, strerror(-err));
	return err;
}

/* Appends; on failure the file is cut back to what it was. */
static int file_append(struct file *f, const char *text, size_t n)
{
	int err = n ? write_all(f->fd, text, n) : 0;

	if (err) {
		if (ftruncate(f->fd, f->size) || lseek(f->fd, 0, SEEK_END) < 0)
			err = -EIO;
		return err;
	}
	f->size += (long long)n;
	return 0;
}

static int rundir_failed(struct bench *b, const char *path, int err)
{
	progress_end(b);
	say("cannot write %s: %s. What was measured so far is kept in %s; when the cause is gone, go on with: ringlab bench --resume %s",
		path, strerror(-err), b->rundir.staging, b->rundir.dir);
	b->broken = true;
	return err;
}

/* The journal's lines for a task: what it noted as missing, then itself. */
static char *journal_lines(struct bench *b, const struct entry *e, const char *why, double seconds, long long raw, long long time, size_t *n)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, n);

	if (!f)
		return NULL;
	for (; b->missings_told < b->missings; b->missings_told++) {
		const struct missing *m = &b->missing[b->missings_told];

		fprintf(f, "missing\t%s\t%s\t%s\t%s\n", m->suite->name, m->engine, m->part, m->why);
	}
	fprintf(f, "task\t%u\t%s\t%s\t%s\t%s\t%s\t%.3f\t%lld\t%lld\n", e->task.round, e->task.suite->name, e->task.part, e->task.variant,
		e->task.engine, why ? "failed" : "ok", seconds, raw, time);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

int rundir_task(struct bench *b, const struct entry *e, const char *why, double seconds)
{
	struct rundir *s = &b->rundir;
	long long raw_size = s->raw.size, time_size = s->time.size;
	size_t n = 0, lines_n = 0, time_n = why ? 0 : b->time_size;
	char *rows = take_rows(b, &n), *lines;
	struct file *bad = NULL;
	int err = rows ? 0 : -ENOMEM;

	if (!err && (err = file_append(&s->raw, rows, n)))
		bad = &s->raw;
	if (!err && (err = file_append(&s->time, b->time_text, time_n)))
		bad = &s->time;
	lines = err ? NULL : journal_lines(b, e, why, seconds, s->raw.size, s->time.size, &lines_n);
	if (!err && (err = lines ? file_append(&s->journal, lines, lines_n) : -ENOMEM))
		bad = &s->journal;
	free(rows);
	free(lines);
	if (!err)
		return 0;
	s->raw.size = raw_size;
	s->time.size = time_size;
	if (ftruncate(s->raw.fd, raw_size) || ftruncate(s->time.fd, time_size))
		err = -EIO;
	return rundir_failed(b, bad ? bad->path : s->raw.path, err);
}

/* A row's last three columns: calibration before and after, and the mark. Returns where the mark is, or NULL when the row is not timed. */
static char *mark_of(char *line, double *before, double *after)
{
	char *comma[3] = { NULL }, *end;

	for (int i = 0; i < 3; i++) {
		char *at = i ? comma[i - 1] : line + strcspn(line, "\n");

		while (at > line && at[-1] != ',')
			at--;
		if (at == line)
			return NULL;
		comma[i] = at - 1;
	}
	*before = strtod(comma[2] + 1, &end);
	if (end == comma[2] + 1)
		return NULL;
	*after = strtod(comma[1] + 1, NULL);
	return comma[0] + 1;
}

static int mark_lines(struct bench *b, FILE *in, FILE *out)
{
	struct calibration *c = &b->calibration;
	double before, after, last_before = 0, last_after = 0;
	char *line = NULL;
	size_t room = 0;
	int err = 0;

	for (bool head = true; !err && getline(&line, &room, in) > 0; head = false) {
		char *mark = head ? NULL : mark_of(line, &before, &after);

		if (mark) {
			if (fmax(before, after) > DISTURBED * b->calib_best)
				*mark = '1';
			c->samples++;
			c->disturbed += *mark == '1';
			if (before != last_before || after != last_after) /* once a child */
				err = series_add(&c->all, before) | series_add(&c->all, after);
			last_before = before;
			last_after = after;
		}
		if (fputs(line, out) < 0)
			err = -errno;
	}
	free(line);
	return err ? err : ferror(in) ? -EIO : 0;
}

int rundir_mark(struct bench *b)
{
	char new[4320];
	FILE *in = fopen(b->rundir.raw.path, "re"), *out;
	int err = in ? 0 : -errno;

	snprintf(new, sizeof(new), "%s.new", b->rundir.raw.path);
	out = fopen(new, "we");
	if (!out && !err)
		err = -errno;
	if (!err)
		err = mark_lines(b, in, out);
	if (in)
		fclose(in);
	if (out && fclose(out) && !err)
		err = -errno;
	if (!err && rename(new, b->rundir.raw.path))
		err = -errno;
	if (err) {
		unlink(new);
		return rundir_failed(b, new, err);
	}
	return 0;
}

int rundir_publish(struct bench *b, bool complete)
{
	struct rundir *s = &b->rundir;
	static const char *const tools[] = { "run.json", "journal.tsv" };
	char path[4300];

	if (rename(s->staging, s->dir))
		return rundir_failed(b, s->dir, -errno);
	if (complete && s->time.size == (long long)strlen(rundir_time_head)) { /* nothing in it */
		snprintf(path, sizeof(path), "%s/timeline.csv", s->dir);
		unlink(path);
	}
	for (size_t i = 0; complete && i < sizeof(tools) / sizeof(tools[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", s->dir, tools[i]);
		unlink(path);
	}
	return 0;
}

void rundir_close(struct bench *b)
{
	struct rundir *s = &b->rundir;

	if (s->raw.fd > 0)
		close(s->raw.fd);
	if (s->time.fd > 0)
		close(s->time.fd);
	if (s->journal.fd > 0)
		close(s->journal.fd);
	if (s->lock > 0)
		close(s->lock);
	json_decref(s->run);
}
