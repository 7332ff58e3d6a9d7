/* touch.c - makes files that are not there. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	int bad = 0;

	for (int i = 1; i < argc; i++) {
		int fd = open(argv[i], LO_WRONLY | LO_CREAT, 0644);

		if (fd < 0) {
			warn(argv[i]);
			bad = 1;
		} else {
			close(fd);
		}
	}
	return bad;
}
