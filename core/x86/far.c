/*
 * far.c - far JMP, CALL, RET and IRET: through code segments, call gates, task gates and TSSs, to any privilege level.
 *
 * SDM vol. 2A, CALL, JMP, RET, IRET; vol. 3, 5.8. Each function reads and checks everything, then commits. VM86 is refused
 * with a sentence. Called by interp_control.c; read next: task.c, deliver.c.
 */
#include "segment_private.h"
#include "step.h"

static void commit_cs(struct cpu_state *s, const struct segment *cs, uint32_t eip)
{
	s->seg[S_CS] = *cs;
	s->rip = eip;
}

static int check_eip(const struct segment *cs, uint32_t eip, struct fault *f)
{
	return eip > cs->limit ? fault_set(f, VEC_GP, 0) : 0;
}

/* Rights of a direct far JMP or CALL to a code segment. */
static int check_direct(const struct desc *d, unsigned cpl, struct fault *f)
{
	unsigned rpl = d->sel & 3;
	bool ok = DESC_CONFORMING(d) ? DESC_DPL(d) <= cpl : rpl <= cpl && DESC_DPL(d) == cpl;

	if (!DESC_CODE(d) || !ok)
		return fault_set(f, VEC_GP, SEL_ERROR(d->sel));
	return DESC_P(d) ? 0 : fault_set(f, VEC_NP, SEL_ERROR(d->sel));
}

/* Rights to a gate or TSS descriptor: DPL against CPL and RPL. */
static int check_gate(const struct desc *d, unsigned cpl, struct fault *f)
{
	if (DESC_DPL(d) < cpl || DESC_DPL(d) < (d->sel & 3u))
		return fault_set(f, VEC_GP, SEL_ERROR(d->sel));
	return DESC_P(d) ? 0 : fault_set(f, VEC_NP, SEL_ERROR(d->sel));
}

/* The code segment a call gate names. */
static int gate_target(struct vcpu *v, const struct desc *gate, bool call, struct desc *d, struct fault *f)
{
	unsigned cpl = CPL(&v->state);
	bool ok;

	if (sel_null(GATE_SEL(gate)))
		return fault_set(f, VEC_GP, 0);
	if (desc_read(v, GATE_SEL(gate), VEC_GP, 0, d, f))
		return -1;
	ok = DESC_CODE(d) && DESC_DPL(d) <= cpl;
	if (ok && !call && !DESC_CONFORMING(d))
		ok = DESC_DPL(d) == cpl;
	if (!ok)
		return fault_set(f, VEC_GP, SEL_ERROR(d->sel));
	return DESC_P(d) ? 0 : fault_set(f, VEC_NP, SEL_ERROR(d->sel));
}

/* A task gate names a TSS in the GDT. */
static int task_gate(struct vcpu *v, const struct desc *gate, enum task_how how, uint32_t next, struct fault *f)
{
	uint16_t sel = GATE_SEL(gate);
	struct desc d;

	if (sel_null(sel) || (sel & 4))
		return fault_set(f, VEC_GP, SEL_ERROR(sel));
	if (desc_read(v, sel, VEC_GP, 0, &d, f))
		return -1;
	return task_switch(v, &d, how, next, 0, f);
}

static int system_target(struct vcpu *v, struct desc *d, enum task_how how, uint32_t next, struct fault *f)
{
	if (check_gate(d, CPL(&v->state), f))
		return -1;
	switch (DESC_TYPE(d)) {
	case SYS_TASK:
		return task_gate(v, d, how, next, f);
	case SYS_TSS16:
	case SYS_TSS32:
		return task_switch(v, d, how, next, 0, f);
	default:
		return fault_set(f, VEC_GP, SEL_ERROR(d->sel));
	}
}

static bool is_call_gate(const struct desc *d)
{
	return !DESC_S(d) && (DESC_TYPE(d) == SYS_CALL16 || DESC_TYPE(d) == SYS_CALL32);
}

int far_jump(struct vcpu *v, uint16_t sel, uint32_t off, unsigned opsz, uint32_t next, struct fault *f)
{
	struct desc d, target;
	struct segment cs;

	if (sel_null(sel))
		return fault_set(f, VEC_GP, 0);
	if (desc_read(v, sel, VEC_GP, 0, &d, f))
		return -1;
	if (is_call_gate(&d)) {
		if (check_gate(&d, CPL(&v->state), f) || gate_target(v, &d, false, &target, f))
			return -1;
		off = DESC_TYPE(&d) == SYS_CALL32 ? GATE_OFFSET32(&d) : GATE_OFFSET16(&d);
		d = target;
	} else if (!DESC_S(&d)) {
		return system_target(v, &d, TASK_JUMP, next, f);
	} else {
		off &= size_mask(opsz);
		if (check_direct(&d, CPL(&v->state), f))
			return -1;
	}
	cs = desc_segment(&d);
	if (check_eip(&cs, off, f) || code_segment(v, &d, CPL(&v->state), &cs, f))
		return -1;
	commit_cs(&v->state, &cs, off);
	return 0;
}

/* CALL through a gate to an inner level: a new stack, the old SS:ESP and the parameters copied to it. */
static int call_inner(struct vcpu *v, const struct desc *gate, struct desc *d, uint32_t off, uint32_t next, struct fault *f)
{
	struct cpu_state *s = &v->state;
	unsigned size = DESC_TYPE(gate) == SYS_CALL32 ? 4 : 2, n = gate->hi & 31, dpl = DESC_DPL(d);
	struct stack old, new;
	struct segment cs;
	uint32_t value;

	stack_current(s, &old);
	if (stack_from_tss(v, dpl, 0, &new, f) || stack_room(v, &new, 4 + n, size, f))
		return -1;
	if (stack_push(v, &new, s->seg[S_SS].sel, size, f) || stack_push(v, &new, old.sp, size, f))
		return -1;
	while (n--)
		if (stack_read(v, &old, n * size, &value, size, f) || stack_push(v, &new, value, size, f))
			return -1;
	if (stack_push(v, &new, s->seg[S_CS].sel, size, f) || stack_push(v, &new, next, size, f))
		return -1;
	cs = desc_segment(d);
	if (check_eip(&cs, off, f) || code_segment(v, d, dpl, &cs, f))
		return -1;
	stack_commit(s, &new);
	commit_cs(s, &cs, off);
	return 0;
}

int far_call(struct vcpu *v, uint16_t sel, uint32_t off, unsigned opsz, uint32_t next, struct fault *f)
{
	struct cpu_state *s = &v->state;
	struct desc d, gate;
	struct segment cs;
	struct stack k;

	if (sel_null(sel))
		return fault_set(f, VEC_GP, 0);
	if (desc_read(v, sel, VEC_GP, 0, &d, f))
		return -1;
	if (is_call_gate(&d)) {
		gate = d;
		if (check_gate(&gate, CPL(s), f) || gate_target(v, &gate, true, &d, f))
			return -1;
		opsz = DESC_TYPE(&gate) == SYS_CALL32 ? 4 : 2;
		off = opsz == 4 ? GATE_OFFSET32(&gate) : GATE_OFFSET16(&gate);
		if (!DESC_CONFORMING(&d) && DESC_DPL(&d) < CPL(s))
			return call_inner(v, &gate, &d, off, next, f);
	} else if (!DESC_S(&d)) {
		return system_target(v, &d, TASK_CALL, next, f);
	} else {
		off &= size_mask(opsz);
		if (check_direct(&d, CPL(s), f))
			return -1;
	}
	stack_current(s, &k);
	cs = desc_segment(&d);
	if (check_eip(&cs, off, f))
		return -1;
	if (stack_push(v, &k, s->seg[S_CS].sel, opsz, f) || stack_push(v, &k, next, opsz, f))
		return -1;
	if (code_segment(v, &d, CPL(s), &cs, f))
		return -1;
	stack_commit(s, &k);
	commit_cs(s, &cs, off);
	return 0;
}

/* The code segment that RET and IRET return to. */
static int return_cs(struct vcpu *v, uint16_t sel, uint32_t eip, struct desc *d, struct fault *f)
{
	unsigned rpl = sel & 3;
	struct segment cs;
	bool ok;

	if (sel_null(sel))
		return fault_set(f, VEC_GP, 0);
	if (desc_read(v, sel, VEC_GP, 0, d, f))
		return -1;
	ok = DESC_CODE(d) && rpl >= CPL(&v->state);
	if (ok)
		ok = DESC_CONFORMING(d) ? DESC_DPL(d) <= rpl : DESC_DPL(d) == rpl;
	if (!ok)
		return fault_set(f, VEC_GP, SEL_ERROR(sel));
	if (!DESC_P(d))
		return fault_set(f, VEC_NP, SEL_ERROR(sel));
	cs = desc_segment(d);
	return check_eip(&cs, eip, f);
}

static int return_ss(struct vcpu *v, uint16_t sel, unsigned rpl, struct stack *k, struct fault *f)
{
	struct desc d;

	if (sel_null(sel))
		return fault_set(f, VEC_GP, 0);
	if (desc_read(v, sel, VEC_GP, 0, &d, f))
		return -1;
	if ((sel & 3u) != rpl || !DESC_S(&d) || (DESC_TYPE(&d) & 0xa) != 2 || DESC_DPL(&d) != rpl)
		return fault_set(f, VEC_GP, SEL_ERROR(sel));
	if (!DESC_P(&d))
		return fault_set(f, VEC_SS, SEL_ERROR(sel));
	if (desc_set_accessed(v, &d, f))
		return -1;
	k->ss = desc_segment(&d);
	return 0;
}

/* SDM vol. 3, 5.8.6: data segments that the outer level may not use become null. */
static void drop_inner_segments(struct cpu_state *s)
{
	static const uint8_t regs[] = { S_ES, S_DS, S_FS, S_GS };
	unsigned cpl = CPL(s);

	for (unsigned i = 0; i < ARRAY_LEN(regs); i++) {
		struct segment *g = &s->seg[regs[i]];

		if ((g->attr & SEG_P) && (g->attr & 0xc) != 0xc && SEG_DPL(g) < cpl)
			*g = (struct segment){ 0 };
	}
}

/* The second half of a return to an outer level: SS:ESP lie at offset on the old stack. */
static int return_outer(struct vcpu *v, struct stack *k, unsigned opsz, uint16_t drop, struct desc *d, uint32_t eip, struct fault *f)
{
	unsigned rpl = d->sel & 3;
	uint32_t esp, ss;
	struct stack out = { 0 };
	struct segment cs;

	if (stack_read(v, k, drop, &esp, opsz, f) || stack_read(v, k, drop + opsz, &ss, opsz, f))
		return -1;
	if (return_ss(v, (uint16_t)ss, rpl, &out, f))
		return -1;
	if (code_segment(v, d, rpl, &cs, f))
		return -1;
	out.sp = esp + drop;
	stack_commit(&v->state, &out);
	commit_cs(&v->state, &cs, eip);
	drop_inner_segments(&v->state);
	return 0;
}

int far_return(struct vcpu *v, unsigned opsz, uint16_t drop, bool *outer, struct fault *f)
{
	struct stack k;
	struct desc d;
	struct segment cs;
	uint32_t eip, sel, m;

	stack_current(&v->state, &k);
	if (stack_pop(v, &k, &eip, opsz, f) || stack_pop(v, &k, &sel, opsz, f))
		return -1;
	if (return_cs(v, (uint16_t)sel, eip, &d, f))
		return -1;
	*outer = (sel & 3) > CPL(&v->state);
	if (*outer)
		return return_outer(v, &k, opsz, drop, &d, eip, f);
	if (code_segment(v, &d, CPL(&v->state), &cs, f))
		return -1;
	m = stack_sp_mask(&k);
	k.sp = (k.sp & ~m) | ((k.sp + drop) & m);
	stack_commit(&v->state, &k);
	commit_cs(&v->state, &cs, eip);
	return 0;
}

/* SDM vol. 2A, IRET: which flags the image may change at this privilege. */
static uint32_t iret_flag_mask(const struct cpu_state *s, unsigned opsz)
{
	uint32_t m = FL_ARITH | FL_TF | FL_DF | FL_NT;

	if (opsz == 4)
		m |= FL_RF | FL_AC | FL_ID;
	if (CPL(s) == 0)
		m |= FL_IOPL;
	if (CPL(s) <= iopl(s))
		m |= FL_IF;
	return m;
}

/* IRET with NT: back to the task that the current TSS links to. */
static int iret_task(struct vcpu *v, uint32_t next, struct fault *f)
{
	const struct segment *tr = &v->state.seg[S_TR];
	uint16_t link;
	struct desc d;

	if (sys_read(v, (uint32_t)tr->base, &link, 2, f))
		return -1;
	if (sel_null(link) || (link & 4))
		return fault_set(f, VEC_TS, SEL_ERROR(link));
	if (desc_read(v, link, VEC_TS, 0, &d, f))
		return -1;
	return task_switch(v, &d, TASK_IRET, next, 0, f);
}

int far_iret(struct vcpu *v, unsigned opsz, uint32_t next, bool *outer, struct fault *f)
{
	struct cpu_state *s = &v->state;
	uint32_t eip, sel, flags, mask = iret_flag_mask(s, opsz);
	struct stack k;
	struct desc d;
	struct segment cs;

	*outer = false;
	if (s->rflags & FL_NT)
		return iret_task(v, next, f);
	stack_current(s, &k);
	if (stack_pop(v, &k, &eip, opsz, f) || stack_pop(v, &k, &sel, opsz, f) || stack_pop(v, &k, &flags, opsz, f))
		return -1;
	if (opsz == 4 && (flags & FL_VM) && CPL(s) == 0)
		return fault_crash(v, f, "IRET to virtual-8086 mode at eip %#x: ringlab does not run 16-bit real-mode code",
			(uint32_t)s->rip);
	if (return_cs(v, (uint16_t)sel, eip, &d, f))
		return -1;
	*outer = (sel & 3) > CPL(s);
	if (*outer) {
		if (return_outer(v, &k, opsz, 0, &d, eip, f))
			return -1;
	} else {
		if (code_segment(v, &d, CPL(s), &cs, f))
			return -1;
		stack_commit(s, &k);
		commit_cs(s, &cs, eip);
	}
	flags_set(s, mask, flags);
	return 0;
}
