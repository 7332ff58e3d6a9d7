/* sort.c - sorts lines by bytes: sort [-r] [-n] [FILE]; -n by the number that a line begins with. */
#include "../lib/user.h"

static bool reverse, numeric;

static int compare(const void *a, const void *b)
{
	int c = 0;

	if (numeric) {
		long x = strtol(a, NULL, 10), y = strtol(b, NULL, 10);

		c = x < y ? -1 : x > y;
	}
	if (!c)
		c = strcmp(a, b);
	return reverse ? -c : c;
}

int main(int argc, char **argv)
{
	struct line_reader in;
	char **lines = NULL, *line;
	size_t n = 0, room = 0;
	int i = 1, fd = 0;

	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		reverse |= strchr(argv[i], 'r') != NULL;
		numeric |= strchr(argv[i], 'n') != NULL;
	}
	if (i < argc && (fd = open(argv[i], LO_RDONLY)) < 0) {
		warn(argv[i]);
		return 1;
	}
	line_init(&in, fd);
	while ((line = line_next(&in, NULL))) {
		if (n == room) {
			room = room ? room * 2 : 64;
			lines = realloc(lines, room * sizeof(*lines));
		}
		if (!lines || !(lines[n++] = strdup(line)))
			die("out of memory");
	}
	sort_pointers((void **)lines, n, compare);
	for (size_t k = 0; k < n; k++)
		puts(lines[k]);
	return 0;
}
