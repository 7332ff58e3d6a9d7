/* rm.c - removes files, and with -r directories with all that is in them; -f: what is not there is no error. */
#include "../lib/user.h"

static bool deep, force;

static int remove_one(const char *path);

/* One name at a time, for removing changes what readdir walks over. */
static int empty(const char *path)
{
	for (;;) {
		struct dir *d = opendir(path);
		struct linux_dirent64 *e;
		char full[512];

		if (!d) {
			warn(path);
			return 1;
		}
		while ((e = readdir(d)) && (!strcmp(e->name, ".") || !strcmp(e->name, "..")))
			;
		if (e)
			snprintf(full, sizeof(full), "%s/%s", path, e->name);
		closedir(d);
		if (!e)
			return 0;
		if (remove_one(full))
			return 1;
	}
}

static int remove_one(const char *path)
{
	struct linux_stat64 st;
	int r;

	if (stat(path, &st)) {
		if (force && errno == ENOENT)
			return 0;
		warn(path);
		return 1;
	}
	if ((st.mode & LS_IFMT) == LS_IFDIR && deep) {
		if (empty(path))
			return 1;
		r = rmdir(path);
	} else if ((st.mode & LS_IFMT) == LS_IFDIR) {
		errno = EISDIR;
		r = -1;
	} else {
		r = unlink(path);
	}
	if (r)
		warn(path);
	return r != 0;
}

int main(int argc, char **argv)
{
	int bad = 0, i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		deep |= strchr(argv[i], 'r') != NULL;
		force |= strchr(argv[i], 'f') != NULL;
	}
	for (; i < argc; i++)
		bad |= remove_one(argv[i]);
	return bad;
}
