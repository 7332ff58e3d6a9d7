/*
 * demo_devices.c - one disk three ways: a device that exists, one that was invented for the purpose, and memory that both sides see.
 */
#include <stdio.h>
#include <string.h>
#include "demo.h"

#define GUEST "devices"
#define OPTIONS "--phase WAY --shmem 1M"

/* The phase that ends with the line "WAY name qd=depth end"; NULL when that way was not there. */
static const json_t *phase_of(const json_t *column, const char *name, unsigned depth)
{
	const json_t *phases = json_object_get(column, "phases"), *p, *found = NULL;
	char word[32], what[8];
	size_t i;

	json_array_foreach((json_t *)phases, i, p) {
		unsigned qd;

		if (sscanf(json_string_value(json_object_get(p, "line")), "WAY %31s qd=%u %7s", word, &qd, what) == 3 && !strcmp(word, name) &&
		    qd == depth && what[0] == 'e')
			found = p;
	}
	return found;
}

static long long events_of(const json_t *phase, const char *kind)
{
	const json_t *e;
	long long n = 0;
	size_t i;

	json_array_foreach(json_object_get(phase, "events"), i, e)
		if (!strcmp(json_string_value(json_object_get(e, "kind")), kind))
			n += json_integer_value(json_object_get(e, "count"));
	return n;
}

/* "GOT ata qd=1 n=256 kcycles=993": operations, and cycles of one. */
static bool timing_of(const json_t *column, const char *name, unsigned depth, unsigned *n, unsigned *cycles)
{
	const json_t *l;
	size_t i;

	json_array_foreach(json_object_get(column, "console"), i, l) {
		char word[32];
		unsigned qd, k;

		if (sscanf(json_string_value(l), "GOT %31s qd=%u n=%u kcycles=%u", word, &qd, n, &k) == 4 && !strcmp(word, name) && qd == depth && *n) {
			*cycles = (unsigned)(k * 1024ull / *n);
			return true;
		}
	}
	return false;
}

static long long derived(struct stage *s, const json_t *column, const char *way, unsigned depth, const char *what, long long v)
{
	char key[120];

	snprintf(key, sizeof(key), "derived.%s.%s.%u.%s", demo_name(column), way, depth, what);
	return demo_fact(s, key, v);
}

/* The lines that say where a part begins and ends go through the console, too: `none` is such a part with nothing in it. */
static void way_row(struct stage *s, struct demo_table *t, const json_t *column, const char *way, const char *words, unsigned depth)
{
	const json_t *phase = phase_of(column, way, depth), *none = phase_of(column, "none", 1);
	unsigned n, cycles;

	if (!phase || !timing_of(column, way, depth, &n, &cycles))
		return;
	long long port = events_of(phase, "port-in") + events_of(phase, "port-out") - json_integer_value(json_object_get(phase, "string_elements")) -
		events_of(none, "port-in") - events_of(none, "port-out");

	demo_cell(t, "%s", words);
	demo_cell(t, "%s", demo_name(column));
	demo_cell(t, "%u", depth);
	demo_cell(t, "%lld", derived(s, column, way, depth, "port", port));
	demo_cell(t, "%lld", derived(s, column, way, depth, "mmio", events_of(phase, "mmio")));
	demo_cell(t, "%lld", derived(s, column, way, depth, "hypercall", events_of(phase, "hypercall")));
	demo_cell(t, "%lld", derived(s, column, way, depth, "cycles", cycles));
}

static void ways_show(struct stage *s, const json_t *bt, const json_t *trap, const json_t *xen)
{
	static const char *const heads[] = { "way", "engine", "at once", "ports", "MMIO", "hypercalls", "cycles/read", NULL };
	static const struct { const char *way, *words; bool xen; } ways[] = {
		{ "ata", "ATA, emulated", false }, { "virtio", "virtio by ports", false }, { "virtio-modern", "virtio by MMIO", false },
		{ "xen", "Xen's ring", true }, { "direct", "shared memory", false },
	};
	struct demo_table *t = demo_table(s, heads);

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		for (unsigned depth = 1; depth <= 32; depth += 31)
			for (int slow = 0; slow <= !ways[i].xen; slow++) {
				const json_t *c = ways[i].xen ? xen : slow ? trap : bt;

				if (c)
					way_row(s, t, c, ways[i].way, ways[i].words, depth);
			}
	demo_table_end(t);
}

static int show(struct stage *s)
{
	const json_t *bt, *trap, *xen;

	demo_step(s, "Emulated: the device that drivers already know");
	demo_say(s, "The guest's driver for an ATA disk, as one would write it for the hardware of 1994. Every register is a port, every access to "
		"one leaves the guest, and the data come by as many words as there are. Every operating system has this driver; that is its merit.");
	if (demo_code(s, GUEST ".elf", "ata_command", 30))
		return 1;

	demo_step(s, "Paravirtual: the device that suits a VMM");
	demo_say(s, "virtio and Xen's split devices put requests into a ring in memory, any number of them, and say once that there are some: one port write, or one "
		"hypercall. The other side reads the ring, fills the guest's pages by itself, and interrupts once.");
	demo_code(s, GUEST ".elf", "virtq_kick", 24);

	demo_step(s, "Direct: no device at all");
	demo_say(s, "Memory that the host and the guest share needs no request. Here it is a BAR of a PCI device; assigning real hardware to a guest is the same thought, "
		"with an IOMMU as the fence.");

	demo_step(s, "The same pages each way");
	demo_say(s, "256 reads of four kilobytes by each way, one at a time and 32 at once; the guest compares checksums. Exits of all 256 together:");
	bt = demo_run(s, &(struct demo_guest){ .guest = GUEST, .backend = "bt", .append = "n=256", .options = OPTIONS });
	trap = demo_run(s, &(struct demo_guest){ .guest = GUEST, .backend = "pv", .interface = "trap", .append = "n=256", .options = OPTIONS });
	xen = demo_run(s, &(struct demo_guest){ .guest = GUEST, .backend = "pv", .interface = "xen", .append = "n=256", .options = OPTIONS });
	ways_show(s, demo_ran(s, bt) ? bt : NULL, demo_ran(s, trap) ? trap : NULL, demo_ran(s, xen) ? xen : NULL);
	demo_say(s, "The exits are the interface's: they are the same on both engines. What they cost is the engine's: a call out of translated code (bt) or a trap of the host "
		"(pv:trap). The dearer the exit, the more an interface gains that has few.");
	demo_point(s, "What an emulated device costs is its number of exits, and a paravirtual one is an interface in which that number does not grow with the work.",
		"R. Russell, virtio: Towards a De-Facto Standard for Virtual I/O Devices, Operating Systems Review 42(5), 2008; J. Sugerman, G. Venkitachalam and "
		"B.-H. Lim, Virtualizing I/O Devices on VMware Workstation's Hosted Virtual Machine Monitor, USENIX 2001");
	return 0;
}

const struct demo demo_devices = { "devices", "one disk emulated, paravirtual and direct", show };
