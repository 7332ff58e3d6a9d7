/* cp.c - copies a file: cp FROM TO, where TO may be a directory. */
#include "../lib/user.h"

static const char *into(const char *from, const char *to, char *full, size_t n)
{
	const char *name = strrchr(from, '/');
	struct linux_stat64 st;

	if (stat(to, &st) || (st.mode & LS_IFMT) != LS_IFDIR)
		return to;
	snprintf(full, n, "%s/%s", to, name ? name + 1 : from);
	return full;
}

int main(int argc, char **argv)
{
	char full[512], buf[4096];
	struct linux_stat64 st;
	const char *to;
	ssize_t n;
	int in, out;

	if (argc != 3)
		die("usage: cp FROM TO");
	to = into(argv[1], argv[2], full, sizeof(full));
	in = open(argv[1], LO_RDONLY);
	if (in < 0 || fstat(in, &st)) {
		warn(argv[1]);
		return 1;
	}
	out = open(to, LO_WRONLY | LO_CREAT | LO_TRUNC, st.mode & 0777);
	if (out < 0) {
		warn(to);
		return 1;
	}
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write_all(out, buf, n) < 0) {
			warn(to);
			return 1;
		}
	if (n < 0)
		warn(argv[1]);
	return n < 0;
}
