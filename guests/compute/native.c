/*
 * native.c - the kernels as an ordinary 32-bit Linux program: the 1.00 that every ratio is held against.
 *
 * usage: compute-native [reps=N] [only=NAME,...] [extras=0] [thp=1]
 * thp=1 asks for huge pages under the arena, to tell apart what an engine costs from what small pages cost.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "compute.h"

static void put(const char *s)
{
	fputs(s, stdout);
}

int main(int argc, char **argv)
{
	char args[512] = "";

	for (int i = 1; i < argc; i++) {
		strncat(args, argv[i], sizeof(args) - strlen(args) - 1);
		strncat(args, " ", sizeof(args) - strlen(args) - 1);
	}
	if (strstr(args, "thp=1"))
		madvise(compute_arena, sizeof(compute_arena), MADV_HUGEPAGE);
	return compute_main("native", args, put);
}
