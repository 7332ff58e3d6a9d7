/*
 * linux_images.h - Debian's kernel and the RAM disk, for tests outside guests/linux: where scripts/linux-guest keeps them.
 *
 * Criterion runs each test in a process of its own, so each finds them anew.
 */
#pragma once
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char kernel[600], initrd[600];

/* Fills kernel and initrd; skips the test, and says why, where they are not. flavour: 686 or 686-pae. */
static inline void find_linux(const char *flavour)
{
	const char *own = getenv("RINGLAB_LINUX"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char dir[500];

	if (own && *own)
		snprintf(dir, sizeof(dir), "%s", own);
	else if (cache && *cache)
		snprintf(dir, sizeof(dir), "%s/ringlab/linux", cache);
	else
		snprintf(dir, sizeof(dir), "%s/.cache/ringlab/linux", home ? home : "");
	snprintf(kernel, sizeof(kernel), "%s/vmlinuz-%s", dir, flavour);
	snprintf(initrd, sizeof(initrd), "%s/initrd", dir);
	if (access(kernel, R_OK) || access(initrd, R_OK))
		cr_skip_test("no kernel or RAM disk in %s: run scripts/linux-guest first", dir);
}
