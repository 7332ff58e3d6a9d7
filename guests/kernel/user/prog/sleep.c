/* sleep.c - waits: sleep SECONDS, with up to three digits behind a point. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	struct linux_timespec t = { 0 };
	char *end;

	if (argc != 2)
		die("usage: sleep SECONDS");
	t.sec = strtol(argv[1], &end, 10);
	if (*end == '.')
		for (int i = 0, unit = 100000000; i < 3 && *++end >= '0' && *end <= '9'; i++, unit /= 10)
			t.nsec += (*end - '0') * unit;
	return nanosleep(&t, NULL) != 0;
}
