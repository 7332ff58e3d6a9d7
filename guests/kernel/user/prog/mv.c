/* mv.c - renames a file or directory: mv FROM TO, where TO may be a directory to move into. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	struct linux_stat64 st;
	char full[512];
	const char *to, *name;

	if (argc != 3)
		die("usage: mv FROM TO");
	to = argv[2];
	name = strrchr(argv[1], '/');
	if (!stat(to, &st) && (st.mode & LS_IFMT) == LS_IFDIR) {
		snprintf(full, sizeof(full), "%s/%s", to, name ? name + 1 : argv[1]);
		to = full;
	}
	if (rename(argv[1], to)) {
		warn(argv[1]);
		return 1;
	}
	return 0;
}
