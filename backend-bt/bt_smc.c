/*
 * bt_smc.c - writes that matter to the translator: to pages with translated code, and to live page tables.
 *
 * Such pages are read-only in every window. The first write from an instruction is a host fault; the instruction ("site")
 * is then translated anew as a callout that goes through the interpreter, whose hooks end here, so that in the steady
 * state neither self-modifying code nor page-table code costs a signal. Called by the interpreter and bt_fault.c.
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

/* What there is of the translation of eip in the current view dies. */
static void site_kill(struct bt *b, uint32_t eip)
{
	uint32_t host = b->view ? b->view->table[eip] : 0;

	if (host)
		block_kill(b, (uint32_t)(block_of_host(b, (uint64_t)(uintptr_t)(b->code + host)) - b->blocks));
}

/* From now on the instruction at eip is translated with these flags. */
void site_mark(struct bt *b, uint32_t eip, uint32_t flag)
{
	struct site *s;

	if (b->vm->cfg.bt.no_adapt)
		return;
	s = site_get(b, eip);
	if (s->flags & flag)
		return;
	s->flags |= flag;
	s->quiet = 0;
	site_kill(b, eip);
}

/* An instruction that keeps taking host faults is better off without: soft. */
void site_fault(struct bt *b, uint32_t eip, uint32_t page)
{
	struct site *s;

	if (b->vm->cfg.bt.no_adapt)
		return;
	s = site_get(b, eip);
	if (page != SITE_GUEST && s->page != page) {
		s->page = page;
		return;
	}
	if (++s->faults >= SITE_FAULTS) {
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
	s->flags &= ~SITE_SOFT;
	s->quiet = 0;
	s->faults = 0;
	site_kill(b, eip);
}

/* A traced table changed. Only bits that the walker itself sets do not count as the guest's doing. */
static void table_written(struct bt *b, uint32_t pfn, uint32_t off, unsigned len)
{
	struct page_info *p = &b->pages[pfn];
	unsigned size = b->v->state.cr4 & CR4_PAE ? 8 : 4;
	bool changed = false;

	for (uint32_t at = off & ~(size - 1); at < off + len && at < PAGE_SIZE; at += size) {
		uint64_t old = 0, new = 0;

		memcpy(&old, p->snap + at, size);
		memcpy(&new, b->vm->mem.host + ((uint64_t)pfn << PAGE_SHIFT) + at, size);
		if (old == new || ((old ^ new) & ~0x60ull) == 0) {
			if (!(old & ~new))
				goto next; /* nothing, or accessed and dirty bits that were set */
		}
		changed = true;
		if (old & 1)
			b->pt_epoch++;
		if ((new & 1) && shadow_is_directory(b, pfn))
			shadow_trace_entry(b, new);
next:
		memcpy(p->snap + at, &new, size);
	}
	if (changed)
		stat_count_at(&b->v->stats, EV_PT_WRITE, b->v->interp.mech, GVA(b->v->state.rip));
}

/* The interpreter wrote guest RAM. */
void smc_phys_write(void *ctx, gpa_t gpa, unsigned len)
{
	struct bt *b = ctx;
	uint32_t pfn = (uint32_t)(gpa.a >> PAGE_SHIFT), off = (uint32_t)(gpa.a & (PAGE_SIZE - 1));
	struct page_info *p = &b->pages[pfn];

	if (!(p->flags & PG_PROTECTED))
		return;
	if ((p->flags & PG_CODE) && p->blocks) {
		stat_count_at(&b->v->stats, EV_SMC, b->v->interp.mech, GVA(b->v->state.rip));
		block_kill_range(b, pfn, off, len);
	}
	if (p->snap)
		table_written(b, pfn, off, len);
}

/* The guest flushed its TLB through the interpreter. A full flush waits for bt_mode_sync, which knows the new CR3. */
void smc_tlb_flush(void *ctx, gva_t gva, bool all, bool global)
{
	struct bt *b = ctx;

	(void)global;
	if (all)
		b->flush_pending = true;
	else
		shadow_invlpg(b, (uint32_t)gva.a);
}
