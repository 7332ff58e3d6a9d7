/*
 * devices.c - `ringlab-bench devices`: exits per 4 KiB read and per console byte, for each way to a device on each engine.
 *
 * The guest (guests/devices) says where each measured part begins and ends; the VMM notes its own counters there (run --phase),
 * and this divides. Counts need no repetition: they are the same in every run. Cycles are the guest's own, of one run. What the lines
 * themselves cost is in the part called "none", and is taken off. An exit is counted where control leaves the guest: the
 * elements that one INS or OUTS moves are one, and an instruction that the interpreter does is the exit that
 * brought it there (docs/devices.md). Read next: guests/devices/devices.c.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"

#define IMAGE_BYTES (1u << 20)
#define READS "1024"
#define WAYS 24
#define BAR 10.0

enum { PORT, MMIO, HYPERCALL, OTHER, KINDS };
static const char *const kind_name[KINDS] = { "port", "mmio", "hypercall", "other" };

struct way {
	char name[40]; /* "ata qd=1" */
	double exits[KINDS];
	double n, kcycles;
	bool measured;
};

struct column {
	const char *engine;
	struct way way[WAYS];
	unsigned ways;
};

static struct way *way_of(struct column *c, const char *name)
{
	for (unsigned i = 0; i < c->ways; i++)
		if (!strcmp(c->way[i].name, name))
			return &c->way[i];
	if (c->ways == WAYS)
		return NULL;
	snprintf(c->way[c->ways].name, sizeof(c->way->name), "%s", name);
	return &c->way[c->ways++];
}

/* "WAY ata                    qd=1  begin": the name and the depth; 'b', 'e' or 0. */
static char parse_line(const char *line, char name[40])
{
	char word[24], what[8];
	unsigned depth;

	if (sscanf(line, "WAY %23s qd= %u %7s", word, &depth, what) != 3 && sscanf(line, "WAY %23s qd=%u %7s", word, &depth, what) != 3)
		return 0;
	snprintf(name, 40, "%.23s qd=%u", word, depth);
	return what[0];
}

static int kind_of(const char *kind)
{
	if (!strcmp(kind, "port-in") || !strcmp(kind, "port-out"))
		return PORT;
	if (!strcmp(kind, "mmio"))
		return MMIO;
	if (!strcmp(kind, "hypercall"))
		return HYPERCALL;
	/* What is counted beside another event, or is no leaving of the guest. */
	if (!strcmp(kind, "interpret") || !strcmp(kind, "translation") || !strcmp(kind, "irq-delivered"))
		return -1;
	return OTHER;
}

/* What was counted between a begin and its end. */
static void note(struct way *w, const json_t *phase)
{
	size_t i;
	json_t *e;

	memset(w->exits, 0, sizeof(w->exits)); /* "none" comes twice, and is warm the second time */
	json_array_foreach(json_object_get(phase, "events"), i, e) {
		int k = kind_of(json_string_value(json_object_get(e, "kind")));

		if (k >= 0)
			w->exits[k] += (double)json_integer_value(json_object_get(e, "count"));
	}
	w->exits[PORT] -= (double)json_integer_value(json_object_get(phase, "string_elements"));
	w->measured = true;
}

static bool read_stats(struct column *c, const char *path)
{
	json_t *j = json_load_file(path, 0, NULL), *phase;
	size_t i;
	char name[40];

	json_array_foreach(json_object_get(j, "phases"), i, phase)
		if (parse_line(json_string_value(json_object_get(phase, "line")), name) == 'e') {
			struct way *w = way_of(c, name);
			if (w)
				note(w, phase);
		}
	json_decref(j);
	return c->ways > 0;
}

static void on_line(void *ctx, const char *text, pid_t pid)
{
	struct column *c = ctx;
	char word[24], name[32];
	unsigned depth, n, kcycles;

	(void)pid;
	if (sscanf(text, "GOT %23s qd=%u n=%u kcycles=%u", word, &depth, &n, &kcycles) != 4)
		return;
	snprintf(name, sizeof(name), "%.23s qd=%u", word, depth);
	struct way *w = way_of(c, name);
	if (w) {
		w->n = n;
		w->kcycles = kcycles;
	}
}

/* What scripts/nested-vtx brought back: counts are VT-x's own, times the emulator's, and not shown. */
static const char *column_nested(struct column *c, const char *dir)
{
	char path[4200], line[1024];

	snprintf(path, sizeof(path), "%s/console", dir);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		on_line(c, line, 0);
	if (f)
		fclose(f);
	for (unsigned i = 0; i < c->ways; i++)
		c->way[i].kcycles = 0;
	snprintf(path, sizeof(path), "%s/stats.json", dir);
	return f && read_stats(c, path) ? NULL : "--nested names no directory with a result of scripts/nested-vtx";
}

/* One engine; NULL, or a sentence why there is no result. */
static const char *column_take(const struct bench_options *o, struct column *c, const char *dir, char *why, size_t n)
{
	const struct engine *e = engine_find(c->engine);
	struct engine_command plain, cmd;
	struct command_builder b = { .c = &cmd };
	struct child_run r = { .cpu = o->cpu, .no_huge_pages = true, .timeout_s = 120, .line = on_line, .ctx = c };
	const char *wrong = engine_command(e, &o->paths, "devices", "write n=" READS, &plain);
	char stats[300];

	if (!strcmp(c->engine, "vtx") && o->nested)
		return column_nested(c, o->nested);
	if (wrong)
		return wrong;
	for (unsigned i = 0; plain.argv[i]; i++) {
		command_add(&b, "%s", plain.argv[i]);
		if (i == 1) {
			command_add_words(&b, "--phase WAY --stats");
			command_add(&b, "%s/stats.json", dir);
			command_add(&b, "--disk");
			command_add(&b, "%s/image,snapshot", dir);
			command_add(&b, "--shmem");
			command_add(&b, "%s/shared", dir);
		}
	}
	r.argv = cmd.argv;
	if (child_run(&r))
		return "its process could not be started";
	snprintf(stats, sizeof(stats), "%s/stats.json", dir);
	if (r.status == 0 && read_stats(c, stats))
		return NULL;
	snprintf(why, n, "the guest ended with status %d%s", r.status, strcmp(c->engine, "vtx") ? "" : ": is /dev/kvm real VT-x? (ringlab doctor)");
	return why;
}

static double total(const struct way *w)
{
	double sum = 0;

	for (int k = 0; k < KINDS; k++)
		sum += w->exits[k];
	return sum;
}

static void column_print(struct column *c, FILE *raw)
{
	const struct way *none = way_of(c, "none qd=1");

	for (unsigned i = 0; i < c->ways; i++) {
		struct way *w = &c->way[i];

		if (w == none || !w->n || !w->measured)
			continue;
		for (int k = 0; k < KINDS; k++) {
			w->exits[k] -= none ? none->exits[k] : 0;
			if (raw)
				fprintf(raw, "%s\t%s\t%s\t%.0f\t%.0f\n", c->engine, w->name, kind_name[k], w->n, w->exits[k]);
		}
		printf("%-11s %-28s %6.0f", c->engine, w->name, w->n);
		for (int k = 0; k < KINDS; k++)
			printf(" %9.4f", w->exits[k] / w->n);
		printf(" %10.4f", total(w) / w->n);
		if (w->kcycles > 0)
			printf(" %11.0f\n", w->kcycles * 1024 / w->n);
		else
			printf(" %11s\n", "-");
	}
}

/* The bar: a paravirtual read takes a tenth of the exits of an emulated one, at depth 32. */
static void column_judge(struct column *c)
{
	static const char *const ways[] = { "virtio", "virtio-modern", "xen" };

	for (unsigned d = 1; d <= 32; d += 31)
		for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
			char ata[32], other[32];
			snprintf(ata, sizeof(ata), "ata qd=%u", d);
			snprintf(other, sizeof(other), "%s qd=%u", ways[i], d);
			const struct way *a = way_of(c, ata), *w = way_of(c, other);
			if (!a || !w || !w->measured || !w->n || !a->n)
				continue;
			double ratio = total(a) / (total(w) > 0 ? total(w) : 1);
			printf("%-11s depth %2u: ata takes %.1f times the exits of %s%s\n", c->engine, d, ratio, ways[i],
				d == 1 ? "" : ratio >= BAR ? " (bar 10: met)" : " (bar 10: MISSED)");
		}
}

/* The image, once for the disk and once for the shared memory: the same bytes. */
static bool images_make(const char *dir)
{
	uint64_t x = 88172645463325252ull;
	char path[300];

	for (int k = 0; k < 2; k++) {
		snprintf(path, sizeof(path), "%s/%s", dir, k ? "shared" : "image");
		FILE *f = fopen(path, "w");
		if (!f)
			return false;
		for (unsigned i = 0; i < IMAGE_BYTES / 8; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			fwrite(&x, 8, 1, f);
		}
		x = 88172645463325252ull;
		if (fclose(f))
			return false;
	}
	return true;
}

static void images_remove(const char *dir)
{
	static const char *const names[] = { "image", "shared", "stats.json" };
	char path[300];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

int bench_devices(const struct bench_options *o)
{
	static const char *const all[] = { "vtx", "bt", "pv-trap", "pv-patch", "pv-previrt", "pv-xen", "interp" };
	static struct column columns[sizeof(all) / sizeof(all[0])];
	char dir[] = "/tmp/ringlab-devices-XXXXXX", why[400];
	FILE *raw = o->raw ? fopen(o->raw, "w") : NULL;
	int failed = 0;

	if (!mkdtemp(dir) || !images_make(dir)) {
		fprintf(stderr, "ringlab-bench: cannot write a disk image in /tmp\n");
		return 222;
	}
	printf("%-11s %-28s %6s", "engine", "way, operation and depth", "n");
	for (int k = 0; k < KINDS; k++)
		printf(" %9s", kind_name[k]);
	printf(" %10s %11s   (exits and cycles an operation: a 4 KiB read, a console byte)\n", "exits/op", "cycles/op");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const char *wrong;
		if (!list_has(o->engines, all[i]))
			continue;
		columns[i].engine = all[i];
		wrong = column_take(o, &columns[i], dir, why, sizeof(why));
		if (wrong) {
			printf("%-11s not measured: %s\n", all[i], wrong);
			failed |= strcmp(all[i], "vtx") && strcmp(wrong, "there is no image of the guest for it");
			columns[i].ways = 0;
			continue;
		}
		column_print(&columns[i], raw);
		fflush(stdout);
	}
	printf("\n");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (columns[i].ways)
			column_judge(&columns[i]);
	images_remove(dir);
	if (raw)
		fclose(raw);
	return failed ? 1 : 0;
}
