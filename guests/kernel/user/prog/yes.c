/* yes.c - prints a word until nobody wants it. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	for (;;) {
		puts(argc > 1 ? argv[1] : "y");
		if (out_flush())
			return 1;
	}
}
