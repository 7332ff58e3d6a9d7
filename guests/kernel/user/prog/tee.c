/* tee.c - copies its input to its output and to a file; -a appends. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	bool append = argc > 1 && !strcmp(argv[1], "-a");
	const char *path = argv[1 + append];
	char buf[1024];
	ssize_t n;
	int fd;

	if (!path)
		die("usage: tee [-a] FILE");
	fd = open(path, LO_WRONLY | LO_CREAT | (append ? LO_APPEND : LO_TRUNC), 0644);
	if (fd < 0) {
		warn(path);
		return 1;
	}
	while ((n = read(0, buf, sizeof(buf))) > 0)
		if (write_all(1, buf, n) < 0 || write_all(fd, buf, n) < 0) {
			warn("write");
			return 1;
		}
	return n < 0;
}
