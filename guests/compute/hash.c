/* hash.c - an open-addressing hash table: multiply, mask, probe, and misses in the second-level cache. */
#include "compute.h"

#define SLOTS (1u << 17)
#define KEYS  70000u

struct slot {
	uint32_t key, value;
};

static inline uint32_t hash_key(uint32_t key)
{
	key ^= key >> 16;
	key *= 0x7feb352du;
	key ^= key >> 15;
	key *= 0x846ca68bu;
	return key ^ key >> 16;
}

static __attribute__((noinline)) struct slot *table_find(struct slot *table, uint32_t key)
{
	uint32_t i = hash_key(key) & (SLOTS - 1);

	while (table[i].key && table[i].key != key)
		i = (i + 1) & (SLOTS - 1);
	return &table[i];
}

uint32_t hash_run(void)
{
	struct slot *table = (struct slot *)compute_arena;
	uint32_t seed = 4, sum = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		table[i].key = table[i].value = 0;
	for (uint32_t i = 0; i < KEYS; i++) {
		uint32_t key = compute_random(&seed);
		struct slot *s = table_find(table, key);

		s->key = key;
		s->value += i;
	}
	seed = 4;
	for (uint32_t i = 0; i < KEYS; i++)
		sum = sum * 33 + table_find(table, compute_random(&seed))->value;
	return sum;
}
