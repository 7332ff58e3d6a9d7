/*
 * demo_ring_compression.c - guest kernel and guest user in one ring: what paging cannot tell apart, and what stands in.
 *
 * Runs guests/demo/ring-compression.c by every technique, and the same under --user-isolation limits, unmap and keys; then guests/kernel with
 * a program that reads kernel memory through the host's own flat selectors. docs/isolation.md has the barriers. Read next:
 * demo_address_space_compression.c.
 */
#include <string.h>
#include "demo.h"

#define GUEST "demo/ring-compression"

static void console_cell(struct stage *s, struct demo_table *t, const json_t *column, const char *line)
{
	const char *v = demo_fact_console(s, column, line);

	demo_cell(t, "%s", v ? v : "-");
}

/* The guest measured it; on a nested machine that says nothing. */
static void cost_cell(struct stage *s, struct demo_table *t, const json_t *column)
{
	const char *origin = json_string_value(json_object_get(column, "origin"));

	if (origin && !strcmp(origin, "measured"))
		console_cell(s, t, column, "cost-syscall");
	else
		demo_cell(t, "not measured");
}

/* The kernel's first entry, by its console: a port natively, a hypercall under Xen. */
static const char *kernel_ring(struct stage *s, const json_t *c)
{
	return demo_fact_witness(s, c, demo_witness(c, "port-out") ? "port-out" : "hypercall", "real", "cpl");
}

static void saw(struct stage *s, const json_t *const column[])
{
	static const char *const heads[] = { "technique", "user reads", "user writes", "kernel finds", "real ring, user", "real ring, kernel", NULL };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < DEMO_TECHNIQUES; i++) {
		const json_t *c = column[i];

		if (!c)
			continue;
		demo_cell(t, "%s", demo_name(c));
		console_cell(s, t, c, "user-read");
		console_cell(s, t, c, "user-write");
		console_cell(s, t, c, "kernel-finds");
		demo_cell(t, "%s", demo_fact_witness(s, c, "syscall-entry", "real", "cpl"));
		demo_cell(t, "%s", kernel_ring(s, c));
	}
	demo_table_end(t);
}

/* One run of pv by a barrier; NULL where this host has it not, which the stage then says. */
static const json_t *barrier(struct stage *s, const char *guest, const char *interface, const char *append, const char *options)
{
	struct demo_guest g = { .guest = guest, .backend = "pv", .interface = interface, .append = append, .options = options };
	const json_t *c = demo_run(s, &g);

	return demo_ran(s, c) ? c : NULL;
}

static void barriers(struct stage *s)
{
	static const char *const heads[] = { "barrier", "user reads", "user writes", "kernel finds", "system calls", "cycles each, in the guest", NULL };
	static const char *const name[] = { "limits", "unmap", "keys" };
	static const char *const option[] = { "--user-isolation limits", "--user-isolation unmap", "--user-isolation keys" };
	const json_t *column[3];

	for (unsigned i = 0; i < 3; i++)
		column[i] = barrier(s, GUEST, "trap", NULL, option[i]);
	struct demo_table *t = demo_table(s, heads);
	for (unsigned i = 0; i < 3; i++) {
		if (!column[i])
			continue;
		demo_cell(t, "%s", name[i]);
		console_cell(s, t, column[i], "user-read");
		console_cell(s, t, column[i], "user-write");
		console_cell(s, t, column[i], "kernel-finds");
		demo_cell(t, "%lld", demo_fact_count(s, column[i], "syscall-entry", NULL));
		cost_cell(s, t, column[i]);
	}
	demo_table_end(t);
}

static void selectors(struct stage *s)
{
	static const char *const heads[] = { "barrier", "by its own segment", "by selector 0x23", "by selector 0x2b", NULL };
	static const char *const name[] = { "limits", "unmap" };
	static const char *const option[] = { "--user-isolation limits", "--user-isolation unmap" };
	const json_t *column[2];

	for (unsigned i = 0; i < 2; i++)
		column[i] = barrier(s, "kernel", "xen", "run=/bin/peek", option[i]);
	struct demo_table *t = demo_table(s, heads);
	for (unsigned i = 0; i < 2; i++) {
		if (!column[i])
			continue;
		demo_cell(t, "%s", name[i]);
		console_cell(s, t, column[i], "own-segment");
		console_cell(s, t, column[i], "selector-0x23");
		console_cell(s, t, column[i], "selector-0x2b");
	}
	demo_table_end(t);
}

static int show(struct stage *s)
{
	const json_t *column[DEMO_TECHNIQUES];

	demo_step(s, "What paging can tell apart");
	demo_say(s, "A page table entry has one bit for privilege: U/S. Ring 3 is user; rings 0, 1 and 2 are all supervisor. So paging protects a kernel "
		"from its programs if and only if the two are on different sides of that line. Our guest's kernel has a secret in a supervisor page; "
		"its program reads and writes it.");
	if (demo_code(s, GUEST ".elf", "user_read", 5) || demo_code(s, GUEST ".elf", "user_write", 5))
		return 222;
	demo_step(s, "What happens");
	demo_techniques(s, GUEST, NULL, "--witness", column);
	saw(s, column);
	demo_say(s, "Each technique gives the right answer: #PF with error code 5 is a read, 7 a write, of a present page from user mode. But the real rings "
		"are the same for kernel and program wherever there is no VT-x, so that the CPU's check of U/S cannot have said no: something else did. "
		"(VT-x does not leave the guest for a system call, so that nobody sees the program's ring there.)");
	demo_step(s, "What stands in for the bit");
	demo_say(s, "Binary translation gives user mode a window of host addresses of its own, in which kernel pages are not mapped; the translated code "
		"cannot name an address outside. Direct execution has three barriers to choose from: segment limits, unmapping the kernel while the "
		"program runs, and protection keys. The same guest under each:");
	barriers(s);
	demo_say(s, "Limits cut the top off user mode's segments. This guest has kernel and program in the same megabyte, so that there is nothing to cut: "
		"the program reads the secret and overwrites it. Unmapping holds, and what the system call costs more is the mprotect there and back.");
	demo_step(s, "Why limits fall even where they fit");
	demo_say(s, "Now the classic layout: guests/kernel lies above 0xc0000000, its programs below, as in Linux; limits cut exactly there. The program "
		"/bin/peek reads a word of the kernel by its own segment, and then by two selectors that every host process has: flat, 4 GiB, DPL 3.");
	selectors(s);
	demo_say(s, "Limits stop the honest access, and an MOV to FS walks around them: the descriptors of the host's GDT are there for everybody in ring 3. "
		"A VMM that owns the GDT (Xen on 32-bit, VMware, lguest) can leave no such descriptor in it; a process cannot. And long mode ignores "
		"limits altogether, which is why 64-bit Xen had to run kernel and programs in two page tables: unmap, once more.");
	demo_point(s, "Ring compression: a guest's kernel that shares a ring with its programs is not protected by the page tables that it believes in; a VMM in "
		"the middle must unmap, key or translate, and pays for it at each system call.",
		"Uhlig et al., Intel Virtualization Technology, IEEE Computer 38(5), May 2005, \"Ring compression\"; Barham et al., Xen and the Art of "
		"Virtualization, SOSP 2003 (ring 1 and segment limits on 32-bit x86).");
	return 0;
}

const struct demo demo_ring_compression = { "ring-compression", "kernel and program in one ring: paging cannot part them", show };
