/*
 * scratch.c - the directory in /tmp for what a run needs while it lasts: statistics of children, images of disks.
 *
 * It is locked, so that a later run can tell what a killed one has left. Called by runner.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "runner.h"

#define SCRATCH "/tmp/ringlab-bench-"
#define SCRATCH_OLD_S 60 /* younger ones may belong to a run that has not locked them yet */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path), 0;
}

void tree_remove(const char *path)
{
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The directory, locked, or -1 where another run has it, or it is not ours. */
static int scratch_lock(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st) && st.st_uid == geteuid() && !flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Removes what runs left that were killed: a run holds the lock of its own. */
static void scratch_sweep(void)
{
	struct stat st;
	glob_t g;

	if (glob(SCRATCH "??????", 0, NULL, &g))
		return;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		int fd = !stat(g.gl_pathv[i], &st) && time(NULL) - st.st_mtime > SCRATCH_OLD_S ? scratch_lock(g.gl_pathv[i]) : -1;

		if (fd < 0)
			continue;
		tree_remove(g.gl_pathv[i]);
		close(fd);
	}
	globfree(&g);
}

int scratch_make(struct bench *b)
{
	int err;

	scratch_sweep();
	snprintf(b->scratch, sizeof(b->scratch), SCRATCH "XXXXXX");
	if (mkdtemp(b->scratch)) {
		b->scratch_fd = scratch_lock(b->scratch);
		setenv("TMPDIR", b->scratch, 1); /* what children leave behind goes with it */
		return 0;
	}
	err = errno;
	say("bench: cannot make a directory in /tmp: %s", strerror(err));
	b->scratch[0] = 0;
	return -err;
}

void scratch_end(struct bench *b)
{
	if (b->scratch[0])
		tree_remove(b->scratch);
	if (b->scratch_fd > 0)
		close(b->scratch_fd);
}
