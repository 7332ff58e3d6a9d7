/* The guest's end of the rings, without a guest: what a front end would write, and what it finds then. */
#pragma once
#include "domain.h"
#include "xen_back.h"

/* xen/io/xs_wire.h */
enum { XS_DIRECTORY = 1, XS_READ, XS_GET_PERMS, XS_WATCH, XS_UNWATCH, XS_START, XS_END, XS_GET_DOMAIN_PATH = 10, XS_WRITE, XS_MKDIR, XS_RM,
	XS_SET_PERMS, XS_EVENT, XS_ERROR };

#define VBD "device/vbd/51712"

struct store_ring {
	uint8_t req[1024], rsp[1024];
	uint32_t req_cons, req_prod, rsp_cons, rsp_prod, features, connection, error;
};
struct block_ring {
	uint32_t req_prod, req_event, rsp_prod, rsp_event;
	uint8_t pad[48], slot[32][108];
};

struct front {
	struct domain *d;
	struct vcpu *v;
	struct xen *x;
	struct store_ring *store;
	struct block_ring *ring;
	uint32_t free;     /* the first frame that the builder left free */
	uint32_t port, cons;
	char reply[4200];  /* the last reply's payload, with a zero behind it */
	uint32_t len, type;
};

struct front *front_new(struct disk *disk);
void front_free(struct front *f);
uint32_t front_va(const struct front *f, uint32_t mfn);
void *front_page(const struct front *f, uint32_t mfn);
int32_t front_call(struct front *f, uint32_t nr, uint32_t a, uint32_t b, uint32_t c, uint32_t e);
/* event_channel_op with its argument structure in guest memory; results are copied back. */
int32_t front_event(struct front *f, uint32_t cmd, uint32_t *arg, unsigned words);
int32_t front_notify(struct front *f, uint32_t port);
bool front_pending(struct front *f, uint32_t port); /* takes it back */

/* One request and its reply; false for XS_ERROR. text is the payload, of n bytes. */
bool store_ask(struct front *f, uint32_t type, uint32_t tx, const char *text, uint32_t n);
bool store_get(struct front *f, const char *path);
bool store_put(struct front *f, const char *path, const char *value);
bool store_reply(struct front *f); /* the next message in the ring; false when there is none */

void grant_set(struct front *f, uint32_t ref, uint16_t flags, uint16_t domid, uint32_t mfn);
/* Through xenbus to Connected: ring in frame free+1, granted as 8; the page of frame free+2+i as 16+i. */
bool block_connect(struct front *f);
void block_put(struct front *f, uint8_t op, uint64_t id, uint64_t sector, unsigned segments, uint32_t gref, uint8_t first, uint8_t last);
int block_take(struct front *f, uint64_t *id); /* the next response's status; 99 when there is none */
