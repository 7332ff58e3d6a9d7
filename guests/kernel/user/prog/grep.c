/* grep.c - lines that hold a string: grep [-v] [-c] [-n] STRING [FILE...]; status 0 if there was one, else 1. */
#include "../lib/user.h"

static bool invert, count_only, numbers, names;
static const char *what;

static uint32_t search(int fd, const char *name)
{
	struct line_reader in;
	uint32_t found = 0, at = 0;
	char *line;

	line_init(&in, fd);
	while ((line = line_next(&in, NULL))) {
		at++;
		if ((strstr(line, what) != NULL) == invert)
			continue;
		found++;
		if (count_only)
			continue;
		if (names)
			printf("%s:", name);
		if (numbers)
			printf("%u:", at);
		puts(line);
	}
	line_done(&in);
	if (count_only)
		printf(names ? "%s:%u\n" : "%.0s%u\n", name, found);
	return found;
}

int main(int argc, char **argv)
{
	uint32_t found = 0;
	int i = 1, bad = 0;

	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		invert |= strchr(argv[i], 'v') != NULL;
		count_only |= strchr(argv[i], 'c') != NULL;
		numbers |= strchr(argv[i], 'n') != NULL;
	}
	if (i == argc)
		die("usage: grep [-v] [-c] [-n] STRING [FILE...]");
	what = argv[i++];
	names = argc - i > 1;
	if (i == argc)
		found = search(0, "-");
	for (; i < argc; i++) {
		int fd = open(argv[i], LO_RDONLY);

		if (fd < 0) {
			warn(argv[i]);
			bad = 2;
			continue;
		}
		found += search(fd, argv[i]);
		close(fd);
	}
	return bad ? bad : !found;
}
