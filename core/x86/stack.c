/*
 * stack.c - stacks that are not (yet) the current one: of an inner level, from the TSS, or about to be left.
 *
 * A transfer pushes its whole frame on a struct stack and commits it at the end, so that a fault half-way leaves the
 * guest as it was. Called by far.c, deliver.c and task.c.
 */
#include "segment_private.h"
#include "step.h"

uint32_t stack_sp_mask(const struct stack *k)
{
	return k->ss.attr & SEG_DB ? 0xffffffffu : 0xffff;
}

void stack_current(const struct cpu_state *s, struct stack *k)
{
	k->ss = s->seg[S_SS];
	k->sp = (uint32_t)s->gpr[R_ESP];
	k->user = CPL(s) == 3 ? ACCESS_USER : 0;
	k->error = 0;
}

static int stack_fault(struct vcpu *v, uint32_t addr, uint32_t err, struct fault *f)
{
	if (!err)
		return 0;
	v->state.cr2 = addr;
	return fault_set(f, VEC_PF, err & ~WALK_FAULT);
}

int stack_push(struct vcpu *v, struct stack *k, uint32_t value, unsigned size, struct fault *f)
{
	uint32_t m = stack_sp_mask(k), sp = (k->sp - size) & m, lin, addr = 0, err;

	if (segment_check(&k->ss, VEC_SS, sp, size, ACCESS_W, &lin, f)) {
		f->error = k->error;
		return -1;
	}
	err = virt_write(v, lin, &value, size, ACCESS_W | k->user, &addr);
	if (stack_fault(v, addr, err, f))
		return -1;
	k->sp = (k->sp & ~m) | sp;
	return 0;
}

int stack_read(struct vcpu *v, const struct stack *k, uint32_t offset, uint32_t *value, unsigned size, struct fault *f)
{
	uint32_t sp = (k->sp + offset) & stack_sp_mask(k), lin, addr = 0, err;

	*value = 0;
	if (segment_check(&k->ss, VEC_SS, sp, size, ACCESS_R, &lin, f))
		return -1;
	err = virt_read(v, lin, value, size, ACCESS_R | k->user, &addr);
	return stack_fault(v, addr, err, f);
}

int stack_pop(struct vcpu *v, struct stack *k, uint32_t *value, unsigned size, struct fault *f)
{
	uint32_t m = stack_sp_mask(k);

	if (stack_read(v, k, 0, value, size, f))
		return -1;
	k->sp = (k->sp & ~m) | ((k->sp + size) & m);
	return 0;
}

int stack_room(struct vcpu *v, const struct stack *k, unsigned n, unsigned size, struct fault *f)
{
	for (unsigned i = 1; i <= n; i++) {
		uint32_t sp = (k->sp - i * size) & stack_sp_mask(k), lin, addr = 0, err;

		if (segment_check(&k->ss, VEC_SS, sp, size, ACCESS_W, &lin, f)) {
			f->error = k->error;
			return -1;
		}
		err = virt_check(v, lin, size, ACCESS_W | k->user, &addr);
		if (stack_fault(v, addr, err, f))
			return -1;
	}
	return 0;
}

void stack_commit(struct cpu_state *s, const struct stack *k)
{
	uint32_t m = stack_sp_mask(k);

	s->seg[S_SS] = k->ss;
	s->gpr[R_ESP] = ((uint32_t)s->gpr[R_ESP] & ~m) | (k->sp & m);
}

/* SDM vol. 3, 5.8.5 and vol. 2A, CALL: SSn:ESPn of the TSS; a 16-bit TSS has them at 2 and 4 bytes a level. */
static int tss_stack(struct vcpu *v, unsigned dpl, uint32_t ext, uint16_t *ss, uint32_t *sp, struct fault *f)
{
	const struct segment *tr = &v->state.seg[S_TR];
	bool wide = (tr->attr & 15) == SYS_TSS32_BUSY || (tr->attr & 15) == SYS_TSS32;
	uint32_t at = wide ? 4 + dpl * 8 : 2 + dpl * 4, raw[2] = { 0, 0 };

	if (!(tr->attr & SEG_P) || at + (wide ? 6 : 4) - 1 > tr->limit)
		return fault_set(f, VEC_TS, SEL_ERROR(tr->sel) | ext);
	if (sys_read(v, (uint32_t)tr->base + at, raw, wide ? 6 : 4, f))
		return -1;
	*sp = wide ? raw[0] : raw[0] & 0xffff;
	*ss = (uint16_t)(wide ? raw[1] : raw[0] >> 16);
	return 0;
}

int stack_from_tss(struct vcpu *v, unsigned dpl, uint32_t ext, struct stack *k, struct fault *f)
{
	struct desc d;
	uint16_t sel;

	if (tss_stack(v, dpl, ext, &sel, &k->sp, f))
		return -1;
	if (sel_null(sel))
		return fault_set(f, VEC_TS, ext);
	if (desc_read(v, sel, VEC_TS, ext, &d, f))
		return -1;
	if ((sel & 3u) != dpl || DESC_DPL(&d) != dpl || !DESC_S(&d) || (DESC_TYPE(&d) & 0xa) != 2)
		return fault_set(f, VEC_TS, SEL_ERROR(sel) | ext);
	if (!DESC_P(&d))
		return fault_set(f, VEC_SS, SEL_ERROR(sel) | ext);
	if (desc_set_accessed(v, &d, f))
		return -1;
	k->ss = desc_segment(&d);
	k->user = dpl == 3 ? ACCESS_USER : 0;
	k->error = SEL_ERROR(sel) | ext;
	return 0;
}
