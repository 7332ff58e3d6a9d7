/*
 * xen_store_tree.c - the xenstore's tree.
 *
 * Small and plain: siblings in a list, in the order of their names; a transaction works on a copy of all of it. A guest can make
 * STORE_NODES_MAX nodes of STORE_VALUE_MAX bytes, so that neither search nor copy can be made slow. Called by
 * xen_store.c; rules from Xen's docs/misc/xenstore.txt.
 */
#include "xen_store_tree.h"
#include <stdlib.h>
#include <string.h>

static void node_free(struct store_node *n)
{
	while (n) {
		struct store_node *next = n->next;
		node_free(n->child);
		free(n->name);
		free(n->value);
		free(n);
		n = next;
	}
}

static struct store_node *node_new(struct store_node *parent, const char *name, size_t len)
{
	struct store_node *n = calloc(1, sizeof(*n));

	if (!n || !(n->name = strndup(name, len))) {
		free(n);
		return NULL;
	}
	n->parent = parent;
	return n;
}

static bool value_set(struct store_node *n, const void *value, uint32_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		return false;
	if (len)
		memcpy(copy, value, len);
	free(n->value);
	n->value = copy;
	n->len = len;
	return true;
}

static struct store_node *node_copy(const struct store_node *from, struct store_node *parent)
{
	struct store_node *n = node_new(parent, from->name, strlen(from->name)), **last;

	if (!n || !value_set(n, from->value, from->len))
		goto fail;
	n->perms = from->perms;
	memcpy(n->perm, from->perm, sizeof(n->perm));
	last = &n->child;
	for (const struct store_node *c = from->child; c; c = c->next) {
		if (!(*last = node_copy(c, n)))
			goto fail;
		last = &(*last)->next;
	}
	return n;
fail:
	node_free(n);
	return NULL;
}

struct store *store_new(void)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s || !(s->root = node_new(NULL, "", 0)) || !value_set(s->root, NULL, 0)) {
		if (s)
			node_free(s->root);
		free(s);
		return NULL;
	}
	s->root->perms = 1;
	s->root->perm[0] = (struct store_perm){ 0, 'r' };
	return s;
}

struct store *store_copy(const struct store *from)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = *from;
	if (!(s->root = node_copy(from->root, NULL))) {
		free(s);
		return NULL;
	}
	return s;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	node_free(s->root);
	free(s);
}

bool store_path_valid(const char *path)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/_@";
	size_t n = strlen(path);

	if (path[0] != '/' || n > STORE_PATH_MAX || path[strspn(path, allowed)])
		return false;
	return n == 1 || (path[n - 1] != '/' && !strstr(path, "//"));
}

/* The place of the child of that name: where it is, or where it would go. */
static struct store_node **child_slot(struct store_node *n, const char *name, size_t len)
{
	struct store_node **c = &n->child;

	for (; *c; c = &(*c)->next) {
		int d = strncmp((*c)->name, name, len);
		if (d > 0 || (!d && strlen((*c)->name) >= len))
			break;
	}
	return c;
}

static struct store_node *child_find(struct store_node *n, const char *name, size_t len)
{
	struct store_node *c = *child_slot(n, name, len);

	return c && strlen(c->name) == len && !memcmp(c->name, name, len) ? c : NULL;
}

/* As deep as the path goes along existing nodes; *rest: what is left of it, "" when it was found. */
static struct store_node *descend(struct store *s, const char *path, const char **rest)
{
	struct store_node *n = s->root, *c;

	for (path++; *path; n = c) {
		size_t len = strcspn(path, "/");
		if (!(c = child_find(n, path, len)))
			break;
		path += len + (path[len] == '/');
	}
	*rest = path;
	return n;
}

struct store_node *store_find(struct store *s, const char *path)
{
	const char *rest;
	struct store_node *n = descend(s, path, &rest);

	return *rest ? NULL : n;
}

bool store_may(const struct store_node *n, unsigned domid, char access)
{
	char have = n->perm[0].access;

	if (!domid || n->perm[0].domid == domid)
		return true;
	for (unsigned i = 1; i < n->perms; i++)
		if (n->perm[i].domid == domid)
			have = n->perm[i].access;
	return have == 'b' || have == access;
}

static unsigned components(const char *rest)
{
	unsigned n = 1;

	for (; *rest; rest++)
		n += *rest == '/';
	return n;
}

static struct store_node *child_make(struct store *s, struct store_node *parent, const char *name, size_t len, unsigned domid)
{
	struct store_node **slot = child_slot(parent, name, len), *n = node_new(parent, name, len);

	if (!n || !value_set(n, NULL, 0)) {
		node_free(n);
		return NULL;
	}
	n->perms = parent->perms;
	memcpy(n->perm, parent->perm, sizeof(n->perm));
	if (domid)
		n->perm[0].domid = (uint16_t)domid;
	n->next = *slot;
	*slot = n;
	s->nodes++;
	return n;
}

/* The node of that name, made where it is missing. *why: the error of a NULL. */
static struct store_node *make(struct store *s, unsigned domid, const char *path, const char **why)
{
	const char *rest;
	struct store_node *n = descend(s, path, &rest);

	if (!store_may(n, domid, 'w')) {
		*why = "EACCES";
		return NULL;
	}
	if (*rest && domid && s->nodes + components(rest) > STORE_NODES_MAX) {
		*why = "ENOSPC";
		return NULL;
	}
	while (n && *rest) {
		size_t len = strcspn(rest, "/");
		n = child_make(s, n, rest, len, domid);
		rest += len + (rest[len] == '/');
	}
	*why = n ? NULL : "ENOMEM";
	s->generation++;
	return n;
}

const char *store_write(struct store *s, unsigned domid, const char *path, const void *value, uint32_t len)
{
	const char *why;
	struct store_node *n;

	if (domid && len > STORE_VALUE_MAX)
		return "ENOSPC";
	if (!(n = make(s, domid, path, &why)))
		return why;
	return value_set(n, value, len) ? NULL : "ENOMEM";
}

const char *store_mkdir(struct store *s, unsigned domid, const char *path)
{
	const char *why;

	if (store_find(s, path))
		return NULL;
	make(s, domid, path, &why);
	return why;
}

static unsigned count_nodes(const struct store_node *n)
{
	unsigned sum = 0;

	for (; n; n = n->next)
		sum += 1 + count_nodes(n->child);
	return sum;
}

/* A node that is not there is as good as removed, if its parent is there. */
const char *store_rm(struct store *s, unsigned domid, const char *path)
{
	const char *rest;
	struct store_node *n = descend(s, path, &rest), **slot;

	if (*rest)
		return strchr(rest, '/') ? "ENOENT" : store_may(n, domid, 'w') ? NULL : "EACCES";
	if (n == s->root)
		return "EINVAL";
	if (!store_may(n, domid, 'w'))
		return "EACCES";
	for (slot = &n->parent->child; *slot != n; slot = &(*slot)->next)
		;
	*slot = n->next;
	n->next = NULL;
	s->nodes -= count_nodes(n);
	s->generation++;
	node_free(n);
	return NULL;
}

const char *store_set_perms(struct store *s, unsigned domid, const char *path, const struct store_perm *perm, unsigned n)
{
	struct store_node *node = store_find(s, path);

	if (!node)
		return "ENOENT";
	if (domid && node->perm[0].domid != domid)
		return "EACCES";
	if (!n)
		return "EINVAL";
	if (n > STORE_PERMS)
		return "ENOSPC";
	if (domid && perm[0].domid != domid)
		return "EPERM"; /* ownership is not a guest's to give */
	memcpy(node->perm, perm, n * sizeof(*perm));
	node->perms = n;
	s->generation++;
	return NULL;
}
