/* uniq.c - drops lines that repeat the one before; -c counts them. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	bool counts = argc > 1 && !strcmp(argv[1], "-c");
	struct line_reader in;
	char *line, *last = NULL;
	uint32_t n = 0;

	line_init(&in, 0);
	for (;;) {
		line = line_next(&in, NULL);
		if (line && last && !strcmp(line, last)) {
			n++;
			continue;
		}
		if (last) {
			if (counts)
				printf("%7u ", n);
			puts(last);
		}
		if (!line)
			return 0;
		free(last);
		last = strdup(line);
		n = 1;
	}
}
