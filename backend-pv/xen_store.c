/*
 * xen_store.c - the xenstore's protocol: requests and replies through one ring page.
 *
 * A guest's driver writes a request (xen/io/xs_wire.h) into the ring and notifies port 1; it is answered within that
 * hypercall. What does not fit into the reply ring waits here, and no further request is read meanwhile: a guest that does
 * not read its replies stops itself. A transaction works on a copy of the tree and is refused at its end (EAGAIN) when the tree
 * changed meanwhile. Indices and lengths that make no sense end the conversation for good. Who we are: domain 0's store,
 * with one guest, domain 1. Read next: xen_store_watch.c, xen_store_tree.c, xen_block.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "xen_store_conn.h"

/* ---- replies ---- */

void conn_out(struct store_conn *c, const struct header *h, const void *data)
{
	uint32_t n = sizeof(*h) + h->len;

	if (c->out_n + n > c->out_size) {
		uint32_t size = c->out_n + n > OUT_MAX ? 0 : (c->out_n + n) * 2;
		uint8_t *p = size ? realloc(c->out, size) : NULL;
		if (!p) {
			c->lost++;
			return;
		}
		c->out = p;
		c->out_size = size;
	}
	memcpy(c->out + c->out_n, h, sizeof(*h));
	if (h->len)
		memcpy(c->out + c->out_n + sizeof(*h), data, h->len);
	c->out_n += n;
}

void conn_reply(struct store_conn *c, const void *data, uint32_t n)
{
	struct header h;

	memcpy(&h, c->in, sizeof(h));
	h.len = n;
	conn_out(c, &h, data);
}

void conn_reply_error(struct store_conn *c, const char *name)
{
	struct header h;

	memcpy(&h, c->in, sizeof(h));
	h.type = XS_ERROR;
	h.len = (uint32_t)strlen(name) + 1;
	conn_out(c, &h, name);
}

/* NULL: "OK". */
void conn_reply_done(struct store_conn *c, const char *error)
{
	if (error)
		conn_reply_error(c, error);
	else
		conn_reply(c, "OK", 3);
}

/* ---- requests ---- */

struct request {
	struct vcpu *v;
	struct store_conn *c;
	struct transaction *tx;
	struct store *tree;
	char *data;
	uint32_t n;
	char path[STORE_PATH_MAX + 1];
};

/* A change that the guest made: told now, or when the transaction ends. */
static void note_change(struct request *r, bool removed)
{
	struct transaction *t = r->tx;
	struct change *more;

	if (!t) {
		store_changed(r->v, r->path, removed, true);
		return;
	}
	if (t->changes == CHANGES)
		return;
	more = realloc(t->change, (t->changes + 1) * sizeof(*more));
	if (!more)
		return;
	t->change = more;
	more[t->changes] = (struct change){ strdup(r->path), removed };
	t->changes += more[t->changes].path != NULL;
}

static struct store_node *readable(struct request *r)
{
	struct store_node *n = store_find(r->tree, r->path);

	if (!n || !store_may(n, XEN_DOMID, 'r')) {
		conn_reply_error(r->c, n ? "EACCES" : "ENOENT");
		return NULL;
	}
	return n;
}

static void do_directory(struct request *r)
{
	struct store_node *n = readable(r);
	char names[PAYLOAD];
	uint32_t len = 0;

	if (!n)
		return;
	for (n = n->child; n; n = n->next) {
		size_t some = strlen(n->name) + 1;
		if (len + some > sizeof(names))
			return conn_reply_error(r->c, "E2BIG");
		memcpy(names + len, n->name, some);
		len += (uint32_t)some;
	}
	conn_reply(r->c, names, len);
}

static void do_read(struct request *r)
{
	struct store_node *n = readable(r);

	if (n)
		conn_reply(r->c, n->value, n->len);
}

static void do_get_perms(struct request *r)
{
	struct store_node *n = readable(r);
	char text[STORE_PERMS * 8];
	uint32_t len = 0;

	if (!n)
		return;
	for (unsigned i = 0; i < n->perms; i++)
		len += (uint32_t)snprintf(text + len, sizeof(text) - len, "%c%u", n->perm[i].access, n->perm[i].domid) + 1;
	conn_reply(r->c, text, len);
}

/* path, then strings such as "n1" and "r0". */
static void do_set_perms(struct request *r)
{
	struct store_perm perm[STORE_PERMS];
	uint32_t at = (uint32_t)strlen(r->data) + 1;
	unsigned n = 0;

	if (r->n && r->data[r->n - 1])
		return conn_reply_error(r->c, "EINVAL");
	for (; at < r->n; at += (uint32_t)strlen(r->data + at) + 1) {
		char access = r->data[at], *end;
		unsigned long id = strtoul(r->data + at + (access != 0), &end, 10);
		if (n == STORE_PERMS)
			return conn_reply_error(r->c, "ENOSPC");
		if (!access || !strchr("nrwb", access) || *end || end == r->data + at + 1 || id > 0x7ff0)
			return conn_reply_error(r->c, "EINVAL");
		perm[n++] = (struct store_perm){ (uint16_t)id, access };
	}
	const char *error = store_set_perms(r->tree, XEN_DOMID, r->path, perm, n);
	conn_reply_done(r->c, error);
	if (!error)
		note_change(r, false);
}

static void do_change(struct request *r, uint32_t type)
{
	uint32_t used = (uint32_t)strlen(r->data) + 1;
	const char *error;
	bool was = store_find(r->tree, r->path);

	if (type == XS_WRITE)
		error = store_write(r->tree, XEN_DOMID, r->path, r->data + used, r->n - used);
	else
		error = type == XS_MKDIR ? store_mkdir(r->tree, XEN_DOMID, r->path) : store_rm(r->tree, XEN_DOMID, r->path);
	conn_reply_done(r->c, error);
	if (!error && (type == XS_WRITE || (type == XS_MKDIR) != was))
		note_change(r, type == XS_RM);
}

/* Requests about a node: the data begins with its path. */
static void do_node(struct request *r, uint32_t type)
{
	if (!memchr(r->data, 0, r->n) || !store_path_absolute(r->data, r->path, sizeof(r->path)))
		return conn_reply_error(r->c, "EINVAL");
	switch (type) {
	case XS_DIRECTORY: return do_directory(r);
	case XS_READ: return do_read(r);
	case XS_GET_PERMS: return do_get_perms(r);
	case XS_SET_PERMS: return do_set_perms(r);
	default: return do_change(r, type);
	}
}

static void do_domain(struct store_conn *c, uint32_t type, const char *data, uint32_t n)
{
	char text[64], *end;
	unsigned long id = strtoul(data, &end, 10);

	if (!n || data[n - 1] || end == data || *end || id > 0x7ff0)
		return conn_reply_error(c, "EINVAL");
	if (type == XS_GET_DOMAIN_PATH)
		conn_reply(c, text, (uint32_t)snprintf(text, sizeof(text), "/local/domain/%lu", id) + 1);
	else
		conn_reply(c, id <= XEN_DOMID ? "T" : "F", 2);
}

static void reset_watches(struct store_conn *c)
{
	while (c->watches)
		store_watch_free(&c->watch[--c->watches]);
	for (unsigned i = 0; i < TRANSACTIONS; i++)
		if (c->tx[i].id)
			store_tx_end(&c->tx[i]);
}

static void request(struct vcpu *v, struct store_conn *c)
{
	struct request r = { .v = v, .c = c, .data = (char *)c->in + sizeof(struct header) };
	struct header h;

	memcpy(&h, c->in, sizeof(h));
	c->requests++;
	r.n = h.len;
	r.data[h.len] = 0;
	r.tx = store_tx_find(c, h.tx_id);
	if (h.tx_id && !r.tx)
		return conn_reply_error(c, "ENOENT");
	r.tree = r.tx ? r.tx->tree : xen_of(v)->back->store;
	switch (h.type) {
	case XS_DIRECTORY: case XS_READ: case XS_GET_PERMS: case XS_SET_PERMS: case XS_WRITE: case XS_MKDIR: case XS_RM:
		return do_node(&r, h.type);
	case XS_WATCH: return store_watch(v, c, r.data, r.n);
	case XS_UNWATCH: return store_unwatch(c, r.data, r.n);
	case XS_TRANSACTION_START: return r.tx ? conn_reply_error(c, "EBUSY") : store_tx_start(v, c);
	case XS_TRANSACTION_END: return store_tx_commit(v, c, r.tx, r.data, r.n);
	case XS_GET_DOMAIN_PATH: case XS_IS_DOMAIN_INTRODUCED:
		return do_domain(c, h.type, r.data, r.n);
	case XS_RESET_WATCHES:
		reset_watches(c);
		return conn_reply_done(c, NULL);
	case XS_CONTROL: case XS_INTRODUCE: case XS_RELEASE: case XS_RESUME: case XS_SET_TARGET:
		return conn_reply_error(c, "EACCES"); /* for domain 0 */
	}
	conn_reply_error(c, "ENOSYS");
}

/* ---- the ring ---- */

static struct ring *ring_of(struct vcpu *v)
{
	return mem_ptr(&v->vm->mem, GPA((uint64_t)xen_of(v)->store_mfn << PAGE_SHIFT), PAGE_SIZE);
}

static void ring_broken(struct store_conn *c, struct ring *r, uint32_t why, const char *text)
{
	c->broken = true;
	c->out_n = 0;
	r->error = why;
	say("pv: the guest's xenstore ring is beyond repair (%s): the store answers no more", text);
}

/* Replies into the ring, as far as there is room. True when something was written. */
static bool ring_reply(struct store_conn *c, struct ring *r)
{
	uint32_t prod = r->rsp_prod, room = prod - r->rsp_cons, n;

	if (room > RING) {
		ring_broken(c, r, ERROR_RINGIDX, "indices of the replies");
		return false;
	}
	room = RING - room;
	n = c->out_n < room ? c->out_n : room;
	if (!n)
		return false;
	for (uint32_t i = 0; i < n; i++)
		r->rsp[(prod + i) % RING] = c->out[i];
	memmove(c->out, c->out + n, c->out_n - n);
	c->out_n -= n;
	r->rsp_prod = prod + n;
	return true;
}

/* How many more bytes the request needs that has come so far; 0 when it is whole. */
static uint32_t wanted(struct store_conn *c, struct ring *r)
{
	struct header h;

	if (c->in_n < sizeof(h))
		return (uint32_t)sizeof(h) - c->in_n;
	memcpy(&h, c->in, sizeof(h));
	if (h.len > PAYLOAD) {
		ring_broken(c, r, ERROR_PROTO, "a request of more than 4096 bytes");
		return UINT32_MAX;
	}
	return (uint32_t)sizeof(h) + h.len - c->in_n;
}

/* Takes what the ring has of a request. True when it is whole. */
static bool ring_request(struct store_conn *c, struct ring *r)
{
	uint32_t cons = r->req_cons, have = r->req_prod - cons, want;

	if (have > RING) {
		ring_broken(c, r, ERROR_RINGIDX, "indices of the requests");
		return false;
	}
	while ((want = wanted(c, r)) && !c->broken && have) {
		uint32_t n = want < have ? want : have;
		for (uint32_t i = 0; i < n; i++)
			c->in[c->in_n + i] = r->req[(cons + i) % RING];
		c->in_n += n;
		cons += n;
		have -= n;
	}
	r->req_cons = cons;
	return !c->broken && !wanted(c, r);
}

void xen_store_event(struct vcpu *v)
{
	struct store_conn *c = xen_of(v)->back->conn;
	struct ring *r = ring_of(v);
	uint32_t cons = r->req_cons;
	bool told = false;

	while (!c->broken) {
		told |= ring_reply(c, r);
		if (c->broken || c->out_n || !ring_request(c, r))
			break;
		request(v, c);
		c->in_n = 0;
	}
	if (told || r->req_cons != cons) /* there is something to read, or room again to write */
		xen_event_send(v, xen_of(v)->store_port);
}

/* ---- for our own back ends ---- */

void xen_store_set(struct vcpu *v, const char *path, const char *fmt, ...)
{
	struct xen *x = xen_of(v);
	char text[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text) || store_write(x->back->store, 0, path, text, (uint32_t)n))
		return;
	store_changed(v, path, false, false);
	if (x->back->conn->out_n && !x->back->conn->broken && ring_reply(x->back->conn, ring_of(v)))
		xen_event_send(v, x->store_port);
}

bool xen_store_get(struct vcpu *v, const char *path, char *out, size_t n)
{
	struct store_node *node = store_find(xen_of(v)->back->store, path);

	if (!node || node->len >= n)
		return false;
	memcpy(out, node->value, node->len);
	out[node->len] = 0;
	return true;
}

bool xen_store_number(struct vcpu *v, const char *path, uint32_t *out)
{
	char text[16], *end;

	if (!xen_store_get(v, path, text, sizeof(text)))
		return false;
	unsigned long n = strtoul(text, &end, 10);
	*out = (uint32_t)n;
	return end != text && !*end && n <= UINT32_MAX;
}

/* What a toolstack writes before a domain starts: nodes and who may write them. */
static void tree_populate(struct vcpu *v)
{
	static const char *const own[] = { "data", "drivers", "feature", "attr", "error", "control", "device", "suspend" };
	static const struct store_perm guest[] = { { XEN_DOMID, 'n' }, { 0, 'r' } };
	struct store *s = xen_of(v)->back->store;
	char path[64];

	xen_store_set(v, HOME "/domid", "%u", XEN_DOMID);
	xen_store_set(v, HOME "/name", "ringlab");
	xen_store_set(v, HOME "/vm", "/vm/00000000-0000-0000-0000-000000000001");
	xen_store_set(v, "/vm/00000000-0000-0000-0000-000000000001/name", "ringlab");
	xen_store_set(v, HOME "/cpu/0/availability", "online");
	xen_store_set(v, HOME "/memory/target", "%u", xen_of(v)->frames * 4);
	xen_store_set(v, HOME "/memory/static-max", "%u", xen_of(v)->frames * 4);
	xen_store_set(v, HOME "/store/ring-ref", "%u", xen_of(v)->store_mfn);
	xen_store_set(v, HOME "/store/port", "%u", xen_of(v)->store_port);
	xen_store_set(v, HOME "/console/ring-ref", "%u", xen_of(v)->console_mfn);
	xen_store_set(v, HOME "/console/port", "%u", xen_of(v)->console_port);
	xen_store_set(v, HOME "/console/limit", "1048576");
	xen_store_set(v, HOME "/console/type", "ringlab");
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		snprintf(path, sizeof(path), HOME "/%s", own[i]);
		store_mkdir(s, 0, path);
		store_set_perms(s, 0, path, guest, ARRAY_LEN(guest));
	}
}

int xen_store_init(struct vcpu *v)
{
	struct xen_back *b = xen_of(v)->back;

	b->store = store_new();
	b->conn = calloc(1, sizeof(*b->conn));
	if (!b->store || !b->conn)
		return -1;
	ring_of(v)->features = 2; /* the error field is kept (XENSTORE_SERVER_FEATURE_ERROR) */
	tree_populate(v);
	return 0;
}

void xen_store_fini(struct xen *x)
{
	struct store_conn *c = x->back->conn;

	if (c) {
		reset_watches(c);
		free(c->out);
	}
	free(c);
	store_free(x->back->store);
	x->back->conn = NULL;
	x->back->store = NULL;
}
