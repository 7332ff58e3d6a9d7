/* wc.c - counts lines, words and bytes; -l, -w or -c show one of them. */
#include "../lib/user.h"

struct counts { uint32_t lines, words, bytes; };
static char only;

static void show(const struct counts *c, const char *name)
{
	if (!only)
		printf("%7u %7u %7u", c->lines, c->words, c->bytes);
	else
		printf("%u", only == 'l' ? c->lines : only == 'w' ? c->words : c->bytes);
	printf(name ? " %s\n" : "\n", name);
}

static int count(int fd, const char *name, struct counts *total)
{
	struct counts c = { 0 };
	bool in_word = false;
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		c.bytes += n;
		for (ssize_t i = 0; i < n; i++) {
			bool space = buf[i] == ' ' || (buf[i] >= '\t' && buf[i] <= '\r');

			c.lines += buf[i] == '\n';
			c.words += in_word && space;
			in_word = !space;
		}
	}
	c.words += in_word;
	if (n < 0) {
		warn(name ? name : "-");
		return 1;
	}
	show(&c, name);
	total->lines += c.lines;
	total->words += c.words;
	total->bytes += c.bytes;
	return 0;
}

int main(int argc, char **argv)
{
	struct counts total = { 0 };
	int bad = 0, i = 1, files;

	if (i < argc && argv[i][0] == '-' && argv[i][1])
		only = argv[i++][1];
	files = argc - i;
	if (!files)
		return count(0, NULL, &total);
	for (; i < argc; i++) {
		int fd = open(argv[i], LO_RDONLY);

		if (fd < 0) {
			warn(argv[i]);
			bad = 1;
			continue;
		}
		bad |= count(fd, argv[i], &total);
		close(fd);
	}
	if (files > 1)
		show(&total, "total");
	return bad;
}
