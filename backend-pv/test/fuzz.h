/*
 * fuzz.h - the hypercall fuzzer's parts: a seeded source, a table of hypercalls (fuzz_calls.c), address spaces (fuzz_space.c).
 *
 * No direct execution: hypercalls are functions, host mappings are kept as books only (shadow.model), and a guest's store is
 * a write to whatever those books say it could write. So it runs under AddressSanitizer.
 */
#pragma once
#include "domain.h"

#define FUZZ_POOL 48u  /* frames that become tables, descriptors and data by turns */
#define FUZZ_ARGS 4u   /* pages for arguments */
#define FUZZ_LOG 48u

struct fuzz {
	struct domain *d;
	struct vcpu *v;
	struct xen *x;
	uint64_t state;       /* of the source of randomness */
	uint32_t args;        /* guest-virtual: FUZZ_ARGS pages */
	uint32_t pool;        /* the first frame of the pool */
	uint32_t root;        /* the domain's first L3 */
	uint32_t step;
	char log[FUZZ_LOG][96];
};

/* One hypercall: how its arguments, and what its pointer points to, are made up. Letters: fuzz_calls.c. */
struct fuzz_call {
	uint8_t nr, weight;
	uint8_t commands;     /* letter c is below this */
	const char *args, *buffer;
};
extern const struct fuzz_call fuzz_calls[];
extern const unsigned fuzz_calls_n;

uint32_t fuzz_rnd(struct fuzz *f, uint32_t below); /* 0 .. below-1; below 0: any */
uint32_t fuzz_frame(struct fuzz *f);               /* one of the pool, of the first tables, or anything */
uint32_t fuzz_va(struct fuzz *f);                  /* an address that may be mapped */
__attribute__((format(printf, 2, 3))) void fuzz_log(struct fuzz *f, const char *fmt, ...);
int32_t fuzz_hypercall(struct fuzz *f, uint32_t nr, uint32_t a, uint32_t b, uint32_t c, uint32_t d);
void fuzz_call_random(struct fuzz *f);             /* fuzz_calls.c */
void fuzz_call_nr(struct fuzz *f, uint32_t nr);    /* the row of that number */
void fuzz_space_random(struct fuzz *f);            /* fuzz_space.c */
