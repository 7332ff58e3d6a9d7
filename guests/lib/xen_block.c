/*
 * xen_block.c - the paravirtual disk's front end: as many requests as the ring holds, and one event for all of them.
 *
 * Finds the first device under device/vbd in the xenstore, grants domain 0 a page for the ring, allocates an event channel, and
 * goes through xenbus' states (xen/io/xenbus.h, xen/io/blkif.h). A request is one page at most; each slot of the ring has a
 * grant reference of its own. The port stays masked: who submits waits, by SCHEDOP_poll where the answers are not there
 * already. See disk.h and xen_front.h.
 */
#include "disk.h"
#include "xen_front.h"
#include <xen/io/blkif.h>
#include <xen/io/protocols.h>
#include <xen/io/xenbus.h>

#define xen_mb() __asm__ volatile("lock addl $0, (%%esp)" : : : "memory", "cc")
#define xen_rmb() __asm__ volatile("" : : : "memory")
#define xen_wmb() __asm__ volatile("" : : : "memory")
#define SLOTS 32u
#define SECTOR 512u

static struct {
	struct disk disk;
	struct blkif_front_ring ring;
	char front[48], back[80]; /* directories in the store */
	uint32_t port, handle;
	uint32_t ref[SLOTS];
	struct disk_req *req[SLOTS]; /* by slot */
	bool barrier, flush, started;
} blk;
static union {
	struct blkif_sring ring;
	uint8_t page[4096]; /* the back end sees all of it */
} shared __attribute__((aligned(4096)));
static uint8_t bounce[4096] __attribute__((aligned(4096)));

static const char *join(char *out, const char *dir, const char *name)
{
	uint32_t n = strlen(dir);

	memcpy(out, dir, n);
	out[n] = '/';
	memcpy(out + n + 1, name, strlen(name) + 1);
	return out;
}

/* ---- requests ---- */

static void request_put(struct disk_req *r, uint32_t slot, uint8_t op)
{
	struct blkif_request *q = RING_GET_REQUEST(&blk.ring, blk.ring.req_prod_pvt);
	uint32_t first = ((uint32_t)r->data & 4095) / SECTOR;

	q->operation = op;
	q->nr_segments = r->count ? 1 : 0;
	q->handle = (blkif_vdev_t)blk.handle;
	q->id = slot;
	q->sector_number = r->sector;
	if (r->count) {
		xen_grant_set(blk.ref[slot], xen_mfn(r->data), r->write);
		q->seg[0] = (struct blkif_request_segment){ blk.ref[slot], (uint8_t)first, (uint8_t)(first + r->count - 1) };
	}
	blk.req[slot] = r;
	blk.ring.req_prod_pvt++;
}

static uint32_t responses_take(void)
{
	uint32_t prod = blk.ring.sring->rsp_prod, n = 0;

	xen_rmb();
	for (; blk.ring.rsp_cons != prod; n++) {
		struct blkif_response *p = RING_GET_RESPONSE(&blk.ring, blk.ring.rsp_cons);
		struct disk_req *r = p->id < SLOTS ? blk.req[p->id] : NULL;
		if (r) {
			r->status = p->status == BLKIF_RSP_OKAY ? 0 : -1;
			if (r->count)
				xen_grant_end(blk.ref[p->id]);
			blk.req[p->id] = NULL;
		}
		blk.ring.rsp_cons++;
	}
	return n;
}

/* n requests that are in the ring: tells domain 0, and waits until all are answered, with one event. */
static void ring_run(uint32_t n)
{
	int notify;

	blk.ring.sring->rsp_event = blk.ring.rsp_cons + n;
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&blk.ring, notify);
	if (notify)
		xen_notify(blk.port);
	for (n -= responses_take(); n; n -= responses_take())
		xen_port_wait(blk.port);
}

static bool fits(const struct disk *d, const struct disk_req *r)
{
	uint32_t at = (uint32_t)r->data & 4095;

	return r->count && r->count <= 8 && at + r->count * SECTOR <= 4096 && r->count <= d->sectors && r->sector <= d->sectors - r->count;
}

/* Data that is not on a sector boundary goes through a page of ours. */
static int submit_bounced(struct disk_req *r)
{
	struct disk_req b = *r;

	b.data = bounce;
	if (r->write)
		memcpy(bounce, r->data, r->count * SECTOR);
	request_put(&b, 0, r->write ? BLKIF_OP_WRITE : BLKIF_OP_READ);
	ring_run(1);
	if (!r->write && !b.status)
		memcpy(r->data, bounce, r->count * SECTOR);
	return r->status = b.status;
}

static int xen_submit(struct disk *d, struct disk_req *req, unsigned n)
{
	int status = 0;

	for (unsigned i = 0; i < n;) {
		uint32_t put = 0;
		for (; i < n && put < SLOTS; i++) {
			req[i].status = -1;
			if (!fits(d, &req[i]))
				status = -1;
			else if ((uint32_t)req[i].data % SECTOR && !put)
				submit_bounced(&req[i]);
			else if ((uint32_t)req[i].data % SECTOR)
				break; /* first what is in the ring */
			else
				request_put(&req[i], put++, req[i].write ? BLKIF_OP_WRITE : BLKIF_OP_READ);
		}
		if (put)
			ring_run(put);
	}
	for (unsigned i = 0; i < n; i++)
		status |= req[i].status;
	return status ? -1 : 0;
}

static int xen_flush(struct disk *d)
{
	struct disk_req r = { .status = -1 };

	if (!blk.flush && !blk.barrier)
		return 0;
	request_put(&r, 0, blk.flush ? BLKIF_OP_FLUSH_DISKCACHE : BLKIF_OP_WRITE_BARRIER);
	ring_run(1);
	return r.status;
}

/* ---- finding the device ---- */

/* Waits for the back end's state to be at least `state`; false when it closes. */
static bool wait_state(uint32_t state)
{
	char path[96];
	uint32_t now;

	join(path, blk.back, "state");
	for (uint32_t i = 0; i < 1000; i++) {
		if (!xs_number(path, &now) || now >= XenbusStateClosing)
			return false;
		if (now >= state)
			return true;
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0, 0, 0);
	}
	return false;
}

static bool find(void)
{
	char names[256], path[64];

	if (xs_directory("device/vbd", names, sizeof(names)) <= 0 || strlen(names) > 10)
		return false;
	join(blk.front, "device/vbd", names);
	for (const char *p = names; *p >= '0' && *p <= '9'; p++)
		blk.handle = blk.handle * 10 + (uint32_t)(*p - '0');
	return xs_read(join(path, blk.front, "backend"), blk.back, sizeof(blk.back) - 20);
}

static bool ring_make(void)
{
	uint32_t ref;

	SHARED_RING_INIT(&shared.ring);
	FRONT_RING_INIT(&blk.ring, &shared.ring, 4096);
	if (RING_SIZE(&blk.ring) != SLOTS || !xen_grants_start() || !(ref = xen_grant(xen_mfn(&shared), false)) || !(blk.port = xen_port_alloc()))
		return false;
	for (uint32_t i = 0; i < SLOTS; i++) {
		if (!(blk.ref[i] = xen_grant(0, true)))
			return false;
		xen_grant_end(blk.ref[i]);
	}
	char path[64];
	return xs_write_number(join(path, blk.front, "ring-ref"), ref) && xs_write_number(join(path, blk.front, "event-channel"), blk.port) &&
		xs_write(join(path, blk.front, "protocol"), XEN_IO_PROTO_ABI_X86_32);
}

static bool start(void)
{
	char path[96];
	uint32_t n = 0;

	if (!find() || !wait_state(XenbusStateInitWait) || !ring_make() ||
	    !xs_write_number(join(path, blk.front, "state"), XenbusStateInitialised) || !wait_state(XenbusStateConnected) ||
	    !xs_number(join(path, blk.back, "sectors"), &blk.disk.sectors))
		return false;
	blk.flush = xs_number(join(path, blk.back, "feature-flush-cache"), &n) && n;
	blk.barrier = xs_number(join(path, blk.back, "feature-barrier"), &n) && n;
	return xs_write_number(join(path, blk.front, "state"), XenbusStateConnected);
}

struct disk *xen_disk(void)
{
	if (!blk.started) {
		blk.disk = (struct disk){ .name = "xen", .submit = xen_submit, .flush = xen_flush };
		if (!start())
			return NULL;
		blk.started = true;
	}
	return &blk.disk;
}
