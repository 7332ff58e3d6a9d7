/*
 * bt_callout.c - what translated code asks the VMM to do: misses, ports, CPUID, and everything that is not translated.
 *
 * Each function is entered through bt_entry.S with the guest's general registers in v->state, and returns the host code to
 * go on with, having set state.rip to match, or NULL to leave to bt_run. Read next: bt_entry.S, bt.c.
 */
#include "bt_private.h"
#include "core/cpuid.h"

static void *next_insn(struct bt *b, uint32_t eip, uint32_t len)
{
	b->v->state.rip = (uint32_t)(eip + len);
	return (void *)(uintptr_t)b->hot->ret;
}

static void *co_go_to(struct bt *b, uint32_t eip)
{
	b->v->state.rip = eip;
	b->leave = INTERP_DONE;
	return bt_code_for(b, eip);
}

/* An indirect branch or return whose target has no code yet. */
void *bt_co_miss(struct bt *b, uint32_t eip, uint32_t target)
{
	uint64_t t0 = stat_begin(&b->v->stats, EV_INDIRECT_MISS, MECH_CALLOUT);
	void *to = co_go_to(b, target);

	(void)eip;
	stat_end(&b->v->stats, EV_INDIRECT_MISS, MECH_CALLOUT, GVA(target), t0);
	return to;
}

/* A direct branch that is not chained: the stub's link follows the call. */
void *bt_co_chain(struct bt *b, uint32_t eip, uint32_t arg)
{
	uint32_t link, target, flushes = b->flushes;
	uint64_t t0 = stat_begin(&b->v->stats, EV_CHAIN_MISS, MECH_CALLOUT);
	uint8_t *to;

	(void)eip;
	(void)arg;
	memcpy(&link, (void *)(uintptr_t)b->hot->ret, 4);
	target = b->links[link].target;
	to = co_go_to(b, target);
	if (to && flushes == b->flushes && !b->vm->cfg.bt.no_chain)
		link_set(b, link, (uint32_t)(block_of_host(b, (uint64_t)(uintptr_t)to) - b->blocks), (uint32_t)(to - b->code));
	stat_end(&b->v->stats, EV_CHAIN_MISS, MECH_CALLOUT, GVA(target), t0);
	return to;
}

/* After an interpreter step: on in translated code, right after the call where it goes on there, or out. */
static void *after_interp(struct bt *b, enum interp_result r, bool inside, const struct view *view, uint32_t gen)
{
	struct cpu_state *s = &b->v->state;

	b->leave = r;
	if (r != INTERP_DONE || s->int_shadow || !bt_mode_ok(b))
		return NULL;
	if (b->v->irq_window && b->hot->vif)
		return NULL;
	if (inside && view == b->view && gen == b->gen)
		return (void *)(uintptr_t)b->hot->ret;
	return bt_code_for(b, (uint32_t)s->rip);
}

/* arg: the instruction's length, and whether the block ends with it. */
static bool goes_on(const struct bt *b, uint32_t eip, uint32_t arg)
{
	return !(arg & CO_END) && (uint32_t)b->v->state.rip == eip + (arg & CO_LEN);
}

/* One instruction by the interpreter. */
void *bt_co_interp(struct bt *b, uint32_t eip, uint32_t arg)
{
	struct vcpu *v = b->v;
	const struct view *view = b->view;
	uint32_t gen = b->gen;
	uint64_t t0 = stat_begin(&v->stats, EV_INTERPRET, MECH_CALLOUT);
	enum interp_result r;

	v->state.rip = eip;
	r = bt_interp(b, MECH_CALLOUT);
	stat_end(&v->stats, EV_INTERPRET, MECH_CALLOUT, GVA(eip), t0);
	site_ran(b, eip);
	return after_interp(b, r, goes_on(b, eip, arg), view, gen);
}

/* A light callout did the instruction; what only ordinary C code can do is left. */
void *bt_co_light_end(struct bt *b, uint32_t eip, uint32_t arg)
{
	struct light_event *e = &b->light;

	(void)eip;
	(void)arg;
	if (e->t0)
		stat_sample(&b->v->stats, e->kind, MECH_CALLOUT, e->eip, e->t0, e->t1);
	b->leave = INTERP_DONE;
	if (e->to == (void *)LIGHT_LEAVE)
		return NULL;
	return e->to ? e->to : co_go_to(b, (uint32_t)b->v->state.rip);
}

/* STI found that core waits for interrupts to come on: bt_run does the next instruction, under the shadow. */
void *bt_co_sti_window(struct bt *b, uint32_t eip, uint32_t len)
{
	b->v->state.rip = (uint32_t)(eip + len);
	b->v->state.int_shadow = INT_SHADOW_STI;
	b->leave = INTERP_DONE;
	return NULL;
}

/* Port, operand size and length are packed by bt_system.c; bit 16: the port is in DX. */
static uint16_t port_of(const struct bt *b, uint32_t arg)
{
	return (uint16_t)(arg & 0x10000u ? b->v->state.gpr[R_EDX] : arg);
}

void *bt_co_in(struct bt *b, uint32_t eip, uint32_t arg)
{
	struct vcpu *v = b->v;
	unsigned size = arg >> 20 & 15;
	uint64_t t0 = stat_begin(&v->stats, EV_PORT_IN, MECH_CALLOUT), *eax = &v->state.gpr[R_EAX];
	uint32_t value = bus_port_in(&b->vm->bus, port_of(b, arg), size);

	*eax = size == 4 ? value : size == 2 ? (*eax & 0xffff0000u) | (value & 0xffff) : (*eax & 0xffffff00u) | (value & 0xff);
	stat_end(&v->stats, EV_PORT_IN, MECH_CALLOUT, GVA(eip), t0);
	return next_insn(b, eip, arg >> 24);
}

void *bt_co_out(struct bt *b, uint32_t eip, uint32_t arg)
{
	struct vcpu *v = b->v;
	unsigned size = arg >> 20 & 15;
	uint64_t t0 = stat_begin(&v->stats, EV_PORT_OUT, MECH_CALLOUT);
	uint32_t value = (uint32_t)v->state.gpr[R_EAX];

	bus_port_out(&b->vm->bus, port_of(b, arg), size, size == 4 ? value : size == 2 ? value & 0xffff : value & 0xff);
	stat_end(&v->stats, EV_PORT_OUT, MECH_CALLOUT, GVA(eip), t0);
	return next_insn(b, eip, arg >> 24);
}

void *bt_co_cpuid(struct bt *b, uint32_t eip, uint32_t len)
{
	struct vcpu *v = b->v;
	uint64_t t0 = stat_begin(&v->stats, EV_CPUID, MECH_CALLOUT);
	struct cpuid_regs r = cpuid_model((uint32_t)v->state.gpr[R_EAX], (uint32_t)v->state.gpr[R_ECX], false);

	v->state.gpr[R_EAX] = r.eax;
	v->state.gpr[R_EBX] = r.ebx;
	v->state.gpr[R_ECX] = r.ecx;
	v->state.gpr[R_EDX] = r.edx;
	stat_end(&v->stats, EV_CPUID, MECH_CALLOUT, GVA(eip), t0);
	return next_insn(b, eip, len);
}

void *bt_co_popf(struct bt *b, uint32_t eip, uint32_t len)
{
	return bt_co_interp(b, eip, len);
}

void *bt_co_stop(struct bt *b, uint32_t eip, uint32_t arg)
{
	b->v->state.rip = eip;
	b->stopped = !(arg & CO_COUNT);
	if (arg & CO_SHADOW)
		b->v->state.int_shadow = INT_SHADOW_STI;
	b->leave = INTERP_DONE;
	return NULL;
}
