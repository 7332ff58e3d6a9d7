/* cksum.c - the CRC of POSIX's cksum, with the size: cksum [FILE...]. */
#include "../lib/user.h"

static uint32_t table[256];

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i << 24;

		for (int k = 0; k < 8; k++)
			c = c & 0x80000000u ? c << 1 ^ 0x04c11db7u : c << 1;
		table[i] = c;
	}
}

static int sum(int fd, const char *name)
{
	uint32_t crc = 0, size = 0;
	uint8_t buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		size += n;
		for (ssize_t i = 0; i < n; i++)
			crc = crc << 8 ^ table[crc >> 24 ^ buf[i]];
	}
	if (n < 0) {
		warn(name);
		return 1;
	}
	for (uint32_t left = size; left; left >>= 8)
		crc = crc << 8 ^ table[crc >> 24 ^ (left & 0xff)];
	printf(name[0] ? "%u %u %s\n" : "%u %u\n", ~crc, size, name);
	return 0;
}

int main(int argc, char **argv)
{
	int bad = 0;

	make_table();
	if (argc < 2)
		return sum(0, "");
	for (int i = 1; i < argc; i++) {
		int fd = open(argv[i], LO_RDONLY);

		if (fd < 0) {
			warn(argv[i]);
			bad = 1;
			continue;
		}
		bad |= sum(fd, argv[i]);
		close(fd);
	}
	return bad;
}
