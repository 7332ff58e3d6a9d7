/*
 * random-kernel.c - kernel mode runs random bytes, until the kernel is ruined. `seed=N rounds=N`.
 *
 * What a seed leads to is the same on every correct engine, for no interrupt is open; most end in a crash before long.
 */
#include "hostile.h"

#define LENGTH 64

static uint8_t room[PAGE] __attribute__((aligned(4096)));

static void enter(uint32_t where)
{
	__asm__ volatile("push %%ebp; call *%0; pop %%ebp"
		: "+a"(where) : "b"(0), "c"(0), "d"(0), "S"(0), "D"(0) : "memory", "cc");
}

int guest_main(void)
{
	uint32_t faults = 0, rounds = hal_number("rounds", 2000);
	for (uint32_t skip = hal_number("seed", 0); skip; skip--)
		attack_random();
	for (uint32_t r = 0; r < rounds; r++) {
		for (uint32_t i = 0; i < LENGTH; i += 4)
			*(uint32_t *)(room + i) = attack_random();
		faults += attack_quiet(enter, (uint32_t)room);
	}
	attack_tally("random-kernel", faults, rounds);
	return hostile_end();
}
