/*
 * cli_compare.c - `ringlab compare`: the same guest on every backend, one child process each, one table.
 *
 * Each column is a `ringlab run --stats` in a child of its own, so that one guest's jail, crash or LDT never touches the
 * next. Columns measured elsewhere (the nested machine) come in with --merge. Read next: cli_table.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli.h"

#define COLUMNS_MAX 12
#define MERGE_MAX 16

struct compare {
	const char *backends;             /* "vtx,bt,pv:xen" */
	const char *mem, *append, *timeout;
	const char *merge[MERGE_MAX];
	unsigned merges;
	bool json, tsv, count_inline, by_symbol, quiet;
};

static const char compare_help[] =
	"usage: ringlab compare [OPTION…] GUEST…\n\n"
	"Runs each GUEST (a name of `ringlab list`) on every backend and prints, for each event kind, how often the guest\n"
	"executed it, and each backend's count, mechanism and median cost in TSC cycles.\n\n"
	"  --json            print the comparison as JSON (docs/exits.md) instead of a table\n"
	"  --tsv             print it as tab-separated lines for awk and gnuplot (docs/exits.md)\n"
	"  --backends LIST   columns, as vtx,bt,pv:xen,pv:trap (default: all of these that are built);\n"
	"                    '' runs nothing: only what --merge brings\n"
	"  --interfaces      columns: every technique, vtx,bt,pv:xen,pv:previrt,pv:patch,pv:trap\n"
	"  --merge FILE      take columns from a --json or --stats file, as the nested machine writes them; may be repeated\n"
	"  --append S        the guest's command line\n"
	"  --mem M           guest memory (default 64M)\n"
	"  --timeout S       for each run (default 120)\n"
	"  --count-inline    also count what never leaves translated code\n"
	"  --by-symbol       with --json: which guest symbols caused the events, too\n";

/* A column that has no run behind it, and why. */
static json_t *column_absent(const char *guest, const char *backend, const char *interface, const char *engine, const char *why)
{
	return json_pack("{s:s,s:s,s:s?,s:s,s:s,s:b,s:s,s:n,s:[],s:[]}", "guest", guest, "backend", backend, "interface", interface,
		"engine", engine, "origin", "measured", "available", 0, "why", why, "status", "cells", "events");
}

/* Runs `ringlab run` with its console in `console`; returns the wait status or -errno. */
static int spawn_run(char *const argv[], const char *console)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid) {
		int in = open("/dev/null", O_RDONLY), out = open(console, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (in < 0 || out < 0)
			_exit(STATUS_HOST);
		dup2(in, 0);
		dup2(out, 1);
		execv("/proc/self/exe", argv);
		_exit(STATUS_HOST);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

/* One column: guest on backend[:interface], through a child. dir is a private temporary directory. */
static json_t *column_run(const struct compare *c, const char *guest, const struct backend_ops *ops, const char *interface, const char *dir)
{
	char stats[300], console[300], engine[64] = "";
	char *argv[24] = { "ringlab", "run", "--backend", (char *)ops->name, "--stats", stats, "--timeout", (char *)c->timeout };
	const char *why = ops->probe(engine, sizeof(engine));
	json_error_t err;
	int n = 8, w;

	if (why)
		return column_absent(guest, ops->name, interface, engine, why);
	snprintf(stats, sizeof(stats), "%s/stats", dir);
	snprintf(console, sizeof(console), "%s/console", dir);
	unlink(stats);
	if (interface) {
		argv[n++] = "--interface";
		argv[n++] = (char *)interface;
	}
	if (c->mem) {
		argv[n++] = "--mem";
		argv[n++] = (char *)c->mem;
	}
	if (c->append) {
		argv[n++] = "--append";
		argv[n++] = (char *)c->append;
	}
	if (c->count_inline)
		argv[n++] = "--count-inline";
	if (c->by_symbol)
		argv[n++] = "--by-symbol";
	argv[n++] = (char *)guest;
	if (!c->quiet)
		fprintf(stderr, "ringlab: %s on %s%s%s …\n", guest, ops->name, interface ? ":" : "", interface ? interface : "");
	w = spawn_run(argv, console);
	json_t *j = json_load_file(stats, 0, &err);
	if (!j)
		j = column_absent(guest, ops->name, interface, engine, w >= 0 && WIFEXITED(w) && WEXITSTATUS(w) == STATUS_USAGE ?
			"the guest has no image for it, or the image was refused (the message above says why)" : "the run left no result");
	unlink(stats);
	unlink(console);
	return j;
}

static bool same_column(const json_t *a, const json_t *b)
{
	return json_equal(json_object_get(a, "backend"), json_object_get(b, "backend")) &&
		json_equal(json_object_get(a, "interface"), json_object_get(b, "interface"));
}

/* Puts a column in, replacing the one for the same backend and interface. */
static void column_put(json_t *columns, json_t *col)
{
	json_t *old;
	size_t i;

	json_array_foreach(columns, i, old)
		if (same_column(old, col)) {
			json_array_set(columns, i, col);
			return;
		}
	json_array_append(columns, col);
}

/* Whether a result's "guest" is the one named: the nested machine knows its guests by path. */
static bool same_guest(const char *result, const char *guest)
{
	const char *base = strrchr(result, '/'), *name = strrchr(guest, '/');
	size_t n;

	if (!strcmp(result, guest))
		return true;
	base = base ? base + 1 : result;
	name = name ? name + 1 : guest;
	n = strlen(name);
	return !strncmp(base, name, n) && !strcmp(base + n, ".elf");
}

static void merge_value(json_t *columns, json_t *v, const char *guest)
{
	json_t *e;
	size_t i;

	if (json_is_array(v)) {
		json_array_foreach(v, i, e)
			merge_value(columns, e, guest);
	} else if (json_object_get(v, "backends")) {
		merge_value(columns, json_object_get(v, "backends"), guest);
	} else {
		const char *g = json_string_value(json_object_get(v, "guest"));
		if (g && same_guest(g, guest) && json_object_get(v, "backend"))
			column_put(columns, v);
	}
}

static int merge_files(const struct compare *c, json_t *columns, const char *guest)
{
	json_error_t err;

	for (unsigned i = 0; i < c->merges; i++) {
		json_t *j = json_load_file(c->merge[i], 0, &err);
		if (!j) {
			say("cannot merge %s: %s (line %d)", c->merge[i], err.text, err.line);
			return -EINVAL;
		}
		merge_value(columns, j, guest);
		json_decref(j);
	}
	return 0;
}

/* All columns of one guest; NULL after saying why. */
static json_t *compare_guest(const struct compare *c, const char *guest, const char *dir)
{
	json_t *columns = json_array();
	char list[256], *save = NULL;

	snprintf(list, sizeof(list), "%s", c->backends);
	for (char *spec = strtok_r(list, ",", &save); spec; spec = strtok_r(NULL, ",", &save)) {
		char *interface = strchr(spec, ':');
		if (interface)
			*interface++ = 0;
		const struct backend_ops *ops = cli_backend(spec);
		json_t *col = ops ? column_run(c, guest, ops, interface, dir) :
			column_absent(guest, spec, interface, "none", "this build has no such backend");
		json_array_append_new(columns, col);
	}
	if (merge_files(c, columns, guest)) {
		json_decref(columns);
		return NULL;
	}
	return json_pack("{s:s,s:o}", "guest", guest, "backends", columns);
}

static int compare_parse(struct compare *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", 0, 0, 'j' }, { "tsv", 0, 0, 'T' }, { "backends", 1, 0, 'b' }, { "interfaces", 0, 0, 'I' }, { "merge", 1, 0, 'm' }, { "append", 1, 0, 'a' }, { "mem", 1, 0, 'M' },
		{ "timeout", 1, 0, 't' }, { "count-inline", 0, 0, 'i' }, { "by-symbol", 0, 0, 's' }, { "help", 0, 0, 'h' }, { 0 },
	};
	uint64_t ns;
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0)
		switch (opt) {
		case 'j': c->json = true; break;
		case 'T': c->tsv = true; break;
		case 'b': c->backends = optarg; break;
		case 'I': c->backends = "vtx,bt,pv:xen,pv:previrt,pv:patch,pv:trap"; break;
		case 'm':
			if (c->merges == MERGE_MAX)
				return cli_usage("compare", "more than %d --merge", MERGE_MAX);
			c->merge[c->merges++] = optarg;
			break;
		case 'a': c->append = optarg; break;
		case 'M': c->mem = optarg; break;
		case 't':
			if (!cli_parse_seconds(optarg, &ns))
				return cli_usage("compare", "--timeout %s: give seconds", optarg);
			c->timeout = optarg;
			break;
		case 'i': c->count_inline = true; break;
		case 's': c->by_symbol = true; break;
		case 'h':
			fputs(compare_help, stdout);
			exit(0);
		default: return STATUS_USAGE;
		}
	return optind < argc ? 0 : cli_usage("compare", "name a guest");
}

/* Known names only: a table of nothing but refusals would help nobody. */
static int check_guests(int n, char **names)
{
	struct guest_list l;
	int status = 0;

	guests_read(&l);
	for (int i = 0; i < n && !status; i++)
		if (!guests_find(&l, names[i]) && access(names[i], R_OK))
			status = cli_usage("compare", "there is no guest and no file named '%s'; `ringlab list` prints the guests", names[i]);
	guests_free(&l);
	return status;
}

int cmd_compare(int argc, char **argv)
{
	struct compare c = { .timeout = "120", .backends = "vtx,bt,pv:xen,pv:trap" };
	char dir[] = "/tmp/ringlab-compare-XXXXXX";
	json_t *all;
	int status;

	if ((status = compare_parse(&c, argc, argv)) || (status = check_guests(argc - optind, argv + optind)))
		return status;
	if (!mkdtemp(dir)) {
		say("cannot make a temporary directory: %s", strerror(errno));
		return STATUS_HOST;
	}
	all = json_array();
	for (int i = optind; i < argc && !status; i++) {
		json_t *g = compare_guest(&c, argv[i], dir);
		if (!g)
			status = STATUS_USAGE;
		else if (c.tsv)
			tsv_print(stdout, g);
		else if (!c.json)
			table_print(stdout, g);
		if (g)
			json_array_append_new(all, g);
	}
	rmdir(dir);
	if (c.json && !status) {
		/* one guest: the object itself, as documented; several: an array of them */
		json_dumpf(json_array_size(all) == 1 ? json_array_get(all, 0) : all, stdout, JSON_INDENT(1));
		putchar('\n');
	}
	json_decref(all);
	return status;
}
