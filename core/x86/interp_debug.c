/*
 * interp_debug.c - hardware breakpoints: DR0 to DR7 as the guest sets them, and the watchpoints of a debugger outside.
 *
 * Instruction breakpoints are faults before the instruction, data and I/O breakpoints traps after it (SDM vol. 3, 17.2 and
 * 17.3). Pages with data breakpoints are marked in the soft TLB so that accesses to them come here; nothing else is slowed
 * down. Data breakpoints see every access of an instruction, those to descriptor tables and stacks of inner rings too, but
 * not page walks and fetches. Called by interp.c, interp_mem.c, interp_io.c; docs/debug-registers.md says what is modelled.
 */
#include "step.h"

#define DR7_GD 0x2000u
#define DR6_B 0xfu
#define DR7_ENABLES 0xffu

#define BREAK_EXEC 1u
#define BREAK_WRITE 2u
#define BREAK_READ 4u
#define BREAK_IO 8u

/* --- the list --- */

/* DR7: two enable bits each from bit 0; R/W and LEN, two bits each, from bit 16. */
static struct interp_break from_dr(const struct cpu_state *s, unsigned i)
{
	static const uint8_t len_of[4] = { 1, 2, 8, 4 };
	uint32_t dr7 = (uint32_t)s->dr[7], rw = dr7 >> (16 + 4 * i) & 3, len = len_of[dr7 >> (18 + 4 * i) & 3];
	static const uint8_t kinds[4] = { BREAK_EXEC, BREAK_WRITE, BREAK_IO, BREAK_WRITE | BREAK_READ };
	struct interp_break b = { .kinds = kinds[rw], .enabled = dr7 >> 2 * i & 3 };

	if (rw == 0)
		len = 1; /* other lengths are undefined */
	if (rw == 2 && !(s->cr4 & CR4_DE))
		b.kinds = 0; /* undefined */
	b.lin = (uint32_t)s->dr[i] & ~(len - 1u);
	b.last = b.lin + len - 1;
	return b;
}

static void make_key(const struct cpu_state *s, uint32_t key[5])
{
	for (unsigned i = 0; i < 4; i++)
		key[i] = (uint32_t)s->dr[i];
	key[4] = ((uint32_t)s->dr[7] & 0xffff00ffu) | (s->cr4 & CR4_DE ? 0x100 : 0);
}

static void rebuild(struct vcpu *v)
{
	struct interp_debug *d = &v->interp.debug;
	bool own = (v->state.dr[7] & DR7_ENABLES) && !d->ignore;

	make_key(&v->state, d->key);
	d->watches = v->debug.watches;
	d->n = 0;
	for (unsigned i = 0; i < 4; i++)
		d->brk[d->n++] = own ? from_dr(&v->state, i) : (struct interp_break){ 0 };
	for (unsigned i = 0; i < v->debug.watches; i++) {
		const struct debug_watch *w = &v->debug.watch[i];
		d->brk[d->n++] = (struct interp_break){ .lin = (uint32_t)w->lin, .last = (uint32_t)w->lin + w->len - 1, .enabled = true,
			.kinds = (uint8_t)((w->access & DEBUG_WRITE ? BREAK_WRITE : 0) | (w->access & DEBUG_READ ? BREAK_READ : 0)) };
	}
	interp_tlb_flush(&v->interp); /* its entries carry the marks of the old list */
	d->hits &= DR6_BT;            /* and so may have what was hit since the last instruction */
	d->fire = d->hits;
}

void interp_debug_changed(struct vcpu *v)
{
	struct interp_debug *d = &v->interp.debug;

	if (!v->debug.watches && !d->watches)
		return;
	d->active = true;
	d->watches = DEBUG_WATCHES + 1; /* no list has so many */
}

bool interp_debug_needed(const struct vcpu *v)
{
	return (v->state.dr[7] & DR7_ENABLES) || v->debug.watches || v->interp.debug.pending || v->interp.debug.hits;
}

/* --- hits --- */

uint32_t debug_tag(const struct interp *in, uint32_t lin)
{
	uint32_t page = lin & (uint32_t)PAGE_MASK, last = page + (PAGE_SIZE - 1);

	for (unsigned i = 0; in->debug.active && i < in->debug.n; i++) {
		const struct interp_break *b = &in->debug.brk[i];
		if ((b->kinds & (BREAK_WRITE | BREAK_READ)) && b->lin <= last && b->last >= page)
			return 2;
	}
	return 0;
}

static void hit(struct interp_debug *d, uint32_t first, uint32_t last, unsigned kinds)
{
	for (unsigned i = 0; i < d->n; i++) {
		const struct interp_break *b = &d->brk[i];
		if (!(b->kinds & kinds) || b->lin > last || b->last < first)
			continue;
		if (i >= 4) {
			d->watch = (uint8_t)(i - 4 + 1);
			d->watch_at = first > b->lin ? first : b->lin;
			continue;
		}
		d->hits |= (uint16_t)(1u << i);
		d->fire |= b->enabled;
	}
}

void debug_access(struct interp *in, uint32_t lin, unsigned len, bool write)
{
	hit(&in->debug, lin, lin + len - 1, write ? BREAK_WRITE : BREAK_READ);
}

void debug_io(struct interp *in, uint16_t port, unsigned size)
{
	hit(&in->debug, port, port + size - 1u, BREAK_IO);
}

void debug_task_trap(struct interp *in)
{
	in->debug.active = in->debug.fire = true;
	in->debug.hits |= DR6_BT;
}

/* --- the exception --- */

void debug_status(struct cpu_state *s, uint32_t bits)
{
	s->dr[6] = (s->dr[6] & ~(uint64_t)DR6_B) | bits;
	s->dr[7] &= ~(uint64_t)DR7_GD; /* SDM vol. 3, 17.2.4: cleared on the way to the handler */
}

static _Noreturn void raise_db(struct step *c, uint32_t bits)
{
	debug_status(c->s, bits);
	step_raise(c, VEC_DB, false, 0);
}

/* Which instruction breakpoints are met at lin, as hits. */
static void at_instruction(struct interp_debug *d, uint32_t lin)
{
	for (unsigned i = 0; i < 4; i++) {
		if (!(d->brk[i].kinds & BREAK_EXEC) || d->brk[i].lin != lin)
			continue;
		d->hits |= (uint16_t)(1u << i);
		d->fire |= d->brk[i].enabled;
	}
}

bool debug_begin(struct step *c)
{
	struct interp_debug *d = &c->in->debug;
	uint32_t key[5], bits;

	make_key(c->s, key);
	if (d->watches != c->v->debug.watches || memcmp(key, d->key, sizeof(key)))
		rebuild(c->v);
	if (d->fire) /* an event was delivered since the last instruction, and its pushes or its task switch hit something */
		d->pending |= d->hits;
	d->hits = 0;
	d->fire = false;
	d->active = d->pending || c->v->debug.watches || ((c->s->dr[7] & DR7_ENABLES) && !d->ignore);
	if (c->s->int_shadow & INT_SHADOW_MOVSS)
		return d->active;
	if (d->pending) {
		bits = d->pending;
		d->pending = 0;
		raise_db(c, bits);
	}
	if (!(c->s->rflags & FL_RF)) {
		at_instruction(d, (uint32_t)c->s->seg[S_CS].base + c->eip);
		if (d->fire) {
			bits = d->hits;
			d->hits = 0;
			d->fire = false;
			raise_db(c, bits);
		}
		d->hits = 0;
	}
	return d->active;
}

uint32_t debug_end(struct step *c)
{
	struct interp_debug *d = &c->in->debug;
	uint32_t bits = d->fire ? d->hits : 0;

	if (!(c->s->int_shadow & INT_SHADOW_MOVSS)) {
		bits |= d->pending;
		d->pending = 0;
	} else {
		d->pending |= (uint16_t)bits; /* held until the instruction after MOV SS is done */
		bits = 0;
	}
	d->hits = 0;
	d->fire = false;
	d->active |= d->pending != 0;
	return bits;
}

bool interp_watch_hit(struct vcpu *v, struct exit *e)
{
	struct interp_debug *d = &v->interp.debug;
	unsigned i = d->watch;

	d->watch = 0;
	if (!i || i > v->debug.watches)
		return false;
	*e = (struct exit){ .reason = EXIT_DEBUG,
		.debug = { .why = DEBUG_WATCH, .addr = GVA(d->watch_at), .access = v->debug.watch[i - 1].access } };
	return true;
}
