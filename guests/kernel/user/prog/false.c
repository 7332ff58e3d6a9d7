/* false.c - ends badly. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	return 1;
}
