/*
 * deliver.c - exceptions and interrupts through the guest's IDT.
 *
 * SDM vol. 3, 6.12 to 6.15: interrupt, trap and task gates, privilege change with the stack of the TSS, error codes, and
 * what happens when delivery itself faults (table 6-5: double fault, then shutdown). Called by the interpreter for its
 * own exceptions and by engines for theirs. Read next: segment.c, stack.c, task.c.
 */
#include "segment_private.h"
#include "step.h"

/* One attempt: what is delivered, and where it came from. */
struct event {
	uint8_t vector;
	unsigned how;
	bool has_error;
	uint32_t error;
	uint32_t eip;  /* what is pushed */
	uint32_t ext;  /* EXT bit of error codes that delivery raises */
};

static uint32_t idt_error(const struct event *e)
{
	return e->vector * 8u + 2 + e->ext;
}

static int read_gate(struct vcpu *v, const struct event *e, struct desc *g, struct fault *f)
{
	struct cpu_state *s = &v->state;
	uint32_t raw[2], off = e->vector * 8u;

	if (off + 7 > s->idtr.limit)
		return fault_set(f, VEC_GP, idt_error(e));
	g->lin = (uint32_t)s->idtr.base + off;
	if (sys_read(v, g->lin, raw, 8, f))
		return -1;
	g->sel = 0;
	g->lo = raw[0];
	g->hi = raw[1];
	if (DESC_S(g))
		return fault_set(f, VEC_GP, idt_error(e));
	switch (DESC_TYPE(g)) {
	case SYS_TASK: case SYS_INT16: case SYS_TRAP16: case SYS_INT32: case SYS_TRAP32:
		break;
	default:
		return fault_set(f, VEC_GP, idt_error(e));
	}
	if (e->how == DELIVER_SOFT && DESC_DPL(g) < CPL(s))
		return fault_set(f, VEC_GP, idt_error(e));
	return DESC_P(g) ? 0 : fault_set(f, VEC_NP, idt_error(e));
}

static int gate_code(struct vcpu *v, const struct event *e, const struct desc *g, struct desc *d, struct fault *f)
{
	uint16_t sel = GATE_SEL(g);

	if (sel_null(sel))
		return fault_set(f, VEC_GP, e->ext);
	if (desc_read(v, sel, VEC_GP, e->ext, d, f))
		return -1;
	if (!DESC_CODE(d) || DESC_DPL(d) > CPL(&v->state))
		return fault_set(f, VEC_GP, SEL_ERROR(sel) | e->ext);
	return DESC_P(d) ? 0 : fault_set(f, VEC_NP, SEL_ERROR(sel) | e->ext);
}

/* SDM vol. 3, 17.3.1.1: faults push EFLAGS with RF set. */
static bool pushes_rf(const struct event *e)
{
	if (e->how != DELIVER_EXC)
		return false;
	return e->vector != VEC_DB && e->vector != VEC_BP && e->vector != VEC_OF && e->vector != VEC_DF && e->vector != VEC_NMI;
}

static int push_frame(struct vcpu *v, const struct event *e, struct stack *k, unsigned size, bool inner, struct fault *f)
{
	struct cpu_state *s = &v->state;
	uint32_t flags = (uint32_t)s->rflags | (pushes_rf(e) ? FL_RF : 0);

	if (stack_room(v, k, 3 + (inner ? 2 : 0) + e->has_error, size, f))
		return -1;
	if (inner && (stack_push(v, k, s->seg[S_SS].sel, size, f) || stack_push(v, k, (uint32_t)s->gpr[R_ESP], size, f)))
		return -1;
	if (stack_push(v, k, flags, size, f) || stack_push(v, k, s->seg[S_CS].sel, size, f) || stack_push(v, k, e->eip, size, f))
		return -1;
	return e->has_error ? stack_push(v, k, e->error, size, f) : 0;
}

static int through_gate(struct vcpu *v, const struct event *e, const struct desc *g, struct fault *f)
{
	struct cpu_state *s = &v->state;
	bool wide = DESC_TYPE(g) & 8, inner;
	uint32_t eip = wide ? GATE_OFFSET32(g) : GATE_OFFSET16(g);
	unsigned cpl = CPL(s);
	struct segment cs;
	struct stack k;
	struct desc d;

	if (gate_code(v, e, g, &d, f))
		return -1;
	inner = !DESC_CONFORMING(&d) && DESC_DPL(&d) < cpl;
	if (inner) {
		cpl = DESC_DPL(&d);
		if (stack_from_tss(v, cpl, e->ext, &k, f))
			return -1;
	} else {
		stack_current(s, &k);
		k.error = e->ext;
	}
	if (desc_segment(&d).limit < eip)
		return fault_set(f, VEC_GP, e->ext);
	if (push_frame(v, e, &k, wide ? 4 : 2, inner, f) || code_segment(v, &d, cpl, &cs, f))
		return -1;
	stack_commit(s, &k);
	s->seg[S_CS] = cs;
	s->rip = eip;
	s->rflags &= ~(uint64_t)(FL_TF | FL_NT | FL_RF | FL_VM);
	if (!(DESC_TYPE(g) & 1))
		s->rflags &= ~(uint64_t)FL_IF;
	return 0;
}

static int through_task(struct vcpu *v, const struct event *e, const struct desc *g, struct fault *f)
{
	uint16_t sel = GATE_SEL(g);
	struct stack k;
	struct desc d;

	if (sel_null(sel) || (sel & 4))
		return fault_set(f, VEC_GP, SEL_ERROR(sel) | e->ext);
	if (desc_read(v, sel, VEC_GP, e->ext, &d, f))
		return -1;
	if (task_switch(v, &d, TASK_CALL, e->eip, e->ext, f))
		return -1;
	if (!e->has_error)
		return 0;
	stack_current(&v->state, &k);
	k.error = e->ext;
	if (stack_push(v, &k, e->error, 4, f))
		return -1;
	stack_commit(&v->state, &k);
	return 0;
}

static int deliver_once(struct vcpu *v, const struct event *e, struct fault *f)
{
	struct desc g;

	if (read_gate(v, e, &g, f))
		return -1;
	return DESC_TYPE(&g) == SYS_TASK ? through_task(v, e, &g, f) : through_gate(v, e, &g, f);
}

enum severity { BENIGN, CONTRIBUTORY, PAGE };

static enum severity severity(unsigned how, uint8_t vector)
{
	if (how != DELIVER_EXC)
		return BENIGN;
	if (vector == VEC_PF)
		return PAGE;
	return vector == VEC_DE || (vector >= VEC_TS && vector <= VEC_GP) ? CONTRIBUTORY : BENIGN;
}

/* SDM vol. 3, table 6-5: what to deliver after f was raised while e was delivered. False: shutdown. */
static bool escalate(struct event *e, const struct fault *f)
{
	enum severity first = severity(e->how, e->vector), second = severity(DELIVER_EXC, f->vector);

	if (e->how == DELIVER_EXC && e->vector == VEC_DF && second != BENIGN)
		return false;
	e->how = DELIVER_EXC;
	e->ext = 1;
	e->has_error = f->has_error;
	e->error = f->error;
	e->vector = f->vector;
	if ((first == CONTRIBUTORY && second == CONTRIBUTORY) || (first == PAGE && second != BENIGN)) {
		e->vector = VEC_DF;
		e->has_error = true;
		e->error = 0;
	}
	return true;
}

static void count_delivered(struct vcpu *v, const struct event *e, uint32_t eip, uint64_t t0)
{
	enum event_kind k = EV_EXCEPTION;
	enum event_mech m = v->interp.mech;

	if (!v->interp.count || e->how == DELIVER_HW)
		return;
	if (e->how == DELIVER_SOFT)
		k = EV_SYSCALL_ENTRY;
	else if (e->vector == VEC_PF)
		k = EV_PAGE_FAULT;
	if (stat_begin(&v->stats, k, m))
		stat_sample(&v->stats, k, m, GVA(eip), t0, __rdtsc());
}

/* eip: of the instruction itself, to which a fault in the delivery of a software interrupt belongs. */
static enum interp_result deliver(struct vcpu *v, struct event e, uint32_t eip)
{
	uint64_t t0 = v->interp.count ? __rdtsc() : 0;
	struct fault f;

	v->state.halted = 0;
	v->state.int_shadow = 0;
	while (deliver_once(v, &e, &f)) {
		if (f.vector == FAULT_CRASH)
			return INTERP_CRASH;
		if (!escalate(&e, &f))
			return INTERP_SHUTDOWN;
		/* A fault while a task gate's new task was being loaded belongs to the new task. */
		if (v->state.rip != e.eip && v->state.rip != eip)
			eip = (uint32_t)v->state.rip;
		e.eip = eip;
	}
	count_delivered(v, &e, eip, t0);
	return INTERP_DONE;
}

enum interp_result interp_deliver(struct vcpu *v, uint8_t vector, unsigned how, bool has_error, uint32_t error)
{
	uint32_t eip = (uint32_t)v->state.rip, start = eip;

	/* Without prefixes INT3 and INTO are one byte long, INT n two; see interp_deliver_soft. */
	if (how == DELIVER_SOFT)
		start = eip - (vector == VEC_BP || vector == VEC_OF ? 1 : 2);
	return deliver(v, (struct event){ vector, how, has_error, error, eip, how == DELIVER_SOFT ? 0 : 1 }, start);
}

enum interp_result interp_deliver_soft(struct vcpu *v, uint8_t vector, uint32_t insn_eip)
{
	uint32_t next = (uint32_t)v->state.rip;

	return deliver(v, (struct event){ vector, DELIVER_SOFT, false, 0, next, 0 }, insn_eip);
}
