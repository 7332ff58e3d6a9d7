/*
 * suite_startup.c - the suite `startup`: how long until a guest runs, and how much memory an engine takes beside guest RAM.
 *
 * The guest `first` reads the TSC with its first instruction and prints it. Where the guest's TSC is the host's, that
 * stamp minus the one before fork is the time asked for; where it is not (it must lie between start and end), the time
 * until the stamp's line arrives is an upper bound, and the workload is called so. While the guest waits, its process is looked at in
 * /proc. Each round is a new process, and a first one is thrown away, so that files are in the page cache. Read next: plan.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>
#include "plan.h"

struct startup {
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

static int startup_plan(struct bench *b, const struct suite *s)
{
	struct engine_command cmd;

	for (size_t i = 0; i < engine_count; i++) {
		struct task t = { .suite = s, .engine = engines[i].name, .part = "first" };
		const char *why;

		if (!strcmp(engines[i].name, "native") || !bench_wants(b, s, engines[i].name))
			continue;
		if (engines[i].outside) {
			bench_missing(b, s, t.engine, t.part, "its boot is a PC's, with BIOS and boot loader: see the boot of the suite kernel");
			continue;
		}
		why = engine_command(&engines[i], &bench_options_of(b)->paths, "first", "", &cmd);
		if (why)
			bench_missing(b, s, t.engine, t.part, "%s", why);
		else if (bench_task(b, &t))
			return -ENOMEM;
	}
	return 0;
}

static void seconds_sample(struct bench *b, const char *workload, double seconds)
{
	bench_sample(b, &(struct sample){ .workload = workload, .metric = "seconds", .unit = "s", .timed = true, .value = seconds });
}

static const char *startup_take(struct bench *b, const struct task *t)
{
	struct engine_command cmd;
	struct startup s = { .arrived = 0 };
	struct child_run run = { .argv = cmd.argv, .timeout_s = 30, .line = startup_line, .ctx = &s };
	const char *wrong = engine_command(engine_find(t->engine), &bench_options_of(b)->paths, "first", "", &cmd);
	double hz = bench_tsc_hz(b);
	bool bound;

	if (wrong)
		return wrong;
	if (!t->round) {
		if (bench_child(b, &run))
			return "its process could not be started";
		s = (struct startup){ .arrived = 0 };
	}
	if (bench_child(b, &run))
		return "its process could not be started";
	if (!s.arrived)
		return bench_why(b, &run, "the guest printed no stamp");
	bound = s.stamp < run.tsc_start || s.stamp > s.arrived;
	seconds_sample(b, bound ? "first instruction (at most)" : "first instruction", (double)((bound ? s.arrived : s.stamp) - run.tsc_start) / hz);
	seconds_sample(b, "to the end", run.seconds);
	if (s.own_kib > 0) /* else the process had ended before it was looked at */
		bench_sample(b, &(struct sample){ .workload = "own memory", .metric = "bytes", .unit = "B", .value = s.own_kib * 1024 });
	return NULL;
}

const struct suite suite_startup = {
	"startup", "from process start to the guest's first instruction, and resident memory", 21, 7, startup_plan, startup_take,
};
