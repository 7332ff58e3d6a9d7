/* mkdir.c - makes directories. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	int bad = 0;

	for (int i = 1; i < argc; i++)
		if (mkdir(argv[i], 0755)) {
			warn(argv[i]);
			bad = 1;
		}
	return bad;
}
