/* sieve.c - counts primes: sieve [N]; their number, the last one, and their sum modulo 2^32. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	uint32_t n = argc > 1 ? (uint32_t)atoi(argv[1]) : 100000, count = 0, last = 0, sum = 0;
	uint8_t *composite = calloc(n + 1, 1);

	if (!composite)
		die("out of memory");
	for (uint32_t i = 2; i <= n; i++) {
		if (composite[i])
			continue;
		count++;
		sum += last = i;
		for (uint64_t k = (uint64_t)i * i; k <= n; k += i)
			composite[k] = 1;
	}
	printf("sieve %u: %u primes, last %u, sum %u\n", n, count, last, sum);
	return 0;
}
