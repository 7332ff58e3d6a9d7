/*
 * bt_smc.c - writes to pages with translated code, and instructions ("sites") that are translated in a special way.
 *
 * Pages with code are read-only in every window. A write is a host fault, and takes the page's code away: then it is an
 * ordinary page. When that happens over and over, code and data are mixed on it: the page stays read-only, and the site is
 * translated anew as a callout that goes through the interpreter, whose hooks end here, so that in the steady state
 * self-modifying code costs no signal. Called by the interpreter and bt_fault.c.
 */
#include "bt_private.h"

static struct site *site_slot(struct bt *b, uint32_t eip)
{
	uint32_t h = (eip * 2654435761u) >> 20;

	for (uint32_t i = 0; i < SITES; i++) {
		struct site *s = &b->sites[(h + i) % SITES];
		if (!s->used || s->eip == eip)
			return s;
	}
	return NULL;
}

/* The site's record, made if need be. A full table forgets everything: sites that matter come back soon. */
static struct site *site_get(struct bt *b, uint32_t eip)
{
	struct site *s;

	if (b->nsites >= SITES / 2) {
		memset(b->sites, 0, SITES * sizeof(*b->sites));
		b->nsites = 0;
	}
	s = site_slot(b, eip);
	if (!s->used) {
		*s = (struct site){ .eip = eip, .used = true };
		b->nsites++;
	}
	return s;
}

uint32_t site_flags(struct bt *b, uint32_t eip)
{
	return b->nsites ? site_slot(b, eip)->flags : 0;
}

/* What there is of the translation of eip in a view dies. */
static void kill_in(struct bt *b, const struct view *w, uint32_t eip)
{
	uint32_t host = w ? w->table[eip] : 0;

	if (host)
		block_kill(b, (uint32_t)(block_of_host(b, (uint64_t)(uintptr_t)(b->code + host)) - b->blocks));
}

static void site_kill(struct bt *b, uint32_t eip)
{
	kill_in(b, b->view, eip);
}

/* From now on the instruction at eip is translated with these flags. */
void site_mark(struct bt *b, uint32_t eip, uint32_t flag)
{
	struct site *s;

	if (b->vm->cfg.bt.no_adapt)
		return;
	s = site_get(b, eip);
	if (s->flags & flag & SITE_SOFT)
		flag = SITE_INTERP; /* still host faults: not of the kind that the soft TLB takes */
	if (s->flags & flag)
		return;
	s->flags |= flag;
	s->quiet = flag & SITE_SOFT ? SITE_BUSY : 0; /* not to be swept away at once */
	b->stat[flag == SITE_USER ? BS_SITES_USER : BS_SITES_SOFT]++;
	site_kill(b, eip);
}

/* An instruction that keeps taking host faults is better off without: soft. */
void site_fault(struct bt *b, uint32_t eip, uint32_t page)
{
	struct site *s;
	uint32_t now;

	if (b->vm->cfg.bt.no_adapt)
		return;
	s = site_get(b, eip);
	if (page != SITE_GUEST && s->page != page) {
		s->page = page;
		return;
	}
	now = (uint32_t)(__rdtsc() >> DROP_CLOCK);
	s->faults = now - s->when <= DROP_SOON ? s->faults + 1 : 1;
	s->when = now;
	if (s->faults >= SITE_FAULTS) {
		s->faults = 0;
		site_mark(b, eip, SITE_SOFT);
	}
}

/* A soft site that has run for long may try again at full speed; if it was right to be soft, it soon is again. */
void site_ran(struct bt *b, uint32_t eip)
{
	struct site *s;

	if (!b->nsites)
		return;
	s = site_slot(b, eip);
	if (!(s->flags & SITE_SOFT) || ++s->quiet < SITE_QUIET)
		return;
	s->flags &= ~(SITE_SOFT | SITE_INTERP);
	s->quiet = 0;
	s->faults = 0;
	site_kill(b, eip);
}

/* How a soft site is doing is counted in quiet; without any it costs a little for nothing. */
void site_event(struct bt *b, uint32_t eip)
{
	struct site *s = b->nsites ? site_slot(b, eip) : NULL;

	if (s && s->quiet < UINT16_MAX)
		s->quiet++;
}

void site_sweep(struct bt *b)
{
	uint64_t now = __rdtsc();

	if (!b->nsites || now - b->soft_swept < SITE_SWEEP)
		return;
	b->soft_swept = now;
	for (uint32_t i = 0; i < SITES; i++) {
		struct site *s = &b->sites[i];

		if (!s->used || !(s->flags & SITE_SOFT))
			continue;
		if (s->quiet < SITE_BUSY) {
			s->flags &= ~(SITE_SOFT | SITE_INTERP);
			s->faults = 0;
			kill_in(b, b->kview, s->eip);
			kill_in(b, b->uview, s->eip);
			b->stat[BS_SOFT_BACK]++;
		}
		s->quiet = 0;
	}
}

bool smc_page_write(struct bt *b, uint32_t pfn)
{
	struct page_info *p = &b->pages[pfn];

	if (p->blocks) {
		if (b->translations - p->when > PG_MIXED_SOON)
			p->writes = 0;
		p->when = b->translations;
		if (p->writes >= PG_MIXED_AFTER)
			return false;
		p->writes++;
		b->stat[BS_CODE_WRITES]++;
		stat_count_at(&b->v->stats, EV_SMC, MECH_TRAP, GVA(b->v->state.rip));
		while (p->blocks)
			block_kill(b, p->blocks - 1);
	}
	p->flags &= (uint8_t)~PG_CODE;
	return true;
}

/* The interpreter wrote guest RAM. */
void smc_phys_write(void *ctx, gpa_t gpa, unsigned len)
{
	struct bt *b = ctx;
	uint32_t pfn = (uint32_t)(gpa.a >> PAGE_SHIFT);

	if (b->pages[pfn].flags & PG_TABLE)
		validate_table_written(b, pfn);
	if (!b->pages[pfn].blocks)
		return;
	stat_count_at(&b->v->stats, EV_SMC, b->v->interp.mech, GVA(b->v->state.rip));
	block_kill_range(b, pfn, (uint32_t)(gpa.a & (PAGE_SIZE - 1)), len);
}

/* The guest flushed its TLB through the interpreter. A full flush waits for bt_mode_sync, which knows the new CR3. */
void smc_tlb_flush(void *ctx, gva_t gva, bool all, bool global)
{
	struct bt *b = ctx;

	soft_tlb_flush(b, (uint32_t)gva.a, all);
	if (all) {
		b->flush_pending = true;
		b->flush_global |= global;
	} else {
		validate_page(b, (uint32_t)gva.a);
	}
}
