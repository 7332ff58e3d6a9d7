/*
 * many_vms.c - creates and destroys 1,000 virtual machines in this one process, and looks at what they leave behind.
 *
 * usage: many-vms BACKEND GUEST [COUNT]
 * Some only exist, some load the guest, some run it to its end. Then the process must have as many mappings, as many
 * below 4 GiB, as many descriptors, POSIX timers and live LDT entries as before, and no more heap in use. No jail: this
 * is the library. A plain program: seccomp, signal handlers and the low 4 GiB are the whole process's.
 */
#include <asm/ldt.h>
#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "core/vm.h"

#ifdef HAVE_BACKEND_VTX
extern const struct backend_ops vtx_backend;
#endif
#ifdef HAVE_BACKEND_BT
extern const struct backend_ops bt_backend;
#endif
#ifdef HAVE_BACKEND_PV
extern const struct backend_ops pv_backend;
#endif
extern const struct backend_ops interp_backend;

static const struct backend_ops *const backends[] = {
#ifdef HAVE_BACKEND_VTX
	&vtx_backend,
#endif
#ifdef HAVE_BACKEND_BT
	&bt_backend,
#endif
#ifdef HAVE_BACKEND_PV
	&pv_backend,
#endif
	&interp_backend,
};

#define SKIPPED 77
#define SETTLED 20 /* lives after which the allocator and the libraries have what they keep */

struct traces {
	unsigned maps, low_maps, fds, timers, ldt;
	size_t heap;
};

static unsigned count_lines(const char *path, uint64_t below, unsigned *low)
{
	char line[512];
	FILE *f = fopen(path, "r");
	unsigned n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		n++;
		*low += strtoull(line, NULL, 16) < below;
	}
	if (f)
		fclose(f);
	return n;
}

static unsigned count_timers(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/timers", "r");
	unsigned n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += !strncmp(line, "ID:", 3);
	if (f)
		fclose(f);
	return n;
}

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static unsigned count_ldt(void)
{
	static uint64_t entry[LDT_ENTRIES];
	long n = syscall(SYS_modify_ldt, 0, entry, sizeof(entry));
	unsigned live = 0;

	for (long i = 0; i < n / 8; i++)
		live += entry[i] != 0;
	return live;
}

static struct traces look(void)
{
	struct traces t = { .fds = count_fds(), .timers = count_timers(), .ldt = count_ldt() };

	t.maps = count_lines("/proc/self/maps", 1ull << 32, &t.low_maps);
	t.heap = mallinfo2().uordblks;
	return t;
}

/* One life. how: 0 created only, 1 loaded too, 2 run to an end, 3 run to a good end. */
static int live(const struct backend_ops *ops, const char *guest, int how)
{
	struct vm_config cfg = { .ops = ops, .mem_size = 16 << 20, .console_in = -1, .console_out = -1, .timeout_ns = 60000000000ull };
	struct load_request req = { .path = guest };
	struct vm *vm;
	int err = vm_create(&vm, &cfg);

	if (err) {
		fprintf(stderr, "vm_create: %s\n", strerror(-err));
		return err;
	}
	if (how >= 1 && (err = vm_load(vm, &req)))
		fprintf(stderr, "vm_load: %s\n", vm->why);
	if (!err && how >= 2) {
		err = vm_run(vm);
		if (how == 3 && (err || vm->end != END_EXIT || vm->status)) {
			fprintf(stderr, "the guest did not end well: %s\n", vm->why);
			err = err ? err : -1;
		}
	}
	vm_destroy(vm);
	return err;
}

static int compare(const char *what, size_t before, size_t after, size_t slack)
{
	if (after <= before + slack)
		return 0;
	fprintf(stderr, "%s: %zu before, %zu after\n", what, before, after);
	return 1;
}

static int judge(const struct traces *first, const struct traces *warm, const struct traces *last)
{
	int bad = 0;

	/* The first lives may make libraries and the allocator settle; the low 4 GiB, LDT and timers are ours alone. */
	bad |= compare("mappings below 4 GiB", first->low_maps, last->low_maps, 0);
	bad |= compare("descriptors", first->fds, last->fds, 0);
	bad |= compare("POSIX timers", first->timers, last->timers, 0);
	bad |= compare("LDT entries", first->ldt, last->ldt, 0);
#ifndef __SANITIZE_ADDRESS__ /* which maps for itself, and has a leak detector of its own */
	bad |= compare("mappings", warm->maps, last->maps, 0);
	bad |= compare("bytes of heap in use", warm->heap, last->heap, 4096);
#endif
	return bad;
}

int main(int argc, char **argv)
{
	unsigned count = argc > 3 ? (unsigned)atoi(argv[3]) : 1000, ran = 0;
	const struct backend_ops *ops = NULL;
	struct traces first, warm, last;
	char engine[64] = "";
	const char *why;
	int run;

	for (size_t i = 0; argc > 2 && i < ARRAY_LEN(backends); i++)
		if (!strcmp(backends[i]->name, argv[1]))
			ops = backends[i];
	if (!ops) {
		fprintf(stderr, "usage: many-vms BACKEND GUEST [COUNT]\n");
		return 2;
	}
	why = ops->probe(engine, sizeof(engine));
	if (why) {
		printf("SKIPPED: backend %s cannot run here: %s\n", ops->name, why);
		return SKIPPED;
	}
	/* What is behind /dev/kvm may not be able to run a guest; its machines must come and go all the same. */
	run = strcmp(ops->name, "vtx") || !strcmp(engine, "kvm_intel") || !strcmp(engine, "kvm_amd") ? 3 : 2;
	first = look();
	warm = first;
	for (unsigned i = 0; i < count; i++) {
		int how = i % (run == 3 ? 50 : 400) == 0 ? run : i % 4 == 0 ? 1 : 0;

		ran += how == run;
		if (live(ops, argv[2], how))
			return 1;
		if (i == SETTLED)
			warm = look();
	}
	last = look();
	printf("%u machines of %s came and went, %u of them ran %s; %u mappings, %u descriptors, %u LDT entries\n", count, ops->name,
		ran, argv[2], last.maps, last.fds, last.ldt);
	return judge(&first, &warm, &last);
}
