/*
 * interp_control.c - jumps, calls, returns, software interrupts, SYSENTER and SYSEXIT.
 *
 * Near transfers check the code segment's limit and set c->next; far ones (far.c) and events (deliver.c) set the state's
 * own CS:EIP, which c->next then follows. Read next: far.c.
 */
#include "alu.h"
#include "ops.h"
#include "segment_private.h"

static uint32_t near_target(struct step *c, uint32_t eip)
{
	eip &= size_mask(c->i->opsz);
	if (unlikely(eip > c->s->seg[S_CS].limit))
		step_gp(c, 0);
	return eip;
}

/* After something that set CS:EIP itself. */
static void followed(struct step *c, int err)
{
	if (err)
		step_fault(c);
	c->next = (uint32_t)c->s->rip;
}

void op_jcc(struct step *c)
{
	if (condition(c->i->op & 15, c->s->rflags))
		c->next = near_target(c, c->next + c->i->imm);
}

void op_jmp(struct step *c)
{
	c->next = near_target(c, c->next + c->i->imm);
}

void op_call(struct step *c)
{
	uint32_t to = near_target(c, c->next + c->i->imm);

	step_push(c, c->next, c->i->opsz);
	c->next = to;
}

void op_ret(struct step *c)
{
	uint32_t to = near_target(c, step_peek(c, 0, c->i->opsz));

	stack_drop(c->s, c->i->opsz + (c->i->op & 1 ? 0 : c->i->imm & 0xffff));
	c->next = to;
}

/* LOOPNE LOOPE LOOP JCXZ */
void op_loop(struct step *c)
{
	unsigned kind = c->i->op & 3, size = c->i->adsz;
	uint32_t count = reg_get(c->s, R_ECX, size), to = c->next;
	bool taken;

	if (kind == 3) {
		taken = count == 0;
	} else {
		count = (count - 1) & size_mask(size);
		taken = count != 0 && (kind == 2 || (kind == 1) == !!(c->s->rflags & FL_ZF));
	}
	if (taken)
		to = near_target(c, c->next + c->i->imm);
	if (kind != 3)
		reg_set(c->s, R_ECX, count, size);
	c->next = to;
}

/* --- far --- */

/* m16:16 or m16:32 */
static void far_pointer(struct step *c, uint16_t *sel, uint32_t *off)
{
	uint32_t ea = step_ea(c), mask = c->i->adsz == 4 ? 0xffffffffu : 0xffff;

	*off = step_load(c, c->i->seg, ea, c->i->opsz);
	*sel = (uint16_t)step_load(c, c->i->seg, (ea + c->i->opsz) & mask, 2);
}

static void do_far(struct step *c, bool call, uint16_t sel, uint32_t off)
{
	unsigned opsz = c->i->opsz;

	followed(c, call ? far_call(c->v, sel, off, opsz, c->next, &c->fault) : far_jump(c->v, sel, off, opsz, c->next, &c->fault));
}

void op_jmp_far(struct step *c) { do_far(c, false, (uint16_t)c->i->imm2, c->i->imm); }
void op_call_far(struct step *c) { do_far(c, true, (uint16_t)c->i->imm2, c->i->imm); }

void op_ret_far(struct step *c)
{
	bool outer = false;

	followed(c, far_return(c->v, c->i->opsz, c->i->op & 1 ? 0 : (uint16_t)c->i->imm, &outer, &c->fault));
	if (outer)
		c->kind = EV_USER_RETURN;
}

void op_iret(struct step *c)
{
	bool outer = false;

	followed(c, far_iret(c->v, c->i->opsz, c->next, &outer, &c->fault));
	c->kind = outer ? EV_USER_RETURN : EV_IRET;
}

/* ff: INC DEC CALL CALLF JMP JMPF PUSH */
void op_group5(struct step *c)
{
	unsigned size = c->i->opsz;
	uint32_t to, off;
	uint16_t sel;

	switch (c->i->reg) {
	case 0: case 1:
		op_group4(c);
		return;
	case 2:
		to = near_target(c, rm_load(c, size));
		step_push(c, c->next, size);
		c->next = to;
		return;
	case 4:
		c->next = near_target(c, rm_load(c, size));
		return;
	case 6:
		step_push(c, rm_load(c, size), size);
		return;
	case 3: case 5:
		far_pointer(c, &sel, &off);
		c->kind = EV_FAR_BRANCH;
		do_far(c, c->i->reg == 3, sel, off);
		return;
	default:
		step_ud(c);
	}
}

/* --- events --- */

static void soft_interrupt(struct step *c, uint8_t vector)
{
	c->s->rip = c->next;
	c->kind = KIND_NONE; /* deliver.c counts it */
	c->result = interp_deliver_soft(c->v, vector, c->eip);
	c->next = (uint32_t)c->s->rip;
	c->trap = false;
}

void op_int(struct step *c) { soft_interrupt(c, (uint8_t)c->i->imm); }
void op_int3(struct step *c) { soft_interrupt(c, VEC_BP); }

void op_into(struct step *c)
{
	if (c->s->rflags & FL_OF)
		soft_interrupt(c, VEC_OF);
}

/* f1: a debug trap without a check of the gate's DPL. */
void op_icebp(struct step *c)
{
	c->s->rip = c->next;
	c->s->dr[7] &= ~(uint64_t)0x2000; /* GD, as for every #DB; DR6 says nothing */
	c->result = interp_deliver(c->v, VEC_DB, DELIVER_EXC, false, 0);
	c->next = (uint32_t)c->s->rip;
	c->trap = false;
}

void op_bound(struct step *c)
{
	unsigned size = c->i->opsz;
	uint32_t ea = step_ea(c), hi_at = c->i->adsz == 4 ? ea + size : (ea + size) & 0xffff;
	int32_t index, lo, hi;

	lo = (int32_t)step_load(c, c->i->seg, ea, size);
	hi = (int32_t)step_load(c, c->i->seg, hi_at, size);
	index = (int32_t)reg_get(c->s, c->i->reg, size);
	if (size == 2) {
		lo = (int16_t)lo;
		hi = (int16_t)hi;
		index = (int16_t)index;
	}
	if (index < lo || index > hi)
		step_raise(c, VEC_BR, false, 0);
}

void op_ud(struct step *c)
{
	step_ud(c);
}

/* --- SYSENTER, SYSEXIT (SDM vol. 2B): flat segments made from IA32_SYSENTER_CS, no table is read --- */

static void flat_pair(struct cpu_state *s, uint16_t cs, uint16_t ss, unsigned dpl)
{
	s->seg[S_CS] = segment_flat32(cs, 0xb, dpl);
	s->seg[S_SS] = segment_flat32(ss, 0x3, dpl);
}

void op_sysenter(struct step *c)
{
	struct cpu_state *s = c->s;
	uint16_t cs = s->sysenter_cs & 0xfffc;

	if (!cs)
		step_gp(c, 0);
	s->rflags &= ~(uint64_t)(FL_IF | FL_VM);
	flat_pair(s, cs, (uint16_t)(cs + 8), 0);
	s->gpr[R_ESP] = (uint32_t)s->sysenter_esp;
	c->next = (uint32_t)s->sysenter_eip;
}

void op_sysexit(struct step *c)
{
	struct cpu_state *s = c->s;
	uint16_t cs = s->sysenter_cs & 0xfffc;

	if (!cs || CPL(s))
		step_gp(c, 0);
	flat_pair(s, (uint16_t)((cs + 16) | 3), (uint16_t)((cs + 24) | 3), 3);
	c->next = (uint32_t)s->gpr[R_EDX];
	s->gpr[R_ESP] = (uint32_t)s->gpr[R_ECX];
}
