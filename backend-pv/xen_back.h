/*
 * xen_back.h - what stands in for Xen's domain 0: grants, the xenstore, the console's and the disk's back ends.
 *
 * A guest's front ends (its drivers) talk to these through shared pages, event channels and grants, as they would to another
 * domain. Everything that a guest writes there is read once, checked, and never trusted again. Layouts: xen/grant_table.h and the
 * headers of xen/io, with the types of a 32-bit guest. Read next: xen_grant.c, xen_store.c, xen_console.c, xen_block.c.
 */
#pragma once
#include "xen.h"

#define XEN_DOMID 1u /* the guest's own number; its back ends are in domain 0 */

/* Who sits at the other end of an interdomain port. */
enum port_back { BACK_NONE, BACK_STORE, BACK_CONSOLE, BACK_BLOCK, BACK_LOOP };

/* ---- grants (xen_grant.c) ---- */
#define XEN_GRANTS (XEN_GRANT_FRAMES * 512u)
struct grant_entry { /* version 1, xen/grant_table.h */
	uint16_t flags, domid;
	uint32_t frame;
};
struct grant_map {
	uint8_t *page; /* the VMM's view of the granted frame */
	uint32_t ref, mfn;
	bool write;
};
void xen_grant_init(struct vcpu *v);
/* Domain 0 maps a frame that the guest has granted it: 0, or a GNTST_* status below zero. */
int xen_grant_map(struct vcpu *v, uint32_t ref, bool write, struct grant_map *m);
void xen_grant_unmap(struct vcpu *v, struct grant_map *m);

/* ---- the xenstore (xen_store.c over xen_store_tree.c) ---- */
struct store;
struct store_conn;
int xen_store_init(struct vcpu *v);
void xen_store_fini(struct xen *x);
void xen_store_event(struct vcpu *v); /* the guest has notified its xenstore port */
/* As domain 0: values are strings. Watchers are told. */
void xen_store_set(struct vcpu *v, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool xen_store_get(struct vcpu *v, const char *path, char *out, size_t n);
bool xen_store_number(struct vcpu *v, const char *path, uint32_t *out);

/* ---- the console (xen_console.c) ---- */
void xen_console_event(struct vcpu *v);
void xen_console_input(struct vcpu *v);      /* what was typed goes into the ring */
bool xen_console_wants(const struct vcpu *v); /* the ring has room for input, and the guest uses it */

/* ---- the disk (xen_block.c) ---- */
#define XEN_VBD 51712u /* xvda: 202 << 8, docs/misc/vbd-interface */
struct blkback {
	unsigned state; /* XenbusState* of our end */
	bool connected, broken, told;
	struct grant_map ring;
	uint32_t port, req_cons, rsp_prod;
	uint64_t requests, sectors, events_in, events_out;
};
void xen_block_init(struct vcpu *v);
void xen_block_event(struct vcpu *v);
void xen_block_changed(struct vcpu *v, const char *path); /* somebody wrote or removed this node */

struct xen_back {
	struct store *store;
	struct store_conn *conn;
	struct blkback blk;
	bool console_used;
	uint64_t spin_calls; /* hypercalls, when the spins were last counted from 0 */
	uint32_t spins;
	struct clock_timer console_timer;
};

/* xen_event.c: binds an unbound port of the guest's to a back end; false when it is not such a port. */
bool xen_event_bind(struct vcpu *v, uint32_t port, enum port_back back);
void xen_event_unbind(struct vcpu *v, uint32_t port);
