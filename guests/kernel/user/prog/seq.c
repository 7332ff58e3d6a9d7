/* seq.c - prints numbers: seq [FIRST [STEP]] LAST. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	int first = argc > 2 ? atoi(argv[1]) : 1, step = argc > 3 ? atoi(argv[2]) : 1;
	int last = argc > 1 ? atoi(argv[argc - 1]) : 0;

	if (argc < 2 || argc > 4 || !step)
		die("usage: seq [FIRST [STEP]] LAST");
	for (int i = first; step > 0 ? i <= last : i >= last; i += step)
		printf("%d\n", i);
	return 0;
}
