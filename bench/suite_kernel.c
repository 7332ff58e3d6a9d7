/*
 * suite_kernel.c - the suite `kernel`: what our Unix-like guest kernel costs on every engine: its boot, its everyday operations.
 *
 * Parts: boot (process start to a user program's first word), bench (operations, timed by the guest's own program `bench`), counts (exits
 * an operation, and over time). The native image serves bt, pv-trap, pv-patch, vtx, interp, QEMU and Bochs, the pre-virtualized and the Xen
 * build the others; user programs are the same bytes everywhere, and run on the host's Linux too: engine `native`.
 * Bochs's TSC is not the host's: what it costs is taken from when the lines of -p come. Read next: guests/kernel/README.md, counts.c.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>
#include "counts.h"

#define READY "kernel-is-up"
#define BOOT "run=/bin/echo," READY
#define BENCH "run=/bin/bench"
#define ROWS_MAX 32
#define ROWS_QUICK ",getpid,pipe-pingpong,switch-8,fork-exit,fork-exec,page-fault-storm,read-4k,file-read-64k" /* of --quick */
#define OUTSIDE_LEAST 0.02 /* s: what is timed from outside must have taken so long, or the lines themselves would be in it */

/* One row of bench, as it comes. */
struct row {
	char name[32];
	double cycles, first;
};

struct watch {
	uint64_t start, ready;    /* TSC: Bochs says when it really starts */
	bool stop, outside, ended;
	struct row row[ROWS_MAX];
	size_t rows;
	uint64_t last;            /* when the line before came, of a phase */
	double hz;
};

static void row_add(struct watch *w, const char *name, double cycles, double first)
{
	struct row *r = &w->row[w->rows];

	if (w->rows == ROWS_MAX)
		return;
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->cycles = cycles;
	r->first = first;
	w->rows++;
}

/* "bench-phase ROW steady n=N": N operations since the line before. */
static void watch_phase(struct watch *w, const char *text)
{
	uint64_t now = __rdtsc();
	char name[32], which[16];
	unsigned n;

	if (sscanf(text, "bench-phase %31s %15s n=%u", name, which, &n) != 3)
		return;
	if (!strcmp(which, "steady") && strcmp(name, "none") && n && (double)(now - w->last) > OUTSIDE_LEAST * w->hz)
		row_add(w, name, (double)(now - w->last) / n, 0);
	w->last = now;
}

static void watch_line(void *ctx, const char *text, pid_t pid)
{
	struct watch *w = ctx;
	char name[32];
	double cycles, first;

	if (!strcmp(text, "bochs: starts"))
		w->start = __rdtsc();
	if (!w->ready && !strncmp(text, READY, strlen(READY)))
		w->ready = __rdtsc();
	w->ended |= !strcmp(text, "bench-end");
	if (w->outside)
		watch_phase(w, text);
	else if (sscanf(text, "bench %31s cycles %lf first %lf", name, &cycles, &first) == 3)
		row_add(w, name, cycles, first);
	if (w->stop && (w->ready || w->ended))
		kill(pid, SIGTERM); /* Bochs has no end of its own */
}

/* The guest's disk, as the engine wants to be told. */
static const char *command_disk(struct engine_command *out, const struct engine_command *plain, const char *engine, const char *disk)
{
	struct command_builder b = { .c = out };
	char word[4300];
	const char *const options[] = { "--disk", word, NULL };

	snprintf(word, sizeof(word), "%s,snapshot", disk);
	if (counts_there(engine))
		return counts_command(out, plain, NULL, options) ? NULL : "its command line is too long";
	*out = (struct engine_command){ 0 };
	for (unsigned i = 0; plain->argv[i]; i++)
		command_add(&b, "%s", plain->argv[i]);
	if (!strcmp(engine, "qemu-tcg")) {
		command_add(&b, "-drive");
		command_add(&b, "file=%s,format=raw,if=ide,snapshot=on", disk);
	} else {
		command_add(&b, "%s", disk);
	}
	return NULL;
}

/* The same program on the host's Linux: words as the kernel's run= takes them. */
static const char *command_host(struct engine_command *out, const struct engine_paths *p, const char *run)
{
	struct command_builder b = { .c = out };
	char words[200];
	const char *program;

	snprintf(words, sizeof(words), "%s", run + strlen("run="));
	for (char *c = words; *c; c++)
		if (*c == ',')
			*c = ' ';
	program = command_add(&b, "%s/kernel%.*s", p->guests, (int)strcspn(words, " "), words);
	command_add_words(&b, words + strcspn(words, " "));
	return access(program, X_OK) ? "the programs were not built" : NULL;
}

static const char *kernel_command(const struct bench_options *o, const char *engine, const char *run, struct engine_command *out)
{
	struct engine_command plain;
	char disk[4200];
	const char *wrong;

	if (!strcmp(engine, "native"))
		return command_host(out, &o->paths, run);
	wrong = engine_command(engine_find(engine), &o->paths, "kernel", run, &plain);
	snprintf(disk, sizeof(disk), "%s/kernel/disk.img", o->paths.guests);
	return wrong ? wrong : access(disk, R_OK) ? "its disk was not made" : command_disk(out, &plain, engine, disk);
}

/* One program on one engine; NULL, or a sentence why there is no result. */
static const char *program_run(struct bench *b, const char *engine, const char *run, struct watch *w, struct child_run *r)
{
	struct engine_command cmd;
	const char *wrong = kernel_command(bench_options_of(b), engine, run, &cmd);

	if (wrong)
		return wrong;
	w->outside = w->stop = engine_find(engine)->outside;
	w->hz = bench_tsc_hz(b);
	*r = (struct child_run){ .argv = cmd.argv, .timeout_s = 120, .line = watch_line, .ctx = w };
	if (bench_child(b, r))
		return "its process could not be started";
	if (!w->start)
		w->start = r->tsc_start;
	/* isa-debug-exit makes an odd status of every value: 0 becomes 1 */
	if (w->stop ? !w->ready && !w->ended : r->status != (strcmp(engine, "qemu-tcg") ? 0 : 1))
		return bench_why(b, r, run);
	return NULL;
}

static void emit(struct bench *b, const char *workload, const char *metric, const char *unit, double v)
{
	bench_sample(b, &(struct sample){ .workload = workload, .metric = metric, .unit = unit, .timed = true, .value = v });
}

static const char *boot_take(struct bench *b, const struct task *t)
{
	struct watch w = { .rows = 0 };
	struct child_run run;
	const char *wrong = program_run(b, t->engine, BOOT, &w, &run);

	if (wrong)
		return wrong;
	if (!w.ready)
		return "the program's output did not arrive";
	emit(b, "boot to a user program", "seconds", "s", (double)(w.ready - w.start) / bench_tsc_hz(b));
	if (!w.stop) {
		emit(b, "boot and end", "seconds", "s", run.seconds);
		emit(b, "boot and end", "cpu-seconds", "s", run.cpu_seconds);
	}
	return NULL;
}

static const char *rows_wanted(const struct bench *b)
{
	return bench_options_of(b)->quick ? ROWS_QUICK : "";
}

static const char *bench_take(struct bench *b, const struct task *t)
{
	struct watch w = { .rows = 0 };
	struct child_run run;
	char words[200];
	const char *wrong;

	snprintf(words, sizeof(words), BENCH "%s%s", engine_find(t->engine)->outside ? ",-p,-n,4" : "", rows_wanted(b));
	wrong = program_run(b, t->engine, words, &w, &run);
	if (wrong)
		return wrong;
	for (size_t i = 0; i < w.rows; i++) {
		emit(b, w.row[i].name, "cycles", "cycles", w.row[i].cycles);
		if (!w.outside)
			emit(b, w.row[i].name, "first-cycles", "cycles", w.row[i].first);
	}
	return w.rows ? NULL : "bench printed nothing";
}

/* Exits an operation in the steady state of each row, and over the time of all of them. */
static const char *counts_take_rows(struct bench *b, const struct task *t)
{
	char disk[4300];
	const char *const options[] = { "--disk", disk, "--phase", "bench-phase", "--timeline", NULL }, *why;
	char name[32], which[16], words[200];
	struct count_run r = { .engine = t->engine, .guest = "kernel", .words = words, .options = options, .timeout_s = 240 };
	const json_t *none, *p;
	unsigned n;
	json_t *stats;
	size_t i;

	snprintf(disk, sizeof(disk), "%s/kernel/disk.img,snapshot", bench_options_of(b)->paths.guests);
	snprintf(words, sizeof(words), BENCH ",-p%s", rows_wanted(b));
	stats = counts_take(b, &r, &why);
	if (!stats)
		return why;
	none = counts_phase(stats, "bench-phase none             steady");
	json_array_foreach(json_object_get(stats, "phases"), i, p)
		if (sscanf(json_string_value(json_object_get(p, "line")), "bench-phase %31s %15s n=%u", name, which, &n) == 3 && p != none && n &&
		    !strcmp(which, "steady"))
			counts_emit(b, name, NULL, p, none, n);
	if (!counts_timeline(b, "bench", stats))
		why = "the VMM noted nothing over time";
	json_decref(stats);
	return why;
}

/* --- plan --- */

static const struct part {
	const char *name;
	const char *(*take)(struct bench *b, const struct task *t);
} parts[] = { { "boot", boot_take }, { "bench", bench_take }, { "counts", counts_take_rows } };

static const char *kernel_take(struct bench *b, const struct task *t)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!strcmp(t->part, parts[i].name))
			return parts[i].take(b, t);
	return "there is no such part";
}

static bool part_fits(struct bench *b, const struct suite *s, const char *part, const char *engine)
{
	if (!strcmp(part, "boot"))
		return strcmp(engine, "native") != 0;
	if (!strcmp(engine, "bochs") && bench_options_of(b)->quick) {
		bench_missing(b, s, engine, part, "left out by --quick");
		return false;
	}
	return strcmp(part, "counts") || counts_there(engine);
}

static int part_plan(struct bench *b, const struct suite *s, const char *part)
{
	const struct bench_options *o = bench_options_of(b);
	int err = 0;

	for (size_t i = 0; i < engine_count; i++) {
		struct task t = { .suite = s, .engine = engines[i].name, .once = !strcmp(part, "counts") };
		struct engine_command cmd;
		const char *wrong;

		if (!bench_wants(b, s, t.engine) || !part_fits(b, s, part, t.engine))
			continue;
		t.last = !strcmp(t.engine, "interp") || !strcmp(t.engine, "bochs");
		snprintf(t.part, sizeof(t.part), "%s", part);
		wrong = kernel_command(o, t.engine, BOOT, &cmd);
		if (wrong)
			bench_missing(b, s, t.engine, part, "%s", wrong);
		else
			err = bench_task(b, &t);
		if (err)
			return err;
	}
	return 0;
}

static int kernel_plan(struct bench *b, const struct suite *s)
{
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(parts) / sizeof(parts[0]); i++)
		if (list_has(bench_options_of(b)->only, parts[i].name))
			err = part_plan(b, s, parts[i].name);
	return err;
}

const struct suite suite_kernel = {
	"kernel", "our Unix-like guest kernel: boot and everyday operations (parts boot, bench, counts)", 7, 1, kernel_plan, kernel_take,
};
