/*
 * startup.c - `ringlab-bench startup`: how long until a guest runs, and how much memory an engine takes beside guest RAM.
 *
 * The guest `first` reads the TSC with its first instruction and prints it. Where the guest's TSC is the host's, that
 * stamp minus the one before fork is the time asked for; where it is not (it must lie between start and end), the time
 * until the stamp's line arrives is an upper bound. While the guest waits, its process is looked at in /proc.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>
#include "bench.h"

struct startup {
	struct child_run *run;
	uint64_t stamp, arrived; /* TSC in the guest at its first instruction; TSC here when its line came */
	double own_kib; /* resident, but for guest RAM; translated code is in it */
};

/* The single child of the supervising process, which is the one that holds the VM; the process itself if it has none. */
static pid_t vm_process(pid_t pid)
{
	char path[64], text[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "re");
	if (!f)
		return pid;
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	return atoi(text) > 0 ? atoi(text) : pid;
}

/* Resident memory of all mappings but those of guest RAM, which may be mapped many times. */
static void memory_read(struct startup *s, pid_t pid)
{
	char path[64], line[512];
	unsigned long from, to;
	bool ram = false;
	double kib;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			ram = strstr(line, "memfd:guest-ram") != NULL;
		else if (!ram && sscanf(line, "Rss: %lf kB", &kib) == 1)
			s->own_kib += kib;
	}
	fclose(f);
}

static void startup_line(void *ctx, const char *text, pid_t pid)
{
	struct startup *s = ctx;
	unsigned hi, lo;

	if (s->arrived || sscanf(text, "FIRST tsc=%8x%8x", &hi, &lo) != 2)
		return;
	s->arrived = __rdtsc();
	s->stamp = (uint64_t)hi << 32 | lo;
	memory_read(s, vm_process(pid));
}

struct startup_column {
	const struct engine *e;
	struct series ms, total_ms, own_mib;
	bool bound; /* the guest's TSC is not the host's: times are upper bounds */
};

static const char *startup_sample(const struct bench_options *o, struct startup_column *col, double hz)
{
	struct engine_command cmd;
	struct startup s = { .arrived = 0 };
	struct child_run run = { .argv = cmd.argv, .cpu = o->cpu, .timeout_s = 60, .line = startup_line, .ctx = &s };
	const char *why = engine_command(col->e, &o->paths, "first", "", &cmd);
	static char text[320];

	if (why)
		return why;
	if (child_run(&run))
		return "its process could not be started";
	if (!s.arrived) {
		snprintf(text, sizeof(text), "the guest printed no stamp; status %d%s%s", run.status, run.error[0] ? ": " : "", run.error);
		return text;
	}
	if (s.stamp < run.tsc_start || s.stamp > s.arrived) {
		col->bound = true;
		s.stamp = s.arrived;
	}
	series_add(&col->ms, 1e3 * (double)(s.stamp - run.tsc_start) / hz);
	series_add(&col->total_ms, 1e3 * run.seconds);
	if (s.own_kib > 0) /* else the process had ended before it was looked at */
		series_add(&col->own_mib, s.own_kib / 1024);
	return NULL;
}

static void column_print(const struct startup_column *col)
{
	struct interval ms = series_median_interval(&col->ms);
	double mib = series_quantile(&col->own_mib, 0.5);
	bool ours = strcmp(col->e->name, "qemu-tcg") && strcmp(col->e->name, "native");

	printf("%-10s %s%7.2f [%6.2f,%7.2f] %9.2f %10.1f", col->e->name, col->bound ? "<" : " ", ms.mid, ms.low, ms.high,
		series_quantile(&col->total_ms, 0.5), mib);
	if (ours)
		printf("   %s, %s", ms.mid <= 10 ? "met" : "NOT MET", mib <= 8 ? "met" : "NOT MET");
	putchar('\n');
}

int bench_startup(const struct bench_options *o)
{
	struct startup_column col[8] = { { NULL } };
	double hz = tsc_hz();
	size_t cols = 0;

	printf("startup: %u rounds; from before fork to the guest's first instruction, bar 10 ms; own memory: resident, without guest\n"
		"RAM, translated code and shared libraries included, bar 8 MiB\n\n", o->rounds);
	for (size_t i = 1; i < engine_count && cols < 8; i++)
		if (list_has(o->engines, engines[i].name) && (o->engines || strcmp(engines[i].name, "interp")))
			col[cols++].e = &engines[i];
	printf("%-10s %8s %16s %9s %10s\n", "engine", "ms", "[95 %]", "to end", "own MiB");
	for (size_t i = 0; i < cols; i++) {
		const char *why = NULL;

		for (unsigned r = 0; r < (col[i].e->slow ? 3 : o->rounds) && !why; r++)
			why = startup_sample(o, &col[i], hz);
		if (why)
			printf("%-10s %s\n", col[i].e->name, why);
		else
			column_print(&col[i]);
		series_free(&col[i].ms);
		series_free(&col[i].total_ms);
		series_free(&col[i].own_mib);
	}
	return 0;
}
