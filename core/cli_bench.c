/*
 * cli_bench.c - `ringlab bench`: the command line of the benchmarks. Read next: bench/runner.c.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"
#include "cli.h"
#include "paper.h"
#include "plan.h"

#define NUMBER_MAX 2000

static const char bench_help[] =
	"usage: ringlab bench [OPTION…] [SUITE…]\n"
	"       ringlab bench --resume DIR\n"
	"       ringlab bench --redraw DIR\n\n"
	"Measures each suite (default: all) on every backend that can run it, beside native and the emulators that are\n"
	"installed, in interleaved rounds, and writes a directory of results: raw samples, tables, plots and what is\n"
	"known of the machine (docs/results.md).\n\n"
	"  --quick           ends within 3 minutes: a first round of everything, then as many rounds as fit\n"
	"  --backends LIST   of native,vtx,bt,pv,interp,qemu-tcg,bochs; pv is all of pv-xen,pv-previrt,pv-patch,pv-trap\n"
	"                    (default: all that can run here, but interp)\n"
	"  --only LIST       of a suite: these kernels, cells or parts\n"
	"  --rounds N        rounds of each suite (default: each has its own)\n"
	"  --reps N          warm repetitions in each process (compute: 5)\n"
	"  --timeout S       stop a process that takes longer (default: each suite has its own)\n"
	"  --cpu N           the CPU for what is measured (default: the last one); -1: any\n"
	"  --out DIR         where to write (default: results/<date>-<host>-<commit>); must not be there yet\n"
	"  --resume DIR      goes on with an interrupted run, with its options\n"
	"  --redraw DIR      writes tables and plots of a result directory anew, and measures nothing\n"
	"  --nested          also counts exits in a nested machine with VT-x, where /dev/kvm is none (minutes)\n"
	"  --paper NAME      the seven nanobenchmarks beside a paper's figures: adams-agesen\n"
	"  --from DIR        with --paper: takes the figures of that result directory, and measures nothing\n"
	"  --thp             allow huge pages (default: off for all children)\n"
	"  --env             print what is known of this machine, as in env.json, and measure nothing\n"
	"  --ringlab FILE, --guests DIR, --linux DIR   another binary, other guests, other kernels\n\n"
	"Suites:\n";

static void help_print(void)
{
	fputs(bench_help, stdout);
	for (size_t i = 0; bench_suites[i]; i++)
		printf("  %-9s %s\n", bench_suites[i]->name, bench_suites[i]->text);
}

/* Where scripts/linux-guest writes. */
static void images_default(struct engine_paths *p)
{
	const char *own = getenv("RINGLAB_LINUX"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (own && *own)
		snprintf(p->images, sizeof(p->images), "%s", own);
	else if (cache && *cache)
		snprintf(p->images, sizeof(p->images), "%s/ringlab/linux", cache);
	else
		snprintf(p->images, sizeof(p->images), "%s/.cache/ringlab/linux", home ? home : "");
}

static void paths_default(struct engine_paths *p)
{
	ssize_t n = readlink("/proc/self/exe", p->ringlab, sizeof(p->ringlab) - 1);
	char *slash;

	p->ringlab[n > 0 ? n : 0] = 0;
	slash = strrchr(p->ringlab, '/');
	snprintf(p->guests, sizeof(p->guests), "%.*s/guests", slash ? (int)(slash - p->ringlab) : 0, p->ringlab);
	images_default(p);
}

static bool parse_number(const char *s, long min, long max, long *out)
{
	char *end;

	*out = strtol(s, &end, 10);
	return end != s && !*end && *out >= min && *out <= max;
}

/* Adds the engines that a word of --backends means to a comma-separated list; false: none is called so. */
static bool engines_add(char *list, size_t n, const char *word)
{
	bool any = false;

	for (size_t i = 0; i < engine_count; i++) {
		const char *name = engines[i].name;
		size_t len = strlen(word);
		bool same = strlen(name) == len;

		for (size_t k = 0; same && k < len; k++)
			same = word[k] == name[k] || (word[k] == ':' && name[k] == '-');
		if (!same && !(!strcmp(word, "pv") && !strncmp(name, "pv-", 3)))
			continue;
		any = true;
		if (!*list || !list_has(list, name))
			snprintf(list + strlen(list), n - strlen(list), "%s%s", *list ? "," : "", name);
	}
	return any;
}

static int backends_parse(const char *text, char *list, size_t n)
{
	char words[512], *save = NULL;

	*list = 0;
	snprintf(words, sizeof(words), "%s", text);
	for (char *w = strtok_r(words, ",", &save); w; w = strtok_r(NULL, ",", &save))
		if (!engines_add(list, n, w))
			return cli_usage("bench", "--backends: there is no backend '%s'", w);
	return *list ? 0 : cli_usage("bench", "--backends: name at least one");
}

static int suites_parse(int argc, char **argv, char *list, size_t n)
{
	*list = 0;
	for (int i = 0; i < argc; i++) {
		bool known = false;

		for (size_t k = 0; bench_suites[k]; k++)
			known |= !strcmp(argv[i], bench_suites[k]->name);
		if (!known)
			return cli_usage("bench", "there is no suite '%s'", argv[i]);
		if (!*list || !list_has(list, argv[i]))
			snprintf(list + strlen(list), n - strlen(list), "%s%s", *list ? "," : "", argv[i]);
	}
	return 0;
}

/* The command as it was given, quoted for a shell where it must be. */
static void command_text(char *out, size_t n, int argc, char **argv)
{
	size_t at = (size_t)snprintf(out, n, "ringlab");

	for (int i = 0; i < argc && at < n; i++) {
		bool plain = *argv[i] && !argv[i][strspn(argv[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:=+@%")];

		at += (size_t)snprintf(out + at, n - at, plain ? " %s" : " '%s'", argv[i]);
	}
}

struct bench_command {
	struct bench_options o;
	char backends[512], suites[256], command[2000];
	const char *paper, *redraw;
	bool env, measures; /* measures: an option that says what to measure was given */
};

static int option_take(struct bench_command *c, int opt)
{
	struct bench_options *o = &c->o;
	long v;

	c->measures |= strchr("qbonpcNtTRGLd", opt) != NULL;
	switch (opt) {
	case 'q': o->quick = true; o->budget_s = QUICK_SECONDS; return 0;
	case 'b': o->engines = c->backends; return backends_parse(optarg, c->backends, sizeof(c->backends));
	case 'o': o->only = optarg; return 0;
	case 'n':
	case 'p':
		if (!parse_number(optarg, 1, NUMBER_MAX, &v))
			return cli_usage("bench", "--%s %s: give a number from 1 to %d", opt == 'n' ? "rounds" : "reps", optarg, NUMBER_MAX);
		*(opt == 'n' ? &o->rounds : &o->reps) = (unsigned)v;
		return 0;
	case 'T':
		if (!parse_number(optarg, 1, 36000, &v))
			return cli_usage("bench", "--timeout %s: give seconds from 1 to 36000", optarg);
		o->timeout_s = (unsigned)v;
		return 0;
	case 'c':
		if (!parse_number(optarg, -1, 1023, &v))
			return cli_usage("bench", "--cpu %s: give a CPU's number, or -1", optarg);
		if (v >= 0 && !cpu_usable((int)v))
			return cli_usage("bench", "--cpu %s: this process may not run on that CPU", optarg);
		o->cpu = (int)v;
		return 0;
	case 'd': o->out = optarg; return *optarg ? 0 : cli_usage("bench", "--out: name a directory");
	case 'r': o->resume = optarg; return *optarg ? 0 : cli_usage("bench", "--resume: name a directory");
	case 'D': c->redraw = optarg; return *optarg ? 0 : cli_usage("bench", "--redraw: name a directory");
	case 'N': o->count_nested = true; return 0;
	case 'P': c->paper = optarg; return 0;
	case 'F': c->o.from = optarg; return 0;
	case 't': o->huge_pages = true; return 0;
	case 'e': c->env = true; return 0;
	case 'R': snprintf(o->paths.ringlab, sizeof(o->paths.ringlab), "%s", optarg); return 0;
	case 'G': snprintf(o->paths.guests, sizeof(o->paths.guests), "%s", optarg); return 0;
	case 'L': snprintf(o->paths.images, sizeof(o->paths.images), "%s", optarg); return 0;
	default: return STATUS_USAGE;
	}
}

int cmd_bench(int argc, char **argv)
{
	static const struct option options[] = {
		{ "quick", 0, 0, 'q' }, { "backends", 1, 0, 'b' }, { "only", 1, 0, 'o' }, { "rounds", 1, 0, 'n' }, { "reps", 1, 0, 'p' },
		{ "cpu", 1, 0, 'c' }, { "out", 1, 0, 'd' }, { "resume", 1, 0, 'r' }, { "redraw", 1, 0, 'D' }, { "nested", 0, 0, 'N' }, { "paper", 1, 0, 'P' },
		{ "from", 1, 0, 'F' },
		{ "thp", 0, 0, 't' }, { "timeout", 1, 0, 'T' }, { "env", 0, 0, 'e' }, { "ringlab", 1, 0, 'R' }, { "guests", 1, 0, 'G' }, { "linux", 1, 0, 'L' },
		{ "help", 0, 0, 'h' }, { 0 },
	};
	struct bench_command c = { .o = { .cpu = cpu_choose() } };
	int opt, status;

	paths_default(&c.o.paths);
	command_text(c.command, sizeof(c.command), argc, argv);
	c.o.command = c.command;
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (opt == 'h') {
			help_print();
			return 0;
		}
		if ((status = option_take(&c, opt)))
			return status;
	}
	if ((status = suites_parse(argc - optind, argv + optind, c.suites, sizeof(c.suites))))
		return status;
	c.o.suites = *c.suites ? c.suites : NULL;
	if (c.o.resume && (c.measures || c.o.suites || c.paper || c.env))
		return cli_usage("bench", "--resume goes on with the options of the run that it names, and takes no others");
	if (c.redraw && (c.measures || c.o.suites || c.paper || c.env || c.o.resume))
		return cli_usage("bench", "--redraw goes with no other option");
	if (c.redraw)
		return bench_redraw(c.redraw) ? STATUS_HOST : 0;
	if (c.env)
		return bench_env(&c.o) ? STATUS_HOST : 0;
	if (c.o.from && (!c.paper || c.measures || c.o.suites))
		return cli_usage("bench", "--from goes with --paper and no option that says what to measure");
	if (c.paper && c.o.suites)
		return cli_usage("bench", "--paper has its own suite, and takes no other");
	if (c.paper)
		return bench_paper(&c.o, c.paper);
	return bench_run(&c.o);
}
