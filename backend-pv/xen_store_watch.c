/*
 * xen_store_watch.c - the xenstore's watches, which tell the guest of changes, and its transactions.
 *
 * Called by xen_store.c. Read next: xen_store_tree.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "xen_store_conn.h"

/* ---- watches ---- */

/* The watched path that a guest means: relative ones are under its own directory. False when it is none. */
bool store_path_absolute(const char *path, char *out, size_t n)
{
	int len = snprintf(out, n, path[0] == '/' ? "%s" : HOME "/%s", path);

	return len > 0 && (size_t)len < n && store_path_valid(out);
}

static void event_put(struct store_conn *c, const struct watch *w, const char *path)
{
	char text[PAYLOAD];
	size_t skip = w->relative && !strncmp(path, HOME "/", sizeof(HOME)) ? sizeof(HOME) : 0;
	size_t a = strlen(path + skip) + 1, b = strlen(w->token) + 1;
	struct header h = { .type = XS_WATCH_EVENT, .len = (uint32_t)(a + b) };

	if (a + b > sizeof(text))
		return;
	memcpy(text, path + skip, a);
	memcpy(text + a, w->token, b);
	conn_out(c, &h, text);
}

static bool is_under(const char *path, const char *top)
{
	size_t n = strlen(top);

	return !strncmp(path, top, n) && (!path[n] || path[n] == '/' || n == 1);
}

/* A node changed: tells the guest's watches, and our back ends where the guest did it. */
void store_changed(struct vcpu *v, const char *path, bool removed, bool by_guest)
{
	struct store_conn *c = xen_of(v)->back->conn;
	char full[STORE_PATH_MAX + 1];

	for (unsigned i = 0; i < c->watches; i++) {
		const struct watch *w = &c->watch[i];
		if (w->path[0] == '@' || !store_path_absolute(w->path, full, sizeof(full)))
			continue;
		if (is_under(path, full))
			event_put(c, w, path);
		else if (removed && is_under(full, path))
			event_put(c, w, full);
	}
	if (by_guest)
		xen_block_changed(v, path);
}

void store_watch_free(struct watch *w)
{
	free(w->path);
	free(w->token);
}

/* Two strings, path and token. */
static bool two_strings(char *data, uint32_t n, char **second)
{
	size_t a = strnlen(data, n) + 1;

	*second = data + a;
	return a < n && a + strnlen(data + a, n - a) < n;
}

void store_watch(struct vcpu *v, struct store_conn *c, char *data, uint32_t n)
{
	char full[STORE_PATH_MAX + 1], *token;
	struct watch w;

	if (!two_strings(data, n, &token) || (data[0] != '@' && !store_path_absolute(data, full, sizeof(full))))
		return conn_reply_error(c, "EINVAL");
	for (unsigned i = 0; i < c->watches; i++)
		if (!strcmp(c->watch[i].path, data) && !strcmp(c->watch[i].token, token))
			return conn_reply_error(c, "EEXIST");
	if (c->watches == WATCHES)
		return conn_reply_error(c, "E2BIG");
	w = (struct watch){ strdup(data), strdup(token), data[0] != '/' };
	if (!w.path || !w.token) {
		store_watch_free(&w);
		return conn_reply_error(c, "ENOMEM");
	}
	c->watch[c->watches++] = w;
	conn_reply_done(c, NULL);
	event_put(c, &w, data[0] == '@' ? data : full); /* each watch fires once when it is set */
}

void store_unwatch(struct store_conn *c, char *data, uint32_t n)
{
	char *token;

	if (!two_strings(data, n, &token))
		return conn_reply_error(c, "EINVAL");
	for (unsigned i = 0; i < c->watches; i++)
		if (!strcmp(c->watch[i].path, data) && !strcmp(c->watch[i].token, token)) {
			store_watch_free(&c->watch[i]);
			memmove(&c->watch[i], &c->watch[i + 1], (--c->watches - i) * sizeof(c->watch[0]));
			return conn_reply_done(c, NULL);
		}
	conn_reply_error(c, "ENOENT");
}

/* ---- transactions ---- */

struct transaction *store_tx_find(struct store_conn *c, uint32_t id)
{
	for (unsigned i = 0; id && i < TRANSACTIONS; i++)
		if (c->tx[i].id == id)
			return &c->tx[i];
	return NULL;
}

void store_tx_end(struct transaction *t)
{
	for (unsigned i = 0; i < t->changes; i++)
		free(t->change[i].path);
	free(t->change);
	store_free(t->tree);
	*t = (struct transaction){ 0 };
}

void store_tx_start(struct vcpu *v, struct store_conn *c)
{
	struct transaction *t = NULL;
	char text[16];

	for (unsigned i = 0; i < TRANSACTIONS && !t; i++)
		t = c->tx[i].id ? NULL : &c->tx[i];
	if (!t)
		return conn_reply_error(c, "ENOSPC");
	t->tree = store_copy(xen_of(v)->back->store);
	if (!t->tree)
		return conn_reply_error(c, "ENOMEM");
	t->generation = t->tree->generation;
	c->next_tx += c->next_tx == UINT32_MAX ? 2 : 1;
	t->id = c->next_tx;
	conn_reply(c, text, (uint32_t)snprintf(text, sizeof(text), "%u", t->id) + 1);
}

/* "T" commits, "F" forgets. */
void store_tx_commit(struct vcpu *v, struct store_conn *c, struct transaction *t, const char *data, uint32_t n)
{
	struct xen_back *b = xen_of(v)->back;
	struct transaction end;

	if (!t)
		return conn_reply_error(c, "ENOENT");
	if (n != 2 || data[1] || (data[0] != 'T' && data[0] != 'F'))
		return conn_reply_error(c, "EINVAL");
	end = *t;
	*t = (struct transaction){ 0 };
	if (data[0] == 'F' || end.generation != b->store->generation) {
		conn_reply_done(c, data[0] == 'F' ? NULL : "EAGAIN");
		store_tx_end(&end);
		return;
	}
	store_free(b->store);
	b->store = end.tree;
	end.tree = NULL;
	conn_reply_done(c, NULL);
	for (unsigned i = 0; i < end.changes; i++)
		store_changed(v, end.change[i].path, end.change[i].removed, true);
	store_tx_end(&end);
}
