/*
 * main.c - `ringlab-bench`: the benchmarks' command line.
 *
 * Each benchmark is one file: compute.c, nano.c, startup.c. Ratios of one interleaved run are printed, never judged by an
 * exit status; only wrong results (checksums that differ, a guest that fails) give a nonzero one.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"

static const char help[] =
	"usage: ringlab-bench compute|nano|startup [OPTION…]\n\n"
	"  compute   the compute kernels on each engine against the same object files run natively\n"
	"  nano      the nano guest's costs on each engine, with the bars they are held to\n"
	"  startup   from process start to the first guest instruction, and resident memory\n"
	"  --rounds N        interleaved rounds (compute 31, nano 7, startup 21)\n"
	"  --reps N          warm repetitions in each process (compute 5)\n"
	"  --engines LIST    of native,bt,pv-trap,pv-patch,pv-previrt,pv-xen,interp,qemu-tcg (default: what can run here)\n"
	"  --only LIST       kernels or nano cells\n"
	"  --raw FILE        write every sample, tab-separated\n"
	"  --thp             allow huge pages (default: off for all children)\n"
	"  --cpu N           pin children to this CPU (default: the last one)\n"
	"  --ringlab FILE, --guests DIR    default: beside this program\n";

static int usage(const char *what, const char *arg)
{
	fprintf(stderr, "ringlab-bench: %s%s%s; see: ringlab-bench --help\n", what, arg ? " " : "", arg ? arg : "");
	return 223;
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
	char exe[3900];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	exe[n > 0 ? n : 0] = 0;
	slash = strrchr(exe, '/');
	if (slash)
		*slash = 0;
	snprintf(p->ringlab, sizeof(p->ringlab), "%s/ringlab", exe);
	snprintf(p->guests, sizeof(p->guests), "%s/guests", exe);
	images_default(p);
}

static bool parse_count(const char *s, unsigned *out)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (end == s || *end || !v || v > 100000)
		return false;
	*out = (unsigned)v;
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", 1, 0, 'r' }, { "reps", 1, 0, 'n' }, { "engines", 1, 0, 'e' }, { "only", 1, 0, 'o' }, { "raw", 1, 0, 'w' },
		{ "thp", 0, 0, 't' }, { "cpu", 1, 0, 'c' }, { "ringlab", 1, 0, 'R' }, { "guests", 1, 0, 'G' }, { "linux", 1, 0, 'L' }, { "help", 0, 0, 'h' }, { 0 },
	};
	static const struct {
		const char *name;
		int (*run)(const struct bench_options *o);
		unsigned rounds, reps;
	} benches[] = { { "compute", bench_compute, 31, 5 }, { "nano", bench_nano, 7, 1 }, { "startup", bench_startup, 21, 1 }, };
	struct bench_options o = { .cpu = cpu_choose() };
	int c;

	paths_default(&o.paths);
	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
		switch (c) {
		case 'r':
			if (!parse_count(optarg, &o.rounds))
				return usage("--rounds needs a number from 1, not", optarg);
			break;
		case 'n':
			if (!parse_count(optarg, &o.reps))
				return usage("--reps needs a number from 1, not", optarg);
			break;
		case 'e': o.engines = optarg; break;
		case 'o': o.only = optarg; break;
		case 'w': o.raw = optarg; break;
		case 't': o.huge_pages = true; break;
		case 'c': o.cpu = atoi(optarg); break;
		case 'R': snprintf(o.paths.ringlab, sizeof(o.paths.ringlab), "%s", optarg); break;
		case 'G': snprintf(o.paths.guests, sizeof(o.paths.guests), "%s", optarg); break;
		case 'L': snprintf(o.paths.images, sizeof(o.paths.images), "%s", optarg); break;
		case 'h': fputs(help, stdout); return 0;
		default: return usage("unknown option", NULL);
		}
	if (optind + 1 != argc)
		return usage("name one benchmark", NULL);
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
		if (!strcmp(argv[optind], benches[i].name)) {
			if (!o.rounds)
				o.rounds = benches[i].rounds;
			if (!o.reps)
				o.reps = benches[i].reps;
			return benches[i].run(&o);
		}
	return usage("there is no benchmark", argv[optind]);
}
