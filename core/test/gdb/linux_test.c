/*
 * linux_test.c - a debugger on Debian's i386 kernel: the kernel's entry, Ctrl-C, its system-call gate, steps, and on to the end.
 *
 * Needs what scripts/linux-guest fetched; skipped with a reason without. Addresses come from the boot protocol (the kernel
 * runs at 16 MiB without KASLR) and from the guest's own IDT, for Debian ships no symbols.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "remote.h"
#include "spawn.h"
#include "../linux_images.h"

#define APPEND "console=ttyS0 quiet acpi=off pci=off noapic nolapic nokaslr panic=-1 ringlab.session=true"
#define KERNEL_START 0x1000000u

static char info[20000];

/* `monitor info`, as text. */
static void monitor_info(struct remote *r)
{
	size_t n = 0;

	remote_send(r, "qRcmd,696e666f");
	while (remote_receive(r, 10) && r->reply[0] == 'O' && strcmp(r->reply, "OK"))
		for (const char *p = r->reply + 1; p[0] && p[1] && n < sizeof(info) - 1; p += 2) {
			unsigned c;
			sscanf(p, "%2x", &c);
			info[n++] = (char)c;
		}
	info[n] = 0;
}

static void session(const char *backend, const char *flavour)
{
	const char *args[] = { "--mem", "256M", "--timeout", "120", "--kernel", kernel, "--initrd", initrd, "--append", APPEND, NULL };
	struct remote r;
	uint32_t gate;
	unsigned hits = 0;

#ifdef RINGLAB_HOSTILE
	if (!getenv("RINGLAB_LINUX_ALL"))
		cr_skip_test("Linux boots too slowly in this preset; RINGLAB_LINUX_ALL=1 runs it all the same");
#endif
	find_linux(flavour);
	if (!spawn_available(backend))
		cr_skip_test("backend %s is not available here (ringlab doctor says why)", backend);
	cr_assert(remote_start(&r, backend, NULL, args));
	cr_assert(remote_connect(&r));
	remote_ask(&r, "qSupported:swbreak+;hwbreak+");
	/* Before paging: the decompressed kernel's first instruction. */
	cr_assert_str_eq(remote_ask(&r, "Z0,%x,1", KERNEL_START), "OK");
	remote_send(&r, "c");
	cr_assert(remote_receive(&r, 60));
	cr_assert(strstr(r.reply, "swbreak"), "%s", r.reply);
	cr_assert_eq(remote_reg(&r, REG_EIP), KERNEL_START);
	cr_assert_str_eq(remote_ask(&r, "z0,%x,1", KERNEL_START), "OK");
	cr_assert_str_eq(remote_ask(&r, "s"), "T05thread:1;");
	cr_assert_neq(remote_reg(&r, REG_EIP), KERNEL_START);
	/* Ctrl-C until the kernel has its own system-call gate. */
	for (gate = 0; !gate; ) {
		const char *line;
		remote_send(&r, "c");
		cr_assert_not(remote_receive(&r, 0.1), "it stopped or ended by itself: %s", r.reply);
		remote_write(&r, "\x03", 1);
		cr_assert(remote_receive(&r, 10));
		cr_assert_str_eq(r.reply, "T02thread:1;");
		monitor_info(&r);
		line = strstr(info, "\n  80  ");
		if (line && (line = strchr(line, ':')))
			gate = (uint32_t)strtoul(line + 1, NULL, 16);
	}
	/* In user space's address spaces, entered from ring 3. */
	for (unsigned i = 0; i < 5; i++, hits++) {
		cr_assert_str_eq(remote_ask(&r, "Z0,%x,1", gate), "OK");
		remote_send(&r, "c");
		cr_assert(remote_receive(&r, 60));
		if (r.reply[0] == 'W')
			break;
		cr_assert(strstr(r.reply, "swbreak"), "%s", r.reply);
		cr_assert_eq(remote_reg(&r, REG_EIP), gate);
		cr_assert_str_eq(remote_ask(&r, "z0,%x,1", gate), "OK");
		for (unsigned k = 0; k < 10; k++)
			cr_assert_str_eq(remote_ask(&r, "s"), "T05thread:1;");
	}
	cr_assert_geq(hits, 1, "no system call reached %#x", gate);
	if (r.reply[0] != 'W') {
		remote_send(&r, "c");
		cr_assert(remote_receive(&r, 100));
	}
	cr_assert_str_eq(r.reply, "W00");
	cr_assert_eq(remote_end(&r, 10), 0);
}

Test(gdb_linux, kernel_686, .timeout = 200) { session("bt", "686"); }
Test(gdb_linux, kernel_686_pae, .timeout = 200) { session("bt", "686-pae"); }
