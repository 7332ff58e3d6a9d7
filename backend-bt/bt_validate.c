/*
 * bt_validate.c - the guest flushed its TLB: which entries of a view still say what the guest's tables say.
 *
 * Nothing is noticed when the guest writes its page tables, as a CPU notices nothing; at a flush, what each entry was made
 * from is compared with what is there now. MOV to CR3 leaves global entries alone (SDM vol. 3, 4.10.2.4 and 4.10.4.1), so
 * of the kernel's window little is looked at; one load and comparison for an entry, and for a span of 2 MiB one more. What
 * has changed is dropped, or made read-only when just that has changed (fork); neighbours share a system call. Called by
 * bt_window.c, bt_shadow.c and through bt_smc.c's hook. Read next: bt_shadow.c.
 */
#include "bt_private.h"

#define PTE_P 1u
#define PTE_W 2u
#define PTE_D 0x40u
#define PTE_PS 0x80u
#define PTE_G 0x100u
#define PTE_AVL 0xe00u
#define PAE_ADDR 0x0000000ffffff000ull

/* Pages that are about to be unmapped, or made read-only, in one call. */
struct run {
	uint32_t first, last;
	bool any, readonly;
};

static void run_end(struct bt *b, struct view *w, struct run *r)
{
	if (r->any && r->readonly)
		shadow_readonly(b, w, r->first, r->last - r->first + 1);
	else if (r->any)
		shadow_unmap(b, w, r->first, r->last - r->first + 1);
	r->any = false;
}

/* bridge: between the last page and this one nothing else is mapped. */
static void run_add(struct bt *b, struct view *w, struct run *r, uint32_t lp, bool readonly, bool bridge)
{
	if (r->any && (r->readonly != readonly || !(lp == r->last + 1 || (bridge && !readonly))))
		run_end(b, w, r);
	if (!r->any)
		*r = (struct run){ .first = lp, .any = true, .readonly = readonly };
	r->last = lp;
}

/* A page whose mapping comes and goes, quickly and within the life of its view. */
static void note_drop(struct bt *b, const struct view *w, uint32_t linpage)
{
	struct drop *d = &b->drops[drop_slot(b, w, linpage)];
	uint32_t now = (uint32_t)(__rdtsc() >> DROP_CLOCK);

	d->n = now - d->when <= DROP_SOON ? d->n + (d->n < 255) : 1;
	d->when = now;
}

enum verdict { KEEP, DOWNGRADE, DROP };

/* The table entry behind a shadow entry is pte now; writable: so far as higher levels and CR0.WP are concerned. */
static enum verdict judge(struct view *w, uint32_t lp, uint64_t pte, bool writable, bool wp_off)
{
	uint64_t diff = (w->pte[lp] ^ pte) & ~(uint64_t)PTE_AVL;
	uint32_t e = w->shadow[lp], s = lp / SPAN_PAGES, i = lp % SPAN_PAGES;

	if (diff & ~(uint64_t)(PTE_W | PTE_D | PTE_G))
		return DROP;
	w->pte[lp] = pte;
	if ((diff & PTE_G) && (e & SH_GLOBAL)) {
		w->shadow[lp] = e &= ~SH_GLOBAL;
		w->span[s].local[i / 64] |= 1ull << (i % 64);
		w->local_spans[s / 64] |= 1ull << (s % 64);
	}
	if ((e & SH_WRITE) && !((pte & PTE_D) && ((writable && (pte & PTE_W)) || wp_off))) {
		w->shadow[lp] = e & ~SH_WRITE;
		return DOWNGRADE;
	}
	return KEEP;
}

/* By a whole walk, when the directory entry is another. */
static enum verdict judge_walk(struct bt *b, struct view *w, uint32_t lp)
{
	uint32_t e = w->shadow[lp];
	bool wp = !w->user && !(b->v->state.cr0 & CR0_WP);
	struct walk k;
	uint64_t pte;

	if (walk_page(&b->v->state, &b->vm->mem, GVA((uint64_t)lp << PAGE_SHIFT),
			(w->user ? ACCESS_USER : 0) | (e & SH_CODE ? ACCESS_X : 0), false, &k))
		return DROP;
	pte = shadow_table_entry(b, k.entry[k.levels - 1], k.entry_size);
	if (k.gpa.a >> PAGE_SHIFT != e >> SH_SHIFT || !(pte & 0x20) || (!k.global && (e & SH_GLOBAL)))
		return DROP;
	w->pte[lp] = pte;
	if ((e & SH_WRITE) && !(k.dirty && (k.writable || wp))) {
		w->shadow[lp] = e & ~SH_WRITE;
		return DOWNGRADE;
	}
	return KEEP;
}

/* Carries out a verdict; true when the page is still mapped and so ends a run. */
static void carry_out(struct bt *b, struct view *w, uint32_t lp, enum verdict v, struct run *run)
{
	bool mapped = w->shadow[lp] & SH_MAPPED;

	if (v == DROP) {
		shadow_entry_clear(b, w, lp);
		b->stat[BS_DROPS]++;
		note_drop(b, w, lp);
		if (mapped)
			run_add(b, w, run, lp, false, w->user);
	} else if (v == DOWNGRADE) {
		b->stat[BS_DOWNGRADES]++;
		run_add(b, w, run, lp, true, false);
	} else if (mapped && run->any && !run->readonly) {
		run_end(b, w, run);
	}
}

static bool pde_large(const struct bt *b, uint64_t pde)
{
	return (pde & PTE_PS) && (b->v->state.cr4 & (CR4_PSE | CR4_PAE));
}

/* The directory entry of a span; 0 where there is none. */
static uint64_t span_pde(const struct bt *b, uint32_t s)
{
	const struct cpu_state *c = &b->v->state;
	uint64_t e;

	if (!(c->cr4 & CR4_PAE))
		return shadow_table_entry(b, GPA((c->cr3 & 0xfffff000u) + s / 2 * 4), 4);
	e = shadow_table_entry(b, GPA((c->cr3 & 0xffffffe0u) + s / 512 * 8), 8);
	return e & PTE_P ? shadow_table_entry(b, GPA((e & PAE_ADDR) + s % 512 * 8), 8) : 0;
}

/* The same directory entry, but for bits that change nothing: dirty counts in a large page only, and when it is cleared. */
static bool same_pde(const struct bt *b, uint64_t old, uint64_t new)
{
	uint64_t diff = (old ^ new) & ~(uint64_t)PTE_AVL;

	if (!pde_large(b, new))
		diff &= ~(uint64_t)(PTE_D | PTE_G);
	else if (!(old & PTE_D))
		diff &= ~(uint64_t)PTE_D;
	return !diff;
}

static void span_walk(struct bt *b, struct view *w, uint32_t s, struct run *run)
{
	struct span *p = &w->span[s];

	for (uint32_t i = 0; i < SPAN_PAGES / 64; i++)
		for (uint64_t m = p->have[i]; m; m &= m - 1) {
			uint32_t lp = s * SPAN_PAGES + i * 64 + (uint32_t)__builtin_ctzll(m);

			carry_out(b, w, lp, judge_walk(b, w, lp), run);
		}
}

/* Returns how many entries were compared, or 0 when one disagreed. */
static uint32_t span_entries(struct bt *b, struct view *w, uint32_t s, uint64_t pde, bool all, struct run *run)
{
	uint32_t n = 0;
	bool clean = true;
	struct span *p = &w->span[s];
	bool pae = b->v->state.cr4 & CR4_PAE, wp_off = !w->user && !(b->v->state.cr0 & CR0_WP);
	const uint8_t *table = mem_ptr(&b->vm->mem, GPA(pde & (pae ? PAE_ADDR : 0xfffff000u)), PAGE_SIZE);
	const uint64_t *set = all ? p->have : p->local;
	const uint64_t *t8 = (const uint64_t *)(const void *)table;
	const uint32_t *t4 = (const uint32_t *)(const void *)(table ? table + (s & 1) * (PAGE_SIZE / 2) : NULL);

	for (uint32_t i = 0; i < SPAN_PAGES / 64; i++)
		for (uint64_t m = set[i]; m; m &= m - 1) {
			uint32_t at = i * 64 + (uint32_t)__builtin_ctzll(m), lp = s * SPAN_PAGES + at;
			uint64_t pte = !table ? 0 : pae ? t8[at] : t4[at];

			n++;
			if (pte != w->pte[lp]) {
				clean = false;
				carry_out(b, w, lp, judge(w, lp, pte, pde & PTE_W, wp_off), run);
			} else if (run->any && !run->readonly && (w->shadow[lp] & SH_MAPPED)) {
				run_end(b, w, run);
			}
		}
	b->stat[BS_VALIDATED] += n;
	return clean ? n : 0;
}

void validate_table_written(struct bt *b, uint32_t pfn)
{
	struct page_info *p = &b->pages[pfn];

	b->stat[BS_TRACE_WRITES]++;
	stat_count_at(&b->v->stats, EV_PT_WRITE, b->v->interp.mech, GVA(b->v->state.rip));
	p->trace = 0;
	p->flags &= (uint8_t)~PG_TABLE;
	if (p->traced < 16)
		p->traced++;
}

static bool only_local(const struct span *p)
{
	uint64_t global = 0;

	for (uint32_t i = 0; i < SPAN_PAGES / 64; i++)
		global |= p->have[i] & ~p->local[i];
	return !global;
}

/* n entries of a span, all that it has, agreed with its table: may the next flush take that for granted? */
static void trace_consider(struct bt *b, struct span *p, uint64_t pde, uint32_t n)
{
	uint32_t pfn = (uint32_t)((pde & PAE_ADDR) >> PAGE_SHIFT);
	struct page_info *t = &b->pages[pfn];

	if (b->vm->cfg.bt.no_traces || n < TRACE_ENTRIES || !is_ram(b, pfn))
		return;
	p->clean += n;
	if (!(t->flags & PG_TABLE)) {
		if (p->clean < (uint64_t)TRACE_AFTER << t->traced)
			return;
		t->trace = ++b->traces;
		b->stat[BS_TRACES]++;
		shadow_protect(b, pfn, PG_TABLE);
	}
	p->trace = t->trace;
}

static bool traced(const struct bt *b, const struct span *p, uint64_t pde)
{
	uint64_t pfn = (pde & PAE_ADDR) >> PAGE_SHIFT;

	return p->trace && is_ram(b, (uint32_t)pfn) && b->pages[pfn].trace == p->trace;
}

/* The table of a span, which is the one that it was made from. */
static void span_table(struct bt *b, struct view *w, uint32_t s, uint64_t pde, bool all, struct run *run)
{
	struct span *p = &w->span[s];
	uint32_t n;

	if (traced(b, p, pde)) {
		b->stat[BS_TRACE_SKIPS]++;
		if (run->any && !run->readonly)
			run_end(b, w, run);
		return;
	}
	p->trace = 0;
	n = span_entries(b, w, s, pde, all, run);
	if (!n)
		p->clean = 0;
	else if (all || only_local(p))
		trace_consider(b, p, pde, n);
}

static bool none_set(const uint64_t *set)
{
	uint64_t any = 0;

	for (uint32_t i = 0; i < SPAN_PAGES / 64; i++)
		any |= set[i];
	return !any;
}

static void span_check(struct bt *b, struct view *w, uint32_t s, uint64_t pde, bool all, struct run *run)
{
	struct span *p = &w->span[s];

	if (!same_pde(b, p->pde, pde)) {
		p->trace = p->clean = 0;
		span_walk(b, w, s, run);
	} else if (!pde_large(b, pde)) {
		span_table(b, w, s, pde, all, run);
	} else if (run->any && !run->readonly) {
		run_end(b, w, run);
	}
	p->pde = pde;
	if (none_set(p->local))
		w->local_spans[s / 64] &= ~(1ull << (s % 64));
	if (none_set(p->have))
		w->spans[s / 64] &= ~(1ull << (s % 64));
}

void validate_span(struct bt *b, struct view *w, uint32_t s, uint64_t pde)
{
	struct run run = { 0 };

	span_check(b, w, s, pde, true, &run);
	run_end(b, w, &run);
}

void validate_view(struct bt *b, struct view *w, bool all)
{
	const uint64_t *set = all ? w->spans : w->local_spans;
	struct run run = { 0 };

	for (uint32_t i = 0; i < SPANS / 64; i++)
		for (uint64_t m = set[i]; m; m &= m - 1) {
			uint32_t s = i * 64 + (uint32_t)__builtin_ctzll(m);

			span_check(b, w, s, span_pde(b, s), all, &run);
		}
	/* What is left of a process that ended: nothing. */
	if (run.any && !run.readonly && !w->mapped)
		view_unmap_all(b, w);
	else
		run_end(b, w, &run);
}

static bool span_there(const struct view *w, uint32_t s) { return w->spans[s / 64] & 1ull << (s % 64); }

/* Any address in a large page stands for all of it (SDM vol. 3, 4.10.4.1). */
static void validate_page_in(struct bt *b, struct view *w, uint32_t lp)
{
	uint32_t s = lp / SPAN_PAGES, half = b->v->state.cr4 & CR4_PAE ? s : s ^ 1;
	uint64_t pde = span_pde(b, s);
	struct run run = { 0 };

	if (span_there(w, half) && half != s && pde_large(b, w->span[half].pde) && !same_pde(b, w->span[half].pde, pde))
		validate_span(b, w, half, pde);
	if (span_there(w, s) && !same_pde(b, w->span[s].pde, pde)) {
		validate_span(b, w, s, pde);
		return;
	}
	if (!w->shadow[lp] || pde_large(b, pde))
		return;
	carry_out(b, w, lp, judge_walk(b, w, lp), &run);
	run_end(b, w, &run);
}

unsigned validate_misfit(struct bt *b, const struct view *w)
{
	unsigned all = 0, bad = 0;

	for (uint32_t i = 0; i < SPANS / 64; i++)
		for (uint64_t m = w->local_spans[i]; m; m &= m - 1) {
			uint32_t s = i * 64 + (uint32_t)__builtin_ctzll(m);

			all++;
			bad += !same_pde(b, w->span[s].pde, span_pde(b, s));
		}
	return all ? bad * 100 / all : 0;
}

void validate_page(struct bt *b, uint32_t lin)
{
	b->stat[BS_INVLPGS]++;
	if (!b->kview || !b->uview || !(b->v->state.cr0 & CR0_PG))
		return;
	for (unsigned i = 0; i < BT_VIEWS; i++) {
		struct view *w = &b->views[i];

		if (w->used && w->cr3 == VIEW_KERNEL && w != b->kview)
			w->stale |= w->shadow[lin >> PAGE_SHIFT] & SH_GLOBAL || pde_large(b, w->span[lin / PAGE_SIZE / SPAN_PAGES].pde);
	}
	validate_page_in(b, b->kview, lin >> PAGE_SHIFT);
	validate_page_in(b, b->uview, lin >> PAGE_SHIFT);
}
