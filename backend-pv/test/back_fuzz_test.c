/*
 * back_fuzz_test.c - wild front ends: random messages, indices, grants and requests, after which everything is counted again.
 *
 * RINGLAB_PV_FUZZ=N for more rounds than the default, RINGLAB_SEED=N for others. Each round makes a domain, connects its disk, and then
 * does a few hundred things that no driver does.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "core/disk.h"
#include "front.h"

static uint64_t seed;

static uint32_t any(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 11) % n;
}

static uint32_t wild(void)
{
	static const uint32_t edge[] = { 0, 1, 7, 8, 31, 32, 33, 1023, 1024, 1025, 4095, 4096, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };

	return any(3) ? edge[any(ARRAY_LEN(edge))] : (uint32_t)seed;
}

/* A message that is nearly right. */
static void store_message(struct front *f)
{
	static const char *const path[] = { "data", "data/x", "device/vbd/51712/state", "device/vbd/51712", "device", "/", "/local", "", "@x", "data/" };
	static const char *const value[] = { "1", "2", "3", "4", "5", "6", "T", "F", "n1", "token", "" };
	uint32_t h[4] = { any(24), any(9), any(4) ? 0 : any(12), 0 };
	char text[512];
	unsigned n = (unsigned)snprintf(text, sizeof(text), "%s", path[any(ARRAY_LEN(path))]) + 1;

	n += (unsigned)snprintf(text + n, sizeof(text) - n, "%s", value[any(ARRAY_LEN(value))]) + any(2);
	if (!any(20))
		text[any(n)] = (char)any(256);
	h[3] = any(40) ? n : any(10) ? any(2000) : wild();
	n = h[3] <= n ? h[3] : n; /* a longer one takes its bytes from what follows */
	for (unsigned i = 0; i < sizeof(h) + n && f->store->req_prod - f->store->req_cons < 1024; i++)
		f->store->req[f->store->req_prod++ % 1024] = i < sizeof(h) ? ((uint8_t *)h)[i] : (uint8_t)text[i - sizeof(h)];
	front_notify(f, f->x->store_port);
	if (any(3))
		f->store->rsp_cons = f->store->rsp_prod;
}

static void block_message(struct front *f)
{
	uint32_t n = 1 + any(any(100) ? 4 : 40);

	while (n--)
		block_put(f, (uint8_t)any(8), seed, any(4) ? any(128) : seed, any(any(5) ? 4 : 256), any(4) ? 16 + any(32) : wild(), (uint8_t)any(9),
			(uint8_t)any(9));
	front_notify(f, f->port);
	f->cons = f->ring->rsp_prod;
}

static void grant_message(struct front *f)
{
	grant_set(f, any(64), (uint16_t)(any(3) ? 1 : any(65536)), (uint16_t)(any(5) ? 0 : any(3)), any(2) ? f->free + any(40) : any(2) ? any(f->x->frames_all) : wild());
}

static void hypercall_message(struct front *f)
{
	static const uint32_t nr[] = { 15, 20, 24, 29, 32 };
	uint32_t *arg = front_page(f, f->free + 39);

	for (unsigned i = 0; i < 16; i++)
		arg[i] = any(3) ? wild() : any(2) ? f->free + any(40) : front_va(f, f->free + any(40));
	front_call(f, nr[any(ARRAY_LEN(nr))], any(14), any(2) ? front_va(f, f->free + 39) : any(3), any(2) ? any(3) : front_va(f, f->free + 39), 0);
	f->d->vm.end = END_NONE; /* it may have shut down: this is about what it leaves */
}

static void round_run(struct disk *disk, unsigned steps)
{
	struct front *f = front_new(disk);
	char why[256];

	cr_assert(block_connect(f));
	for (unsigned i = 0; i < steps; i++) {
		switch (any(9)) {
		case 0: case 1: case 2: store_message(f); break;
		case 3: case 4: block_message(f); break;
		case 5: grant_message(f); break;
		case 6: hypercall_message(f); break;
		case 7:
			if (!any(60)) /* indices of a mad guest */
				*(&f->store->req_cons + any(4)) = wild();
			if (!any(60))
				*(&f->ring->req_prod + any(4)) = wild();
			if (!any(20))
				*((uint32_t *)((uint8_t *)front_page(f, f->x->console_mfn) + 3072) + any(4)) = wild();
			front_notify(f, any(8));
			break;
		case 8: front_call(f, 26, front_va(f, f->free + 38), 1, 0, DOMID_SELF); break;
		}
	}
	cr_expect(xen_audit(f->v, why, sizeof(why)), "%s", why);
	front_free(f);
}

Test(back_fuzz, wild_front_ends, .timeout = 600)
{
	const char *n = getenv("RINGLAB_PV_FUZZ"), *s = getenv("RINGLAB_SEED");
	unsigned rounds = n ? (unsigned)atoi(n) : 60;
	struct disk disk = { .fd = memfd_create("disk", 0), .sectors = 128 };
	int quiet = dup(2);

	cr_assert(!ftruncate(disk.fd, 128 * 512));
	cr_assert_not_null(freopen("/dev/null", "w", stderr)); /* each broken ring is told to the user */
	for (unsigned i = 0; i < rounds; i++) {
		seed = (s ? strtoull(s, NULL, 0) : 1) * 0x9e3779b97f4a7c15ull + i * 0x2545f4914f6cdd1dull + 1;
		round_run(&disk, 400);
	}
	dup2(quiet, 2);
	close(quiet);
	close(disk.fd);
}
