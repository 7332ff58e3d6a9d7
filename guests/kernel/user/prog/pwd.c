/* pwd.c - prints the working directory. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	char path[512];

	if (!getcwd(path, sizeof(path))) {
		warn("getcwd");
		return 1;
	}
	puts(path);
	return 0;
}
