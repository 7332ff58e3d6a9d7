/*
 * xen_store_tree.h - the xenstore's tree: nodes with values and permissions, as Xen's docs/misc/xenstore.txt describes it.
 *
 * No VM in sight: paths, bytes and domain numbers. xen_store.c speaks the protocol and owns the tree.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_PATH_MAX 3072u /* XENSTORE_ABS_PATH_MAX */
#define STORE_VALUE_MAX 2048u
#define STORE_NODES_MAX 1000u /* what a guest may make; the defaults of Xen's own store */
#define STORE_PERMS 8u

struct store_perm {
	uint16_t domid;
	char access; /* 'n', 'r', 'w', 'b' */
};

struct store_node {
	struct store_node *parent, *child, *next;
	char *name;
	uint8_t *value;
	uint32_t len;
	unsigned perms;
	struct store_perm perm[STORE_PERMS]; /* [0]: the owner, and what everybody else may */
};

struct store {
	struct store_node *root;
	unsigned nodes;
	uint64_t generation; /* grows with each change */
};

struct store *store_new(void); /* NULL: no memory */
struct store *store_copy(const struct store *s);
void store_free(struct store *s);

/* Absolute, of the allowed characters, no empty component; "/" is the root. */
bool store_path_valid(const char *path);
struct store_node *store_find(struct store *s, const char *path);
bool store_may(const struct store_node *n, unsigned domid, char access); /* access: 'r' or 'w' */

/*
 * As domain domid. 0 or the name of an error, as the protocol sends it ("ENOENT"). What is missing above a new node is made, with the
 * permissions of its parent, owned by who makes it.
 */
const char *store_write(struct store *s, unsigned domid, const char *path, const void *value, uint32_t len);
const char *store_mkdir(struct store *s, unsigned domid, const char *path);
const char *store_rm(struct store *s, unsigned domid, const char *path);
const char *store_set_perms(struct store *s, unsigned domid, const char *path, const struct store_perm *perm, unsigned n);
