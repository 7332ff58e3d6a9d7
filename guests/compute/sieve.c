/* sieve.c - the sieve of Eratosthenes on bytes: strided stores, then a scan. */
#include "compute.h"

#define LIMIT 800000u

uint32_t sieve_run(void)
{
	uint8_t *composite = compute_arena;
	uint32_t primes = 0, last = 0;

	for (uint32_t i = 0; i < LIMIT; i++)
		composite[i] = 0;
	for (uint32_t i = 2; i * i < LIMIT; i++)
		if (!composite[i])
			for (uint32_t j = i * i; j < LIMIT; j += i)
				composite[j] = 1;
	for (uint32_t i = 2; i < LIMIT; i++)
		if (!composite[i]) {
			primes++;
			last = i;
		}
	return primes * 2654435761u ^ last;
}
