/* tail.c - the last lines: tail [-n N] [FILE]. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	int n = 10, i = 1, fd = 0;
	struct line_reader in;
	uint32_t seen = 0;
	char *line, **ring;

	if (i + 1 < argc && !strcmp(argv[i], "-n")) {
		n = atoi(argv[i + 1]);
		i += 2;
	}
	if (i < argc && (fd = open(argv[i], LO_RDONLY)) < 0) {
		warn(argv[i]);
		return 1;
	}
	if (n < 1)
		return 0;
	ring = calloc(n, sizeof(*ring));
	line_init(&in, fd);
	while (ring && (line = line_next(&in, NULL))) {
		free(ring[seen % n]);
		ring[seen++ % n] = strdup(line);
	}
	for (uint32_t k = seen > (uint32_t)n ? seen - n : 0; k < seen; k++)
		puts(ring[k % n]);
	return 0;
}
