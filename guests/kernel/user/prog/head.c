/* head.c - the first lines: head [-n N] [FILE]. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	int n = 10, i = 1, fd = 0;
	struct line_reader in;
	char *line;

	if (i + 1 < argc && !strcmp(argv[i], "-n")) {
		n = atoi(argv[i + 1]);
		i += 2;
	}
	if (i < argc && (fd = open(argv[i], LO_RDONLY)) < 0) {
		warn(argv[i]);
		return 1;
	}
	line_init(&in, fd);
	while (n-- > 0 && (line = line_next(&in, NULL)))
		puts(line);
	return 0;
}
