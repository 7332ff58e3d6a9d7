/*
 * suite_devices.c - the suite `devices`: what a 4 KiB read and a byte of console cost, for each way to a device on each engine.
 *
 * The guest (guests/devices) drives one disk and one console each way that its machine offers, and says where each measured part begins
 * and ends. Parts: ways (cycles, the guest's own), counts (exits: run --phase; what the lines themselves cost is in the part called
 * "none", and is taken off; docs/devices.md). QEMU TCG offers the same devices to the same image, so it stands beside the times. What is
 * read must be the same bytes everywhere. Read next: guests/devices/devices.c, counts.c.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "counts.h"

#define IMAGE_BYTES (1u << 20)
#define READS 1024
#define READS_QUICK 256

struct ways {
	struct bench *b;
	const struct task *t;
	const char *wrong;
	unsigned figures;
};

/* "read ata qd=32", "byte console-uart". */
static void workload_name(char *out, size_t n, const char *way, unsigned depth)
{
	if (!strncmp(way, "console", 7))
		snprintf(out, n, "byte %s", way);
	else
		snprintf(out, n, "read %s qd=%u", way, depth);
}

/* Every way and every engine must read the same: the sum of the first pages. */
static void sum_check(struct ways *w, const char *way, const char *sum)
{
	const char *theirs, *other = bench_agree(w->b, w->t, "first pages of the disk", sum, &theirs);

	if (other && !w->wrong)
		w->wrong = bench_wrong(w->b, w->t, way, "what it read from %s has the sum %s, and what %s read has %s", way, sum, other, theirs);
}

static void ways_line(void *ctx, const char *text, pid_t pid)
{
	struct ways *w = ctx;
	char way[24], sum[16], name[64];
	unsigned depth, n, kcycles;

	if (sscanf(text, "DISK %23s sectors=%*u sum=%15s", way, sum) == 2)
		sum_check(w, way, sum);
	if (sscanf(text, "GOT %23s qd=%u n=%u kcycles=%u", way, &depth, &n, &kcycles) != 4 || !n)
		return;
	workload_name(name, sizeof(name), way, depth);
	bench_sample(w->b, &(struct sample){ .workload = name, .metric = "cycles", .unit = "cycles", .timed = true, .value = kcycles * 1024.0 / n });
	w->figures++;
}

/* The image, once for the disk and once for the shared memory: the same bytes, which no two pages have in common. */
static const char *image_make(const char *dir, const char *name)
{
	uint64_t x = 88172645463325252ull;
	char path[300];
	FILE *f;
	bool bad = false;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	for (unsigned i = 0; f && i < IMAGE_BYTES / 8; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		bad |= fwrite(&x, 8, 1, f) != 1;
	}
	return !f || fclose(f) || bad ? "its disk could not be written to the run's scratch directory: is it full?" : NULL;
}

/* QEMU's devices are those that guests/devices looks for: IDE, virtio on PCI, and ivshmem. */
static void command_qemu(struct engine_command *out, const struct engine_command *plain, const char *dir)
{
	struct command_builder b = { .c = out };

	*out = (struct engine_command){ 0 };
	for (unsigned i = 0; plain->argv[i]; i++)
		command_add(&b, "%s", plain->argv[i]);
	command_add_words(&b, "-device virtio-blk-pci,drive=v -chardev null,id=n -device virtio-serial-pci -device virtconsole,chardev=n"
		" -device ivshmem-plain,memdev=m -drive");
	command_add(&b, "file=%s/image,if=ide,format=raw,snapshot=on", dir);
	command_add(&b, "-drive");
	command_add(&b, "file=%s/image,if=none,id=v,format=raw,snapshot=on", dir);
	command_add(&b, "-object");
	command_add(&b, "memory-backend-file,id=m,share=on,size=%u,mem-path=%s/shared", IMAGE_BYTES, dir);
}

static void words_of(const struct bench *b, char *words, size_t n)
{
	snprintf(words, n, "write n=%u", bench_options_of(b)->quick ? READS_QUICK : READS);
}

static const char *ways_take(struct bench *b, const struct task *t)
{
	const char *dir = bench_scratch(b), *wrong;
	char words[40], disk[300], shared[300];
	const char *const options[] = { "--disk", disk, "--shmem", shared, NULL };
	struct engine_command plain, cmd;
	struct ways w = { .b = b, .t = t };
	struct child_run run = { .argv = cmd.argv, .timeout_s = 120, .line = ways_line, .ctx = &w };
	bool qemu = !strcmp(t->engine, "qemu-tcg");

	words_of(b, words, sizeof(words));
	snprintf(disk, sizeof(disk), "%s/image,snapshot", dir);
	snprintf(shared, sizeof(shared), "%s/shared", dir);
	wrong = engine_command(engine_find(t->engine), &bench_options_of(b)->paths, "devices", words, &plain);
	if (!wrong && qemu)
		command_qemu(&cmd, &plain, dir);
	else if (!wrong && !counts_command(&cmd, &plain, NULL, options))
		wrong = "its command line is too long";
	if (wrong)
		return wrong;
	if (bench_child(b, &run))
		return "its process could not be started";
	if (run.status != qemu)
		return bench_why(b, &run, "devices");
	return w.wrong ? w.wrong : w.figures ? NULL : "the guest found no device";
}

/* "WAY ata                    qd=1  end": the name and the depth. */
static bool way_end(const char *line, char way[24], unsigned *depth)
{
	char what[8];

	return (sscanf(line, "WAY %23s qd= %u %7s", way, depth, what) == 3 || sscanf(line, "WAY %23s qd=%u %7s", way, depth, what) == 3) &&
		!strcmp(what, "end");
}

const char *devices_counts_emit(struct bench *b, const char *origin, const json_t *stats, unsigned reads)
{
	const json_t *none = NULL, *p;
	char way[24], name[64];
	unsigned depth;
	size_t i;

	json_array_foreach(json_object_get(stats, "phases"), i, p) /* the second one: the first warms the code */
		if (way_end(json_string_value(json_object_get(p, "line")), way, &depth) && !strcmp(way, "none"))
			none = p;
	if (!none)
		return "its phases have no way called none, which says what their lines cost";
	json_array_foreach(json_object_get(stats, "phases"), i, p) {
		if (!way_end(json_string_value(json_object_get(p, "line")), way, &depth) || !strcmp(way, "none"))
			continue;
		workload_name(name, sizeof(name), way, depth);
		counts_emit(b, name, origin, p, none, strncmp(way, "console", 7) ? reads : DEVICES_BYTES);
	}
	return NULL;
}

static const char *counts_take_ways(struct bench *b, const struct task *t)
{
	char words[40], disk[300], shared[300];
	const char *const options[] = { "--disk", disk, "--shmem", shared, "--phase", "WAY", NULL };
	struct count_run r = { .engine = t->engine, .guest = "devices", .words = words, .options = options, .timeout_s = 120 };
	const char *why;
	json_t *stats;

	words_of(b, words, sizeof(words));
	snprintf(disk, sizeof(disk), "%s/image,snapshot", bench_scratch(b));
	snprintf(shared, sizeof(shared), "%s/shared", bench_scratch(b));
	stats = counts_take(b, &r, &why);
	if (!stats)
		return why;
	why = devices_counts_emit(b, NULL, stats, bench_options_of(b)->quick ? READS_QUICK : READS);
	json_decref(stats);
	return why;
}

static const char *devices_take(struct bench *b, const struct task *t)
{
	const char *wrong;

	if (nested_is(t))
		return nested_take(b, t);
	wrong = image_make(bench_scratch(b), "image");
	if (!wrong)
		wrong = image_make(bench_scratch(b), "shared");
	return wrong ? wrong : strcmp(t->part, "counts") ? ways_take(b, t) : counts_take_ways(b, t);
}

static int devices_plan(struct bench *b, const struct suite *s)
{
	static const char *const parts[] = { "ways", "counts" };
	const struct bench_options *o = bench_options_of(b);
	struct engine_command cmd;
	int err = 0;

	for (size_t p = 0; p < 2; p++)
		for (size_t i = 0; !err && i < engine_count && list_has(o->only, parts[p]); i++) {
			struct task t = { .suite = s, .engine = engines[i].name, .once = p == 1, .last = engines[i].slow };
			const char *why;

			snprintf(t.part, sizeof(t.part), "%s", parts[p]);
			if (!strcmp(t.engine, "native") || (p && !counts_there(t.engine)) || !bench_wants(b, s, t.engine))
				continue;
			why = engines[i].outside ? "ways time themselves, and this engine's TSC is not the host's" :
				engine_command(&engines[i], &o->paths, "devices", "", &cmd);
			if (why)
				bench_missing(b, s, t.engine, t.part, "%s", why);
			else
				err = bench_task(b, &t);
		}
	return err ? err : nested_plan(b, s);
}

const struct suite suite_devices = {
	"devices", "a disk and a console by each way: emulated, paravirtual, direct (parts ways, counts)", 5, 1, devices_plan, devices_take,
};
