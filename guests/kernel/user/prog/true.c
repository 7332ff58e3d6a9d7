/* true.c - ends well. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	return 0;
}
