/*
 * segment.c - descriptor tables and segment registers: reading, checking and loading by the book.
 *
 * SDM vol. 3, chapters 3 and 5; the checks of each load are those of the instruction pages in vol. 2. Called by the
 * interpreter, by event delivery and far transfers, and by engines for the segment loads they do themselves. Read next:
 * far.c, deliver.c.
 */
#include <stdarg.h>
#include "segment_private.h"
#include "step.h"

int fault_crash(struct vcpu *v, struct fault *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->interp.why, sizeof(v->interp.why), fmt, ap);
	va_end(ap);
	*f = (struct fault){ FAULT_CRASH, false, 0 };
	return -1;
}

bool desc_in_table(const struct cpu_state *s, uint16_t sel, uint32_t *lin)
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

int desc_read(struct vcpu *v, uint16_t sel, uint8_t vector, uint32_t ext, struct desc *d, struct fault *f)
{
	uint32_t raw[2];

	d->sel = sel;
	if (!desc_in_table(&v->state, sel, &d->lin))
		return fault_set(f, vector, SEL_ERROR(sel) | ext);
	if (sys_read(v, d->lin, raw, 8, f))
		return -1;
	d->lo = raw[0];
	d->hi = raw[1];
	return 0;
}

struct segment desc_segment(const struct desc *d)
{
	struct segment g = { .sel = d->sel, .attr = (d->hi >> 8) & 0xf0ff };

	g.base = (d->lo >> 16) | (d->hi & 0xff) << 16 | (d->hi & 0xff000000u);
	g.limit = (d->lo & 0xffff) | (d->hi & 0xf0000);
	if (d->hi & 0x800000)
		g.limit = g.limit << 12 | 0xfff;
	return g;
}

static int desc_write_type(struct vcpu *v, struct desc *d, uint32_t hi, struct fault *f)
{
	uint8_t byte = (uint8_t)(hi >> 8);

	if (hi == d->hi)
		return 0;
	if (sys_write(v, d->lin + 5, &byte, 1, f))
		return -1;
	d->hi = hi;
	return 0;
}

int desc_set_accessed(struct vcpu *v, struct desc *d, struct fault *f)
{
	return desc_write_type(v, d, d->hi | 0x100, f);
}

int desc_set_busy(struct vcpu *v, struct desc *d, bool busy, struct fault *f)
{
	return desc_write_type(v, d, busy ? d->hi | 0x200 : d->hi & ~0x200u, f);
}

/*
 * SDM vol. 3, 5.3: the offsets an expand-down segment allows are those above its limit. Whether an access may wrap at
 * 4 GiB in a segment without limit is left to the implementation there; hosts (measured on Zen 4) fault, and so do we.
 */
static bool limit_ok(const struct segment *g, uint32_t off, uint32_t len)
{
	uint32_t last = off + len - 1;

	if ((g->attr & (SEG_S | 0xc)) == (SEG_S | 4)) {
		uint32_t top = g->attr & SEG_DB ? 0xffffffffu : 0xffff;

		return off > g->limit && last >= off && last <= top;
	}
	return last >= off && last <= g->limit;
}

static bool rights_ok(const struct segment *g, unsigned access)
{
	if (!(g->attr & SEG_P))
		return false; /* null */
	if (g->attr & 8)
		return !(access & ACCESS_W) && ((g->attr & 2) || (access & ACCESS_X));
	return !(access & ACCESS_X) && (!(access & ACCESS_W) || (g->attr & 2));
}

int segment_check(const struct segment *g, uint8_t vector, uint32_t off, uint32_t len, unsigned access, uint32_t *lin,
	struct fault *f)
{
	if (!rights_ok(g, access) || !limit_ok(g, off, len))
		return fault_set(f, vector, 0);
	*lin = (uint32_t)g->base + off;
	return 0;
}

int segment_linear(const struct cpu_state *s, enum sreg r, uint32_t off, uint32_t len, unsigned access, uint32_t *lin,
	struct fault *f)
{
	return segment_check(&s->seg[r], r == S_SS ? VEC_SS : VEC_GP, off, len, access, lin, f);
}

static int load_ldtr(struct vcpu *v, uint16_t sel, struct fault *f)
{
	struct desc d;

	if (sel_null(sel)) {
		v->state.seg[S_LDTR] = (struct segment){ .sel = sel };
		return 0;
	}
	if (sel & 4)
		return fault_set(f, VEC_GP, SEL_ERROR(sel));
	if (desc_read(v, sel, VEC_GP, 0, &d, f))
		return -1;
	if (DESC_S(&d) || DESC_TYPE(&d) != SYS_LDT)
		return fault_set(f, VEC_GP, SEL_ERROR(sel));
	if (!DESC_P(&d))
		return fault_set(f, VEC_NP, SEL_ERROR(sel));
	v->state.seg[S_LDTR] = desc_segment(&d);
	return 0;
}

static int load_tr(struct vcpu *v, uint16_t sel, struct fault *f)
{
	struct desc d;

	if (sel_null(sel))
		return fault_set(f, VEC_GP, 0);
	if (sel & 4)
		return fault_set(f, VEC_GP, SEL_ERROR(sel));
	if (desc_read(v, sel, VEC_GP, 0, &d, f))
		return -1;
	if (DESC_S(&d) || (DESC_TYPE(&d) != SYS_TSS32 && DESC_TYPE(&d) != SYS_TSS16))
		return fault_set(f, VEC_GP, SEL_ERROR(sel));
	if (!DESC_P(&d))
		return fault_set(f, VEC_NP, SEL_ERROR(sel));
	if (desc_set_busy(v, &d, true, f))
		return -1;
	v->state.seg[S_TR] = desc_segment(&d);
	return 0;
}

static int load_ss(struct vcpu *v, uint16_t sel, struct fault *f)
{
	unsigned cpl = CPL(&v->state);
	struct desc d;

	if (sel_null(sel))
		return fault_set(f, VEC_GP, 0);
	if (desc_read(v, sel, VEC_GP, 0, &d, f))
		return -1;
	if ((sel & 3u) != cpl || !DESC_S(&d) || (DESC_TYPE(&d) & 0xa) != 2 || DESC_DPL(&d) != cpl)
		return fault_set(f, VEC_GP, SEL_ERROR(sel));
	if (!DESC_P(&d))
		return fault_set(f, VEC_SS, SEL_ERROR(sel));
	if (desc_set_accessed(v, &d, f))
		return -1;
	v->state.seg[S_SS] = desc_segment(&d);
	return 0;
}

static int load_data(struct vcpu *v, enum sreg r, uint16_t sel, struct fault *f)
{
	unsigned cpl = CPL(&v->state), rpl = sel & 3;
	struct desc d;

	if (sel_null(sel)) {
		v->state.seg[r] = (struct segment){ .sel = sel };
		return 0;
	}
	if (desc_read(v, sel, VEC_GP, 0, &d, f))
		return -1;
	if (!DESC_S(&d) || (DESC_TYPE(&d) & 0xa) == 8)
		return fault_set(f, VEC_GP, SEL_ERROR(sel)); /* system, or code that cannot be read */
	if ((DESC_TYPE(&d) & 0xc) != 0xc && DESC_DPL(&d) < (cpl > rpl ? cpl : rpl))
		return fault_set(f, VEC_GP, SEL_ERROR(sel));
	if (!DESC_P(&d))
		return fault_set(f, VEC_NP, SEL_ERROR(sel));
	if (desc_set_accessed(v, &d, f))
		return -1;
	v->state.seg[r] = desc_segment(&d);
	return 0;
}

int segment_load(struct vcpu *v, enum sreg r, uint16_t sel, struct fault *f)
{
	switch (r) {
	case S_LDTR: return load_ldtr(v, sel, f);
	case S_TR: return load_tr(v, sel, f);
	case S_SS: return load_ss(v, sel, f);
	default: return load_data(v, r, sel, f);
	}
}

int code_segment(struct vcpu *v, struct desc *d, unsigned cpl, struct segment *cs, struct fault *f)
{
	if (desc_set_accessed(v, d, f))
		return -1;
	*cs = desc_segment(d);
	cs->sel = (uint16_t)((d->sel & 0xfffc) | cpl);
	return 0;
}
