/*
 * resume.c - where a run's directory is, what run.json says of it, and how an interrupted one is taken up again.
 *
 * run.json is written before anything is measured: the options, the commit, the host and the plan. To go on with a run, all four must be
 * the same, for rows that were measured otherwise do not belong together. Called by runner.c. Read next: env.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "commit.h"
#include "runner.h"

#define PARTIAL ".partial"

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

void run_host(char *out, size_t n)
{
	if (gethostname(out, n))
		snprintf(out, n, "unknown");
	out[n - 1] = 0;
	out[strcspn(out, ".")] = 0; /* the short name, as `hostname -s` */
}

/* Makes the staging directory of results/<date>-<host>-<commit>, or of that with -2, -3 … when it is taken; runs may begin side by side. */
static int dir_default(struct rundir *s)
{
	char host[200], date[16], more[16] = "";
	time_t now = time(NULL);
	struct tm tm;
	int err;

	run_host(host, sizeof(host));
	strftime(date, sizeof(date), "%F", gmtime_r(&now, &tm));
	if (mkdir("results", 0777) && errno != EEXIST) {
		say("cannot make the directory results here: %s; name another place with --out DIR", strerror(errno));
		return -errno;
	}
	for (unsigned i = 2; i < 1000; i++) {
		snprintf(s->dir, sizeof(s->dir), "results/%s-%s-%s%s", date, host, RINGLAB_COMMIT, more);
		snprintf(s->staging, sizeof(s->staging), "%s" PARTIAL, s->dir);
		err = exists(s->dir) ? -EEXIST : mkdir(s->staging, 0777) ? -errno : 0;
		if (!err)
			return 0;
		if (err != -EEXIST) {
			say("cannot make %s: %s; name another place with --out DIR", s->staging, strerror(-err));
			return err;
		}
		snprintf(more, sizeof(more), "-%u", i);
	}
	say("results has a thousand directories of today: remove some, or use --out DIR");
	return -ENOSPC;
}

static void dir_named(struct rundir *s, const char *name)
{
	size_t n = strlen(name), cut = strlen(PARTIAL);

	while (n > 1 && name[n - 1] == '/')
		n--;
	if (n > cut && !strncmp(name + n - cut, PARTIAL, cut))
		n -= cut;
	snprintf(s->dir, sizeof(s->dir), "%.*s", (int)n, name);
	snprintf(s->staging, sizeof(s->staging), "%s" PARTIAL, s->dir);
}

static bool is_empty(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n == 2; /* . and .. */
}

/* Makes the staging directory of --out DIR. */
static int dir_given(struct rundir *s, const char *name)
{
	int err;

	dir_named(s, name);
	if (exists(s->dir) && !is_empty(s->dir)) { /* an empty one may be given */
		say("%s is there already: name another directory with --out", s->dir);
		return -EEXIST;
	}
	if (!mkdir(s->staging, 0777))
		return 0;
	err = -errno;
	if (err == -EEXIST)
		say("%s is there from an interrupted run: go on with it (ringlab bench --resume %s), or remove it", s->staging, s->dir);
	else
		say("cannot make %s: %s; name another place with --out DIR", s->staging, strerror(-err));
	return err;
}

/* A run has its directory for itself: run.json is locked as long as it lives. */
static int lock_take(struct rundir *s)
{
	char path[4300];

	snprintf(path, sizeof(path), "%s/run.json", s->staging);
	s->lock = open(path, O_RDONLY | O_CLOEXEC);
	if (s->lock < 0) {
		say("cannot read %s: %s", path, strerror(errno));
		return -errno;
	}
	if (flock(s->lock, LOCK_EX | LOCK_NB)) {
		say("another run is at work in %s", s->staging);
		return -EBUSY;
	}
	return 0;
}

static json_t *options_json(const struct bench_options *o)
{
	return json_pack("{s:s?,s:s?,s:s?,s:s?,s:i,s:i,s:i,s:b,s:b,s:b,s:i,s:s,s:s,s:s}", "suites", o->suites, "paper", o->paper, "backends",
		o->engines, "only", o->only,
		"rounds", (int)o->rounds, "reps", (int)o->reps, "cpu", o->cpu, "huge_pages", (int)o->huge_pages, "quick", (int)o->quick, "nested",
		(int)o->count_nested, "timeout", (int)o->timeout_s, "ringlab", o->paths.ringlab, "guests", o->paths.guests, "linux", o->paths.images);
}

/* Removes what rundir_new made before it failed: there is nothing in it yet. */
static void staging_remove(struct rundir *s)
{
	static const char *const names[] = { "run.json", "raw.csv", "timeline.csv", "journal.tsv" };
	char path[4300];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", s->staging, names[i]);
		unlink(path);
	}
	rmdir(s->staging);
}

int rundir_new(struct bench *b)
{
	struct rundir *s = &b->rundir;
	char host[200], date[40];
	int err;

	err = b->o->out ? dir_given(s, b->o->out) : dir_default(s);
	if (err)
		return err;
	run_host(host, sizeof(host));
	utc_text(date, b->began);
	s->run = json_pack("{s:i,s:s,s:s,s:s,s:s,s:o,s:f,s:o}", "version", 1, "date", date, "host", host, "commit", RINGLAB_COMMIT, "command",
		b->o->command, "options", options_json(b->o), "calibration_best", b->calib_best, "plan", plan_json(b));
	err = s->run ? json_write(s->staging, "run.json", s->run) : -ENOMEM;
	if (!err)
		err = lock_take(s);
	if (!err)
		err = file_open(b, &s->raw, "raw.csv", rundir_raw_head, -1);
	if (!err)
		err = file_open(b, &s->time, "timeline.csv", rundir_time_head, -1);
	if (!err)
		err = file_open(b, &s->journal, "journal.tsv", "", -1);
	if (err)
		staging_remove(s);
	return err;
}

static const char *text_of(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static int refuse(const char *dir, const char *why)
{
	say("%s cannot be taken up again: %s", dir, why);
	return -EINVAL;
}

/* What was asked for then, into *o; strings live as long as run.json is held. */
static int options_take(struct bench_options *o, const json_t *j)
{
	const char *ringlab = text_of(j, "ringlab"), *guests = text_of(j, "guests"), *images = text_of(j, "linux");
	int cpu;

	if (!json_is_object(j) || !ringlab || !guests || !images || json_unpack((json_t *)j, "{s:i}", "cpu", &cpu))
		return -EINVAL;
	o->suites = text_of(j, "suites");
	o->paper = text_of(j, "paper");
	o->engines = text_of(j, "backends");
	o->only = text_of(j, "only");
	o->rounds = (unsigned)json_integer_value(json_object_get(j, "rounds"));
	o->reps = (unsigned)json_integer_value(json_object_get(j, "reps"));
	o->cpu = cpu;
	o->huge_pages = json_is_true(json_object_get(j, "huge_pages"));
	o->quick = json_is_true(json_object_get(j, "quick"));
	o->timeout_s = (unsigned)json_integer_value(json_object_get(j, "timeout"));
	o->budget_s = o->quick ? QUICK_SECONDS : 0;
	o->count_nested = json_is_true(json_object_get(j, "nested"));
	snprintf(o->paths.ringlab, sizeof(o->paths.ringlab), "%s", ringlab);
	snprintf(o->paths.guests, sizeof(o->paths.guests), "%s", guests);
	snprintf(o->paths.images, sizeof(o->paths.images), "%s", images);
	return 0;
}

int rundir_find(struct bench *b, struct bench_options *o)
{
	struct rundir *s = &b->rundir;
	char host[200], path[4300];
	const char *at;
	json_error_t e;
	json_t *env;

	dir_named(s, o->resume);
	at = exists(s->staging) ? s->staging : s->dir;
	if (at == s->staging && exists(s->dir) && !is_empty(s->dir))
		return refuse(s->staging, "there is a directory without .partial beside it, where its results would go: move that away");
	if (!exists(at))
		return refuse(at, "there is no such directory");
	snprintf(path, sizeof(path), "%s/env.json", at);
	env = at == s->dir ? json_load_file(path, 0, NULL) : NULL;
	if (json_is_true(json_object_get(env, "complete"))) {
		json_decref(env);
		return refuse(at, "it is complete: nothing is missing");
	}
	json_decref(env);
	snprintf(path, sizeof(path), "%s/run.json", at);
	s->run = json_load_file(path, 0, &e);
	if (!s->run) {
		say("%s cannot be taken up again: its run.json cannot be read: %s", at, e.text);
		return -EINVAL;
	}
	run_host(host, sizeof(host));
	if (!text_of(s->run, "commit") || !text_of(s->run, "host") || options_take(o, json_object_get(s->run, "options")))
		return refuse(at, "its run.json is not what a run writes");
	if (strcmp(text_of(s->run, "commit"), RINGLAB_COMMIT)) {
		say("%s cannot be taken up again: it was begun by commit %s, and this is %s", at, text_of(s->run, "commit"), RINGLAB_COMMIT);
		return -EINVAL;
	}
	if (strcmp(text_of(s->run, "host"), host)) {
		say("%s cannot be taken up again: it was begun on host %s, and this is %s", at, text_of(s->run, "host"), host);
		return -EINVAL;
	}
	if (at == s->dir && rename(s->dir, s->staging)) {
		say("cannot rename %s to %s: %s", s->dir, s->staging, strerror(errno));
		return -errno;
	}
	return 0;
}

static const struct suite *suite_named(const char *name)
{
	for (size_t i = 0; bench_suites[i]; i++)
		if (!strcmp(bench_suites[i]->name, name))
			return bench_suites[i];
	return NULL;
}

/* Splits at tabs, empty fields too; returns how many. */
static unsigned split(char *line, char **f, unsigned max)
{
	unsigned n = 0;

	for (char *at = line; at && n < max; n++) {
		f[n] = at;
		at = strchr(at, '\t');
		if (at)
			*at++ = 0;
	}
	return n;
}

/* One line of the journal. False: it is none that a run writes. */
static bool journal_line(struct bench *b, char *line, long long *raw, long long *time)
{
	char *f[10];
	unsigned n = split(line, f, 10);

	if (n == 5 && !strcmp(f[0], "missing")) {
		const struct suite *s = suite_named(f[1]);

		if (s)
			bench_missing(b, s, f[2], f[3], "%s", f[4]);
		b->wrong |= strstr(f[4], "WRONG:") != NULL;
		return s != NULL;
	}
	if (n == 10 && !strcmp(f[0], "task")) {
		struct entry *e = plan_entry(b, f[2], f[3], f[4], f[5]);
		long long r = atoll(f[8]), t = atoll(f[9]);

		if (!e || r < *raw || t < *time)
			return false;
		entry_end(e, (unsigned)atoi(f[1]), !strcmp(f[6], "ok"), atof(f[7]));
		*raw = r;
		*time = t;
		return true;
	}
	return false;
}

/* Reads what has ended, up to the last whole line. */
static int journal_read(struct bench *b, long long *raw, long long *time, long long *size)
{
	char path[4300], *line = NULL;
	size_t room = 0;
	ssize_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/journal.tsv", b->rundir.staging);
	f = fopen(path, "re");
	if (!f) {
		say("cannot read %s: %s", path, strerror(errno));
		return -errno;
	}
	while ((n = getline(&line, &room, f)) > 0 && line[n - 1] == '\n') {
		line[n - 1] = 0;
		if (!journal_line(b, line, raw, time)) {
			free(line);
			fclose(f);
			return refuse(b->rundir.staging, "its journal.tsv is not what a run writes");
		}
		*size += n;
	}
	free(line);
	fclose(f);
	return 0;
}

int rundir_again(struct bench *b)
{
	struct rundir *s = &b->rundir;
	long long raw = (long long)strlen(rundir_raw_head), time = (long long)strlen(rundir_time_head), size = 0;
	json_t *plan = plan_json(b);
	bool same = json_equal(plan, json_object_get(s->run, "plan"));
	double best = json_number_value(json_object_get(s->run, "calibration_best"));
	int err = lock_take(s);

	json_decref(plan);
	if (!err && !same)
		err = refuse(s->staging, "what there is to run here has changed since (suites, backends, or peers that were installed or removed)");
	if (!err)
		err = journal_read(b, &raw, &time, &size);
	if (!err)
		err = file_open(b, &s->raw, "raw.csv", rundir_raw_head, raw);
	if (!err)
		err = file_open(b, &s->time, "timeline.csv", rundir_time_head, time);
	if (!err)
		err = file_open(b, &s->journal, "journal.tsv", "", size);
	if (best > 0 && best < b->calib_best)
		b->calib_best = best;
	b->missings_told = b->missings;
	return err;
}
