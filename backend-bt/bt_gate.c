/*
 * bt_gate.c - into the guest's kernel and back without the interpreter: INT n, IRET, SYSENTER, SYSEXIT in their common forms.
 *
 * The common form: present 32-bit gates, flat code and stack segments whose descriptors are already marked accessed, a
 * 32-bit TSS, no NT, TF or VM. The guest's tables are read anew each time, through the interpreter's soft TLB, so nothing
 * has to be invalidated when the guest changes them. Whatever is not common goes to the interpreter, before anything
 * has changed. SDM vol. 3, 6.12 (delivery), vol. 2A IRET, vol. 2B SYSENTER. Called from bt_light.S. Read next: bt_light.h.
 */
#include "bt_light.h"

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

/* A GDT descriptor of a flat, present, accessed segment into *s; type: 0xb code, 3 data, in the low bits of access. */
static bool flat_descriptor(struct bt *b, uint16_t sel, unsigned type_mask, unsigned type, struct segment *s)
{
	const struct dtable *gdt = &b->v->state.gdtr;
	uint64_t raw;
	uint8_t *p;

	if ((sel & 4) || (sel & ~7u) == 0 || (sel | 7u) > gdt->limit)
		return false;
	p = light_peek(b, (uint32_t)gdt->base + (sel & ~7u), 8, ACCESS_R);
	if (!p)
		return false;
	memcpy(&raw, p, 8);
	if ((raw & 0xffef00ffffffffffull) != 0x00cf00000000ffffull || (raw >> 40 & (SEG_P | SEG_S | type_mask)) != (SEG_P | SEG_S | type))
		return false;
	*s = (struct segment){ .base = 0, .limit = 0xffffffffu, .sel = sel, .attr = (uint16_t)(raw >> 40 & 0xf0ff) };
	return true;
}

/* Non-conforming, accessed code; writable, expand-up, accessed data. */
static bool flat_code(struct bt *b, uint16_t sel, struct segment *s) { return flat_descriptor(b, sel, 0xd, 0x9, s); }
static bool flat_stack(struct bt *b, uint16_t sel, struct segment *s) { return flat_descriptor(b, sel, 0xf, 0x3, s); }

/* Where a gate leads, all checks done. */
struct entry {
	uint32_t eip, esp;
	struct segment cs, ss;
	bool inner, interrupt;
};

/* soft: by an instruction, which needs the privilege for the gate itself. */
static bool gate_read(struct bt *b, unsigned vector, unsigned cpl, bool soft, struct entry *e)
{
	const struct cpu_state *s = &b->v->state;
	unsigned access;
	uint64_t raw;
	uint8_t *p;

	if (vector * 8 + 7 > s->idtr.limit || !(p = light_peek(b, (uint32_t)s->idtr.base + vector * 8, 8, ACCESS_R)))
		return false;
	memcpy(&raw, p, 8);
	access = raw >> 40 & 0xff;
	if ((access & 0x9e) != 0x8e || (soft && (access >> 5 & 3) < cpl))
		return false;
	e->interrupt = !(access & 1);
	e->eip = (uint32_t)(raw & 0xffff) | (uint32_t)(raw >> 32 & 0xffff0000u);
	if (!flat_code(b, raw >> 16 & 0xffff, &e->cs) || SEG_DPL(&e->cs) > cpl || (SEG_DPL(&e->cs) != cpl && SEG_DPL(&e->cs) != 0))
		return false;
	e->inner = SEG_DPL(&e->cs) < cpl;
	e->cs.sel = (uint16_t)((e->cs.sel & ~3u) | SEG_DPL(&e->cs));
	return true;
}

/* The ring-0 stack from the TSS. */
static bool inner_stack(struct bt *b, struct entry *e)
{
	const struct segment *tr = &b->v->state.seg[S_TR];
	uint8_t *p;

	if ((SEG_TYPE(tr) & ~2u) != 9 || !(tr->attr & SEG_P) || tr->limit < 11 || !(p = light_peek(b, (uint32_t)tr->base + 4, 8, ACCESS_R)))
		return false;
	e->esp = get32(p);
	return flat_stack(b, (uint16_t)get32(p + 4), &e->ss) && SEG_DPL(&e->ss) == 0 && (e->ss.sel & 3) == 0;
}

/* CS, SS and the view of the new privilege level, which light_can_enter has found. */
static void enter(struct bt *b, const struct segment *cs, const struct segment *ss)
{
	struct cpu_state *s = &b->v->state;

	s->seg[S_CS] = *cs;
	s->seg[S_SS] = *ss;
	light_privilege(b);
}

/* What is delivered: how as for interp_deliver, eip is what is pushed. */
struct event {
	unsigned vector, how;
	uint32_t eip, error;
	bool has_error;
};

static bool deliver(struct bt *b, const struct event *v)
{
	struct cpu_state *s = &b->v->state;
	unsigned cpl = CPL(s), bytes, n = 0;
	struct entry e;
	uint32_t frame[6], flags = light_flags(b);
	uint8_t *stack;

	if ((flags & (FL_VM | FL_TF)) || !gate_read(b, v->vector, cpl, v->how == DELIVER_SOFT, &e))
		return false;
	if (!e.inner) {
		e.esp = (uint32_t)s->gpr[R_ESP];
		e.ss = s->seg[S_SS];
	} else if (!inner_stack(b, &e)) {
		return false;
	}
	bytes = (e.inner ? 20 : 12) + (v->has_error ? 4 : 0);
	stack = light_peek(b, e.esp - bytes, bytes, ACCESS_W);
	if (!stack || !light_can_enter(b, SEG_DPL(&e.cs) == 3))
		return false;
	if (v->has_error)
		frame[n++] = v->error;
	frame[n++] = v->eip;
	frame[n++] = s->seg[S_CS].sel;
	frame[n++] = flags | (v->how == DELIVER_EXC ? FL_RF : 0);
	frame[n++] = (uint32_t)s->gpr[R_ESP];
	frame[n] = s->seg[S_SS].sel;
	for (unsigned i = 0; i < bytes / 4; i++) /* in words: a call of memcpy would use the guest's XMM registers */
		memcpy(stack + 4 * i, &frame[i], 4);
	s->gpr[R_ESP] = e.esp - bytes;
	light_set_flags(b, flags & ~(FL_NT | FL_RF | (e.interrupt ? FL_IF : 0)));
	enter(b, &e.cs, &e.ss);
	s->rip = e.eip;
	return true;
}

/*
 * An event that is no instruction's doing. how: DELIVER_HW, or DELIVER_EXC for a fault (vectors whose image of EFLAGS has RF
 * set). The flags are hot's. False: nothing has changed, interp_deliver has to.
 */
bool gate_deliver(struct bt *b, unsigned vector, unsigned how, bool has_error, uint32_t error)
{
	struct event v = { vector, how, (uint32_t)b->v->state.rip, error, has_error };
	const struct segment *ss = &b->v->state.seg[S_SS];

	/* Translated code has such a stack, but not everything is translated. */
	if (!b->view || !(b->v->state.cr0 & CR0_PE) || ss->base || ss->limit != 0xffffffffu || !(ss->attr & SEG_DB) || (ss->attr & 0xe) != 2)
		return false;
	if (!deliver(b, &v))
		return false;
	b->v->state.halted = 0;
	b->v->state.int_shadow = 0;
	return true;
}

/* operand: the vector. */
void *bt_lt_int(struct bt *b, uint32_t eip, uint32_t arg, uint32_t operand)
{
	uint64_t t0 = light_clock(b, EV_SYSCALL_ENTRY);

	struct event v = { operand, DELIVER_SOFT, eip + (arg & CO_LEN), 0, false };

	if (!deliver(b, &v))
		return LIGHT_INTERP;
	return light_done(b, EV_SYSCALL_ENTRY, eip, t0, light_code(b));
}

/* Returning to ring 3 nulls data segments of inner levels: only the case where none is. */
static bool data_segments_stay(const struct cpu_state *s)
{
	static const uint8_t data[4] = { S_DS, S_ES, S_FS, S_GS };

	for (unsigned i = 0; i < 4; i++) {
		const struct segment *g = &s->seg[data[i]];
		if ((g->attr & SEG_P) && SEG_DPL(g) < 3)
			return false;
	}
	return true;
}

static bool iret(struct bt *b, bool *outer)
{
	struct cpu_state *s = &b->v->state;
	unsigned cpl = CPL(s);
	uint32_t esp = (uint32_t)s->gpr[R_ESP], old = light_flags(b), flags, keep;
	struct segment cs, ss = s->seg[S_SS];
	uint8_t *p;

	if (cpl != 0 || (old & (FL_NT | FL_VM)) || !(p = light_peek(b, esp, 12, ACCESS_R)))
		return false;
	flags = get32(p + 8);
	if ((flags & (FL_TF | FL_VM | FL_VIF | FL_VIP)) || !flat_code(b, (uint16_t)get32(p + 4), &cs) || SEG_DPL(&cs) != (cs.sel & 3u))
		return false;
	*outer = SEG_DPL(&cs) == 3;
	if (!*outer && SEG_DPL(&cs) != 0)
		return false;
	if (b->prefill.w && get32(p) == b->prefill.eip)
		return false; /* the long way, which ends in bt_mode_sync */
	if (*outer) {
		if (!(p = light_peek(b, esp, 20, ACCESS_R)) || !flat_stack(b, (uint16_t)get32(p + 16), &ss) || SEG_DPL(&ss) != 3 ||
		    (ss.sel & 3) != 3 || !data_segments_stay(s))
			return false;
		if (!light_can_enter(b, true))
			return false;
		s->gpr[R_ESP] = get32(p + 12);
	} else {
		s->gpr[R_ESP] = esp + 12;
	}
	s->rip = get32(p);
	keep = FL_ARITH | FL_DF | FL_IF | FL_IOPL | FL_NT | FL_AC | FL_ID;
	light_set_flags(b, (flags & keep) | FL_FIXED);
	enter(b, &cs, &ss);
	return true;
}

void *bt_lt_iret(struct bt *b, uint32_t eip, uint32_t arg, uint32_t operand)
{
	uint64_t t0 = light_clock(b, EV_USER_RETURN);
	bool outer;

	(void)arg;
	(void)operand;
	if (!iret(b, &outer))
		return LIGHT_INTERP;
	return light_done(b, outer ? EV_USER_RETURN : EV_IRET, eip, t0, light_if_on(b, light_code(b)));
}

void *bt_lt_sysenter(struct bt *b, uint32_t eip, uint32_t arg, uint32_t operand)
{
	struct cpu_state *s = &b->v->state;
	uint16_t cs = (uint16_t)(s->sysenter_cs & 0xfffc);
	struct segment code = segment_flat32(cs, 0xb, 0), stack = segment_flat32((uint16_t)(cs + 8), 3, 0);
	uint64_t t0 = light_clock(b, EV_SYSCALL_ENTRY);

	(void)arg;
	(void)operand;
	if (!cs || (light_flags(b) & (FL_TF | FL_VM)) || !light_can_enter(b, false))
		return LIGHT_INTERP;
	light_set_flags(b, light_flags(b) & ~(FL_IF | FL_RF));
	s->gpr[R_ESP] = (uint32_t)s->sysenter_esp;
	s->rip = (uint32_t)s->sysenter_eip;
	enter(b, &code, &stack);
	return light_done(b, EV_SYSCALL_ENTRY, eip, t0, light_code(b));
}

void *bt_lt_sysexit(struct bt *b, uint32_t eip, uint32_t arg, uint32_t operand)
{
	struct cpu_state *s = &b->v->state;
	uint16_t cs = (uint16_t)((s->sysenter_cs & 0xfffc) + 16);
	struct segment code = segment_flat32((uint16_t)(cs | 3), 0xb, 3), stack = segment_flat32((uint16_t)((cs + 8) | 3), 3, 3);
	uint64_t t0 = light_clock(b, EV_USER_RETURN);

	(void)arg;
	(void)operand;
	if (!(s->sysenter_cs & 0xfffc) || CPL(s) != 0 || (light_flags(b) & (FL_TF | FL_VM)) || !light_can_enter(b, true))
		return LIGHT_INTERP;
	s->rip = (uint32_t)s->gpr[R_EDX];
	s->gpr[R_ESP] = (uint32_t)s->gpr[R_ECX];
	enter(b, &code, &stack);
	return light_done(b, EV_USER_RETURN, eip, t0, light_code(b));
}
