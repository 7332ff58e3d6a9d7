/* fib.c - recursive Fibonacci: nothing but calls and returns, the hardest case for a translator. */
#include "compute.h"

static __attribute__((noinline, noclone)) uint32_t fib(uint32_t n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

uint32_t fib_run(void)
{
	volatile uint32_t n = 29; /* volatile: keep the compiler from knowing the answer */

	return fib(n);
}
