/*
 * nested.c - VM exits an operation where the hardware has no VT-x: scripts/nested-vtx runs the guests in a machine that emulates it.
 *
 * Counts from there are architectural; times are the emulator's and are not taken. What KVM dealt with alone is known at the end of a run
 * only, so a cell of nano runs by itself, few times and many times, and the difference is divided. With EPT (no variant) and without it
 * (variant MODEL_SHADOW). Called by the suites' parts "nested". Read next: scripts/nested/README.md.
 */
#include <stdlib.h>
#include <string.h>
#include "counts.h"
#include "model.h"

#define BOOT_S 900 /* for one boot with all its guests, on a busy host */
#define DEVICES_READS 256

/* Those that take no interrupts: the emulator's clock would be among their exits. */
static const char *const cells[] = { "syscall-int", "syscall-sysenter", "in", "out", "call-ret", "indirect-call", "cli-sti", "pushf-popf",
	"cpuid", "rdtsc", "sgdt", "mov-seg", "smc-call", "cr3-write", "page-fault", "divide-error", "pte-invlpg", "mmio-free", NULL };
static const char *const cells_n[2] = { "100", "300" };

struct job {
	char guest[64]; /* as scripts/nested-vtx takes it, "nano:n=100 det only=in" */
};

static void job_cell(struct job *j, const char *cell, unsigned many)
{
	snprintf(j->guest, sizeof(j->guest), "nano:n=%s det only=%s", cells_n[many], cell);
}

/* Where its results are: blanks and slashes of the guest's name are others there. */
static json_t *job_stats(const char *out, const struct job *j)
{
	char name[64], path[500];

	snprintf(name, sizeof(name), "%s", j->guest);
	for (char *p = name; *p; p++)
		*p = *p == '/' ? '-' : *p == ' ' ? '_' : *p;
	snprintf(path, sizeof(path), "%s/%s/stats.json", out, name);
	return json_load_file(path, 0, NULL);
}

static const char *machine_run(struct bench *b, const struct task *t, const struct job *job, size_t n, char *out, size_t room)
{
	const struct engine_paths *p = &bench_options_of(b)->paths;
	char **argv = calloc(n + 24, sizeof(*argv)), build[4200];
	bool shadow = !strcmp(t->variant, MODEL_SHADOW);
	struct child_run run = { .argv = argv, .timeout_s = BOOT_S };
	const char *why = NULL;
	size_t k = 0;

	if (!argv)
		return "no memory";
	snprintf(out, room, "%s/nested", bench_scratch(b));
	snprintf(build, sizeof(build), "%s/..", p->guests);
	const char *const words[] = { RINGLAB_SOURCE "/scripts/nested-vtx", "--ept", shadow ? "0" : "1", "--build", build, "--ringlab", p->ringlab,
		"--timeout", "100", "--wall", "850", "--options", "--shmem 1M --phase WAY", "--out", out };
	for (; k < sizeof(words) / sizeof(words[0]); k++)
		argv[k] = (char *)words[k];
	for (size_t i = 0; i < n; i++)
		argv[k++] = (char *)job[i].guest;
	if (bench_child(b, &run))
		why = "scripts/nested-vtx could not be started";
	else if (run.status != 0 && run.status != 1) /* 1: a guest left no statistics; which one is seen below */
		why = bench_why(b, &run, "scripts/nested-vtx");
	free(argv);
	return why;
}

/* --- from two runs to exits an operation --- */

static const char *reason_of(const json_t *e)
{
	return counts_text(json_object_get(e, "hw_reason"), "name");
}

/* How often the same happened in the other run. */
static double count_in(const json_t *events, const json_t *like)
{
	double sum = 0;
	const json_t *e;
	size_t i;

	json_array_foreach(events, i, e)
		if (!strcmp(counts_text(e, "kind"), counts_text(like, "kind")) && !strcmp(counts_text(e, "mechanism"), counts_text(like, "mechanism")) &&
		    !strcmp(reason_of(e), reason_of(like)) && !strcmp(counts_text(e, "handled_by"), counts_text(like, "handled_by")))
			sum += json_number_value(json_object_get(e, "count"));
	return sum;
}

/* reasons: {name: exits an operation}. */
static void reasons_emit(struct bench *b, const char *workload, json_t *reasons)
{
	const char *name;
	char kind[80];
	json_t *v;

	json_object_foreach(reasons, name, v) {
		snprintf(kind, sizeof(kind), "reason:%.60s", name);
		bench_sample(b, &(struct sample){ .workload = workload, .metric = "hw-exits", .unit = "1/op", .kind = kind, .mechanism = "VM exit",
			.origin = ORIGIN_NESTED, .value = json_number_value(v) });
	}
}

/* By kind as "exits" (and their sum), and by hardware reason as "hw-exits", kind "reason:NAME". The host's clock is in neither. */
static void difference_emit(struct bench *b, const char *workload, const json_t *few, const json_t *many, double n)
{
	json_t *events = json_array(), *reasons = json_object(), *e, *kept = json_pack("{s:o}", "events", events);
	const json_t *base = json_object_get(few, "events");
	size_t i;

	json_array_foreach(json_object_get(many, "events"), i, e) {
		double count = json_number_value(json_object_get(e, "count")) - count_in(base, e);
		const char *reason = reason_of(e);

		if (count <= 0 || !strcmp(counts_text(e, "kind"), "kick"))
			continue;
		json_array_append_new(events, json_pack("{s:s,s:s,s:f}", "kind", counts_text(e, "kind"), "mechanism", counts_text(e, "mechanism"), "count", count));
		if (*reason)
			json_object_set_new(reasons, reason, json_real(json_number_value(json_object_get(reasons, reason)) + count / n));
	}
	reasons_emit(b, workload, reasons);
	counts_emit(b, workload, ORIGIN_NESTED, kept, NULL, n);
	json_decref(reasons);
	json_decref(kept);
}

static const char *nano_nested(struct bench *b, const struct task *t)
{
	struct job job[2 * sizeof(cells) / sizeof(cells[0])];
	const char *name[sizeof(cells) / sizeof(cells[0])], *why;
	size_t n = 0, figures = 0;
	char out[300];

	for (size_t i = 0; cells[i]; i++)
		if (list_has(bench_options_of(b)->only, cells[i])) {
			name[n] = cells[i];
			job_cell(&job[2 * n], cells[i], 0);
			job_cell(&job[2 * n + 1], cells[i], 1);
			n++;
		}
	why = n ? machine_run(b, t, job, 2 * n, out, sizeof(out)) : "--only names no cell that it counts";
	for (size_t i = 0; !why && i < n; i++) {
		json_t *few = job_stats(out, &job[2 * i]), *many = job_stats(out, &job[2 * i + 1]);

		if (few && many) {
			difference_emit(b, name[i], few, many, atoi(cells_n[1]) - atoi(cells_n[0]));
			figures++;
		}
		json_decref(few);
		json_decref(many);
	}
	return why || figures ? why : "the nested machine brought back no counts of nano";
}

static const char *devices_nested(struct bench *b, const struct task *t)
{
	struct job job;
	const char *why;
	char out[300];
	json_t *stats;

	snprintf(job.guest, sizeof(job.guest), "devices:n=%u write", DEVICES_READS);
	why = machine_run(b, t, &job, 1, out, sizeof(out));
	if (why)
		return why;
	stats = job_stats(out, &job);
	why = stats ? devices_counts_emit(b, ORIGIN_NESTED, stats, DEVICES_READS) : "the nested machine brought back no counts of devices";
	json_decref(stats);
	return why;
}

bool nested_is(const struct task *t)
{
	return !strcmp(t->part, "nested");
}

const char *nested_take(struct bench *b, const struct task *t)
{
	return strcmp(t->suite->name, "nano") ? devices_nested(b, t) : nano_nested(b, t);
}

int nested_plan(struct bench *b, const struct suite *s)
{
	struct task t = { .suite = s, .engine = "vtx", .part = "nested", .once = true };
	int err;

	if (!bench_options_of(b)->count_nested || !list_has(bench_options_of(b)->engines, "vtx"))
		return 0;
	err = bench_task(b, &t);
	if (err || strcmp(s->name, "nano"))
		return err;
	snprintf(t.variant, sizeof(t.variant), "%s", MODEL_SHADOW);
	return bench_task(b, &t);
}
