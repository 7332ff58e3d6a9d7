/*
 * bt_segment.c - loads of DS, ES, FS and GS, VERR and VERW: what a kernel does eight times for each system call.
 *
 * The descriptor is read each time, as the CPU does, and compared with the one that was parsed last for this selector
 * and privilege. The common forms: null (FS, GS), and present, accessed data segments. Everything else, and DS or ES that
 * would not be flat, is the interpreter's. SDM vol. 2B, MOV; vol. 3, 3.4 and 5.5. Called from bt_light.S.
 */
#include "bt_light.h"

static bool table_address(const struct cpu_state *s, uint32_t sel, uint32_t *lin)
{
	uint32_t off = sel & 0xfff8;

	if (sel & 4) {
		const struct segment *l = &s->seg[S_LDTR];

		*lin = (uint32_t)l->base + off;
		return (l->attr & SEG_P) && off + 7 <= l->limit;
	}
	*lin = (uint32_t)s->gdtr.base + off;
	return off + 7 <= s->gdtr.limit;
}

/* Present, accessed data that this privilege may load; type bit 3 clear: not code. */
static bool parse(uint64_t raw, uint32_t sel, unsigned cpl, struct segment *g)
{
	unsigned access = raw >> 40 & 0xff, rpl = sel & 3, dpl = access >> 5 & 3;

	if ((access & (SEG_P | SEG_S | 8 | 1)) != (SEG_P | SEG_S | 1) || dpl < (cpl > rpl ? cpl : rpl))
		return false;
	g->base = (uint32_t)(raw >> 16 & 0xffffff) | (uint32_t)(raw >> 32 & 0xff000000u);
	g->limit = (uint32_t)(raw & 0xffff) | (uint32_t)(raw >> 32 & 0xf0000);
	if (raw >> 55 & 1)
		g->limit = g->limit << 12 | 0xfff;
	g->sel = (uint16_t)sel;
	g->attr = (uint16_t)(raw >> 40 & 0xf0ff);
	return true;
}

/* The segment that sel names; NULL: not a common form. */
static const struct segment *find(struct bt *b, uint32_t sel)
{
	const struct cpu_state *s = &b->v->state;
	unsigned cpl = CPL(s);
	struct seg_entry *e = &b->segs[(sel >> 3 ^ sel << 2) % SEG_CACHE];
	uint32_t key = sel | cpl << 16 | 1u << 31, lin;
	const uint8_t *p;
	uint64_t raw;

	if (!table_address(s, sel, &lin) || !(p = light_peek(b, lin, 8, ACCESS_R)))
		return NULL;
	memcpy(&raw, p, 8);
	if (e->key == key && e->raw == raw)
		return &e->seg;
	e->key = 0;
	if (!parse(raw, sel, cpl, &e->seg))
		return NULL;
	e->raw = raw;
	e->key = key;
	return &e->seg;
}

/* Writable, expand-up, no limit: an access needs no check. */
static bool open(const struct segment *g)
{
	return g->limit == 0xffffffffu && (g->attr & (SEG_P | SEG_S | 0xe)) == (SEG_P | SEG_S | 2);
}

/* operand: the selector, in its low half. */
void *bt_lt_seg_load(struct bt *b, uint32_t eip, uint32_t arg, uint32_t operand)
{
	struct cpu_state *s = &b->v->state;
	struct bt_hot *h = b->hot;
	unsigned r = arg >> SEG_ARG_REG & 7;
	uint32_t sel = operand & 0xffff;
	uint64_t t0 = light_clock(b, EV_SEG_LOAD);
	const struct segment *g;
	static const struct segment null;

	g = sel & 0xfffc ? find(b, sel) : &null;
	if (!g || (r < S_FS && !(open(g) && g->base == 0)))
		return LIGHT_INTERP;
	s->seg[r] = *g;
	s->seg[r].sel = (uint16_t)sel;
	h->sel[r] = sel;
	if (r >= S_FS) {
		h->seg_base[r - S_FS] = (uint32_t)g->base;
		h->seg_win[r - S_FS] = h->win - (open(g) ? 0 : GUARD);
	}
	s->rip = (uint32_t)(eip + (arg & CO_LEN));
	if (arg & SEG_ARG_POP)
		s->gpr[R_ESP] = (uint32_t)(s->gpr[R_ESP] + 4);
	return light_done(b, EV_SEG_LOAD, eip, t0, (void *)(uintptr_t)h->ret);
}

/* What VERR and VERW ask: may this privilege read, or write, the segment? Their SDM pages; -1: the table is not at hand. */
static int verify(struct bt *b, uint32_t sel, bool write)
{
	const struct cpu_state *s = &b->v->state;
	unsigned cpl = CPL(s), rpl = sel & 3, access, dpl;
	const uint8_t *p;
	uint32_t lin;

	if (!(sel & 0xfffc) || !table_address(s, sel, &lin))
		return 0;
	p = light_peek(b, lin, 8, ACCESS_R);
	if (!p)
		return -1;
	access = p[5];
	dpl = access >> 5 & 3;
	if (!(access & SEG_S) || ((access & 0xc) != 0xc && (dpl < cpl || dpl < rpl)))
		return 0;
	return write ? (access & 0xa) == 2 : (access & 0xa) != 8;
}

/* VERW is on the way out of every system call of kernels that clear CPU buffers by it. operand: the selector. */
void *bt_lt_verify(struct bt *b, uint32_t eip, uint32_t arg, uint32_t operand)
{
	uint64_t t0 = light_clock(b, EV_SEG_QUERY);
	int ok = verify(b, operand & 0xffff, arg & SEG_ARG_WRITE);

	if (ok < 0)
		return LIGHT_INTERP;
	b->hot->hflags = (b->hot->hflags & ~(uint64_t)FL_ZF) | (ok ? FL_ZF : 0);
	b->v->state.rip = (uint32_t)(eip + (arg & CO_LEN));
	return light_done(b, EV_SEG_QUERY, eip, t0, (void *)(uintptr_t)b->hot->ret);
}
