/* uname.c - the kernel's name; -a all that it says of itself. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	struct linux_utsname u;

	if (uname(&u)) {
		warn("uname");
		return 1;
	}
	if (argc > 1)
		printf("%s %s %s %s %s\n", u.sysname, u.nodename, u.release, u.version, u.machine);
	else
		puts(u.sysname);
	return 0;
}
