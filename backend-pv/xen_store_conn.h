/*
 * xen_store_conn.h - the conversation with the xenstore's one guest: what its files share. Read next: xen_store.c.
 */
#pragma once
#include "xen_back.h"
#include "xen_store_tree.h"

enum { XS_CONTROL, XS_DIRECTORY, XS_READ, XS_GET_PERMS, XS_WATCH, XS_UNWATCH, XS_TRANSACTION_START, XS_TRANSACTION_END, XS_INTRODUCE,
	XS_RELEASE, XS_GET_DOMAIN_PATH, XS_WRITE, XS_MKDIR, XS_RM, XS_SET_PERMS, XS_WATCH_EVENT, XS_ERROR, XS_IS_DOMAIN_INTRODUCED,
	XS_RESUME, XS_SET_TARGET, XS_RESET_WATCHES = 21 };

#define RING 1024u
#define PAYLOAD 4096u
#define HOME "/local/domain/1"
#define WATCHES 128u
#define TRANSACTIONS 10u
#define CHANGES 1024u           /* of one transaction */
#define OUT_MAX (256u << 10)    /* replies and events that wait for room in the ring */

enum { ERROR_RINGIDX = 2, ERROR_PROTO = 3 };

struct ring { /* struct xenstore_domain_interface */
	uint8_t req[RING], rsp[RING];
	uint32_t req_cons, req_prod, rsp_cons, rsp_prod, features, connection, error;
};
struct header { /* struct xsd_sockmsg */
	uint32_t type, req_id, tx_id, len;
};
_Static_assert(offsetof(struct ring, error) == 2072, "xenstore_domain_interface");

struct watch {
	char *path, *token; /* path as the guest gave it */
	bool relative;
};

struct change {
	char *path;
	bool removed;
};

struct transaction {
	uint32_t id; /* 0: free */
	struct store *tree;
	uint64_t generation; /* of the tree it was copied from */
	struct change *change;
	unsigned changes;
};

struct store_conn {
	bool broken;
	uint8_t in[sizeof(struct header) + PAYLOAD + 1]; /* a request as it comes, and a NUL */
	uint32_t in_n;
	uint8_t *out;
	uint32_t out_n, out_size;
	struct watch watch[WATCHES];
	unsigned watches;
	struct transaction tx[TRANSACTIONS];
	uint32_t next_tx;
	uint64_t requests, lost;
};

/* xen_store.c: what goes to the guest */
void conn_out(struct store_conn *c, const struct header *h, const void *data);
void conn_reply(struct store_conn *c, const void *data, uint32_t n);
void conn_reply_error(struct store_conn *c, const char *name);
/* NULL: "OK", else the error. */
void conn_reply_done(struct store_conn *c, const char *error);

/* xen_store_watch.c */
/* A path of the guest's, which may be relative to its home. False: too long. */
bool store_path_absolute(const char *path, char *out, size_t n);
/* Tells the watches of a path. */
void store_changed(struct vcpu *v, const char *path, bool removed, bool by_guest);
void store_watch(struct vcpu *v, struct store_conn *c, char *data, uint32_t n);
void store_unwatch(struct store_conn *c, char *data, uint32_t n);
void store_watch_free(struct watch *w);
/* NULL: there is none of that number. */
struct transaction *store_tx_find(struct store_conn *c, uint32_t id);
void store_tx_end(struct transaction *t);
void store_tx_start(struct vcpu *v, struct store_conn *c);
void store_tx_commit(struct vcpu *v, struct store_conn *c, struct transaction *t, const char *data, uint32_t n);
