/* hexdump.c - bytes in hexadecimal and as text, sixteen a line, as `hexdump -C -v` prints them. */
#include "../lib/user.h"

static void line(uint32_t at, const uint8_t *p, uint32_t n)
{
	printf("%08x ", at);
	for (uint32_t i = 0; i < 16; i++) {
		if (i < n)
			printf(i == 8 ? "  %02x" : " %02x", p[i]);
		else
			printf(i == 8 ? "    " : "   ");
	}
	printf("  |");
	for (uint32_t i = 0; i < n; i++)
		putchar(p[i] >= ' ' && p[i] < 127 ? p[i] : '.');
	puts("|");
}

int main(int argc, char **argv)
{
	uint32_t at = 0, have = 0;
	uint8_t buf[16];
	int fd = 0;

	if (argc > 1 && (fd = open(argv[1], LO_RDONLY)) < 0) {
		warn(argv[1]);
		return 1;
	}
	for (;;) {
		ssize_t n = read(fd, buf + have, 16 - have);

		if (n < 0) {
			warn("read");
			return 1;
		}
		have += n;
		if (have == 16 || (!n && have)) {
			line(at, buf, have);
			at += have;
			have = 0;
		}
		if (!n)
			break;
	}
	if (at)
		printf("%08x\n", at);
	return 0;
}
