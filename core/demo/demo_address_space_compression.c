/*
 * demo_address_space_compression.c - a VMM needs linear addresses that the guest believes to be its own: what a guest finds when it looks.
 *
 * guests/demo/space.c is the guest; a guest of guests/hostile looks from 64-bit code. Read next: docs/isolation.md.
 */
#include <string.h>
#include "cells.h"

#define GUEST "demo/space"
#define XEN 4

static void native_guest(struct stage *s, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "it", "as it mapped", "faulted", "not its own", "from", "to", NULL };
	static const char *const ways[][2] = { { "read", "read" }, { "write", "wrote" }, { "run", "ran" } }, *const lines[] = { "right", "faulted", "foreign", "from", "to" };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		if (!column[i] || i == XEN)
			continue;
		for (unsigned w = 0; w < 3; w++) {
			demo_cell(t, "%s", w ? "" : demo_name(column[i]));
			demo_cell(t, "%s", ways[w][1]);
			for (unsigned l = 0; l < sizeof(lines) / sizeof(lines[0]); l++) {
				char line[40];
				snprintf(line, sizeof(line), "%s-%s", ways[w][0], lines[l]);
				cell_console(s, t, column[i], line);
			}
		}
	}
	demo_table_end(t);
}

static void xen_guest(struct stage *s, const json_t *xen)
{
	static const char *const heads[] = { "it tried", "at", "and got", NULL };
	static const char *const tried[][2] = {
		{ "read-table", "read the M2P table" }, { "write-table", "write to it" }, { "read-vmm", "read the VMM's page" },
		{ "write-vmm", "write to it" },
	};
	struct demo_table *t;

	demo_say(s, "The Xen guest was told: the interface gives it addresses below 0x%s, and its page tables may not say otherwise. It looked at every page from "
		"f5000000 up, %s of them: %s are not mapped, %s hold something that is not its own (%s to %s), and %s lie beyond the limit of its segments (%s).",
		"f5800000", demo_fact_console(s, xen, "looked"), demo_fact_console(s, xen, "absent"), demo_fact_console(s, xen, "foreign"),
		demo_fact_console(s, xen, "foreign-from"), demo_fact_console(s, xen, "foreign-to"), demo_fact_console(s, xen, "beyond-limit"),
		demo_fact_console(s, xen, "limit-of-ds"));
	t = demo_table(s, heads);
	for (unsigned i = 0; i < sizeof(tried) / sizeof(tried[0]); i++) {
		const char *v = demo_fact_console(s, xen, tried[i][0]), *blank = v ? strchr(v, ' ') : NULL;
		demo_cell(t, "%s", tried[i][1]);
		demo_cell(t, "%.*s", blank ? (int)(blank - v) : 1, blank ? v : "-");
		demo_cell(t, "%s", blank ? blank + 1 : "-");
	}
	demo_cell(t, "map a page of its own there");
	demo_cell(t, "-");
	demo_cell(t, "%s", !strcmp(demo_fact_console(s, xen, "map-hole"), "0") ? "refused" : "done");
	demo_table_end(t);
	demo_say(s, "The foreign pages are meant to be read: a table from machine to physical frames, the same that every Xen guest gets. Behind it is one page of VMM code, "
		"the way in for hypercalls; the limit keeps reads and writes off, and the VMM's validation of page tables keeps the guest's own pages out.");
}

/* From 64-bit code the whole process is in reach: what is there to be found, and what stops it? */
static void sixty_four(struct stage *s)
{
	static const char *const heads[] = { "technique", "guest", "what it does", "end", "status", NULL };
	static const struct { const char *backend, *interface, *guest, *what; } tries[] = {
		{ "pv", "trap", "hostile/code64-read", "far jump to selector 0x33; looks at RSP, R8 to R15" },
		{ "pv", "trap", "hostile/code64-read-fs", "the same; follows the FS base" },
		{ "pv", "trap", "hostile/code64", "makes a system call of the host from there" },
		{ "bt", NULL, "hostile/code64", "the same, translated" },
	};
	struct demo_table *t = NULL;
	const json_t *column[4];

	demo_step(s, "On purpose");
	demo_say(s, "A guest that runs directly can leave 32-bit mode: the host's 64-bit code segment is open to every process, and 64-bit addresses reach the VMM.");
	for (unsigned i = 0; i < 4; i++) {
		struct demo_guest g = { .guest = tries[i].guest, .backend = tries[i].backend, .interface = tries[i].interface };
		column[i] = demo_run(s, &g);
	}
	t = demo_table(s, heads);
	for (unsigned i = 0; i < 4; i++) {
		const char *end = json_string_value(json_object_get(column[i], "end"));
		char key[80];
		demo_cell(t, "%s", demo_name(column[i]));
		demo_cell(t, "%s", tries[i].guest + 8);
		demo_cell(t, "%s", tries[i].what);
		snprintf(key, sizeof(key), "derived.end.%s.%s", demo_name(column[i]), tries[i].guest);
		demo_cell(t, "%s", demo_fact_text(s, key, end ? end : "-"));
		snprintf(key, sizeof(key), "derived.status.%s.%s", demo_name(column[i]), tries[i].guest);
		demo_cell(t, "%lld", demo_fact(s, key, (long long)json_integer_value(json_object_get(column[i], "status"))));
	}
	demo_table_end(t);
	demo_say(s, "These guests end themselves by a crash when nothing else has ended them. The first finds no pointer in the registers, for the VMM leaves none; what it could still find "
		"by guessing is contained by the jail (seccomp), and with protection keys is not even readable. Under bt the far jump goes to the "
		"guest's own table, as every instruction does; there is nothing to leave.");
}

static int show(struct stage *s)
{
	const json_t *column[DEMO_TECHNIQUES];

	demo_step(s, "Who needs an address");
	demo_say(s, "A 32-bit kernel may use all 4 GiB of linear addresses. But when a trap comes, the CPU jumps to a handler at some linear address, through a table at another, "
		"and these are the VMM's: they have to be mapped while the guest runs. So the VMM takes a piece of the guest's space; the guest "
		"must not read it (and see that it is a guest), not write it (and take over), and yet be able to use those addresses as its own.");
	demo_say(s, "Our guest maps all of it: every 4 MiB of its linear space to the same 4 MiB of RAM, whose pages each hold a word and a function that say their number. "
		"Then it goes through and looks: at one page in each 4 MiB, and at all pages of the last 16 MiB.");
	if (demo_code(s, GUEST ".elf", "do_read", 6) || demo_code(s, GUEST ".elf", "do_run", 8))
		return 222;

	demo_step(s, "By accident: what is not as mapped?");
	demo_techniques(s, GUEST, NULL, NULL, column);
	if (column[0])
		demo_say(s, "Places at which it looked, by each kind of access: %s.", demo_fact_console(s, column[0], "looked"));
	native_guest(s, column);
	demo_say(s, "bt: nothing. The guest's addresses are offsets into a window of the VMM's 64-bit space, and no translated instruction can name anything outside. "
		"trap and patch: nothing either, for the VMM lives above 4 GiB, and a signal takes the CPU there by itself: a VMM inside a 64-bit process has a space "
		"of its own, which the 32-bit VMMs that the literature speaks of had not. vtx: a VM exit loads another CR3; no address is shared.");
	if (column[3])
		demo_say(s, "previrt: caught. Its inline code keeps the guest's interrupt flag in a page shared with the VMM, and its stubs lie behind that: the guest reads and "
			"writes the page where it had mapped its own, and a jump to where the stubs begin faults. The rest of the last 4 MiB is right, and slow: the VMM emulates each access there, %lld instructions in all. The VMM believes nothing that stands in that page without "
			"checking it, so the guest can only hurt itself. A kernel that uses these addresses has to be told, and so it is no longer unmodified.",
			demo_fact_count(s, column[3], "interpret", NULL));
	if (column[XEN]) {
		demo_step(s, "By agreement: the hole");
		xen_guest(s, column[XEN]);
	}
	sixty_four(s);
	demo_point(s, "A VMM that shares its guest's address space takes part of it away and must guard that part; the ways out are a hole that the guest agrees to, segment limits, "
		"translation, or an address space of one's own, which VT-x switches in hardware.",
		"Uhlig et al., Intel Virtualization Technology, IEEE Computer 38(5), May 2005 (address-space compression); Adams and Agesen, ASPLOS 2006, section 3 (segment "
		"truncation guards the translator); public Xen headers, arch-x86/xen-x86_32.h (hypervisor hole, M2P); docs/isolation.md.");
	return 0;
}

const struct demo demo_address_space_compression = { "address-space-compression", "what a guest finds when it looks for its VMM", show };
