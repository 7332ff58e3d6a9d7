/*
 * pv_space.h - which host pages map which frames, and which of them lag behind the guest's page tables.
 *
 * Used by the xen interface alone, where every change of a page table is a hypercall: so what a flush must drop is known,
 * and all else stays mapped. Read next: pv_space.c (marks), pv_sync.c (acts).
 */
#pragma once
#include "pv.h"

#ifdef RINGLAB_HOSTILE
#define SPACE_QUEUE 24u /* too short, often */
#else
#define SPACE_QUEUE 4096u
#endif
#define SPACE_REGIONS 2048u /* of 2 MiB: what one L2 entry maps */

#define RECALL_ROOTS 32u
#define RECALL_RUNS 96u
#define RECALL_TIMES 8u

/* What was mapped under a root when it was left (pv_recall.c). */
struct recall_run {
	uint32_t page;
	uint16_t len;
	uint8_t age; /* how often it has been mapped ahead since a fault last asked for it */
};
struct recall {
	uint32_t root, n;
	struct recall_run run[RECALL_RUNS];
};

struct space {
	bool due;                    /* what is marked must go before guest code runs on; first: see pv_space_due */
	uint32_t *gfn, *next, *prev; /* by page of guest-linear space; links are page + 1 */
	uint32_t *head;              /* by frame: the first page that maps it, + 1 */
	uint32_t frames;
	uint32_t n, queue[SPACE_QUEUE]; /* pages marked SP_STALE */
	uint64_t l2[SPACE_REGIONS];  /* the L2 entry under which the region's pages were mapped */
	uint8_t dirty[SPACE_REGIONS]; /* that entry has changed since */
	bool recheck;                /* the root, an L3 entry or some L2 entry has changed */
	bool all;                    /* the queue was too short */
	uint32_t root;               /* the root that the mappings belong to */
	uint8_t *age;                /* by page: recall_run.age of how it came to be mapped */
	uint8_t eager;               /* the age of what is being mapped ahead; 0: a fault asked */
	struct recall recall[RECALL_ROOTS], *leaving;
	unsigned recall_next;
	uint64_t recalled;           /* mappings made ahead */
	struct { uint32_t la, eip; unsigned access; bool armed; } refault; /* the last page fault that the guest was given */
	uint64_t refaults;           /* of those, filled as the guest came back */
	uint64_t cycles, switches;   /* in pv_space_sync; of them with another root */
	uint64_t syncs, kept, dropped, protected; /* pages */
};

/* The rights and the presence bit of an L2 entry: what makes two of them the same to a host mapping. */
#define SPACE_L2_MASK 0x8000000ffffff007ull

int pv_space_init(struct pv *pv, uint32_t frames); /* 0 or -errno */
void pv_space_fini(struct pv *pv);

/* A host mapping comes and goes (pv_shadow.c). */
void pv_space_link(struct pv *pv, uint32_t page, uint32_t gfn);
void pv_space_unlink(struct pv *pv, uint32_t page);

/* pv_recall.c */
void pv_recall_begin(struct pv *pv, uint32_t root);
void pv_recall_note(struct pv *pv, uint32_t page);
int pv_recall(struct pv *pv, uint32_t root);
