/*
 * kernel.c - `ringlab-bench kernel`: what our Unix-like guest kernel costs on every engine, in one interleaved run.
 *
 * Groups of rows, each of which --only can choose: boot (from process start to a user program's first word, and to the end of the VM), ops
 * (the kernel's everyday operations, timed by its own program `bench`). The native image serves bt, pv-patch and QEMU TCG, its
 * pre-virtualized and Xen builds the others; user programs are the same bytes everywhere, and run on the host's Linux
 * too, for comparison. Read next: rows.c, guests/kernel/README.md.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>
#include "rows.h"

#define QEMU_OPTIONS "-accel tcg -cpu pentium3 -display none -nodefaults -no-reboot -m 64 -serial stdio -monitor none" \
	" -device isa-debug-exit,iobase=0xf4,iosize=4"
#define READY "kernel-is-up"

static const char *const columns[] = { "pv-xen", "bt", "pv-previrt", "pv-patch", "qemu-tcg", "host-linux", NULL };
#define BT 1

struct kernel_bench {
	const struct bench_options *o;
	FILE *raw;
	struct rows boot, ops;
};

/* The command that runs one program of the guest's disk, words separated by commas, as the kernel's run= takes them. */
static const char *command_guest(struct command_builder *b, const struct bench_options *o, const char *engine, const char *run)
{
	const char *file;

	if (strcmp(engine, "qemu-tcg")) {
		command_add(b, "%s", o->paths.ringlab);
		command_add_words(b, "run --backend");
		command_add(b, "%s", strncmp(engine, "pv-", 3) ? engine : "pv");
		if (!strncmp(engine, "pv-", 3)) {
			command_add(b, "--interface");
			command_add(b, "%s", engine + 3);
		}
		command_add(b, "--append");
		command_add(b, "run=%s", run);
		command_add(b, "kernel");
		return NULL;
	}
	if (access("/usr/bin/qemu-system-i386", X_OK))
		return "qemu-system-i386 is not installed (package qemu-system-x86)";
	command_add(b, "qemu-system-i386");
	command_add_words(b, QEMU_OPTIONS " -kernel");
	file = command_add(b, "%s/kernel.elf", o->paths.guests);
	command_add(b, "-append");
	command_add(b, "run=%s", run);
	command_add(b, "-drive");
	command_add(b, "file=%s/kernel/disk.img,format=raw,if=ide,snapshot=on", o->paths.guests);
	return access(file, R_OK) ? "the kernel was not built" : NULL;
}

static const char *command_host(struct command_builder *b, const struct bench_options *o, const char *run)
{
	char words[200];
	const char *program;

	snprintf(words, sizeof(words), "%s", run);
	for (char *p = words; *p; p++)
		if (*p == ',')
			*p = ' ';
	program = command_add(b, "%s/kernel%.*s", o->paths.guests, (int)strcspn(words, " "), words);
	command_add_words(b, words + strcspn(words, " "));
	return access(program, X_OK) ? "the programs were not built" : NULL;
}

struct watch {
	struct rows *rows;
	int col;
	uint64_t ready;
	unsigned lines;
};

static void watch_line(void *ctx, const char *text, pid_t pid)
{
	struct watch *w = ctx;
	char name[32];
	double cycles;

	if (!w->ready && !strncmp(text, READY, strlen(READY)))
		w->ready = __rdtsc();
	if (sscanf(text, "bench %31s cycles %lf", name, &cycles) == 2) {
		rows_note(w->rows, w->col, name, cycles);
		w->lines++;
	}
}

/* One program on one engine; NULL, or a sentence why there is no result. */
static const char *program_run(const struct bench_options *o, const char *engine, const char *run, struct watch *w, struct child_run *r,
	char *why, size_t n)
{
	struct engine_command cmd;
	struct command_builder b = { .c = &cmd };
	const char *wrong = strcmp(engine, "host-linux") ? command_guest(&b, o, engine, run) : command_host(&b, o, run);

	if (wrong)
		return wrong;
	*r = (struct child_run){ .argv = cmd.argv, .cpu = o->cpu, .no_huge_pages = !o->huge_pages, .timeout_s = 120, .line = watch_line, .ctx = w };
	if (child_run(r))
		return "its process could not be started";
	/* isa-debug-exit makes an odd status of every value: 0 becomes 1 */
	if (r->status != (strcmp(engine, "qemu-tcg") ? 0 : 1)) {
		snprintf(why, n, "%s on %s ended with status %d%s%s", run, engine, r->status, r->error[0] ? ": " : "", r->error);
		return why;
	}
	return NULL;
}

static void boot_take(struct kernel_bench *b, int col)
{
	struct rows *r = &b->boot;
	struct watch w = { .rows = r, .col = col };
	struct child_run run;
	char why[400];
	const char *wrong = program_run(b->o, columns[col], "/bin/echo," READY, &w, &run, why, sizeof(why));

	if (wrong || !w.ready) {
		rows_fail(r, col, wrong ? wrong : "the program's output did not arrive");
		return;
	}
	rows_note(r, col, "process to a user program", 1e3 * (double)(w.ready - run.tsc_start) / tsc_hz());
	rows_note(r, col, "process to its end", 1e3 * run.seconds);
}

static void ops_take(struct kernel_bench *b, int col)
{
	struct watch w = { .rows = &b->ops, .col = col };
	struct child_run run;
	char why[400];
	const char *wrong = program_run(b->o, columns[col], "/bin/bench", &w, &run, why, sizeof(why));

	if (wrong || !w.lines)
		rows_fail(&b->ops, col, wrong ? wrong : "bench printed nothing");
}

static void group_round(struct kernel_bench *b, struct rows *r, void (*take)(struct kernel_bench *b, int col), unsigned round)
{
	int n = (int)(sizeof(columns) / sizeof(columns[0])) - 1;

	for (int j = 0; j < n; j++) {
		int col = (j + (int)round) % n;

		if (!r->why[col])
			take(b, col);
	}
	rows_close_round(r);
}

static void rows_begin(struct kernel_bench *b)
{
	b->boot = (struct rows){ .title = "boot of guests/kernel", .unit = "milliseconds", .digits = 2, .reference = BT, .lean = true, .geomean_bar = NAN, .raw = b->raw };
	b->ops = (struct rows){ .title = "operations of guests/kernel", .unit = "TSC cycles, as the guest's program measures", .digits = 0,
		.reference = BT, .lean = true, .geomean_bar = NAN, .raw = b->raw };
	for (int i = 0; columns[i]; i++) {
		b->boot.col[i] = b->ops.col[i] = columns[i];
		if (b->o->engines && !list_has(b->o->engines, columns[i]))
			b->boot.why[i] = b->ops.why[i] = "left out by --engines";
	}
	b->boot.why[5] = "it boots nothing";
}

int bench_kernel(const struct bench_options *o)
{
	struct kernel_bench *b = calloc(1, sizeof(*b));

	if (!b)
		return 1;
	b->o = o;
	if (o->raw && !(b->raw = fopen(o->raw, "we"))) {
		fprintf(stderr, "ringlab-bench: cannot write %s: %s\n", o->raw, strerror(errno));
		free(b);
		return 1;
	}
	if (b->raw)
		fprintf(b->raw, "group\tengine\trow\tvalue\n");
	rows_begin(b);
	printf("kernel: %u interleaved rounds, cpu %d; TSC %.0f MHz; qemu-system-i386 " QEMU_OPTIONS "\n", o->rounds, o->cpu, tsc_hz() / 1e6);
	fflush(stdout);
	for (unsigned round = 0; round < o->rounds; round++) {
		fprintf(stderr, "kernel: round %u of %u\n", round + 1, o->rounds);
		if (list_has(o->only, "boot"))
			group_round(b, &b->boot, boot_take, round);
		if (list_has(o->only, "ops"))
			group_round(b, &b->ops, ops_take, round);
	}
	for (unsigned i = 0; i < b->boot.n; i++)
		b->boot.row[i].bar = strstr(b->boot.row[i].name, "program") ? 3 : NAN;
	rows_print(&b->boot);
	rows_print(&b->ops);
	rows_free(&b->boot);
	rows_free(&b->ops);
	if (b->raw)
		fclose(b->raw);
	free(b);
	return 0;
}
