/*
 * back_test.c - domain 0's side as front ends see it: the builder's module, event channels, grants, the xenstore, the disk.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "core/console.h"
#include "core/disk.h"
#include "front.h"

#define BACK "/local/domain/0/backend/vbd/1/51712"
#define SECTORS 128u

static struct front *f;
static struct disk disk;

/* A disk of SECTORS sectors, each full of its own number. */
static void setup(void)
{
	uint8_t sector[512];

	disk.fd = memfd_create("disk", 0);
	disk.sectors = SECTORS;
	disk.readonly = false;
	for (unsigned i = 0; i < SECTORS; i++) {
		memset(sector, (int)i, sizeof(sector));
		cr_assert_eq(write(disk.fd, sector, sizeof(sector)), 512);
	}
	f = front_new(&disk);
}

static void teardown(void)
{
	char why[256];

	cr_expect(xen_audit(f->v, why, sizeof(why)), "%s", why);
	front_free(f);
	close(disk.fd);
}

TestSuite(back, .init = setup, .fini = teardown);

/* ---- the builder ---- */

Test(back, a_module_lies_behind_the_image)
{
	char path[] = "/tmp/ringlab-module-XXXXXX", text[5000];
	int fd = mkstemp(path);

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 7);
	cr_assert(fd >= 0 && write(fd, text, sizeof(text)) == (ssize_t)sizeof(text));
	struct load_request req = { .path = RINGLAB_GUESTS "/hello-xen.elf", .xen_ok = true, .modules = 1, .module[0].path = path, .append = "x" };
	struct domain *d = domain_new_with(&req, 8u << 20, NULL);
	struct start_info_x86_32 *si = mem_ptr(&d->vm.mem, GPA(d->vm.vcpu.state.gpr[R_ESI] - 0xc0000000u), PAGE_SIZE);
	unlink(path);
	close(fd);
	cr_expect_eq(si->mod_len, sizeof(text));
	cr_expect_eq(si->mod_start % PAGE_SIZE, 0);
	cr_expect(!memcmp(mem_ptr(&d->vm.mem, GPA(si->mod_start - 0xc0000000u), sizeof(text)), text, sizeof(text)));
	cr_expect_eq(si->mfn_list, si->mod_start + 2 * PAGE_SIZE, "the frame list follows the module");
	cr_expect_eq(si->flags, 0);
	domain_free(d);
}

Test(back, the_wall_clock_is_the_hosts)
{
	int64_t now = (int64_t)time(NULL);
	int64_t there = f->x->shared->wc_sec;

	cr_expect(there - now <= 1 && now - there <= 5, "%lld and %lld", (long long)there, (long long)now);
	cr_expect_eq(f->x->shared->wc_version & 1, 0);
}

/* ---- event channels ---- */

Test(back, ports_are_bound_sent_and_closed)
{
	uint32_t alloc[2] = { DOMID_SELF | DOMID_SELF << 16, 0 }, bind[3] = { DOMID_SELF }, status[6] = { DOMID_SELF }, one;

	cr_assert_eq(front_event(f, 6, alloc, 2), 0);
	bind[1] = alloc[1];
	cr_assert_eq(front_event(f, 0, bind, 3), 0, "a loop");
	cr_expect_neq(bind[2], alloc[1]);
	cr_expect(front_pending(f, bind[2]), "a new binding sends one event");
	cr_expect(front_notify(f, bind[2]) == 0 && front_pending(f, alloc[1]));
	cr_expect(front_notify(f, alloc[1]) == 0 && front_pending(f, bind[2]));
	status[1] = alloc[1];
	cr_expect(!front_event(f, 5, status, 6) && status[2] == 2 && status[4] == 1 && status[5] == bind[2], "interdomain, domain 1, the other port");
	one = bind[2];
	cr_expect_eq(front_event(f, 3, &one, 1), 0);
	cr_expect(!front_event(f, 5, status, 6) && status[2] == 1, "the other end is unbound again");
	cr_expect_eq(front_notify(f, bind[2]), -XEN_EINVAL, "a closed port");
	cr_expect_eq(front_notify(f, 5000), -XEN_EINVAL);
	bind[0] = 3;
	cr_expect_eq(front_event(f, 0, bind, 3), -XEN_ESRCH, "another domain");
	alloc[0] = 3;
	cr_expect_eq(front_event(f, 6, alloc, 2), -XEN_ESRCH);
	one = DOMID_SELF;
	cr_expect_eq(front_event(f, 10, &one, 1), 0, "reset closes all");
	cr_expect_eq(front_notify(f, alloc[1]), -XEN_EINVAL);
}

Test(back, a_masked_port_is_pending_without_an_upcall)
{
	uint32_t alloc[2] = { DOMID_SELF | DOMID_SELF << 16, 0 }, bind[3] = { DOMID_SELF }, port;

	front_event(f, 6, alloc, 2);
	bind[1] = port = alloc[1];
	front_event(f, 0, bind, 3);
	front_pending(f, bind[2]);
	f->x->info->evtchn_upcall_pending = 0;
	f->x->shared->evtchn_mask[port / 32] |= 1u << port % 32;
	front_notify(f, bind[2]);
	cr_expect_eq(f->x->info->evtchn_upcall_pending, 0);
	cr_expect_eq(front_event(f, 9, &port, 1), 0);
	cr_expect_eq(f->x->info->evtchn_upcall_pending, 1, "unmask tells of what was pending");
}

/* ---- the vCPU ---- */

Test(back, vcpu_info_moves_once_and_to_writable_memory_only)
{
	uint32_t at = front_va(f, f->free), *arg = front_page(f, f->free);
	uint64_t table = f->x->root;

	memcpy(arg, (uint32_t[]){ (uint32_t)table, 0, 0, 0 }, 16);
	cr_expect_eq(front_call(f, 24, 10, 0, at, 0), -XEN_EINVAL, "a page table");
	memcpy(arg, (uint32_t[]){ f->free + 40, 0, 4090, 0 }, 16);
	cr_expect_eq(front_call(f, 24, 10, 0, at, 0), -XEN_EINVAL, "across the page's end");
	memcpy(arg, (uint32_t[]){ f->free + 40, 0, 128, 0 }, 16);
	cr_expect_eq(front_call(f, 24, 10, 0, at, 0), 0);
	cr_expect_eq((void *)f->x->info, (char *)front_page(f, f->free + 40) + 128);
	cr_expect_eq(f->x->info->evtchn_upcall_mask, 1, "as it was");
	cr_expect_eq(front_call(f, 24, 10, 0, at, 0), -XEN_EINVAL, "not twice");
	xen_time_update(f->v);
	cr_expect_neq(f->x->info->time.tsc_to_system_mul, 0);
}

Test(back, runstate_adds_up)
{
	struct { uint32_t state; uint64_t since, time[4]; } __attribute__((packed)) *r = front_page(f, f->free + 3);
	uint32_t *arg = front_page(f, f->free);

	arg[0] = front_va(f, f->free + 3);
	cr_assert_eq(front_call(f, 24, 5, 0, front_va(f, f->free), 0), 0);
	usleep(2000);
	xen_runstate(f->v, RUNSTATE_BLOCKED);
	cr_expect_eq(r->state, RUNSTATE_BLOCKED);
	cr_expect_geq(r->time[RUNSTATE_RUNNING], 2000000);
	cr_expect_eq(r->time[RUNSTATE_BLOCKED], 0);
	xen_runstate(f->v, RUNSTATE_RUNNING);
	cr_assert_eq(front_call(f, 24, 4, 0, front_va(f, f->free + 3), 0), 0);
	uint64_t sum = r->time[0] + r->time[1] + r->time[2] + r->time[3];
	cr_expect(sum <= clock_now(&f->d->vm.clock) && sum >= 2000000);
	cr_expect_eq(front_call(f, 24, 4, 1, front_va(f, f->free + 3), 0), -XEN_ENOENT, "another vCPU");
	cr_expect_eq(front_call(f, 24, 5, 0, 0xf6000000, 0), -XEN_EFAULT);
}

/* ---- grants ---- */

static int16_t grant_op(uint32_t cmd, const void *arg, unsigned size, unsigned status_at)
{
	uint8_t *p = front_page(f, f->free);
	int16_t status;

	memcpy(p, arg, size);
	cr_expect_eq(front_call(f, 20, cmd, front_va(f, f->free), 1, 0), 0, "operation %u", cmd);
	memcpy(&status, p + status_at, 2);
	return status;
}

Test(back, the_grant_table_is_version_one)
{
	uint32_t *p = front_page(f, f->free), at = front_va(f, f->free);

	p[0] = 1;
	cr_expect_eq(front_call(f, 20, 8, at, 1, 0), 0);
	p[0] = 2;
	cr_expect_eq(front_call(f, 20, 8, at, 1, 0), -XEN_ENOSYS);
	cr_expect_eq(p[0], 1, "and it stays version 1");
	p[0] = DOMID_SELF;
	cr_expect_eq(front_call(f, 20, 10, at, 1, 0), 0);
	cr_expect_eq(p[1], 1);
	cr_expect_eq(grant_op(6, (uint32_t[]){ DOMID_SELF, 0, 0, 0 }, 16, 12), 0);
	cr_expect_eq(p[1], 1);
	cr_expect_eq(p[2], XEN_GRANT_FRAMES);
	cr_expect_eq(grant_op(2, (uint32_t[]){ DOMID_SELF, 2, 0, front_va(f, f->free + 3) }, 16, 8), 0);
	cr_expect_eq(((uint32_t *)front_page(f, f->free + 3))[1], f->x->grant_mfn + 1);
	cr_expect_eq(grant_op(2, (uint32_t[]){ DOMID_SELF, XEN_GRANT_FRAMES + 1, 0, 0 }, 16, 8), -1);
	cr_expect_eq(grant_op(2, (uint32_t[]){ 3, 1, 0, 0 }, 16, 8), -2, "another domain's table");
	cr_expect_eq(grant_op(0, (uint32_t[]){ 0, 0, 0, 8, 0, 0, 0, 0 }, 32, 18), -3, "domain 0 grants nothing");
	cr_expect_eq(grant_op(0, (uint32_t[]){ 0, 0, 0, 8, 3, 0, 0, 0 }, 32, 18), -2);
	cr_expect_eq(grant_op(1, (uint32_t[]){ 0, 0, 0, 0, 5, 0 }, 24, 20), -4, "no such handle");
	cr_expect_eq(front_call(f, 20, 12, at, 1, 0), -XEN_ENOSYS, "cache_flush");
	cr_expect_eq(front_call(f, 20, 0, 0xf6000000, 1, 0), -XEN_EFAULT);
}

Test(back, a_grant_is_checked_at_each_use)
{
	struct grant_map m;

	grant_set(f, 20, 1, 0, f->free + 5);
	cr_expect_eq(xen_grant_map(f->v, 20, true, &m), 0);
	cr_expect_eq(m.page, (uint8_t *)front_page(f, f->free + 5));
	cr_expect_eq(((struct grant_entry *)front_page(f, f->x->grant_mfn))[20].flags, 1 | 8 | 16, "reading and writing");
	xen_grant_unmap(f->v, &m);
	cr_expect_eq(((struct grant_entry *)front_page(f, f->x->grant_mfn))[20].flags, 1);
	grant_set(f, 20, 1 | 4, 0, f->free + 5);
	cr_expect_eq(xen_grant_map(f->v, 20, true, &m), -8, "read-only");
	grant_set(f, 20, 1, 3, f->free + 5);
	cr_expect_eq(xen_grant_map(f->v, 20, false, &m), -3, "for another domain");
	grant_set(f, 20, 0, 0, f->free + 5);
	cr_expect_eq(xen_grant_map(f->v, 20, false, &m), -3, "invalid");
	grant_set(f, 20, 1, 0, f->x->root);
	cr_expect_eq(xen_grant_map(f->v, 20, true, &m), -9, "a page table is not written");
	grant_set(f, 20, 1, 0, f->x->shared_mfn);
	cr_expect_eq(xen_grant_map(f->v, 20, false, &m), -9, "not the domain's own");
	cr_expect_eq(xen_grant_map(f->v, 100000, false, &m), -3);
}

Test(back, grant_copy_within_the_domain)
{
	uint32_t from = f->free + 5, to = f->free + 6, copy[6] = { from, DOMID_SELF | 16u << 16, to, DOMID_SELF | 32u << 16, 100, 0 };

	memset(front_page(f, from), 0x5a, PAGE_SIZE);
	cr_expect_eq(grant_op(5, copy, 24, 20), 0);
	cr_expect_eq(((uint8_t *)front_page(f, to))[31], 0);
	cr_expect_eq(((uint8_t *)front_page(f, to))[131], 0x5a);
	cr_expect_eq(((uint8_t *)front_page(f, to))[132], 0);
	copy[4] = 4090;
	cr_expect_eq(grant_op(5, copy, 24, 20), -10, "across the page's end");
	copy[4] = 100;
	copy[2] = f->x->root;
	cr_expect_eq(grant_op(5, copy, 24, 20), -9, "onto a page table");
}

/* ---- the xenstore ---- */

Test(back, the_store_answers)
{
	cr_expect(store_get(f, "domid") && !strcmp(f->reply, "1"));
	cr_expect(store_get(f, "/local/domain/1/domid") && !strcmp(f->reply, "1"), "relative paths are under our own");
	cr_expect(store_ask(f, XS_DIRECTORY, 0, "device/vbd", 11) && f->len == 6 && !strcmp(f->reply, "51712"));
	cr_expect(store_ask(f, XS_GET_DOMAIN_PATH, 0, "1", 2) && !strcmp(f->reply, "/local/domain/1"));
	cr_expect(!store_get(f, "device/none") && !strcmp(f->reply, "ENOENT"));
	cr_expect(store_put(f, "data/a/b", "value") && store_get(f, "data/a/b") && !strcmp(f->reply, "value"));
	cr_expect(store_get(f, "data/a") && f->len == 0, "parents are made, and empty");
	cr_expect(store_ask(f, XS_MKDIR, 0, "data/c", 7) && store_ask(f, XS_DIRECTORY, 0, "data", 5) && f->len == 4 && !memcmp(f->reply, "a\0c", 4));
	cr_expect(store_ask(f, XS_RM, 0, "data/a", 7) && !store_get(f, "data/a/b"));
	cr_expect(!store_put(f, BACK "/sectors", "1") && !strcmp(f->reply, "EACCES"), "domain 0's nodes are its own");
	cr_expect(!store_put(f, "/new", "1") && !strcmp(f->reply, "EACCES"));
	cr_expect(!store_put(f, "data//x", "1") && !strcmp(f->reply, "EINVAL"));
	cr_expect(!store_put(f, "data/../x", "1") && !strcmp(f->reply, "EINVAL"));
	cr_expect(!store_ask(f, 99, 0, "x", 2) && !strcmp(f->reply, "ENOSYS"));
	cr_expect(!store_ask(f, 8, 0, "1", 2) && !strcmp(f->reply, "EACCES"), "INTRODUCE is for domain 0");
	cr_expect(!store_ask(f, XS_READ, 0, "domid", 5) && !strcmp(f->reply, "EINVAL"), "a path without its zero");
	cr_expect(front_pending(f, f->x->store_port));
}

Test(back, the_store_keeps_permissions)
{
	cr_expect(store_ask(f, XS_GET_PERMS, 0, "data", 5) && f->len == 6 && !memcmp(f->reply, "n1\0r0", 6));
	cr_assert(store_put(f, "data/x", "1"));
	cr_expect(store_ask(f, XS_SET_PERMS, 0, "data/x\0b1\0r0", 13));
	cr_expect(store_ask(f, XS_GET_PERMS, 0, "data/x", 7) && !memcmp(f->reply, "b1\0r0", 6));
	cr_expect(!store_ask(f, XS_SET_PERMS, 0, "data/x\0n0", 10) && !strcmp(f->reply, "EPERM"), "not ours to give away");
	cr_expect(!store_ask(f, XS_SET_PERMS, 0, "data/x\0q1", 10) && !strcmp(f->reply, "EINVAL"));
	cr_expect(!store_ask(f, XS_SET_PERMS, 0, BACK "\0n1", sizeof(BACK) + 3) && !strcmp(f->reply, "EACCES"));
}

static uint32_t transaction(void)
{
	cr_assert(store_ask(f, XS_START, 0, "", 1));
	return (uint32_t)atoi(f->reply);
}

Test(back, transactions_commit_abort_and_conflict)
{
	uint32_t a = transaction(), b;

	cr_expect(store_ask(f, XS_WRITE, a, "data/t\0one", 10));
	cr_expect(!store_get(f, "data/t"), "not seen outside before its end");
	cr_expect(store_ask(f, XS_READ, a, "data/t", 7) && !strcmp(f->reply, "one"));
	cr_expect(store_ask(f, XS_END, a, "T", 2));
	cr_expect(store_get(f, "data/t") && !strcmp(f->reply, "one"));
	a = transaction();
	cr_expect(store_ask(f, XS_RM, a, "data/t", 7) && store_ask(f, XS_END, a, "F", 2) && store_get(f, "data/t"));
	a = transaction();
	b = transaction();
	cr_expect(store_ask(f, XS_WRITE, a, "data/t\0two", 10) && store_ask(f, XS_WRITE, b, "data/t\0three", 12));
	cr_expect(store_ask(f, XS_END, b, "T", 2));
	cr_expect(!store_ask(f, XS_END, a, "T", 2) && !strcmp(f->reply, "EAGAIN"));
	cr_expect(store_get(f, "data/t") && !strcmp(f->reply, "three"));
	cr_expect(!store_ask(f, XS_END, a, "T", 2) && !strcmp(f->reply, "ENOENT"));
	for (unsigned i = 0; i < 10; i++)
		transaction();
	cr_expect(!store_ask(f, XS_START, 0, "", 1) && !strcmp(f->reply, "ENOSPC"));
}

Test(back, watches_fire)
{
	cr_expect(store_ask(f, XS_WATCH, 0, "data/w\0token", 13));
	cr_expect(store_reply(f) && f->type == XS_EVENT && f->len == 13 && !memcmp(f->reply, "data/w\0token", 13), "once when it is set");
	cr_expect(!store_ask(f, XS_WATCH, 0, "data/w\0token", 13) && !strcmp(f->reply, "EEXIST"));
	cr_expect(store_put(f, "data/w/x", "1"));
	cr_expect(store_reply(f) && f->type == XS_EVENT && !strcmp(f->reply, "data/w/x"));
	cr_expect(store_put(f, "data/other", "1") && !store_reply(f));
	cr_expect(store_ask(f, XS_RM, 0, "data/w", 7) && store_reply(f) && !strcmp(f->reply, "data/w"));
	cr_expect(store_ask(f, XS_UNWATCH, 0, "data/w\0token", 13));
	cr_expect(store_put(f, "data/w", "1") && !store_reply(f));
	cr_expect(!store_ask(f, XS_UNWATCH, 0, "data/w\0token", 13) && !strcmp(f->reply, "ENOENT"));
	cr_expect(store_ask(f, XS_WATCH, 0, BACK "/state\0b", sizeof(BACK) + 8) && store_reply(f));
	cr_expect(block_connect(f));
}

/* A watcher is told of what a back end writes by itself. */
Test(back, the_store_has_its_limits)
{
	char text[4096], path[64];
	unsigned made = 0;

	memset(text, 'x', sizeof(text));
	memcpy(text, "data/big", 9);
	cr_expect(!store_ask(f, XS_WRITE, 0, text, 9 + 2049) && !strcmp(f->reply, "ENOSPC"));
	cr_expect(store_ask(f, XS_WRITE, 0, text, 9 + 2048));
	for (; made < 2000; made++) {
		snprintf(path, sizeof(path), "data/n%u", made);
		if (!store_put(f, path, ""))
			break;
	}
	cr_expect(made > 500 && made < 1000 && !strcmp(f->reply, "ENOSPC"), "%u nodes", made);
	cr_expect(!store_ask(f, XS_DIRECTORY, 0, "data", 5) && !strcmp(f->reply, "E2BIG"));
}

Test(back, a_long_answer_waits_for_room)
{
	struct store_ring *r = f->store;
	static const char ask[] = "data/big";
	uint32_t h[4] = { XS_READ, 7, 0, sizeof(ask) };
	char text[9 + 2000];

	memset(text, 'y', sizeof(text));
	memcpy(text, "data/big", 9);
	cr_assert(store_ask(f, XS_WRITE, 0, text, sizeof(text)));
	for (unsigned n = 0; n < 2; n++) { /* two requests at once */
		for (unsigned i = 0; i < sizeof(h) + sizeof(ask); i++)
			r->req[r->req_prod++ % 1024] = i < sizeof(h) ? ((uint8_t *)h)[i] : (uint8_t)ask[i - sizeof(h)];
	}
	front_notify(f, f->x->store_port);
	cr_expect_eq(r->rsp_prod - r->rsp_cons, 1024);
	cr_expect_neq(r->req_prod, r->req_cons, "the second is not read while the first waits");
	cr_expect(store_reply(f) && f->len == 2000);
	front_notify(f, f->x->store_port);
	cr_expect(store_reply(f) && f->len == 2000 && f->reply[1999] == 'y');
}

Test(back, wild_store_indices_end_the_conversation)
{
	f->store->req_prod = f->store->req_cons + 1025;
	front_notify(f, f->x->store_port);
	cr_expect_eq(f->store->error, 2);
	f->store->req_prod = f->store->req_cons;
	front_notify(f, f->x->store_port);
	cr_expect_eq(f->store->rsp_prod, f->store->rsp_cons);
}

Test(back, a_wild_length_ends_the_conversation)
{
	uint32_t h[4] = { XS_READ, 7, 0, 4097 };

	for (unsigned i = 0; i < sizeof(h); i++)
		f->store->req[f->store->req_prod++ % 1024] = ((uint8_t *)h)[i];
	front_notify(f, f->x->store_port);
	cr_expect_eq(f->store->error, 3);
}

/* ---- the console ---- */

Test(back, the_console_takes_what_is_in_the_ring)
{
	uint8_t *page = front_page(f, f->x->console_mfn);
	uint32_t *index = (uint32_t *)(page + 3072); /* in_cons, in_prod, out_cons, out_prod */
	char before[65], after[65];

	console_sha256(&f->d->vm, before);
	memcpy(page + 1024, "hello\n", 6);
	index[3] = 6;
	front_notify(f, f->x->console_port);
	cr_expect_eq(index[2], 6);
	cr_expect(front_pending(f, f->x->console_port), "there is room again");
	console_sha256(&f->d->vm, after);
	cr_expect_str_neq(before, after);
	index[3] = 0x80000000u; /* wild: no more than the ring holds */
	front_notify(f, f->x->console_port);
	cr_expect_eq(index[2], 0x80000000u);
	index[0] = 5000; /* a wild consumer of input */
	front_notify(f, f->x->console_port);
}

static uint64_t spin(unsigned n)
{
	uint64_t t0 = clock_now(&f->d->vm.clock);

	while (n--)
		xen_console_spin(f->v);
	return clock_now(&f->d->vm.clock) - t0;
}

Test(back, a_guest_that_looks_at_the_clock_only_is_paced)
{
	cr_expect_lt(spin(20000), 500000000, "it does not use the console ring");
	front_notify(f, f->x->console_port);
	spin(10000);
	cr_expect_geq(spin(30), 28000000, "a millisecond each");
	f->v->stats.cell[EV_HYPERCALL][MECH_TRAP].count++;
	cr_expect_lt(spin(9999), 500000000, "after a hypercall it is quick again");
}

/* ---- the disk ---- */

Test(back, a_block_device_connects_and_reads)
{
	uint64_t id = 0;
	uint8_t *page = front_page(f, f->free + 2);

	cr_assert(block_connect(f));
	cr_expect(store_get(f, BACK "/sectors") && !strcmp(f->reply, "128"));
	cr_expect(store_get(f, BACK "/sector-size") && !strcmp(f->reply, "512"));
	block_put(f, 0, 77, 5, 1, 16, 2, 3);
	cr_expect_eq(front_notify(f, f->port), 0);
	cr_expect(front_pending(f, f->port));
	cr_expect_eq(block_take(f, &id), 0);
	cr_expect_eq(id, 77);
	cr_expect(page[2 * 512] == 5 && page[3 * 512 + 511] == 6 && page[511] == 0 && page[4 * 512] == 0, "two sectors, where they belong");
	memset(page, 0xab, PAGE_SIZE);
	block_put(f, 1, 78, 100, 1, 16, 0, 7);
	block_put(f, 3, 79, 0, 0, 0, 0, 0);
	block_put(f, 2, 80, 108, 2, 16, 0, 0);
	front_notify(f, f->port);
	cr_expect(!block_take(f, &id) && !block_take(f, &id) && !block_take(f, &id) && id == 80);
	uint8_t sector[512];
	cr_expect(pread(disk.fd, sector, 512, 107 * 512) == 512 && sector[0] == 0xab);
	cr_expect_eq(block_take(f, &id), 99);
}

Test(back, one_event_each_way_for_a_full_ring)
{
	struct blkback *b = &f->x->back->blk;
	uint64_t id, in, out;

	cr_assert(block_connect(f));
	in = b->events_in;
	out = b->events_out;
	f->ring->rsp_event = 32;
	for (uint32_t i = 0; i < 32; i++)
		block_put(f, 0, i, i * 4, 1, 16 + i, 0, 3);
	front_notify(f, f->port);
	cr_expect_eq(b->events_in - in, 1);
	cr_expect_eq(b->events_out - out, 1);
	for (uint32_t i = 0; i < 32; i++) {
		cr_expect(!block_take(f, &id) && id == i);
		cr_expect_eq(((uint8_t *)front_page(f, f->free + 2 + i))[512], i * 4 + 1);
	}
	f->ring->rsp_event = f->ring->rsp_prod + 5; /* not wanted yet */
	block_put(f, 0, 1, 0, 1, 16, 0, 0);
	front_pending(f, f->port);
	front_notify(f, f->port);
	cr_expect(!front_pending(f, f->port));
}

Test(back, bad_requests_fail_alone)
{
	uint64_t id;
	static const struct { uint8_t op, first, last; unsigned segments; uint64_t sector; uint32_t gref; int want; } bad[] = {
		{ 0, 0, 0, 12, 0, 16, -1 }, { 0, 3, 2, 1, 0, 16, -1 }, { 0, 0, 8, 1, 0, 16, -1 }, { 0, 0, 0, 0, 0, 16, -1 },
		{ 0, 0, 0, 1, SECTORS, 16, -1 }, { 0, 0, 7, 1, SECTORS - 7, 16, -1 }, { 0, 0, 7, 1, UINT64_MAX - 3, 16, -1 }, { 0, 0, 0, 1, 0, 5000, -1 },
		{ 0, 0, 0, 1, 0, 60, -1 }, { 5, 0, 0, 1, 0, 16, -2 }, { 6, 0, 0, 1, 0, 16, -2 }, { 200, 0, 0, 1, 0, 16, -2 },
	};

	cr_assert(block_connect(f));
	grant_set(f, 60, 1, 0, f->x->root); /* a page table as the target of a read */
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		block_put(f, bad[i].op, i, bad[i].sector, bad[i].segments, bad[i].gref, bad[i].first, bad[i].last);
		front_notify(f, f->port);
		cr_expect_eq(block_take(f, &id), bad[i].want, "request %zu", i);
	}
	block_put(f, 0, 1, 0, 11, 16, 0, 7);
	front_notify(f, f->port);
	cr_expect_eq(block_take(f, &id), 0, "and a good one still works");
	disk.readonly = true;
	block_put(f, 1, 1, 0, 1, 16, 0, 7);
	front_notify(f, f->port);
	cr_expect_eq(block_take(f, &id), -1);
}

Test(back, a_wild_ring_is_served_no_more)
{
	uint64_t id;

	cr_assert(block_connect(f));
	f->ring->req_prod += 33;
	front_notify(f, f->port);
	cr_expect_eq(block_take(f, &id), 99);
	f->ring->req_prod = 0;
	block_put(f, 0, 1, 0, 1, 16, 0, 7);
	front_notify(f, f->port);
	cr_expect_eq(block_take(f, &id), 99);
}

Test(back, a_device_closes_and_comes_back)
{
	uint64_t id;

	cr_assert(block_connect(f));
	cr_expect(store_put(f, VBD "/state", "5") && store_get(f, BACK "/state") && !strcmp(f->reply, "5"));
	cr_expect(store_put(f, VBD "/state", "6") && store_get(f, BACK "/state") && !strcmp(f->reply, "6"));
	cr_expect_eq(((struct grant_entry *)front_page(f, f->x->grant_mfn))[8].flags, 1, "the ring's grant is free again");
	cr_expect(store_put(f, VBD "/state", "1") && store_get(f, BACK "/state") && !strcmp(f->reply, "2"));
	cr_assert(block_connect(f));
	block_put(f, 0, 3, 9, 1, 16, 0, 0);
	front_notify(f, f->port);
	cr_expect_eq(block_take(f, &id), 0);
	cr_expect(store_ask(f, XS_RM, 0, VBD, sizeof(VBD)) && store_get(f, BACK "/state") && !strcmp(f->reply, "6"), "it went without a word");
}

Test(back, a_front_end_that_promises_nonsense_is_refused)
{
	grant_set(f, 9, 1, 0, f->x->root);
	cr_expect(store_put(f, VBD "/ring-ref", "9") && store_put(f, VBD "/event-channel", "3") && store_put(f, VBD "/state", "3"));
	cr_expect(store_get(f, BACK "/state") && !strcmp(f->reply, "5"));
	cr_expect(store_put(f, VBD "/state", "1") && store_get(f, BACK "/state") && !strcmp(f->reply, "2"));
	cr_expect(store_put(f, VBD "/protocol", "x86_64-abi") && store_put(f, VBD "/state", "3"));
	cr_expect(store_get(f, BACK "/state") && !strcmp(f->reply, "5"));
	cr_expect(store_put(f, VBD "/state", "1") && block_connect(f));
}
