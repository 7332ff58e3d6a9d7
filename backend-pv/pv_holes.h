/*
 * pv_holes.h - the audit of `trap` (--holes): called around each entry into guest code. Read next: pv_holes.c.
 */
#pragma once
#include "pv.h"
#include "pv_insn.h"

int pv_holes_init(struct pv *pv); /* 0, or -1 without memory */
void pv_holes_fini(struct pv *pv);
/* Before guest code is entered: goes on to the next instruction that must run natively. again: something may be pending first. */
enum step pv_holes_advance(struct vcpu *v, struct exit *e, bool *again);
/* After segs_push, before pv_enter: rehearses that instruction and sets TF for it. */
void pv_holes_arm(struct vcpu *v);
/* After pv_enter and segs_pull. True: it was nothing but our single step, and guest code goes on. */
bool pv_holes_after(struct vcpu *v, enum pv_exit why);
void pv_holes_collect(struct vcpu *v);
void pv_holes_describe(struct vcpu *v, FILE *out);
