/*
 * front.c - a front end as a test drives it: through guest memory and hypercalls, as a guest would.
 */
#include "front.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define BASE 0xc0000000u

struct front *front_new(struct disk *disk)
{
	struct load_request req = { .path = RINGLAB_GUESTS "/hello-xen.elf", .xen_ok = true };
	struct front *f = calloc(1, sizeof(*f));

	f->d = domain_new_with(&req, 8u << 20, disk);
	f->v = &f->d->vm.vcpu;
	f->x = f->d->pv.xen;
	f->store = front_page(f, f->x->store_mfn);
	f->free = (uint32_t)(f->v->state.gpr[R_ESP] - BASE) / PAGE_SIZE + 8;
	f->ring = front_page(f, f->free + 1);
	return f;
}

void front_free(struct front *f)
{
	domain_free(f->d);
	free(f);
}

void *front_page(const struct front *f, uint32_t mfn)
{
	return mem_ptr(&f->d->vm.mem, GPA((uint64_t)mfn << PAGE_SHIFT), PAGE_SIZE);
}

uint32_t front_va(const struct front *f, uint32_t mfn)
{
	return BASE + (mfn << PAGE_SHIFT);
}

int32_t front_call(struct front *f, uint32_t nr, uint32_t a, uint32_t b, uint32_t c, uint32_t e)
{
	uint32_t arg[6] = { a, b, c, e };

	return xen_call(f->v, nr, arg);
}

int32_t front_event(struct front *f, uint32_t cmd, uint32_t *arg, unsigned words)
{
	uint32_t *p = front_page(f, f->free);
	int32_t r;

	memcpy(p, arg, words * 4);
	r = front_call(f, 32, cmd, front_va(f, f->free), 0, 0);
	memcpy(arg, p, words * 4);
	return r;
}

int32_t front_notify(struct front *f, uint32_t port)
{
	return front_event(f, 4, &port, 1);
}

bool front_pending(struct front *f, uint32_t port)
{
	uint32_t *word = &f->x->shared->evtchn_pending[port / 32], bit = 1u << port % 32;
	bool was = *word & bit;

	*word &= ~bit;
	return was;
}

bool store_reply(struct front *f)
{
	struct store_ring *r = f->store;
	uint32_t h[4], have = r->rsp_prod - r->rsp_cons;
	uint8_t *to = (uint8_t *)h;

	if (have < sizeof(h))
		return false;
	for (unsigned i = 0; i < sizeof(h); i++)
		to[i] = r->rsp[r->rsp_cons++ % 1024];
	f->type = h[0];
	f->len = h[3];
	cr_assert_leq(f->len, 4096);
	for (uint32_t i = 0; i < f->len; i++) {
		if (r->rsp_cons == r->rsp_prod)
			front_notify(f, f->x->store_port);
		cr_assert_neq(r->rsp_cons, r->rsp_prod, "a reply is cut short");
		f->reply[i] = (char)r->rsp[r->rsp_cons++ % 1024];
	}
	f->reply[f->len] = 0;
	return true;
}

bool store_ask(struct front *f, uint32_t type, uint32_t tx, const char *text, uint32_t n)
{
	uint32_t h[4] = { type, 7, tx, n };
	struct store_ring *r = f->store;

	for (uint32_t i = 0; i < sizeof(h) + n; i++) {
		if (r->req_prod - r->req_cons == 1024)
			front_notify(f, f->x->store_port);
		r->req[r->req_prod++ % 1024] = i < sizeof(h) ? ((uint8_t *)h)[i] : (uint8_t)text[i - sizeof(h)];
	}
	front_notify(f, f->x->store_port);
	do /* events of watches may come first */
		cr_assert(store_reply(f), "no reply");
	while (f->type == XS_EVENT);
	return f->type != XS_ERROR;
}

bool store_get(struct front *f, const char *path)
{
	return store_ask(f, XS_READ, 0, path, (uint32_t)strlen(path) + 1);
}

bool store_put(struct front *f, const char *path, const char *value)
{
	char text[4096];
	size_t a = strlen(path) + 1, b = strlen(value);

	memcpy(text, path, a);
	memcpy(text + a, value, b);
	return store_ask(f, XS_WRITE, 0, text, (uint32_t)(a + b));
}

void grant_set(struct front *f, uint32_t ref, uint16_t flags, uint16_t domid, uint32_t mfn)
{
	((struct grant_entry *)front_page(f, f->x->grant_mfn))[ref] = (struct grant_entry){ flags, domid, mfn };
}

bool block_connect(struct front *f)
{
	uint32_t alloc[2] = { DOMID_SELF, 0 };
	char text[16];

	memset(f->ring, 0, PAGE_SIZE);
	f->ring->req_event = f->ring->rsp_event = 1;
	f->cons = 0;
	grant_set(f, 8, 1, 0, f->free + 1);
	for (uint32_t i = 0; i < 32; i++)
		grant_set(f, 16 + i, 1, 0, f->free + 2 + i);
	cr_assert(!front_event(f, 6, alloc, 2));
	f->port = alloc[1];
	snprintf(text, sizeof(text), "%u", f->port);
	return store_put(f, VBD "/ring-ref", "8") && store_put(f, VBD "/event-channel", text) && store_put(f, VBD "/protocol", "x86_32-abi") &&
		store_put(f, VBD "/state", "3") && store_get(f, "/local/domain/0/backend/vbd/1/51712/state") && !strcmp(f->reply, "4");
}

void block_put(struct front *f, uint8_t op, uint64_t id, uint64_t sector, unsigned segments, uint32_t gref, uint8_t first, uint8_t last)
{
	uint8_t *q = f->ring->slot[f->ring->req_prod++ % 32];

	memset(q, 0, 108);
	q[0] = op;
	q[1] = (uint8_t)segments;
	memcpy(q + 4, &id, 8);
	memcpy(q + 12, &sector, 8);
	for (unsigned i = 0; i < segments && i < 11; i++, gref++) {
		memcpy(q + 20 + i * 8, &gref, 4);
		q[24 + i * 8] = first;
		q[25 + i * 8] = last;
	}
}

int block_take(struct front *f, uint64_t *id)
{
	const uint8_t *p = f->ring->slot[f->cons % 32];
	int16_t status;

	if (f->cons == f->ring->rsp_prod)
		return 99;
	f->cons++;
	memcpy(id, p, 8);
	memcpy(&status, p + 10, 2);
	return status;
}
