/* cat.c - copies files, or its input, to its output. */
#include "../lib/user.h"

static int copy(int fd, const char *name)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			warn(name);
			return 1;
		}
		if (write_all(1, buf, n) < 0) {
			warn("write");
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	int bad = argc < 2 ? copy(0, "-") : 0;

	for (int i = 1; i < argc; i++) {
		int fd = strcmp(argv[i], "-") ? open(argv[i], LO_RDONLY) : 0;

		if (fd < 0) {
			warn(argv[i]);
			bad = 1;
			continue;
		}
		bad |= copy(fd, argv[i]);
		if (fd)
			close(fd);
	}
	return bad;
}
