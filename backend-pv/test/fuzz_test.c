/*
 * The hypercall fuzzer: seeded sequences of valid setups, mutated, against the hypercall handlers; after each batch the auditor
 * counts every reference again and looks at every host mapping. RINGLAB_FUZZ_SECONDS=300 for longer, RINGLAB_SEED=N to
 * repeat a round. The auditor itself is tried on states that are wrong on purpose.
 */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "../pv_space.h"
#include "../xen_pte.h"
#include "fuzz.h"

#define IMAGE RINGLAB_GUESTS "/hello-xen.elf"
#define MEM (8u << 20)
#define BATCH 16u
#define ROUND 20000u

uint32_t fuzz_rnd(struct fuzz *f, uint32_t below)
{
	uint64_t s = f->state;

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	f->state = s;
	return below ? (uint32_t)(s >> 16) % below : (uint32_t)(s >> 16);
}

uint32_t fuzz_frame(struct fuzz *f)
{
	switch (fuzz_rnd(f, 16)) {
	case 0: return f->root + fuzz_rnd(f, 8);
	case 1: return f->x->frames + fuzz_rnd(f, 8) - 2;
	case 2: return fuzz_rnd(f, f->x->frames);
	case 3: return fuzz_rnd(f, 4) ? f->x->console_mfn : fuzz_rnd(f, 0) >> 12;
	default: return f->pool + fuzz_rnd(f, FUZZ_POOL);
	}
}

uint32_t fuzz_va(struct fuzz *f)
{
	switch (fuzz_rnd(f, 8)) {
	case 0: return 0xc0000000u + fuzz_rnd(f, MEM);
	case 1: return XEN_M2P + fuzz_rnd(f, 4 * PAGE_SIZE) - 2 * PAGE_SIZE;
	case 2:
	case 3: return 0x08000000u + fuzz_rnd(f, 4 << 21);
	case 4: return 0x08000000u + fuzz_rnd(f, 64 * PAGE_SIZE);
	default: return 0xc0000000u + (f->pool << PAGE_SHIFT) + fuzz_rnd(f, FUZZ_POOL * PAGE_SIZE);
	}
}

void fuzz_log(struct fuzz *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->log[f->step % FUZZ_LOG], sizeof(f->log[0]), fmt, ap);
	va_end(ap);
}

int32_t fuzz_hypercall(struct fuzz *f, uint32_t nr, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	uint32_t arg[6] = { a, b, c, d };

	return xen_call(f->v, nr, arg);
}

static void fuzz_begin(struct fuzz *f, uint64_t seed)
{
	memset(f, 0, sizeof(*f));
	f->state = seed * 0x9e3779b97f4a7c15ull | 1;
	f->d = domain_new(IMAGE, MEM);
	f->v = &f->d->vm.vcpu;
	f->x = f->d->pv.xen;
	f->root = f->x->root;
	f->args = ((uint32_t)f->v->state.gpr[R_ESP] & ~(PAGE_SIZE - 1)) + PAGE_SIZE;
	f->pool = (f->args - 0xc0000000u) / PAGE_SIZE + FUZZ_ARGS;
}

/* What a wild step may have left that would make the rest dull: no arguments to be read, a domain that has ended. */
static void recover(struct fuzz *f)
{
	f->d->vm.end = END_NONE;
	f->v->attention = 0;
	f->x->blocked = false;
	for (unsigned i = 0; i < FUZZ_ARGS; i++)
		if (!xen_va(f->v, f->args + i * PAGE_SIZE, true)) {
			uint32_t mfn = (f->args - 0xc0000000u) / PAGE_SIZE + i;
			xen_new_base(f->v, f->root);
			fuzz_hypercall(f, 14, f->args + i * PAGE_SIZE, mfn << PAGE_SHIFT | 0x63, 0, 0);
		}
	if (!fuzz_rnd(f, 64))
		fuzz_call_nr(f, 26);
	if (!fuzz_rnd(f, 256)) /* tables do not last forever: everything of the pool is unpinned */
		for (uint32_t i = 0; i < FUZZ_POOL; i++) {
			uint32_t op[3] = { 4, f->pool + i, 0 };
			if (xen_guest_write(f->v, f->args, op, sizeof(op)))
				fuzz_hypercall(f, 26, f->args, 1, 0, DOMID_SELF);
			if (!fuzz_rnd(f, 3))
				fuzz_hypercall(f, 14, 0xc0000000u + ((f->pool + i) << PAGE_SHIFT), (f->pool + i) << PAGE_SHIFT | 0x63, 0, 0);
		}
}

static void print_log(const struct fuzz *f)
{
	for (unsigned i = 1; i <= FUZZ_LOG; i++)
		if (f->log[(f->step + i) % FUZZ_LOG][0])
			fprintf(stderr, "  %s\n", f->log[(f->step + i) % FUZZ_LOG]);
}

static bool audit(struct fuzz *f, char *why, size_t n)
{
	return xen_audit(f->v, why, n);
}

/* One domain's life. False, and a report, when something is wrong. */
static bool fuzz_round(uint64_t seed, unsigned steps, unsigned *done)
{
	struct fuzz f;
	char why[256];
	bool ok = true;

	fuzz_begin(&f, seed);
	for (; ok && f.step < steps; f.step++) {
		if (fuzz_rnd(&f, 2))
			fuzz_call_random(&f);
		else
			fuzz_space_random(&f);
		recover(&f);
		if (pv_space_sync(&f.d->pv))
			fprintf(stderr, "sync failed\n");
		if (f.step % BATCH == 0 && !(ok = audit(&f, why, sizeof(why)))) {
			fprintf(stderr, "RINGLAB_SEED=%llu, step %u: %s\n", (unsigned long long)seed, f.step, why);
			print_log(&f);
		}
	}
	const struct space *sp = f.d->pv.space;
	unsigned tables = 0;
	for (uint32_t i = 0; i < f.x->frames; i++)
		tables += f.x->frame[i].type >= FT_L1;
	if (getenv("RINGLAB_FUZZ_VERBOSE"))
		fprintf(stderr, "seed %llu: %u tables at the end; %llu syncs, pages kept %llu, narrowed %llu, dropped %llu\n", (unsigned long long)seed, tables,
			(unsigned long long)sp->syncs, (unsigned long long)sp->kept, (unsigned long long)sp->protected, (unsigned long long)sp->dropped);
	*done += f.step;
	domain_free(f.d);
	return ok;
}

Test(fuzz, hypercalls_keep_every_invariant, .timeout = 3600)
{
	const char *seconds = getenv("RINGLAB_FUZZ_SECONDS"), *from = getenv("RINGLAB_SEED");
	time_t end = time(NULL) + (seconds ? atol(seconds) : 30);
	uint64_t seed = from ? strtoull(from, NULL, 0) : 1;
	unsigned steps = 0, rounds = 0;

	do {
		cr_assert(fuzz_round(seed++, ROUND, &steps), "see above");
		rounds++;
	} while (!from && time(NULL) < end);
	fprintf(stderr, "%u steps in %u domains\n", steps, rounds);
}

/* Every hypercall that does something has a row: one that is new must be fuzzed too. */
Test(fuzz, every_hypercall_has_a_row)
{
	for (uint32_t nr = 0; nr < XEN_MAX_CALL; nr++) {
		const struct xen_call *c = xen_call_find(nr);
		bool found = false;
		for (unsigned i = 0; i < fuzz_calls_n; i++)
			found |= fuzz_calls[i].nr == nr;
		cr_expect(!c || !c->fn || found, "hypercall %u (%s) has no row in fuzz_calls.c", nr, c ? c->name : "");
	}
}

/* ---- the auditor must see what it is for ---- */

static void broken(const char *what, void (*breaks)(struct fuzz *f))
{
	struct fuzz f;
	char why[256];

	fuzz_begin(&f, 1);
	cr_assert(audit(&f, why, sizeof(why)), "a new domain: %s", why);
	breaks(&f);
	bool ok = audit(&f, why, sizeof(why));
	cr_expect(!ok, "the auditor did not see %s", what);
	if (!ok)
		fprintf(stderr, "%s: %s\n", what, why);
	domain_free(f.d);
}

static uint64_t *first_l1(struct fuzz *f)
{
	const uint64_t *l2 = xen_table(f->v, entry_mfn(xen_table(f->v, f->root)[3]));

	return xen_table(f->v, entry_mfn(l2[0]));
}

static void one_reference_more(struct fuzz *f)
{
	f->x->frame[f->pool].refs++;
}

static void one_use_less(struct fuzz *f)
{
	f->x->frame[f->pool].uses--;
}

static void a_table_mapped_writable(struct fuzz *f)
{
	first_l1(f)[511] = (uint64_t)f->root << PAGE_SHIFT | E_P | E_RW;
	f->x->frame[f->root].refs++;
	f->x->frame[f->root].uses++;
}

static void a_foreign_frame(struct fuzz *f)
{
	first_l1(f)[511] = (uint64_t)(f->x->frames_all + 5) << PAGE_SHIFT | E_P;
}

static void an_entry_without_a_reference(struct fuzz *f)
{
	first_l1(f)[511] = (uint64_t)f->pool << PAGE_SHIFT | E_P;
}

/* Valid in the tables, but the host still maps what has become a table writable. */
static void a_stale_writable_mapping(struct fuzz *f)
{
	pv_shadow_map(&f->d->pv, 0xc0000000u + (f->root << PAGE_SHIFT), GPA((uint64_t)f->root << PAGE_SHIFT), 1, SP_WRITE);
}

static void a_mapping_that_no_table_has(struct fuzz *f)
{
	pv_shadow_map(&f->d->pv, 0x08000000u, GPA((uint64_t)f->pool << PAGE_SHIFT), 1, SP_USER);
}

static void a_system_descriptor(struct fuzz *f)
{
	uint32_t mfn = f->pool;

	memset(xen_table(f->v, mfn), 0, PAGE_SIZE);
	fuzz_hypercall(f, 14, 0xc0000000u + (mfn << PAGE_SHIFT), mfn << PAGE_SHIFT | 0x61, 0, 0);
	xen_guest_write(f->v, f->args, &mfn, 4);
	cr_assert_eq(fuzz_hypercall(f, 2, f->args, 16, 0, 0), 0);
	xen_table(f->v, mfn)[3] = 0x0000890000000067ull;
}

Test(fuzz, the_auditor_sees_what_is_wrong)
{
	broken("a reference too many", one_reference_more);
	broken("a use too few", one_use_less);
	broken("a table mapped writable", a_table_mapped_writable);
	broken("a foreign frame", a_foreign_frame);
	broken("an entry without a reference", an_entry_without_a_reference);
	broken("a stale writable mapping", a_stale_writable_mapping);
	broken("a mapping that no table has", a_mapping_that_no_table_has);
	broken("a TSS in a GDT", a_system_descriptor);
}
