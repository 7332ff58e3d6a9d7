/*
 * cli_grub.c - the Xen guest that was made elsewhere, by name: `ringlab run grub-xen`.
 *
 * Debian's grub-i386-xen.bin, unmodified, with a small disk, from what scripts/grub-guest has fetched and built: $RINGLAB_GRUB, or
 * ${XDG_CACHE_HOME:-$HOME/.cache}/ringlab/grub. Called by cli_run.c, cli_options.c and cli_guests.c.
 */
#include <string.h>
#include <unistd.h>
#include "cli_run.h"

#define NAME "grub-xen"

bool grub_guest_named(const char *name)
{
	return !strcmp(name, NAME);
}

static bool grub_files(char *dir, size_t n, struct guest_files *f)
{
	cli_cache_dir("RINGLAB_GRUB", "grub", dir, n);
	snprintf(f->path, sizeof(f->path), "%s/grub-i386-xen.bin", dir);
	snprintf(f->disk, sizeof(f->disk), "%s/disk.img", dir);
	return !access(f->path, R_OK) && !access(f->disk, R_OK);
}

int grub_guest_resolve(struct guest_files *f)
{
	char dir[500];

	memset(f, 0, sizeof(*f));
	if (grub_files(dir, sizeof(dir), f))
		return 0;
	say("guest %s is not there: scripts/grub-guest fetches it from Debian (looked in %s)", NAME, dir);
	return -1;
}

void grub_guest_list(void)
{
	struct guest_files f;
	char dir[500];

	printf("%-24s %-10s %-8s %s\n", NAME, grub_files(dir, sizeof(dir), &f) ? "xen" : "unfetched", "exit 0",
		"Debian's grub-i386-xen.bin and a small ext2 disk: its menu and prompt on the Xen console; pv only");
}
