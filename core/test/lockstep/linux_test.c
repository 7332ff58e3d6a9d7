/*
 * linux_test.c - Debian's i386 kernels in lock step; needs what scripts/linux-guest fetched.
 *
 * LOCKSTEP_LINUX_INSNS: how much of the boot (default 20M). RINGLAB_LONG=1 adds what takes many minutes: the whole boot to
 * user space. The interpreter's own boot is guests/linux/test/boot_interp_test.c.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "guests.h"
#include "../linux_images.h"

#define APPEND "console=ttyS0 acpi=off pci=off noapic nolapic mitigations=off panic=-1 ringlab.session=true"

static void long_only(void)
{
	const char *l = getenv("RINGLAB_LONG");

	if (!l || !*l || !strcmp(l, "0"))
		cr_skip_test("takes many minutes: RINGLAB_LONG=1 runs it");
}

static void lockstep(const char *flavour, const char *insns)
{
	static char out[32768];
	const char *options[] = { "lockstep", "--mem", "256M", "--timeout", "7000", "--every", "2000", "--kernel", kernel, "--initrd", initrd,
		"--append", APPEND, insns ? "--insns" : NULL, insns, NULL };
	int status;

	find_linux(flavour);
	status = lock_command(options, out, sizeof(out));
	cr_assert_eq(status, 0, "status %d:\n%s", status, out);
	printf("%s: %s", flavour, strrchr(out, ':') ? strstr(out, "lockstep:") : out);
}

static const char *part(void)
{
	const char *insns = getenv("LOCKSTEP_LINUX_INSNS");

	return insns && *insns ? insns : "20M";
}

Test(linux_guest, first_instructions_of_the_686_kernel, .timeout = 7200) { lockstep("686", part()); }
Test(linux_guest, first_instructions_of_the_686_pae_kernel, .timeout = 7200) { lockstep("686-pae", part()); }

Test(linux_guest, whole_boot_of_the_686_kernel, .timeout = 7200)
{
	long_only();
	lockstep("686", NULL);
}

Test(linux_guest, whole_boot_of_the_686_pae_kernel, .timeout = 7200)
{
	long_only();
	lockstep("686-pae", NULL);
}
