/*
 * linux.c - `ringlab-bench linux`: Debian's i386 kernels as shipped, here and under QEMU TCG, in one interleaved run.
 *
 * Groups of rows, each of which --only can choose: boot (process start, and the kernel's first line, to init), lat (operations
 * timed by the guest's own program, and the same program natively), compute (the compute kernels in guest user space),
 * ablation (boot without one mechanism of `bt` each), traps (host traps an operation, at first and in the steady state).
 * Both engines get the same kernel, initial RAM disk, command line, memory, and CPU features. Images come from
 * scripts/linux-guest. Read next: rows.c, linux_stats.c.
 */
#include "linux.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#define MEMORY "256"
#define APPEND "console=ttyS0 acpi=off pci=off noapic nolapic nokaslr"
/* The features of core/x86/cpuid.c, so that the kernel takes the same paths on both. */
#define QEMU_CPU "pentium3,model=13,stepping=8,+sse2,+nx,+clflush,-vme,-mce,-mca,-apic,-mtrr,-pse36"

static const char *const flavours[] = { "686", "686-pae" };

/* --- one guest --- */

static void command_qemu(struct command_builder *b)
{
	command_add(b, "qemu-system-i386");
	command_add_words(b, "-accel tcg -cpu " QEMU_CPU " -m " MEMORY " -nodefaults -display none -serial stdio -monitor none -no-reboot"
		" -device isa-debug-exit,iobase=0xf4,iosize=4");
}

static void command_ringlab(struct command_builder *b, const struct bench_options *o, const struct linux_guest *g)
{
	command_add(b, "%s", o->paths.ringlab);
	command_add_words(b, "run --mem " MEMORY "M --backend");
	command_add(b, "%s", g->engine);
	command_add_words(b, g->options ? g->options : "");
	if (g->stats) {
		command_add(b, "--stats");
		command_add(b, "%s", g->stats);
	}
}

const char *linux_command(const struct bench_options *o, const struct linux_guest *g, struct engine_command *out)
{
	struct command_builder b = { .c = out };
	bool qemu = !strcmp(g->engine, "qemu-tcg");
	const char *dash = qemu ? "" : "-", *kernel, *initrd;

	if (qemu && access("/usr/bin/qemu-system-i386", X_OK))
		return "qemu-system-i386 is not installed (package qemu-system-x86)";
	if (qemu)
		command_qemu(&b);
	else
		command_ringlab(&b, o, g);
	command_add(&b, "%s-kernel", dash);
	kernel = command_add(&b, "%s/vmlinuz-%s", o->paths.images, g->flavour);
	command_add(&b, "%s-initrd", dash);
	initrd = command_add(&b, "%s/initrd", o->paths.images);
	command_add(&b, "%s-append", dash);
	command_add(&b, g->session ? "%s ringlab.session=%s" : "%s", APPEND, g->session);
	return access(kernel, R_OK) || access(initrd, R_OK) ? "its images are not there: scripts/linux-guest makes them" : NULL;
}

struct watch {
	struct linux_guest *g;
	uint64_t first, ready;
};

static void watch_line(void *ctx, const char *text, pid_t pid)
{
	struct watch *w = ctx;
	const char *stamp = *text == '[' ? strstr(text, "] ") : NULL;

	if (stamp)
		text = stamp + 2;
	if (!w->first && !strncmp(text, LINUX_FIRST_LINE, strlen(LINUX_FIRST_LINE)))
		w->first = __rdtsc();
	if (!w->ready && !strncmp(text, LINUX_READY_LINE, strlen(LINUX_READY_LINE))) {
		w->ready = __rdtsc();
		if (w->g->until_ready)
			kill(pid, SIGTERM); /* both end well of it, and ringlab writes its --stats */
	}
	if (w->g->line)
		w->g->line(w->g->ctx, text);
}

const char *linux_run(const struct bench_options *o, struct linux_guest *g)
{
	struct watch w = { .g = g };
	struct engine_command cmd;
	struct child_run run = { .argv = cmd.argv, .cpu = o->cpu, .no_huge_pages = !o->huge_pages, .timeout_s = g->timeout_s,
		.line = watch_line, .ctx = &w };
	const char *why = linux_command(o, g, &cmd);

	g->ready_s = g->kernel_s = NAN;
	if (why)
		return why;
	if (child_run(&run))
		return "its process could not be started";
	if (!w.ready) {
		snprintf(g->why, sizeof(g->why), "%s on %s: no init within %u s; status %d%s%s", g->flavour, g->engine, g->timeout_s, run.status,
			run.error[0] ? ": " : "", run.error);
		return g->why;
	}
	g->cpu_s = run.cpu_seconds;
	g->ready_s = (double)(w.ready - run.tsc_start) / tsc_hz();
	if (w.first)
		g->kernel_s = (double)(w.ready - w.first) / tsc_hz();
	if (!g->until_ready && run.status < 0) {
		snprintf(g->why, sizeof(g->why), "%s on %s: session %s did not end within %u s", g->flavour, g->engine, g->session, g->timeout_s);
		return g->why;
	}
	return NULL;
}

/* --- the groups --- */

struct linux_bench {
	const struct bench_options *o;
	FILE *raw;
	const char *ours;    /* the engine of the first column */
	struct rows boot[2], lat, compute; /* boot: of each flavour */
	char stats[64];      /* a file for --stats */
};

static void progress(const char *what, unsigned round, unsigned rounds)
{
	fprintf(stderr, "linux: round %u of %u: %s\n", round + 1, rounds, what);
}

static void boot_round(struct linux_bench *b, unsigned round)
{
	for (size_t f = 0; f < 2; f++) {
		struct rows *r = &b->boot[f];

		for (unsigned j = 0; j < 2; j++) {
			int col = (int)((j + round) & 1);
			struct linux_guest g = { .engine = r->col[col], .flavour = flavours[f], .until_ready = true, .timeout_s = 180 };
			const char *why = r->why[col] ? r->why[col] : linux_run(b->o, &g);

			if (why) {
				rows_fail(r, col, why);
				continue;
			}
			rows_note(r, col, "process to init", g.ready_s);
			rows_note(r, col, "first line to init", g.kernel_s);
			rows_note(r, col, "CPU time to init", g.cpu_s);
			rows_get(r, "CPU time to init")->extra = true;
		}
		rows_close_round(r);
	}
}

/* "lat NAME cycles N" and "COMPUTE name rep=1 cycles=..." of a guest, or of the same program natively. */
struct collect {
	struct rows *rows;
	int col;
	double best; /* of the compute kernel's warm repetitions */
	char kernel[32];
};

static void collect_line(void *ctx, const char *text)
{
	struct collect *c = ctx;
	char name[32];
	double v;
	unsigned rep;

	if (sscanf(text, "lat %31s cycles %lf", name, &v) == 2)
		rows_note(c->rows, c->col, name, v);
	if (sscanf(text, "COMPUTE %31s rep=%u cycles=%lf", name, &rep, &v) == 3 && rep) {
		if (strcmp(name, c->kernel))
			c->best = INFINITY;
		snprintf(c->kernel, sizeof(c->kernel), "%s", name);
		c->best = fmin(c->best, v);
		rows_note(c->rows, c->col, name, c->best / 1e6);
	}
}

static void collect_native(void *ctx, const char *text, pid_t pid)
{
	collect_line(ctx, text);
}

static const char *native_run(const struct bench_options *o, struct collect *c, const char *program, const char *words)
{
	struct engine_command cmd;
	struct command_builder b = { .c = &cmd };
	struct child_run run = { .argv = cmd.argv, .cpu = o->cpu, .no_huge_pages = !o->huge_pages, .timeout_s = 120,
		.line = collect_native, .ctx = c };

	command_add(&b, "%s", program);
	command_add_words(&b, words);
	if (access(program, X_OK))
		return "the native program was not built";
	if (child_run(&run))
		return "its process could not be started";
	return run.status ? "the native program failed" : NULL;
}

/* The same session on each engine, in turns. */
static void session_round(struct linux_bench *b, struct rows *r, const char *session, const char *program, const char *words,
	unsigned round)
{
	for (int j = 0; j < 3; j++) {
		int col = (int)((unsigned)j + round) % 3;
		struct collect c = { .rows = r, .col = col, .best = INFINITY };
		struct linux_guest g = { .engine = r->col[col], .flavour = "686", .session = session, .timeout_s = 300, .line = collect_line,
			.ctx = &c };
		const char *why = r->why[col];

		if (!why)
			why = strcmp(r->col[col], "native") ? linux_run(b->o, &g) : native_run(b->o, &c, program, words);
		if (why)
			rows_fail(r, col, why);
	}
	rows_close_round(r);
}

static void lat_round(struct linux_bench *b, unsigned round)
{
	char program[4200];

	snprintf(program, sizeof(program), "%s/bin/lat", b->o->paths.images);
	session_round(b, &b->lat, "lat", program, "", round);
}

static void compute_round(struct linux_bench *b, unsigned round)
{
	char program[4200];

	snprintf(program, sizeof(program), "%s/bin/ucompute", b->o->paths.images);
	session_round(b, &b->compute, "ucompute ringlab.args=reps=11", program, "reps=11", round);
	rows_get(&b->compute, "x87")->extra = true;
	rows_get(&b->compute, "sse")->extra = true;
	rows_get(&b->compute, "repmovs")->extra = true;
}

static const struct ablation {
	const char *name, *options;
} ablations[] = {
	{ "default", NULL }, { "--no-adapt", "--no-adapt" }, { "--no-chain", "--no-chain" }, { "--no-retpred", "--no-retpred" },
	{ "--no-traces", "--no-traces" },
};
#define ABLATIONS (sizeof(ablations) / sizeof(ablations[0]))

struct ablated {
	struct series s, cpu, ratio; /* ratio: of CPU time, within a round */
	struct linux_counts counts;
	char why[400];
	double now;
};

static void ablation_take(struct linux_bench *b, const struct ablation *a, struct ablated *r)
{
	struct linux_guest g = { .engine = b->ours, .flavour = "686", .until_ready = true, .timeout_s = 240, .options = a->options,
		.stats = b->stats };
	const char *why = linux_run(b->o, &g);

	r->now = NAN;
	if (why) {
		snprintf(r->why, sizeof(r->why), "%s", why);
		return;
	}
	r->now = g.cpu_s;
	series_add(&r->s, g.ready_s);
	series_add(&r->cpu, g.cpu_s);
	linux_counts_read(b->stats, &r->counts);
	if (b->raw)
		fprintf(b->raw, "ablation\t%s\t%s\t%.4f\nablation-cpu\t%s\t%s\t%.4f\n", b->ours, a->name, g.ready_s, b->ours, a->name, g.cpu_s);
}

static void ablation_table(const struct ablated *r)
{
	printf("\nboot of 686 to init without one mechanism each; counters of the last run\n%-14s %8s %8s %22s %9s %10s %9s %10s %11s %10s %10s\n",
		"option", "seconds", "CPU s", "CPU/default [95 %]", "traps", "callouts", "fills", "translated", "interpreted", "pt-writes", "misses");
	for (size_t i = 0; i < ABLATIONS; i++) {
		const struct linux_counts *c = &r[i].counts;
		struct interval v = series_median_interval(&r[i].ratio);

		if (r[i].why[0]) {
			printf("%-14s %s\n", ablations[i].name, r[i].why);
			continue;
		}
		printf("%-14s %8.3f %8.3f   %5.2f [%5.2f,%5.2f]  %9.0f %10.0f %9.0f %10.0f %11.0f %10.0f %10.0f\n", ablations[i].name,
			series_quantile(&r[i].s, 0.5), series_quantile(&r[i].cpu, 0.5), v.mid, v.low, v.high,
			c->traps, c->callouts, c->fills, c->translations, c->interpreted, c->pt_writes, c->misses);
	}
}

static void ablation_run(struct linux_bench *b)
{
	struct ablated r[ABLATIONS] = { 0 };

	for (unsigned round = 0; round < b->o->rounds; round++) {
		progress("ablation", round, b->o->rounds);
		for (size_t i = 0; i < ABLATIONS; i++) {
			size_t k = (i + round) % ABLATIONS;

			if (!r[k].why[0])
				ablation_take(b, &ablations[k], &r[k]);
		}
		for (size_t i = 0; i < ABLATIONS; i++)
			if (!r[i].why[0] && r[0].now > 0)
				series_add(&r[i].ratio, r[i].now / r[0].now);
	}
	ablation_table(r);
	for (size_t i = 0; i < ABLATIONS; i++) {
		series_free(&r[i].s);
		series_free(&r[i].cpu);
		series_free(&r[i].ratio);
	}
}

static void traps_take(struct linux_bench *b, const char *options, const char *title)
{
	struct linux_guest g = { .engine = b->ours, .flavour = "686", .session = "lat", .timeout_s = 300, .stats = b->stats, .options = options };
	const char *why = linux_run(b->o, &g);

	if (why || !linux_phases_print(b->stats, title))
		printf("%s: %s\n", title, why ? why : "no counters were written");
}

static void traps_run(struct linux_bench *b)
{
	progress("host traps an operation", 0, 1);
	traps_take(b, "--phase lat-phase", "what an operation takes of the VMM");
	if (!strcmp(b->ours, "bt"))
		traps_take(b, "--phase lat-phase --no-adapt", "the same with --no-adapt");
}

/* --- all of it --- */

static void rows_begin(struct linux_bench *b)
{
	static const char *const title[2] = { "boot of 686", "boot of 686-pae" };

	for (int f = 0; f < 2; f++)
		b->boot[f] = (struct rows){ .title = title[f], .unit = "seconds", .digits = 3, .col = { b->ours, "qemu-tcg" }, .reference = 1,
			.geomean_bar = NAN, .raw = b->raw };
	b->lat = (struct rows){ .title = "lat", .unit = "TSC cycles, as the guest's program measures", .digits = 0,
		.col = { b->ours, "qemu-tcg", "native" }, .reference = 1, .geomean_bar = 0.5, .raw = b->raw };
	b->compute = (struct rows){ .title = "compute", .unit = "Mcycles in guest user space, quickest warm repetition", .digits = 2,
		.col = { b->ours, "native", "qemu-tcg" }, .reference = 1, .geomean_bar = 1.10, .raw = b->raw };
}

static void bars_set(struct linux_bench *b)
{
	for (int f = 0; f < 2; f++)
		for (unsigned i = 0; i < b->boot[f].n; i++)
			if (!b->boot[f].row[i].extra)
				b->boot[f].row[i].bar = strstr(b->boot[f].row[i].name, "process") ? 0.4 : 0.5;
	for (unsigned i = 0; i < b->lat.n; i++)
		b->lat.row[i].bar = 1;
	for (unsigned i = 0; i < b->compute.n; i++)
		b->compute.row[i].bar = b->compute.row[i].extra ? 1.1 : 1.4;
}

static void linux_bench_all(struct linux_bench *b)
{
	const struct bench_options *o = b->o;
	static const struct {
		const char *name;
		void (*round)(struct linux_bench *b, unsigned round);
	} groups[] = { { "boot", boot_round }, { "lat", lat_round }, { "compute", compute_round } };

	for (unsigned round = 0; round < o->rounds; round++)
		for (size_t i = 0; i < 3; i++)
			if (list_has(o->only, groups[i].name)) {
				progress(groups[i].name, round, o->rounds);
				groups[i].round(b, round);
			}
	bars_set(b);
	rows_print(&b->boot[0]);
	rows_print(&b->boot[1]);
	rows_print(&b->lat);
	rows_print(&b->compute);
	fflush(stdout);
	if (list_has(o->only, "ablation") && !strcmp(b->ours, "bt"))
		ablation_run(b);
	if (list_has(o->only, "traps"))
		traps_run(b);
}

int bench_linux(const struct bench_options *o)
{
	struct linux_bench *b = calloc(1, sizeof(*b));
	int fd;

	if (!b)
		return 1;
	b->o = o;
	b->ours = o->engines && list_has(o->engines, "interp") ? "interp" : "bt";
	snprintf(b->stats, sizeof(b->stats), "/tmp/ringlab-bench-XXXXXX");
	fd = mkstemp(b->stats);
	if (fd < 0 || (o->raw && !(b->raw = fopen(o->raw, "we")))) {
		fprintf(stderr, "ringlab-bench: cannot write %s: %s\n", fd < 0 ? b->stats : o->raw, strerror(errno));
		free(b);
		return 1;
	}
	close(fd);
	if (b->raw)
		fprintf(b->raw, "group\tengine\trow\tvalue\n");
	rows_begin(b);
	if (o->engines && !list_has(o->engines, "qemu-tcg"))
		b->boot[0].why[1] = b->boot[1].why[1] = b->lat.why[1] = b->compute.why[2] = "left out by --engines";
	printf("linux: %u interleaved rounds, cpu %d; TSC %.0f MHz; -m " MEMORY "; command line \"" APPEND "\";\nqemu-system-i386 -accel tcg -cpu "
		QEMU_CPU "\n", o->rounds, o->cpu, tsc_hz() / 1e6);
	fflush(stdout);
	linux_bench_all(b);
	unlink(b->stats);
	rows_free(&b->boot[0]);
	rows_free(&b->boot[1]);
	rows_free(&b->lat);
	rows_free(&b->compute);
	if (b->raw)
		fclose(b->raw);
	free(b);
	return 0;
}
