/*
 * cli_linux.c - the Linux guests by name: `ringlab run linux-i386`, from what scripts/linux-guest has fetched.
 *
 * Nothing of them is in this tree: kernels and initial RAM disk lie in $RINGLAB_LINUX, or
 * ${XDG_CACHE_HOME:-$HOME/.cache}/ringlab/linux. Called by cli_run.c and cli_guests.c.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli_run.h"

/* What these machines lack, the kernel is told not to look for; the last word makes a panic end the run. */
#define LINUX_APPEND "console=ttyS0 acpi=off %s noapic nolapic panic=-1"

static const struct linux_guest {
	const char *name, *kernel, *initrd, *pci, *text;
} guests[] = {
	{ "linux-i386", "vmlinuz-686", "initrd", "pci=off", "Debian 12's linux-image-686 (two-level page tables) and busybox: a shell on the serial port" },
	{ "linux-i386-pae", "vmlinuz-686-pae", "initrd", "pci=off", "Debian 12's linux-image-686-pae (PAE, NX), the same" },
	{ "linux-i386-devices", "vmlinuz-686", "initrd-devices", "pci=conf1", "linux-i386 with PCI and with Debian's drivers for --disk: virtio, libata" },
};

void cli_cache_dir(const char *variable, const char *what, char *dir, size_t n)
{
	const char *own = getenv(variable), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (own && *own)
		snprintf(dir, n, "%s", own);
	else if (cache && *cache)
		snprintf(dir, n, "%s/ringlab/%s", cache, what);
	else
		snprintf(dir, n, "%s/.cache/ringlab/%s", home ? home : "", what);
}

bool linux_guest_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(guests); i++)
		if (!strcmp(guests[i].name, name))
			return true;
	return false;
}

int linux_guest_resolve(const char *name, const char *append, struct linux_files *f)
{
	const struct linux_guest *g = guests;
	char dir[500], words[100];

	cli_cache_dir("RINGLAB_LINUX", "linux", dir, sizeof(dir));
	for (size_t i = 0; i < ARRAY_LEN(guests); i++)
		if (!strcmp(guests[i].name, name))
			g = &guests[i];
	snprintf(f->kernel, sizeof(f->kernel), "%s/%s", dir, g->kernel);
	snprintf(f->initrd, sizeof(f->initrd), "%s/%s", dir, g->initrd);
	if (access(f->kernel, R_OK) || access(f->initrd, R_OK)) {
		say("guest %s is not there: scripts/linux-guest fetches it from Debian (looked in %s)", name, dir);
		return -1;
	}
	snprintf(words, sizeof(words), LINUX_APPEND, g->pci);
	if ((size_t)snprintf(f->append, sizeof(f->append), "%s %s", words, append ? append : "quiet") >= sizeof(f->append)) {
		say("--append is longer than %zu characters: shorten it", sizeof(f->append) - strlen(words) - 2);
		return -1;
	}
	return 0;
}

void linux_guests_list(void)
{
	struct linux_files f;
	char dir[500];

	cli_cache_dir("RINGLAB_LINUX", "linux", dir, sizeof(dir));
	for (size_t i = 0; i < ARRAY_LEN(guests); i++) {
		snprintf(f.kernel, sizeof(f.kernel), "%s/%s", dir, guests[i].kernel);
		snprintf(f.initrd, sizeof(f.initrd), "%s/%s", dir, guests[i].initrd);
		printf("%-24s %-10s %-8s %s\n", guests[i].name, access(f.kernel, R_OK) || access(f.initrd, R_OK) ? "unfetched" : "native", "exit 0", guests[i].text);
	}
}
