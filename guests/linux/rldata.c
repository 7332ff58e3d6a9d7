/*
 * rldata.c - writes N MiB of bytes that look like data: repeatable, half compressible. For md5sum and gzip.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	static uint32_t buf[16384];
	unsigned blocks = (unsigned)(argc > 1 ? atoi(argv[1]) : 1) << 4;
	uint32_t x = 0x12345678;

	while (blocks--) {
		for (unsigned i = 0; i < sizeof(buf) / sizeof(buf[0]); i++) {
			x ^= x << 13;
			x ^= x >> 17;
			x ^= x << 5;
			buf[i] = x & 0x400 ? x : 0x20656874;
		}
		if (fwrite(buf, sizeof(buf), 1, stdout) != 1) {
			perror("rldata");
			return 1;
		}
	}
	return 0;
}
