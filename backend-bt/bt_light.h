/*
 * bt_light.h - what light callouts share: guest memory through the interpreter's soft TLB, flags, privilege, accounting.
 *
 * For files that are compiled for general registers only (CMakeLists.txt): nothing here calls a function of another file.
 * What cannot be answered from what is at hand says so, before anything has changed, and the interpreter does it, which
 * also fills the TLB for the next time. Read next: bt_light.S, bt_gate.c.
 */
#pragma once
#include "bt_private.h"

/*
 * Core's pointer to len bytes at a linear address within one page of RAM, for supervisor access; NULL: not known. For
 * writing, the page has to be one that nobody wants to know of.
 */
static inline uint8_t *light_peek(struct bt *b, uint32_t lin, unsigned len, unsigned access)
{
	const struct interp_tlb_entry *e = &b->v->interp.tlb[(lin >> PAGE_SHIFT) % INTERP_TLB];
	uint32_t off = lin & (PAGE_SIZE - 1);

	if (off + len > PAGE_SIZE || e->tag != ((lin & (uint32_t)PAGE_MASK) | 1) || !(e->access & (1u << access)) || !e->host)
		return NULL;
	if ((access & ACCESS_W) && (b->pages[e->page.a >> PAGE_SHIFT].flags & PG_PROTECTED))
		return NULL;
	return e->host + off;
}

static inline uint32_t light_flags(const struct bt *b)
{
	const struct bt_hot *h = b->hot;

	return (uint32_t)(h->hflags & (FL_ARITH | FL_DF)) | h->vif | (h->vrest + FL_IF) | FL_FIXED;
}

static inline void light_set_flags(struct bt *b, uint32_t f)
{
	struct bt_hot *h = b->hot;

	h->hflags = (f & (FL_ARITH | FL_DF)) | FL_FIXED | FL_IF;
	h->vif = f & FL_IF;
	h->vrest = (f & ~(FL_ARITH | FL_DF | FL_FIXED | FL_IF)) - FL_IF;
}

/* Whether the view of that privilege level is at hand. */
static inline bool light_can_enter(const struct bt *b, bool user)
{
	(void)user;
	return b->kview && b->uview;
}

/* CS and SS have changed, both flat; light_can_enter was asked. */
static inline void light_privilege(struct bt *b)
{
	const struct cpu_state *s = &b->v->state;
	struct bt_hot *h = b->hot;
	uint64_t fs, gs;

	h->sel[S_CS] = s->seg[S_CS].sel;
	h->sel[S_SS] = s->seg[S_SS].sel;
	if (b->view->user == (CPL(s) == 3))
		return;
	fs = h->win - h->seg_win[0];
	gs = h->win - h->seg_win[1];
	b->view = b->view->user ? b->kview : b->uview;
	h->win = (uint64_t)(uintptr_t)b->view->win;
	h->win_hi = h->win + WINDOW;
	if (view_gs(b->view))
		h->gs_win = h->win;
	h->table = (uint64_t)(uintptr_t)b->view->table;
	h->seg_win[0] = h->win - fs;
	h->seg_win[1] = h->win - gs;
}

/* Translated code for state.rip, or LIGHT_SLOW. */
static inline void *light_code(struct bt *b)
{
	uint32_t off = b->view->table[(uint32_t)b->v->state.rip];

	return off ? b->code + off : NULL;
}

/* After an instruction that may have set IF: does core wait for that? */
static inline void *light_if_on(struct bt *b, void *to)
{
	return b->hot->irq_window && b->hot->vif ? (void *)LIGHT_LEAVE : to;
}

/* The clock of an event that has not been counted yet: 0 when this one is not timed. */
static inline uint64_t light_clock(const struct bt *b, enum event_kind k)
{
	uint64_t n = b->v->stats.cell[k][MECH_CALLOUT].count;

	return n < STAT_ALWAYS || n % STAT_EVERY == 0 || b->v->stats.every ? __rdtsc() : 0;
}

/* Counts it. to: where to go on; NULL: at state.rip, which is not translated; LIGHT_LEAVE. */
static inline void *light_done(struct bt *b, enum event_kind k, uint32_t eip, uint64_t t0, void *to)
{
	b->v->stats.cell[k][MECH_CALLOUT].count++;
	if (!t0 && to)
		return to;
	b->light = (struct light_event){ k, GVA(eip), t0, t0 ? __rdtsc() : 0, to };
	return (void *)LIGHT_SLOW;
}
