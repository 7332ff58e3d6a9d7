/*
 * ls.c - lists directories in order of name: ls [-a] [-l] [PATH...].
 *
 * -l shows type, permissions and, for plain files, the size: what does not depend on the file system or the user.
 */
#include "../lib/user.h"

static bool all, details;

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void show(const char *path, const char *name)
{
	static const char bits[] = "rwxrwxrwx";
	struct linux_stat64 st;
	char mode[11];

	if (!details) {
		puts(name);
		return;
	}
	if (stat(path, &st)) {
		warn(path);
		return;
	}
	switch (st.mode & LS_IFMT) {
	case LS_IFDIR: mode[0] = 'd'; break;
	case LS_IFCHR: mode[0] = 'c'; break;
	case LS_IFIFO: mode[0] = 'p'; break;
	default: mode[0] = '-';
	}
	for (int i = 0; i < 9; i++)
		mode[i + 1] = st.mode & (0400 >> i) ? bits[i] : '-';
	mode[10] = 0;
	if (mode[0] == '-')
		printf("%s %8llu %s\n", mode, (unsigned long long)st.size, name);
	else
		printf("%s %8s %s\n", mode, "-", name);
}

static int list(const char *path)
{
	struct dir *d = opendir(path);
	struct linux_dirent64 *e;
	char **names = NULL;
	size_t n = 0;

	if (!d) {
		warn(path);
		return 1;
	}
	while ((e = readdir(d))) {
		if (e->name[0] == '.' && !all)
			continue;
		if (n % 32 == 0 && !(names = realloc(names, (n + 32) * sizeof(*names))))
			die("out of memory");
		if (!(names[n++] = strdup(e->name)))
			die("out of memory");
	}
	closedir(d);
	sort_pointers((void **)names, n, by_name);
	for (size_t i = 0; i < n; i++) {
		char full[512];

		snprintf(full, sizeof(full), "%s/%s", path, names[i]);
		show(full, names[i]);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int bad = 0, i = 1;
	bool many;

	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		all |= strchr(argv[i], 'a') != NULL;
		details |= strchr(argv[i], 'l') != NULL;
	}
	if (i == argc)
		return list(".");
	for (many = i + 1 < argc; i < argc; i++) {
		struct linux_stat64 st;

		if (stat(argv[i], &st)) {
			warn(argv[i]);
			bad = 1;
		} else if ((st.mode & LS_IFMT) != LS_IFDIR) {
			show(argv[i], argv[i]);
		} else {
			if (many)
				printf("%s:\n", argv[i]);
			bad |= list(argv[i]);
		}
	}
	return bad;
}
