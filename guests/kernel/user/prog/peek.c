/*
 * peek.c - reads a word of the kernel's memory, by its own segment and by each flat selector that a host may have; each try in a child.
 *
 * For `ringlab demo ring-compression`: what stands between a program and its kernel.
 */
#include "../lib/user.h"

#define KERNEL 0xc0100000u

static uint32_t peek(uint32_t selector)
{
	uint32_t v;

	if (selector)
		__asm__ volatile("movl %1, %%fs; movl %%fs:(%2), %0" : "=r"(v) : "r"(selector), "r"(KERNEL));
	else
		v = *(volatile uint32_t *)KERNEL;
	return v;
}

static void attempt(const char *name, uint32_t selector)
{
	int status;
	pid_t child = fork();

	if (!child) {
		printf("%s read 0x%x\n", name, peek(selector));
		exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		printf("%s could not be tried\n", name);
	else if (!WIFEXITED(status))
		printf("%s signal %d\n", name, WTERMSIG(status));
}

int main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	attempt("own-segment", 0);
	attempt("selector-0x23", 0x23);
	attempt("selector-0x2b", 0x2b);
	return 0;
}
