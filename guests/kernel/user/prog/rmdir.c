/* rmdir.c - removes empty directories. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	int bad = 0;

	for (int i = 1; i < argc; i++)
		if (rmdir(argv[i])) {
			warn(argv[i]);
			bad = 1;
		}
	return bad;
}
