/*
 * suite_linux.c - the suite `linux`: Debian's i386 kernels as shipped: boot, everyday operations, computing in user space.
 *
 * Parts: boot-686 and boot-686-pae (process start to certain lines of the console; on `bt` also with one mechanism switched off at a time,
 * as variants), lat (lmbench's operations, timed by the guest's own program, and the same program natively), user-compute (the compute
 * kernels as a Linux program), lat-counts (exits an operation), boot-counts (exits of a boot, and over time). Every engine gets the
 * same kernel, initial RAM disk, command line, memory and CPU features. Images come from scripts/linux-guest. Read next: counts.c.
 */
#include <math.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>
#include "counts.h"

#define MEMORY "256"
#define APPEND "console=ttyS0 acpi=off pci=off noapic nolapic nokaslr ringlab.session="
/* The features of core/x86/cpuid.c, so that the kernel takes the same paths on both. */
#define QEMU_CPU "pentium3,model=13,stepping=8,+sse2,+nx,+clflush,-vme,-mce,-mca,-apic,-mtrr,-pse36"

/* Lines of the console that tell how far the boot has come; they are in every kernel that scripts/linux-guest makes ready. */
static const struct milestone {
	const char *line, *name;
} milestones[] = {
	{ "Linux version", "kernel's first line" },
	{ "Memory: ", "memory set up" },
	{ "Freeing initrd memory", "initial RAM disk unpacked" },
	{ "Freeing unused kernel image (initmem)", "kernel done" },
	{ "ringlab: init", "init" },
	{ "ringlab: session", "shell has run a program" },
};
#define MILESTONES (sizeof(milestones) / sizeof(milestones[0]))
#define MILESTONE_INIT 4

struct linux_run {
	struct bench *b;
	const char *session;
	uint64_t at[MILESTONES]; /* TSC */
	bool counted;            /* a run that counts: what its lines say of time is left out */
	unsigned figures;        /* samples that lines of the guest made */
};

/* --- one guest --- */

static void command_qemu(struct command_builder *b)
{
	command_add(b, "qemu-system-i386");
	command_add_words(b, "-accel tcg -cpu " QEMU_CPU " -m " MEMORY " -nodefaults -display none -serial stdio -monitor none -no-reboot"
		" -device isa-debug-exit,iobase=0xf4,iosize=4");
}

static void command_ringlab(struct command_builder *b, const struct bench_options *o, const char *engine)
{
	command_add(b, "%s", o->paths.ringlab);
	command_add_words(b, "run --mem " MEMORY "M --backend");
	command_add(b, "%s", engine);
}

/* NULL, or a sentence why this engine cannot run it here. */
static const char *linux_command(const struct bench_options *o, const char *engine, const char *flavour, const char *session,
	struct engine_command *out)
{
	struct command_builder b = { .c = out };
	bool qemu = !strcmp(engine, "qemu-tcg");
	const char *dash = qemu ? "" : "-", *kernel, *initrd;

	*out = (struct engine_command){ 0 };
	if (qemu && access("/usr/bin/qemu-system-i386", X_OK))
		return "qemu-system-i386 is not installed (package qemu-system-x86)";
	if (qemu)
		command_qemu(&b);
	else
		command_ringlab(&b, o, engine);
	command_add(&b, "%s-kernel", dash);
	kernel = command_add(&b, "%s/vmlinuz-%s", o->paths.images, flavour);
	command_add(&b, "%s-initrd", dash);
	initrd = command_add(&b, "%s/initrd", o->paths.images);
	command_add(&b, "%s-append", dash);
	command_add(&b, APPEND "%s", session);
	return access(kernel, R_OK) || access(initrd, R_OK) ? "its images are not there: scripts/linux-guest makes them" : NULL;
}

static const char *native_command(const struct bench_options *o, const char *session, struct engine_command *out)
{
	struct command_builder b = { .c = out };
	const char *program, *words = strchr(session, ' ');

	*out = (struct engine_command){ 0 };
	program = command_add(&b, "%s/bin/%.*s", o->paths.images, (int)strcspn(session, " "), session);
	if (words) /* " ringlab.args=reps=3" */
		command_add_words(&b, strchr(words, '=') + 1);
	return access(program, X_OK) ? "the native program is not there: scripts/linux-guest makes it" : NULL;
}

/* "lat NAME cycles N" and "COMPUTE name rep=1 cycles=N" of a guest, or of the same program natively. */
static void line_figures(struct linux_run *r, const char *text)
{
	struct sample s = { .metric = "cycles", .unit = "cycles", .timed = true };
	char name[32], workload[48];
	unsigned rep;

	if (sscanf(text, "lat %31s cycles %lf", name, &s.value) == 2) {
		s.workload = name;
	} else if (sscanf(text, "COMPUTE %31s rep=%u cycles=%lf", name, &rep, &s.value) == 3) {
		snprintf(workload, sizeof(workload), "user %s", name);
		s.workload = workload;
		s.metric = rep ? "cycles" : "first-cycles";
		s.rep = rep ? rep - 1 : 0;
	} else {
		return;
	}
	bench_sample(r->b, &s);
	r->figures++;
}

static void linux_line(void *ctx, const char *text, pid_t pid)
{
	struct linux_run *r = ctx;
	const char *stamp = *text == '[' ? strstr(text, "] ") : NULL;

	if (stamp)
		text = stamp + 2;
	for (size_t i = 0; i < MILESTONES; i++)
		if (!r->at[i] && !strncmp(text, milestones[i].line, strlen(milestones[i].line)))
			r->at[i] = __rdtsc();
	if (!r->counted)
		line_figures(r, text);
}

/* Runs a guest with a session of its init; more: further options of `ringlab run`, up to a NULL, or NULL. NULL, or why not. */
static const char *linux_run(struct bench *b, const struct task *t, const char *flavour, struct linux_run *r, struct child_run *run,
	const char *stats, const char *const *more)
{
	const struct bench_options *o = bench_options_of(b);
	bool native = !strcmp(t->engine, "native");
	struct engine_command plain, cmd;
	const char *wrong = native ? native_command(o, r->session, &cmd) : linux_command(o, t->engine, flavour, r->session, &plain);

	if (wrong)
		return wrong;
	if (!native && !counts_there(t->engine))
		cmd = plain; /* its words point into plain, which lives as long */
	else if (!native && !counts_command(&cmd, &plain, stats, more))
		return "its command line is too long";
	r->b = b;
	*run = (struct child_run){ .argv = cmd.argv, .timeout_s = engine_find(t->engine)->slow ? 600 : 240, .line = linux_line, .ctx = r };
	if (bench_child(b, run))
		return "its process could not be started";
	/* isa-debug-exit makes an odd status of every value: 0 becomes 1 */
	if (run->status != (strcmp(t->engine, "qemu-tcg") ? 0 : 1))
		return bench_why(b, run, r->session);
	return native || r->at[MILESTONE_INIT] ? NULL : "init did not begin";
}

/* --- parts --- */

static void seconds_sample(struct bench *b, const char *workload, const char *metric, double v)
{
	bench_sample(b, &(struct sample){ .workload = workload, .metric = metric, .unit = "s", .timed = true, .value = v });
}

static void boot_figures(struct bench *b, const char *boot, const struct linux_run *r, const struct child_run *run)
{
	double hz = bench_tsc_hz(b);
	char workload[64];

	seconds_sample(b, boot, "seconds", (double)(r->at[MILESTONE_INIT] - run->tsc_start) / hz);
	seconds_sample(b, boot, "cpu-seconds", run->cpu_seconds);
	for (size_t i = 0; i < MILESTONES; i++)
		if (r->at[i]) {
			snprintf(workload, sizeof(workload), "%s: %s", boot, milestones[i].name);
			seconds_sample(b, workload, "milestone", (double)(r->at[i] - run->tsc_start) / hz);
		}
}

static const char *boot_take(struct bench *b, const struct task *t)
{
	const char *flavour = t->part + strlen("boot-"), *const more[] = { ablation_option(t->variant), NULL };
	struct linux_run r = { .session = "true" };
	struct child_run run;
	const char *wrong = linux_run(b, t, flavour, &r, &run, NULL, more);
	char boot[32];

	if (wrong)
		return wrong;
	snprintf(boot, sizeof(boot), "boot %s", flavour);
	boot_figures(b, boot, &r, &run);
	return NULL;
}

static const char *session_take(struct bench *b, const struct task *t, const char *session)
{
	struct linux_run r = { .session = session };
	struct child_run run;
	const char *wrong = linux_run(b, t, "686", &r, &run, NULL, NULL);

	return wrong ? wrong : r.figures ? NULL : "its program printed no figures";
}

static const char *lat_take(struct bench *b, const struct task *t)
{
	return session_take(b, t, "lat");
}

static const char *compute_take(struct bench *b, const struct task *t)
{
	const struct bench_options *o = bench_options_of(b);
	char session[80];

	snprintf(session, sizeof(session), "ucompute ringlab.args=reps=%u", (o->reps ? o->reps : o->quick ? 2 : 5) + 1);
	return session_take(b, t, session);
}

/* What --stats wrote of a run with options, or NULL and *why. */
static json_t *stats_take(struct bench *b, const struct task *t, const char *session, const char *const *more, const char **why)
{
	struct linux_run r = { .session = session, .counted = true };
	struct child_run run;
	char path[300];
	json_t *j;

	snprintf(path, sizeof(path), "%s/stats.json", bench_scratch(b));
	*why = linux_run(b, t, "686", &r, &run, path, more);
	if (*why)
		return NULL;
	j = json_load_file(path, 0, NULL);
	if (!j)
		*why = "it wrote no counts that can be read (run --stats)";
	return j;
}

/* What a line of the console costs in exits of ports: ten times getppid has none of its own. */
static json_t *line_phase(const json_t *stats)
{
	json_t *events = json_array(), *e;
	size_t i;

	json_array_foreach(json_object_get(counts_phase(stats, "lat-phase getppid first"), "events"), i, e)
		if (!strncmp(json_string_value(json_object_get(e, "kind")), "port-", 5))
			json_array_append(events, e);
	return json_pack("{s:o}", "events", events);
}

/* Each operation in its steady state. The serial driver's interrupts for the line of the console are still among the exits. */
static const char *lat_counts_take(struct bench *b, const struct task *t)
{
	static const char *const more[] = { "--phase", "lat-phase", NULL };
	char name[32], which[16];
	const json_t *p;
	const char *why;
	json_t *j, *line;
	unsigned n;
	size_t i;

	j = stats_take(b, t, "lat", more, &why);
	line = line_phase(j);
	json_array_foreach(json_object_get(j, "phases"), i, p)
		if (sscanf(json_string_value(json_object_get(p, "line")), "lat-phase %31s %15s n=%u", name, which, &n) == 3 && n && !strcmp(which, "steady"))
			counts_emit(b, name, NULL, p, line, n);
	json_decref(line);
	json_decref(j);
	return why;
}

static const char *boot_counts_take(struct bench *b, const struct task *t)
{
	const char *const more[] = { "--timeline", ablation_option(t->variant), NULL };
	const char *why;
	json_t *j = stats_take(b, t, "true", more, &why);

	if (!j)
		return why;
	counts_emit_run(b, "boot 686", NULL, j);
	if (!counts_timeline(b, "boot 686", j))
		why = "the VMM noted nothing over time";
	json_decref(j);
	return why;
}

/* --- plan --- */

static const struct part {
	const char *name;
	const char *(*take)(struct bench *b, const struct task *t);
	bool native, counts, ablations;
	bool quick; /* with --quick too */
} parts[] = {
	{ "boot-686", boot_take, .ablations = true, .quick = true }, { "boot-686-pae", boot_take, .quick = false },
	{ "lat", lat_take, .native = true, .quick = true }, { "user-compute", compute_take, .native = true },
	{ "lat-counts", lat_counts_take, .counts = true, .quick = true }, { "boot-counts", boot_counts_take, .counts = true, .ablations = true, .quick = true },
};

static const char *linux_take(struct bench *b, const struct task *t)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!strcmp(t->part, parts[i].name))
			return parts[i].take(b, t);
	return "there is no such part";
}

/* NULL; or why this part has no figures on an engine: "" where that goes without saying. */
static const char *part_refused(const struct bench_options *o, const struct part *p, const char *engine)
{
	struct engine_command cmd;

	if (!strcmp(engine, "native"))
		return p->native ? native_command(o, "lat", &cmd) : "";
	if (!strcmp(engine, "pv-xen") || !strcmp(engine, "pv-previrt"))
		return "Debian's i386 kernels are built neither as Xen guests nor by way of the pre-virtualizing assembler";
	if (!strncmp(engine, "pv-", 3))
		return "an unmodified kernel's sensitive instructions that do not trap give it wrong answers (docs/techniques.md)";
	if (!strcmp(engine, "bochs"))
		return "a boot takes it about a minute: left out";
	if (p->counts && !counts_there(engine))
		return "";
	if (p->take == lat_take && engine_find(engine)->slow && o->quick)
		return "left out by --quick";
	return linux_command(o, engine, p->take == boot_take ? p->name + strlen("boot-") : "686", "true", &cmd);
}

static int part_plan(struct bench *b, const struct suite *s, const struct part *p)
{
	const struct bench_options *o = bench_options_of(b);
	int err = 0;

	for (size_t i = 0; !err && i < engine_count; i++) {
		struct task t = { .suite = s, .engine = engines[i].name, .once = p->counts, .last = engines[i].slow };
		const char *refused;

		snprintf(t.part, sizeof(t.part), "%s", p->name);
		if (!bench_wants(b, s, t.engine))
			continue;
		refused = part_refused(o, p, t.engine);
		if (refused && *refused)
			bench_missing(b, s, t.engine, p->name, "%s", refused);
		if (refused)
			continue;
		err = bench_task(b, &t);
		for (size_t k = 0; !err && p->ablations && !o->quick && !strcmp(t.engine, "bt") && ablations[k].variant; k++) {
			snprintf(t.variant, sizeof(t.variant), "%s", ablations[k].variant);
			err = bench_task(b, &t);
		}
	}
	return err;
}

static int linux_plan(struct bench *b, const struct suite *s)
{
	const struct bench_options *o = bench_options_of(b);
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(parts) / sizeof(parts[0]); i++)
		if (list_has(o->only, parts[i].name) && (!o->quick || parts[i].quick || o->only))
			err = part_plan(b, s, &parts[i]);
	return err;
}

const struct suite suite_linux = {
	"linux", "Debian's i386 kernels (parts boot-686, boot-686-pae, lat, user-compute, lat-counts, boot-counts)", 5, 1, linux_plan, linux_take,
};
