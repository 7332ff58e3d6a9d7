/*
 * xen_front.h - what front ends of Xen's split devices share: pages, grants, event channels, the xenstore, the console ring.
 *
 * For the Xen build of any kernel that has mapped its RAM from XEN_VIRT_BASE on and defines xen_start, xen_shared and
 * hypercall_page (xen.c, or a kernel of its own). Ports stay masked unless the kernel unmasks them: a driver here
 * waits by SCHEDOP_poll, which needs no upcall. Read next: xen_front.c, xen_store.c, xen_block.c.
 */
#pragma once
#include "xen.h"

/* ---- pages ---- */
uint32_t xen_mfn(const void *va); /* the machine frame of RAM at va */
void *xen_page(uint32_t mfn);     /* where RAM of that frame is mapped */

/* ---- event channels ---- */
void xen_notify(uint32_t port);
uint32_t xen_port_alloc(void);    /* an unbound port that domain 0 may bind; 0 when there is none */
/* Sleeps until the port is pending, and takes that back; returns at once when it is. Look for work again afterwards. */
void xen_port_wait(uint32_t port);

/* ---- grants to domain 0; 0 is no reference ---- */
#define XEN_GRANTS 512u           /* of one frame; the first 8 are reserved */
bool xen_grants_start(void);      /* maps the table; true when it is there (again) */
uint32_t xen_grant(uint32_t mfn, bool readonly);
void xen_grant_set(uint32_t ref, uint32_t mfn, bool readonly); /* the same for a reference that one has */
bool xen_grant_end(uint32_t ref); /* the reference stays the caller's; false: domain 0 still uses the page */

/* ---- the xenstore: paths are absolute, or relative to /local/domain/<own>; strings end in a zero ---- */
bool xs_read(const char *path, char *out, uint32_t n); /* false: an error, or too long; text in out then may be the error's name */
bool xs_write(const char *path, const char *value);
bool xs_remove(const char *path);
bool xs_number(const char *path, uint32_t *out);
bool xs_write_number(const char *path, uint32_t value);
/* Names, each with its zero; how many bytes, or -1. */
int32_t xs_directory(const char *path, char *out, uint32_t n);
/* Any request: type and reply as xen/io/xs_wire.h has them. The payload's length, or -1 for XS_ERROR (its name is in out then). */
int32_t xs_request(uint32_t type, uint32_t tx, const void *data, uint32_t len, void *out, uint32_t n);

/* ---- the console ring ---- */
void xen_console_put(const char *s, uint32_t n); /* returns when all of it is in the ring */
uint32_t xen_console_get(char *s, uint32_t n);   /* what waits, without waiting */
uint32_t xen_console_port(void);                 /* pending when there is input, or room again */
