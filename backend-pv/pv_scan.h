/*
 * pv_scan.h - --user-isolation keys: what guest code may execute. Read next: pv_scan.c.
 */
#pragma once
#include "pv.h"

#define SCAN_X 1u /* may have executable mappings: scanned, and written by nobody since */
#define SCAN_W 2u /* may have writable mappings */
#define SCAN_TOUCHED 4u /* the VMM has written to it for the guest: executable no more, before guest code runs on */

struct scan {
	bool touched;     /* first: see pv_scan_due */
	uint32_t *gfn;    /* by page of guest-linear space: the frame that is mapped there */
	uint8_t *frame;   /* SCAN_*, by frame */
	uint64_t frames;
	uint32_t step;    /* 1 + the page that is executable for one instruction; 0: none */
	bool tf, guest_tf, own_tf; /* this step sets TF; the guest's own; the one that comes back is ours */
	uint64_t refused; /* pages */
};

/* The first WRPKRU, XRSTOR or XRSTORS whose opcode lies in [p, end), at whatever offset; NULL: none. */
uint8_t *pv_scan_bytes(uint8_t *p, uint8_t *end);

/* The VMM writes to this frame for the guest. Inline, for code that may use general registers only. */
static inline void pv_scan_mark(struct pv *pv, uint64_t gfn)
{
	struct scan *s = pv->scan;

	if (s && gfn < s->frames && (s->frame[gfn] & SCAN_X)) {
		s->frame[gfn] |= SCAN_TOUCHED;
		s->touched = true;
	}
}

int pv_scan_init(struct pv *pv);
void pv_scan_fini(struct pv *pv);
/* Linear pages map frames gfn.. with these flags from now on. */
void pv_scan_mapped(struct pv *pv, uint32_t page, uint32_t gfn, unsigned n, unsigned flags);
/* May the frame at this page be mapped writable without taking an executable mapping away? */
bool pv_scan_writable(const struct pv *pv, uint32_t gfn);
/* The frame is to be written by the guest: no page executes it any more. */
void pv_scan_write(struct pv *pv, uint32_t gfn);
/* May it be executed at this page? True: no page writes to it any more. */
bool pv_scan_exec(struct pv *pv, uint32_t page, uint32_t gfn);
/* The VMM has written to guest memory. */
void pv_scan_touched(struct pv *pv, gpa_t gpa, uint64_t len);
void pv_scan_sync(struct pv *pv); /* before guest code runs on */

/* pv_step.c */
enum step pv_step_check(struct vcpu *v, struct exit *e);
bool pv_step_done(struct vcpu *v, enum pv_exit why);
