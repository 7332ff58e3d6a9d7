/* repmovs.c - REP MOVSL and REP STOSL, long and short (an extra: microcode does the work, or an emulator's helper). */
#include "compute.h"

#define LONG_BYTES (2u << 20)
#define GAP (LONG_BYTES + 20544) /* equal offsets do not share cache sets or TLB entries */

static inline void copy_words(void *to, const void *from, uint32_t words)
{
	__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

static inline void fill_words(void *to, uint32_t value, uint32_t words)
{
	__asm__ volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(value) : "memory");
}

void repmovs_setup(void)
{
	uint32_t seed = 9;

	for (uint32_t i = 0; i < LONG_BYTES / 4; i++)
		((uint32_t *)compute_arena)[i] = compute_random(&seed);
}

uint32_t repmovs_run(void)
{
	uint8_t *from = compute_arena, *to = compute_arena + GAP;
	uint32_t sum = 0;

	for (int round = 0; round < 8; round++)
		copy_words(to, from, LONG_BYTES / 4);
	for (uint32_t i = 0; i < LONG_BYTES; i += 128)
		copy_words(to + LONG_BYTES - 128 - i, from + i, 16);
	fill_words(to, 0x01020304, LONG_BYTES / 16);
	for (uint32_t i = 0; i < LONG_BYTES / 4; i += 16)
		sum = sum * 31 + ((uint32_t *)to)[i];
	return sum;
}
