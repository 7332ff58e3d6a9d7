/*
 * xen_store.c - the xenstore's client: one request at a time, and its reply.
 *
 * The ring and its port are in start_info; requests and replies are those of xen/io/xs_wire.h. Watches are not for these
 * drivers: an event that arrives is read and dropped. Called by xen_block.c. See xen_front.h.
 */
#include "xen_front.h"
#include <xen/io/xs_wire.h>

#define barrier() __asm__ volatile("" : : : "memory")

static volatile struct xenstore_domain_interface *ring(void)
{
	return xen_page(xen_start->store_mfn);
}

static void send(const void *data, uint32_t n)
{
	volatile struct xenstore_domain_interface *r = ring();
	const char *p = data;

	while (n) {
		uint32_t prod = r->req_prod, room = XENSTORE_RING_SIZE - (prod - r->req_cons);
		if (!room) {
			xen_notify(xen_start->store_evtchn);
			xen_port_wait(xen_start->store_evtchn);
			continue;
		}
		for (; room && n; room--, n--)
			r->req[MASK_XENSTORE_IDX(prod++)] = *p++;
		barrier();
		r->req_prod = prod;
	}
}

/* out NULL: reads and drops. */
static void receive(void *out, uint32_t n)
{
	volatile struct xenstore_domain_interface *r = ring();
	char *p = out;

	while (n) {
		uint32_t cons = r->rsp_cons, have = r->rsp_prod - cons;
		if (!have) {
			xen_port_wait(xen_start->store_evtchn);
			continue;
		}
		barrier();
		for (; have && n; have--, n--, cons++)
			if (p)
				*p++ = r->rsp[MASK_XENSTORE_IDX(cons)];
		bool full = r->rsp_prod - r->rsp_cons == XENSTORE_RING_SIZE;
		r->rsp_cons = cons;
		if (full) /* the store waits for room */
			xen_notify(xen_start->store_evtchn);
	}
}

int32_t xs_request(uint32_t type, uint32_t tx, const void *data, uint32_t len, void *out, uint32_t n)
{
	struct xsd_sockmsg h = { .type = type, .req_id = 1, .tx_id = tx, .len = len };

	send(&h, sizeof(h));
	send(data, len);
	xen_notify(xen_start->store_evtchn);
	for (;;) {
		receive(&h, sizeof(h));
		if (h.type != XS_WATCH_EVENT)
			break;
		receive(NULL, h.len);
	}
	uint32_t keep = h.len < n ? h.len : n;
	receive(out, keep);
	receive(NULL, h.len - keep);
	return h.type == XS_ERROR ? -1 : (int32_t)h.len;
}

bool xs_read(const char *path, char *out, uint32_t n)
{
	int32_t len = xs_request(XS_READ, 0, path, strlen(path) + 1, out, n - 1);

	out[len >= 0 && (uint32_t)len < n ? len : (int32_t)n - 1] = 0;
	return len >= 0 && (uint32_t)len < n;
}

bool xs_write(const char *path, const char *value)
{
	char text[256], reply[16];
	uint32_t a = strlen(path) + 1, b = strlen(value);

	if (a + b > sizeof(text))
		return false;
	memcpy(text, path, a);
	memcpy(text + a, value, b);
	return xs_request(XS_WRITE, 0, text, a + b, reply, sizeof(reply)) >= 0;
}

bool xs_remove(const char *path)
{
	char reply[16];

	return xs_request(XS_RM, 0, path, strlen(path) + 1, reply, sizeof(reply)) >= 0;
}

bool xs_number(const char *path, uint32_t *out)
{
	char text[16];

	if (!xs_read(path, text, sizeof(text)) || !text[0])
		return false;
	*out = 0;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return false;
		*out = *out * 10 + (uint32_t)(*p - '0');
	}
	return true;
}

bool xs_write_number(const char *path, uint32_t value)
{
	char text[11], *p = text + sizeof(text) - 1;

	*p = 0;
	do
		*--p = (char)('0' + value % 10);
	while (value /= 10);
	return xs_write(path, p);
}

int32_t xs_directory(const char *path, char *out, uint32_t n)
{
	int32_t len = xs_request(XS_DIRECTORY, 0, path, strlen(path) + 1, out, n);

	return len <= (int32_t)n ? len : -1;
}
