/*
 * xen_block.c - the disk's back end: a front end in the guest, requests in a shared ring, a raw image behind it.
 *
 * The two ends find each other through the xenstore: the front end grants a ring page, allocates an event channel and says so
 * under device/vbd/51712; this end maps the page and binds the channel; each side's `state` node tells the other how far it is
 * (xen/io/xenbus.h, xen/io/blkif.h, the 32-bit layout). One notification serves all requests in the ring, and one answers
 * them: with many in flight the cost of a crossing is shared. Requests are copied before they are looked at. Called by xen_store.c and
 * xen_event.c. Read next: xen_grant.c, core/disk.c.
 */
#include <stdlib.h>
#include <string.h>
#include "core/disk.h"
#include "xen_back.h"

#define FRONT "/local/domain/1/device/vbd/51712"
#define BACK "/local/domain/0/backend/vbd/1/51712"

enum { STATE_UNKNOWN, STATE_INITIALISING, STATE_INIT_WAIT, STATE_INITIALISED, STATE_CONNECTED, STATE_CLOSING, STATE_CLOSED };
enum { OP_READ, OP_WRITE, OP_BARRIER, OP_FLUSH };
enum { RSP_OKAY = 0, RSP_ERROR = -1, RSP_UNSUPPORTED = -2 };

#define SLOTS 32u     /* what fits into a page after the header, rounded down to a power of two */
#define SLOT 108u
#define SEGMENTS 11u
#define PAGE_SECTORS 8u

struct sring { /* blkif_sring */
	uint32_t req_prod, req_event, rsp_prod, rsp_event;
	uint8_t pad[48];
	uint8_t slot[SLOTS][SLOT];
};
struct segment_ref {
	uint32_t gref;
	uint8_t first, last, pad[2];
};
struct request { /* blkif_request of a 32-bit guest */
	uint8_t op, segments;
	uint16_t handle;
	uint64_t id, sector;
	struct segment_ref seg[SEGMENTS];
} __attribute__((packed));
struct response {
	uint64_t id;
	uint8_t op, pad;
	int16_t status;
} __attribute__((packed));
_Static_assert(sizeof(struct request) == SLOT, "blkif_request, 32 bits");
_Static_assert(sizeof(struct response) == 12, "blkif_response, 32 bits");
_Static_assert(offsetof(struct sring, slot) == 64, "blkif_sring");
_Static_assert(sizeof(struct sring) <= PAGE_SIZE, "blkif_sring");

static struct blkback *blk_of(struct vcpu *v)
{
	return &xen_of(v)->back->blk;
}

/* ---- requests ---- */

static int transfer(struct vcpu *v, bool write, const struct segment_ref *s, uint64_t sector)
{
	unsigned n = s->last - s->first + 1u;
	struct grant_map m;
	int r;

	if (xen_grant_map(v, s->gref, !write, &m)) /* a read from the disk writes to the page */
		return RSP_ERROR;
	if (write) {
		r = disk_write(v->vm->disk, sector, m.page + s->first * SECTOR_SIZE, n);
	} else {
		r = disk_read(v->vm->disk, sector, m.page + s->first * SECTOR_SIZE, n);
		vm_mem_written(v->vm, GPA(((uint64_t)m.mfn << PAGE_SHIFT) + s->first * SECTOR_SIZE), n * SECTOR_SIZE);
	}
	xen_grant_unmap(v, &m);
	return r ? RSP_ERROR : RSP_OKAY;
}

/* READ, WRITE, and WRITE_BARRIER, which is a write with a flush on either side. */
static int read_write(struct vcpu *v, const struct request *q)
{
	bool write = q->op != OP_READ;
	uint64_t sectors = 0;
	int status = RSP_OKAY;

	if (q->segments > SEGMENTS || (!q->segments && q->op != OP_BARRIER))
		return RSP_ERROR;
	for (unsigned i = 0; i < q->segments; i++) {
		if (q->seg[i].first > q->seg[i].last || q->seg[i].last >= PAGE_SECTORS)
			return RSP_ERROR;
		sectors += q->seg[i].last - q->seg[i].first + 1u;
	}
	if (!disk_contains(v->vm->disk, q->sector, sectors) || (write && v->vm->disk->readonly))
		return RSP_ERROR;
	if (q->op == OP_BARRIER && disk_flush(v->vm->disk))
		return RSP_ERROR;
	sectors = 0;
	for (unsigned i = 0; i < q->segments && status == RSP_OKAY; i++) {
		struct segment_ref s = q->seg[i];
		status = transfer(v, write, &s, q->sector + sectors);
		sectors += s.last - s.first + 1u;
	}
	blk_of(v)->sectors += sectors;
	if (q->op == OP_BARRIER && !status && disk_flush(v->vm->disk))
		status = RSP_ERROR;
	return status;
}

static int serve(struct vcpu *v, const struct request *q)
{
	blk_of(v)->requests++;
	switch (q->op) {
	case OP_READ:
	case OP_WRITE:
	case OP_BARRIER:
		return read_write(v, q);
	case OP_FLUSH:
		return disk_flush(v->vm->disk) ? RSP_ERROR : RSP_OKAY;
	}
	return RSP_UNSUPPORTED; /* DISCARD, INDIRECT: neither was offered */
}

static void counters_note(struct vcpu *v, const struct blkback *b)
{
	stat_note(&v->stats, "xen.block.requests", b->requests);
	stat_note(&v->stats, "xen.block.sectors", b->sectors);
	stat_note(&v->stats, "xen.block.events-in", b->events_in);
	stat_note(&v->stats, "xen.block.events-out", b->events_out);
}

/* Answers all that is in the ring, then notifies once, if the front end asked for it (xen/io/ring.h). */
void xen_block_event(struct vcpu *v)
{
	struct blkback *b = blk_of(v);
	struct sring *ring = (struct sring *)b->ring.page;
	uint32_t prod, before = b->rsp_prod;
	struct request q;

	b->events_in++;
	if (!b->connected || b->broken)
		return;
	prod = ring->req_prod;
	if (prod - b->req_cons > SLOTS) {
		b->broken = true;
		if (!b->told)
			say("pv: the guest's disk ring claims %u requests, and holds %u: it is served no more", prod - b->req_cons, SLOTS);
		b->told = true;
		return;
	}
	while (b->req_cons != prod) {
		memcpy(&q, ring->slot[b->req_cons++ % SLOTS], sizeof(q));
		struct response r = { .id = q.id, .op = q.op, .status = (int16_t)serve(v, &q) };
		memcpy(ring->slot[b->rsp_prod++ % SLOTS], &r, sizeof(r));
	}
	ring->rsp_prod = b->rsp_prod;
	ring->req_event = b->req_cons + 1;
	if (b->rsp_prod - ring->rsp_event < b->rsp_prod - before) {
		b->events_out++;
		xen_event_send(v, b->port);
	}
	counters_note(v, b);
}

/* ---- finding each other ---- */

static void state_set(struct vcpu *v, unsigned state)
{
	blk_of(v)->state = state;
	xen_store_set(v, BACK "/state", "%u", state);
}

static void disconnect(struct vcpu *v)
{
	struct blkback *b = blk_of(v);

	if (!b->connected)
		return;
	b->connected = false;
	xen_event_unbind(v, b->port);
	xen_grant_unmap(v, &b->ring);
}

static void refuse(struct vcpu *v, const char *why)
{
	if (!blk_of(v)->told)
		say("pv: the guest's disk driver cannot be connected: %s", why);
	blk_of(v)->told = true; /* once: a guest could go on for ever */
	xen_store_set(v, "/local/domain/0/error/backend/vbd/1/51712/error", "%s", why);
	state_set(v, STATE_CLOSING);
}

static void connect(struct vcpu *v)
{
	struct blkback *b = blk_of(v);
	uint32_t ref, port, order;
	char protocol[32];

	if (xen_store_get(v, FRONT "/protocol", protocol, sizeof(protocol)) && strcmp(protocol, "x86_32-abi"))
		return refuse(v, "its ring has another layout than x86_32-abi");
	if (xen_store_number(v, FRONT "/ring-page-order", &order) && order)
		return refuse(v, "its ring has several pages, and that was not offered");
	if (!xen_store_number(v, FRONT "/ring-ref", &ref) || !xen_store_number(v, FRONT "/event-channel", &port))
		return refuse(v, "ring-ref or event-channel is missing or no number");
	if (xen_grant_map(v, ref, true, &b->ring))
		return refuse(v, "ring-ref names no page that it has granted to domain 0");
	if (!xen_event_bind(v, port, BACK_BLOCK)) {
		xen_grant_unmap(v, &b->ring);
		return refuse(v, "event-channel names no unbound port of its own");
	}
	b->port = port;
	b->req_cons = b->rsp_prod = ((struct sring *)b->ring.page)->rsp_prod;
	b->connected = true;
	b->broken = false;
	xen_store_set(v, BACK "/sectors", "%llu", (unsigned long long)v->vm->disk->sectors);
	xen_store_set(v, BACK "/info", "%u", v->vm->disk->readonly ? 4 : 0); /* VDISK_READONLY */
	xen_store_set(v, BACK "/sector-size", "%u", SECTOR_SIZE);
	xen_store_set(v, BACK "/physical-sector-size", "%u", SECTOR_SIZE);
	state_set(v, STATE_CONNECTED);
}

void xen_block_changed(struct vcpu *v, const char *path)
{
	struct blkback *b = blk_of(v);
	uint32_t state;

	/* Its state node, or a removal of something above it. */
	if (!b->state || strncmp(path, FRONT "/state", strlen(path)))
		return;
	if (!xen_store_number(v, FRONT "/state", &state))
		state = STATE_CLOSED;
	switch (state) {
	case STATE_INITIALISING:
		if (b->state == STATE_CLOSED || b->state == STATE_CLOSING) {
			disconnect(v);
			state_set(v, STATE_INIT_WAIT);
		}
		break;
	case STATE_INITIALISED:
	case STATE_CONNECTED:
		if (b->state == STATE_INIT_WAIT)
			connect(v);
		break;
	case STATE_CLOSING:
	case STATE_CLOSED:
		disconnect(v);
		if (b->state != state)
			state_set(v, state);
		break;
	}
}

void xen_block_init(struct vcpu *v)
{
	if (!v->vm->disk)
		return;
	xen_store_set(v, FRONT "/backend", BACK);
	xen_store_set(v, FRONT "/backend-id", "0");
	xen_store_set(v, FRONT "/virtual-device", "%u", XEN_VBD);
	xen_store_set(v, FRONT "/device-type", "disk");
	xen_store_set(v, FRONT "/state", "%u", STATE_INITIALISING);
	xen_store_set(v, BACK "/frontend", FRONT);
	xen_store_set(v, BACK "/frontend-id", "%u", XEN_DOMID);
	xen_store_set(v, BACK "/online", "1");
	xen_store_set(v, BACK "/removable", "0");
	xen_store_set(v, BACK "/bootable", "1");
	xen_store_set(v, BACK "/dev", "xvda");
	xen_store_set(v, BACK "/type", "file");
	xen_store_set(v, BACK "/mode", v->vm->disk->readonly ? "r" : "w");
	xen_store_set(v, BACK "/device-type", "disk");
	xen_store_set(v, BACK "/feature-barrier", "1");
	xen_store_set(v, BACK "/feature-flush-cache", "1");
	state_set(v, STATE_INIT_WAIT);
}
