/* env.c - the environment: env prints it; env NAME=VALUE... COMMAND runs with more of it. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	int i = 1;

	for (; i < argc && strchr(argv[i], '='); i++) {
		char *eq = strchr(argv[i], '=');

		*eq = 0;
		if (setenv(argv[i], eq + 1))
			die("out of memory");
	}
	if (i < argc) {
		execvp(argv[i], argv + i);
		warn(argv[i]);
		return 127;
	}
	for (char **e = environ; *e; e++)
		puts(*e);
	return 0;
}
