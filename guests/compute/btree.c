/* btree.c - a B-tree of fan-out 16 in an arena: dependent loads, short scans, splits by copying, recursion. */
#include "compute.h"

#define FANOUT 16 /* children of a full inner node */
#define KEYS 11000u

struct node {
	uint32_t keys; /* how many of key[] are used, at most FANOUT - 1 */
	uint32_t leaf;
	uint32_t key[FANOUT - 1];
	struct node *child[FANOUT];
};

struct tree {
	struct node *root, *next_free;
};

static struct node *node_new(struct tree *t, bool leaf)
{
	struct node *n = t->next_free++;

	n->keys = 0;
	n->leaf = leaf;
	return n;
}

/* The first index whose key is not below the one sought. */
static inline uint32_t node_search(const struct node *n, uint32_t key)
{
	uint32_t i = 0;

	while (i < n->keys && n->key[i] < key)
		i++;
	return i;
}

/* Splits the full child i of parent around its median, which moves up. The parent is not full. */
static void child_split(struct tree *t, struct node *parent, uint32_t i)
{
	struct node *left = parent->child[i], *right = node_new(t, left->leaf);
	const uint32_t half = (FANOUT - 1) / 2;

	right->keys = FANOUT - 2 - half;
	for (uint32_t j = 0; j < right->keys; j++)
		right->key[j] = left->key[half + 1 + j];
	if (!left->leaf)
		for (uint32_t j = 0; j <= right->keys; j++)
			right->child[j] = left->child[half + 1 + j];
	left->keys = half;
	for (uint32_t j = parent->keys; j > i; j--) {
		parent->key[j] = parent->key[j - 1];
		parent->child[j + 1] = parent->child[j];
	}
	parent->key[i] = left->key[half];
	parent->child[i + 1] = right;
	parent->keys++;
}

static void tree_insert(struct tree *t, uint32_t key)
{
	struct node *n = t->root;

	if (n->keys == FANOUT - 1) {
		struct node *root = node_new(t, false);

		root->child[0] = n;
		t->root = root;
		child_split(t, root, 0);
		n = root;
	}
	for (;;) {
		uint32_t i = node_search(n, key);

		if (i < n->keys && n->key[i] == key)
			return;
		if (n->leaf) {
			for (uint32_t j = n->keys; j > i; j--)
				n->key[j] = n->key[j - 1];
			n->key[i] = key;
			n->keys++;
			return;
		}
		if (n->child[i]->keys == FANOUT - 1) {
			child_split(t, n, i);
			i += n->key[i] < key;
		}
		n = n->child[i];
	}
}

static __attribute__((noinline)) bool tree_has(const struct tree *t, uint32_t key)
{
	const struct node *n = t->root;

	for (;;) {
		uint32_t i = node_search(n, key);

		if (i < n->keys && n->key[i] == key)
			return true;
		if (n->leaf)
			return false;
		n = n->child[i];
	}
}

/* Keys in order, folded into a sum: shows that the tree is sorted. */
static uint32_t node_sum(const struct node *n, uint32_t sum)
{
	for (uint32_t i = 0; i < n->keys; i++) {
		if (!n->leaf)
			sum = node_sum(n->child[i], sum);
		sum = sum * 31 + n->key[i];
	}
	return n->leaf ? sum : node_sum(n->child[n->keys], sum);
}

uint32_t btree_run(void)
{
	struct tree t = { .next_free = (struct node *)compute_arena };
	uint32_t seed = 6, found = 0;

	t.root = node_new(&t, true);
	for (uint32_t i = 0; i < KEYS; i++)
		tree_insert(&t, compute_random(&seed));
	seed = 6;
	for (uint32_t i = 0; i < KEYS; i++) {
		uint32_t key = compute_random(&seed);

		found += tree_has(&t, key) + tree_has(&t, key ^ 1);
	}
	return node_sum(t.root, found);
}
