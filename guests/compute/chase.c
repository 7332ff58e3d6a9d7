/* chase.c - pointer chasing through a random cycle of cache lines: every load waits for the one before it. */
#include "compute.h"

#define NODES (4u << 20 >> 6)
#define STEPS 100000u

struct node {
	struct node *next;
	uint32_t value;
	uint32_t pad[14];
};

/* One cycle through all nodes (Sattolo's algorithm), so that no walk is short. */
void chase_setup(void)
{
	struct node *node = (struct node *)compute_arena;
	uint32_t *order = (uint32_t *)(node + NODES), seed = 3;

	for (uint32_t i = 0; i < NODES; i++)
		order[i] = i;
	for (uint32_t i = NODES - 1; i > 0; i--) {
		uint32_t j = compute_random(&seed) % i, t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
	for (uint32_t i = 0; i < NODES; i++) {
		node[order[i]].next = &node[order[(i + 1) % NODES]];
		node[order[i]].value = i * 7;
	}
}

uint32_t chase_run(void)
{
	const struct node *n = (struct node *)compute_arena;
	uint32_t sum = 0;

	for (uint32_t i = 0; i < STEPS; i++) {
		sum = (sum << 1 | sum >> 31) ^ n->value;
		n = n->next;
	}
	return sum;
}
