/*
 * counts.c - exits an operation, by kind and mechanism, for all suites; and events over time.
 *
 * Guests say on their console where an operation begins and ends; the VMM notes its counters there (`run --phase`,
 * docs/exits.md), and this subtracts and divides. Counts need no repetition: these tasks run once. An exit is counted where
 * control leaves the guest: what is counted beside another event (a translation, an instruction interpreted, the work that a
 * hypercall does) goes under the metric "events", so that exits can be summed. Called by the suites. Read next: docs/results.md.
 */
#include "counts.h"
#include <stdlib.h>
#include <string.h>

#define ROWS 256

/* Events of a phase, by kind and mechanism. */
struct count_row {
	const char *kind, *mechanism;
	double count, median;
};

struct count_table {
	struct count_row row[ROWS];
	size_t n;
};

const char *counts_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

bool counts_there(const char *engine)
{
	return strcmp(engine, "native") && strcmp(engine, "qemu-tcg") && strcmp(engine, "bochs");
}

bool counts_command(struct engine_command *out, const struct engine_command *plain, const char *stats, const char *const *options)
{
	struct command_builder b = { .c = out };
	unsigned words = 0;

	*out = (struct engine_command){ 0 };
	for (unsigned i = 0; plain->argv[i]; i++, words++) {
		command_add(&b, "%s", plain->argv[i]);
		if (i != 1) /* behind "ringlab run" */
			continue;
		if (stats) {
			command_add(&b, "--stats");
			command_add(&b, "%s", stats);
			words += 2;
		}
		for (const char *const *o = options; o && *o; o++, words++)
			command_add(&b, "%s", *o);
	}
	return b.args == words;
}

json_t *counts_take(struct bench *b, const struct count_run *r, const char **why)
{
	const struct bench_options *o = bench_options_of(b);
	const struct engine *e = engine_find(r->engine);
	struct engine_command plain, cmd;
	struct child_run run = { .argv = cmd.argv, .timeout_s = r->timeout_s, .line = r->line, .ctx = r->ctx };
	char path[300];
	json_t *stats;

	*why = e ? engine_command(e, &o->paths, r->guest, r->words, &plain) : "there is no such engine";
	snprintf(path, sizeof(path), "%s/stats.json", bench_scratch(b));
	if (!*why && !counts_command(&cmd, &plain, path, r->options))
		*why = "its command line is too long";
	if (!*why && bench_child(b, &run))
		*why = "its process could not be started";
	if (*why)
		return NULL;
	stats = run.status ? NULL : json_load_file(path, 0, NULL);
	if (!stats)
		*why = run.status ? bench_why(b, &run, r->words) : "it wrote no counts that can be read (run --stats)";
	return stats;
}

const json_t *counts_phase(const json_t *stats, const char *line)
{
	const json_t *p, *found = NULL;
	size_t i, len = strlen(line);

	json_array_foreach(json_object_get(stats, "phases"), i, p)
		if (!strncmp(counts_text(p, "line"), line, len))
			found = p;
	return found;
}

static struct count_row *row_get(struct count_table *t, const char *kind, const char *mechanism)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->row[i].kind, kind) && !strcmp(t->row[i].mechanism, mechanism))
			return &t->row[i];
	if (t->n == ROWS)
		return NULL;
	t->row[t->n] = (struct count_row){ .kind = kind, .mechanism = mechanism };
	return &t->row[t->n++];
}

/* Adds events, sign times each. A phase has a median by itself; an event of a whole run in its "cycles". */
static void table_add(struct count_table *t, const json_t *events, double sign)
{
	const json_t *e, *median;
	size_t i;

	json_array_foreach(events, i, e) {
		struct count_row *r = row_get(t, counts_text(e, "kind"), counts_text(e, "mechanism"));

		if (!r)
			continue;
		r->count += sign * json_number_value(json_object_get(e, "count"));
		median = json_object_get(e, "median");
		if (!median)
			median = json_object_get(json_object_get(e, "cycles"), "median");
		if (sign > 0 && json_is_number(median))
			r->median = json_number_value(median);
	}
}

/* What is counted beside another event, or is no leaving of the guest. */
static bool is_exit(const struct count_row *r)
{
	static const char *const beside[] = { "interpret", "translation", "irq-delivered" }, *const inside[] = { "inline", "native", "host-kernel emulation" };

	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++)
		if (!strcmp(r->kind, beside[i]))
			return false;
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		if (!strcmp(r->mechanism, inside[i]))
			return false;
	return strcmp(r->mechanism, "hypercall") || !strcmp(r->kind, "hypercall");
}

static void emit(struct bench *b, const char *workload, const char *origin, const char *metric, const char *unit, const struct count_row *r, double v)
{
	struct sample s = { .workload = workload, .metric = metric, .unit = unit, .origin = origin, .value = v };

	if (r) {
		s.kind = r->kind;
		s.mechanism = r->mechanism;
	}
	bench_sample(b, &s);
}

/* Elements that one INS or OUTS moved are one exit: the first of them. Takes from a row of ports what of *elements it has. */
static double without_elements(const struct count_row *r, double *elements)
{
	bool port = !strcmp(r->kind, "port-in") || !strcmp(r->kind, "port-out");
	double take = !port || *elements < 0 ? 0 : *elements < r->count ? *elements : r->count;

	*elements -= take;
	return r->count - take;
}

/* n: how many operations; 0: it is of a whole run. */
static void table_emit(struct bench *b, const char *workload, const char *origin, const struct count_table *t, double elements, double n)
{
	const char *unit = n > 0 ? "1/op" : "1/run", *cost = n > 0 ? "cycles/op" : "cycles/run";
	double total = 0, by = n > 0 ? n : 1;

	for (size_t i = 0; i < t->n; i++) {
		const struct count_row *r = &t->row[i];
		double count = r->count > 0 ? without_elements(r, &elements) : 0;

		if (count <= 0)
			continue;
		if (!is_exit(r)) {
			emit(b, workload, origin, "events", unit, r, count / by);
			continue;
		}
		emit(b, workload, origin, "exits", unit, r, count / by);
		if (r->median > 0)
			emit(b, workload, origin, "vmm-cycles", cost, r, r->count / by * r->median);
		total += count;
	}
	emit(b, workload, origin, "exits-total", unit, NULL, total / by);
}

static double elements_of(const json_t *phase)
{
	return json_number_value(json_object_get(phase, "string_elements"));
}

void counts_emit(struct bench *b, const char *workload, const char *origin, const json_t *phase, const json_t *less, double n)
{
	struct count_table t = { .n = 0 };

	table_add(&t, json_object_get(phase, "events"), 1);
	table_add(&t, json_object_get(less, "events"), -1);
	table_emit(b, workload, origin, &t, elements_of(phase) - elements_of(less), n);
}

void counts_emit_run(struct bench *b, const char *workload, const char *origin, const json_t *stats)
{
	counts_emit(b, workload, origin, stats, NULL, 0);
}

bool counts_timeline(struct bench *b, const char *workload, const json_t *stats)
{
	const json_t *bucket, *e;
	bool any = false;
	size_t i, k;

	json_array_foreach(json_object_get(stats, "timeline"), i, bucket)
		json_array_foreach(json_object_get(bucket, "events"), k, e) {
			bench_timeline(b, workload, json_number_value(json_object_get(bucket, "t_s")), json_number_value(json_object_get(bucket, "width_s")),
				counts_text(e, "kind"), counts_text(e, "mechanism"), json_number_value(json_object_get(e, "count")));
			any = true;
		}
	return any;
}

/* --- nano --- */

#define FEW 1000u
#define MANY 3000u /* as many digits as FEW, so that the consoles' lines are as long */

/* "NANO name n=N": the name, or false. */
static bool nano_cell(const char *line, char name[32], unsigned *n)
{
	return sscanf(line, "NANO %31s n=%u", name, n) == 2 && strcmp(name, "begin");
}

/*
 * The difference of two runs of many and few repetitions has neither the console's exits nor those of the first time. A cell that takes
 * interrupts prints its times, which are not as long in both: an exit of the console in a hundred operations may be left.
 */
static void nano_emit(struct bench *b, const json_t *few, const json_t *many, const json_t *seen)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(many, "phases"), i, p) {
		char name[32], line[48], other[32];
		unsigned n, base;
		const json_t *less;

		if (!nano_cell(counts_text(p, "line"), name, &n))
			continue;
		if (!list_has(bench_options_of(b)->only, name))
			continue;
		snprintf(line, sizeof(line), "NANO %s n=", name);
		less = counts_phase(few, line);
		if ((seen && counts_phase(seen, line)) || !less || !nano_cell(counts_text(less, "line"), other, &base) || n <= base)
			continue;
		counts_emit(b, name, NULL, p, less, n - base);
	}
}

static json_t *nano_take(struct bench *b, const struct task *t, unsigned n, const char *more, const char **why)
{
	static const char *const options[] = { "--phase", "NANO", NULL };
	char words[80];
	struct count_run r = { .engine = t->engine, .guest = "nano", .words = words, .options = options, .timeout_s = 120 };

	snprintf(words, sizeof(words), "n=%u%s", n, more);
	return counts_take(b, &r, why);
}

const char *counts_nano(struct bench *b, const struct task *t)
{
	static const char *const more[] = { " det", "" };
	const char *why = NULL;
	json_t *first = NULL;

	for (size_t i = 0; i < 2 && !why; i++) { /* without interrupts, exactly; then the cells that take them */
		json_t *few = nano_take(b, t, FEW, more[i], &why), *many = few ? nano_take(b, t, MANY, more[i], &why) : NULL;

		if (many)
			nano_emit(b, few, many, first);
		json_decref(few);
		json_decref(first);
		first = many;
	}
	json_decref(first);
	return why;
}
