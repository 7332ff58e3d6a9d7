/*
 * pv_previrt.h - the inside of the `previrt` interface: sites, the code that stands in for them, and the page shared with it.
 *
 * A site (abi/afterburn.h) is overwritten when the guest is loaded: by a few instructions on the shared page, by a jump to a stub
 * that holds more of them, or by a far jump to an entry of its own, which leads to the VMM (pv_entry.S). All code of ours lies in one
 * area at pv->top, which guest data segments do not reach; the shared page lies right below, where they do, and is mapped for the
 * guest's kernel only. Read first: docs/previrt.md; next: pv_previrt.c, pv_previrt_code.c, pv_previrt_run.c, pv_previrt_fast.c.
 */
#pragma once
#include "core/afterburn.h"
#include "pv.h"

/* What patched code reads and writes without leaving the guest. Both sides see it; the VMM trusts nothing in it but as the guest's own wish. */
struct previrt_shared {
	uint32_t vif;    /* the virtual IF, in its place in EFLAGS: 0 or 0x200 */
	uint32_t pend;   /* an interrupt waits for it */
	uint32_t vbase;  /* virtual IOPL, less the host's IF: what is added to an image that PUSHF made at ring 3 */
	uint32_t viopl;  /* virtual IOPL, in its place in EFLAGS */
	uint32_t sa, sc, sk; /* a stub's EAX, ECX, and ECX while it counts */
	uint32_t unused;
	uint32_t cr[5];
	uint32_t sel[SREG_COUNT];
	uint32_t count[4]; /* with --count-inline: enum previrt_count */
};
enum previrt_count { PC_INT_FLAG, PC_FLAGS_IMAGE, PC_CR_READ, PC_SEG_READ };

/* Host addresses, before the image's shift: the last 4 MiB are not the guest's. The shared page is the one below the code. */
#define PREVIRT_MAP_TOP 0xffc00000ull
#define PREVIRT_TOP 0xffe00000ull
#define PREVIRT_AREA (PV_TOP - PREVIRT_TOP)
#define PREVIRT_SITES 16384u

enum previrt_form { FORM_REFUSED, FORM_HYPERCALL, FORM_INLINE, FORM_STUB };

#define NOWHERE 0xffu
struct previrt_site {
	uint32_t addr;                    /* as linked, which is where it runs */
	uint8_t len, insn_at, insn_len, kind;
	uint8_t form;                     /* enum previrt_form */
	bool dead;                        /* the arithmetic flags are, behind it */
	uint8_t count;                    /* enum previrt_count */
	uint32_t stub;                    /* offset in the area; 0: none */
	uint8_t stub_len;
	/* Offsets in the stub from which on: EAX and ECX are in the shared page, ECX while counting (until kx); it has been counted; ESP is 4 low (only there); all is done. */
	uint8_t a_saved, c_saved, k_saved, k_restored, counted, low, done;
	uint8_t orig[16];                 /* the instruction */
	struct interp_code code;
};

struct previrt {
	struct previrt_site *site;        /* by address */
	unsigned n, refused, inlined, hypercalls;
	uint8_t *area;                    /* the code, until it is mapped: PREVIRT_AREA bytes at most */
	uint32_t area_used;
	uint32_t top, shared_la;          /* guest-linear addresses of the area and the shared page */
	uint32_t top_host;                /* the area's host address, for far jumps */
	bool count_inline, applied;
	struct previrt_shared *shared;    /* our own view */
	bool mapped, hidden;              /* the guest's view is there; it is inaccessible: user mode */
	uint32_t lo, hi;                  /* of all sites */
	/* Page-table writes: pages whose host mapping is what this entry says, so that INVLPG has nothing to do. */
	struct { uint32_t page; uint64_t entry; bool valid; } fresh[64];
	enum interp_result stopped;       /* what pv_previrt_medium met and pv_previrt_hypercall tells */
	bool stop;
	uint64_t written;                 /* guest-physical address of the store at hand, | 1 << 63 */
};

/* ---- pv_previrt.c ---- */
/*
 * Reads the records of the image, proves each site, and makes its code. Nothing of the guest is touched yet. 0; -EINVAL with a sentence in
 * why for a file whose records are damaged; -ENOMEM. Needs no direct execution: what the fuzzer calls.
 */
int previrt_load(struct previrt *p, const struct image *img, uint32_t top_host, uint32_t shift, bool count_inline, char *why, size_t n);
/* Overwrites the sites in guest RAM, those whose bytes are still the file's. */
void previrt_apply(struct previrt *p, const struct image *img, const struct mem *m);
void previrt_unload(struct previrt *p);
struct previrt_site *previrt_site_at(struct previrt *p, uint32_t la); /* which holds la, patched or not, or NULL */
struct previrt_site *previrt_find(struct previrt *p, uint32_t la);      /* that holds la, or NULL */
struct previrt_site *previrt_find_stub(struct previrt *p, uint32_t la); /* whose stub holds la, or NULL */

/* ---- pv_previrt_prove.c: refuses sites into which something may jump. Sets form of those to FORM_REFUSED; text in *why, which may be NULL. 0 or -errno ---- */
int previrt_prove(struct previrt *p, const struct image *img, const char **why, uint32_t *where);

/* ---- pv_previrt_code.c ---- */
/* Entries and stubs into the area. false: it is full. */
bool previrt_generate(struct previrt *p);
/* What overwrites the site: s->len bytes, which hold the original. */
void previrt_patch_bytes(const struct previrt *p, const struct previrt_site *s, uint8_t *to);

/* ---- pv_previrt_run.c ---- */
void previrt_publish(struct vcpu *v);

/* ---- pv_previrt_pte.c ---- */
void previrt_store(void *ctx, gpa_t gpa, unsigned len); /* interp_hooks.phys_write, while a page-table write is executed */
int previrt_table_written(struct vcpu *v);              /* after it: the mapping follows. 0 or -errno */

static inline struct previrt *previrt_of(struct vcpu *v)
{
	return ((struct pv *)v->vm->priv)->previrt;
}
