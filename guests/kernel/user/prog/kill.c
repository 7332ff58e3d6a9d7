/* kill.c - sends a signal: kill [-NUMBER] PID...; 15 (SIGTERM) unless told. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	int sig = LSIGTERM, i = 1, bad = 0;

	if (i < argc && argv[i][0] == '-')
		sig = atoi(argv[i++] + 1);
	if (i == argc)
		die("usage: kill [-NUMBER] PID...");
	for (; i < argc; i++)
		if (kill(atoi(argv[i]), sig)) {
			warn(argv[i]);
			bad = 1;
		}
	return bad;
}
