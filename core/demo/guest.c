/*
 * guest.c - a demonstration's runs: `ringlab run --stats` in a child, and what its COLUMN says.
 *
 * Console, statistics and messages come back in memory files, so that nothing is left behind however the run ends. VT-x comes from
 * elsewhere where this machine has none: nested.c. Read next: facts.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "stage.h"

#define ARGS 40

/* What one run writes into. */
struct channel {
	int fd;
	char path[40];
};

static bool channel_open(struct channel *c, const char *name)
{
	c->fd = memfd_create(name, 0); /* inherited: the child opens it by its path */
	snprintf(c->path, sizeof(c->path), "/proc/self/fd/%d", c->fd);
	return c->fd >= 0;
}

/* All of it, as text; never NULL but out of memory. */
static char *channel_read(struct channel *c)
{
	off_t size = lseek(c->fd, 0, SEEK_END);
	char *text = malloc((size_t)(size > 0 ? size : 0) + 1);
	ssize_t n = text ? pread(c->fd, text, (size_t)size, 0) : 0;

	if (text)
		text[n > 0 ? n : 0] = 0;
	return text;
}

json_t *guest_lines(const char *text)
{
	json_t *lines = json_array();

	while (text && *text) {
		size_t n = strcspn(text, "\n");
		char *line = strndup(text, n);

		for (char *c = line; c && *c; c++)
			if (*c & 0x80 || (*c < ' ' && *c != '\t'))
				*c = *c == '\r' ? ' ' : '?';
		json_array_append_new(lines, json_string(line ? line : ""));
		free(line);
		text += n + (text[n] == '\n');
	}
	return lines;
}

json_t *guest_json(const char *path)
{
	json_error_t err;

	return json_load_file(path, 0, &err);
}

/* Splits options at blanks, in place, behind the n arguments there are. */
static int add_options(char **argv, int n, char *options)
{
	char *save = NULL;

	for (char *o = strtok_r(options, " ", &save); o && n < ARGS - 8; o = strtok_r(NULL, " ", &save))
		argv[n++] = o;
	return n;
}

/* The command without what only collects the result: what a reader, or a test, would type. */
static json_t *command_json(char **argv, int from, int to)
{
	json_t *c = json_array();

	for (int i = from; i < to; i++)
		json_array_append_new(c, json_string(argv[i]));
	return c;
}

static int wait_run(char *const argv[], int out, int err)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid) {
		int in = open("/dev/null", O_RDONLY);

		if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
			_exit(222);
		execv("/proc/self/exe", argv);
		_exit(222);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

static json_t *absent(const struct demo_guest *g, const char *why)
{
	return json_pack("{s:s,s:s,s:s?,s:s,s:s,s:b,s:s,s:n,s:[],s:[],s:[]}", "guest", g->guest, "backend", g->backend, "interface", g->interface,
		"engine", "none", "origin", "measured", "available", 0, "why", why, "status", "cells", "events", "console");
}

/* The messages' first line, without the program's name: why there is no result. */
static json_t *absent_saying(const struct demo_guest *g, char *messages)
{
	char *why = messages && !strncmp(messages, "ringlab: ", 9) ? messages + 9 : messages;

	if (why)
		why[strcspn(why, "\n")] = 0;
	return absent(g, why && *why ? why : "the run left no result");
}

static json_t *run_here(const struct demo_guest *g)
{
	struct channel stats, console, messages, listing;
	char *options = strdup(g->options ? g->options : ""), timeout[16];
	char *argv[ARGS] = { "ringlab", "run", "--backend", (char *)g->backend };
	json_error_t err;
	json_t *column = NULL;
	int n = 4;

	if (g->interface) {
		argv[n++] = "--interface";
		argv[n++] = (char *)g->interface;
	}
	snprintf(timeout, sizeof(timeout), "%u", g->timeout_s ? g->timeout_s : 20);
	argv[n++] = "--timeout";
	argv[n++] = timeout;
	n = options ? add_options(argv, n, options) : n;
	if (g->append) {
		argv[n++] = "--append";
		argv[n++] = (char *)g->append;
	}
	argv[n++] = (char *)g->guest;
	json_t *command = command_json(argv, 2, n);
	bool lists = g->options && strstr(g->options, "--listing ");
	bool open = channel_open(&stats, "stats") & channel_open(&console, "console") & channel_open(&messages, "messages") &
		channel_open(&listing, "listing");
	if (open) {
		argv[n - 1] = "--stats";
		argv[n++] = stats.path;
		if (lists) {
			argv[n++] = "--listing-out";
			argv[n++] = listing.path;
		}
		argv[n++] = (char *)g->guest;
		wait_run(argv, console.fd, messages.fd);
		char *said = channel_read(&messages), *printed = channel_read(&console), *result = channel_read(&stats), *listed = channel_read(&listing);
		column = result ? json_loads(result, 0, &err) : NULL;
		if (!column)
			column = absent_saying(g, said);
		json_object_set_new(column, "console", guest_lines(printed));
		json_object_set_new(column, "messages", guest_lines(said));
		json_t *text = lists && listed ? json_string(listed) : NULL;
		json_object_set_new(column, "listing", text ? text : json_null());
		free(said);
		free(printed);
		free(result);
		free(listed);
	}
	close(stats.fd);
	close(console.fd);
	close(messages.fd);
	close(listing.fd);
	free(options);
	if (!column)
		column = absent(g, "out of memory or of file descriptors");
	json_object_set_new(column, "command", command);
	return column;
}

/* VT-x from wherever it is to be had, here first. ept: by --ept 0 among the options, which `ringlab run` does not know. */
static json_t *run_vtx(struct stage *s, const struct demo_guest *g)
{
	bool shadow = g->options && strstr(g->options, "--ept 0");

	if (s->setup->vtx_here && !shadow)
		return run_here(g);
	json_t *column = nested_column(s, g, !shadow);
	if (column)
		json_object_set_new(column, "ept", json_boolean(!shadow));
	if (column)
		return column;
	column = absent(g, "no VT-x behind /dev/kvm here, and no run of this guest on the nested machine is at hand: "
		"scripts/nested-vtx makes one");
	json_object_set_new(column, "ept", json_boolean(!shadow));
	return column;
}

static void set_name(json_t *column)
{
	const char *backend = json_string_value(json_object_get(column, "backend")), *origin = json_string_value(json_object_get(column, "origin"));
	const char *interface = json_string_value(json_object_get(column, "interface"));
	bool here = !origin || !strcmp(origin, "measured");
	char name[100];

	if (json_is_false(json_object_get(column, "ept")))
		interface = "shadow";
	snprintf(name, sizeof(name), "%s%s%s%s%s%s", backend ? backend : "?", interface ? ":" : "", interface ? interface : "", here ? "" : " (",
		here ? "" : origin, here ? "" : ")");
	json_object_set_new(column, "name", json_string(name));
}

json_t *demo_run(struct stage *s, const struct demo_guest *g)
{
	json_t *column = s->quit ? absent(g, "the demonstration was ended") : strcmp(g->backend, "vtx") ? run_here(g) : run_vtx(s, g);

	set_name(column);
	json_object_set_new(column, "guest", json_string(g->guest));
	json_object_set_new(column, "append", g->append ? json_string(g->append) : json_null());
	json_array_append_new(s->columns, column);
	return column;
}

bool demo_ran(struct stage *s, const json_t *column)
{
	const char *end = json_string_value(json_object_get(column, "end")), *why = json_string_value(json_object_get(column, "why"));

	if (json_is_true(json_object_get(column, "available")) && end && !strcmp(end, "exit"))
		return true;
	demo_say(s, "%s: %s.", demo_name(column), why ? why : end ? end : "it did not run");
	return false;
}

void demo_techniques(struct stage *s, const char *guest, const char *append, const char *options, const json_t *column[DEMO_TECHNIQUES])
{
	static const struct { const char *backend, *interface; } each[DEMO_TECHNIQUES] = {
		{ "bt", NULL }, { "pv", "trap" }, { "pv", "patch" }, { "pv", "previrt" }, { "pv", "xen" }, { "vtx", NULL },
	};

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		struct demo_guest g = { .guest = guest, .backend = each[i].backend, .interface = each[i].interface, .append = append, .options = options };

		column[i] = demo_run(s, &g);
		if (!demo_ran(s, column[i]))
			column[i] = NULL;
	}
}

/* The next event row of that kind and mechanism from *i on; NULL at the end. */
static const json_t *event_next(const json_t *column, const char *kind, const char *mech, size_t *i)
{
	const json_t *events = json_object_get(column, "events"), *e;

	while ((e = json_array_get(events, (*i)++))) {
		const char *k = json_string_value(json_object_get(e, "kind")), *m = json_string_value(json_object_get(e, "mechanism"));
		if (k && m && !strcmp(k, kind) && (!mech || !strcmp(m, mech)))
			return e;
	}
	return NULL;
}

static long long count_of(const json_t *event)
{
	return (long long)json_integer_value(json_object_get(event, "count"));
}

long long demo_count(const json_t *column, const char *kind, const char *mech)
{
	long long n = 0;
	size_t i = 0;

	for (const json_t *e; (e = event_next(column, kind, mech, &i));)
		n += count_of(e);
	return n;
}

long long demo_cost(const json_t *column, const char *kind)
{
	long long most = 0, cost = -1;
	size_t i = 0;

	for (const json_t *e; (e = event_next(column, kind, NULL, &i));) {
		const json_t *median = json_object_get(json_object_get(e, "cycles"), "median");
		if (median && count_of(e) > most) {
			most = count_of(e);
			cost = (long long)json_integer_value(median);
		}
	}
	return cost;
}

const char *demo_mechanism(const json_t *column, const char *kind)
{
	const char *mech = "native";
	long long most = 0;
	size_t i = 0;

	for (const json_t *e; (e = event_next(column, kind, NULL, &i));)
		if (count_of(e) > most) {
			most = count_of(e);
			mech = json_string_value(json_object_get(e, "mechanism"));
		}
	return mech;
}

const char *demo_console(const json_t *column, const char *name)
{
	const json_t *lines = json_object_get(column, "console"), *l;
	size_t i, n = strlen(name);

	json_array_foreach((json_t *)lines, i, l) {
		const char *line = json_string_value(l);
		if (line && !strncmp(line, name, n) && line[n] == ' ')
			return line + n + strspn(line + n, " ");
	}
	return NULL;
}

const char *demo_name(const json_t *column)
{
	return json_string_value(json_object_get(column, "name"));
}

const json_t *demo_witness(const json_t *column, const char *kind)
{
	const json_t *all = json_object_get(column, "witness"), *w;
	size_t i;

	json_array_foreach((json_t *)all, i, w) {
		const char *k = json_string_value(json_object_get(w, "kind"));
		if (!kind || (k && !strcmp(k, kind)))
			return w;
	}
	return NULL;
}
