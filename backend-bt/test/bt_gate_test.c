/*
 * bt_gate_test.c - light callouts against the interpreter: random descriptors, gates, frames and flags.
 *
 * Each trial makes a GDT, LDT, IDT and TSS, runs one instruction at CPL 0 or 3 on both engines until the handler or the next
 * instruction is reached, and compares registers, segments and memory. How many the interpreter did for bt is counted too,
 * so that a light path that is never taken is seen.
 */
#include "bt_private.h"
#include <criterion/criterion.h>

extern const struct backend_ops bt_backend, interp_backend;

#define CODE 0x1000u
#define STOP 0x2000u
#define GDT 0x10000u
#define LDT 0x11000u
#define IDT 0x12000u
#define TSS 0x13000u
#define STACK 0x20000u
#define KSTACK 0x30000u
#define MEM (4u << 20)

struct pair {
	struct vm *bt, *ref;
	uint64_t seed, interpreted, trials, made;
};

static uint32_t rnd(struct pair *p, uint32_t n)
{
	p->seed = p->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(p->seed >> 33) % n;
}

static struct vm *machine(const struct backend_ops *ops)
{
	struct vm_config cfg = { .ops = ops, .mem_size = MEM, .console_in = -1, .console_out = -1 };
	struct vm *vm;

	cr_assert_eq(vm_create(&vm, &cfg), 0);
	cpu_enter_flat32(&vm->vcpu.state, CODE);
	cr_assert_eq(vm->ops->start(&vm->vcpu), 0);
	return vm;
}

static void put64(struct vm *vm, uint32_t at, uint64_t v) { memcpy(vm->mem.host + at, &v, 8); }
static void put32(struct vm *vm, uint32_t at, uint32_t v) { memcpy(vm->mem.host + at, &v, 4); }

/* Selectors 8: code 0, 10h: data 0, 1bh: code 3, 23h: data 3, 28h: TSS, 30h: LDT; the rest is random. */
static uint64_t random_descriptor(struct pair *p)
{
	static const uint8_t common[] = { 0x93, 0xf3, 0x9b, 0xfb, 0x92, 0xf2, 0x91, 0x97, 0x9f, 0xb3, 0xd3, 0x13, 0x73 };
	uint64_t access = rnd(p, 4) ? common[rnd(p, sizeof(common))] : rnd(p, 256);
	uint64_t limit = rnd(p, 2) ? 0xfffff : rnd(p, 0x100000), base = rnd(p, 3) ? 0 : rnd(p, 0x40000000) * 4ull + rnd(p, 4);
	uint64_t fl = rnd(p, 4) ? 0xc : (rnd(p, 16) & ~2u);

	return (limit & 0xffff) | (base & 0xffffff) << 16 | access << 40 | (limit >> 16) << 48 | fl << 52 | (base >> 24) << 56;
}

static void tables(struct pair *p)
{
	struct vm *vm = p->bt;
	uint32_t limit = rnd(p, 8) ? 0xff : rnd(p, 0x100);

	put64(vm, GDT + 8, 0x00cf9b000000ffff);
	put64(vm, GDT + 0x10, 0x00cf93000000ffff);
	put64(vm, GDT + 0x18, 0x00cffb000000ffff);
	put64(vm, GDT + 0x20, 0x00cff3000000ffff);
	put64(vm, GDT + 0x28, 0x00008b0000000067 | (uint64_t)TSS << 16);
	put64(vm, GDT + 0x30, 0x00008200000000ff | (uint64_t)LDT << 16);
	for (unsigned i = 7; i < 32; i++)
		put64(vm, GDT + 8 * i, random_descriptor(p));
	for (unsigned i = 0; i < 32; i++)
		put64(vm, LDT + 8 * i, random_descriptor(p));
	if (!rnd(p, 6))
		put64(vm, GDT + 8 + 8 * rnd(p, 4), random_descriptor(p));
	for (unsigned i = 0; i < 256; i++) {
		uint64_t access = i < 32 || rnd(p, 3) ? 0xee | rnd(p, 2) : rnd(p, 256), sel = i < 32 || rnd(p, 6) ? 8 : rnd(p, 0x100);
		put64(vm, IDT + 8 * i, (STOP & 0xffff) | sel << 16 | access << 40 | (uint64_t)(STOP >> 16) << 48);
	}
	put32(vm, TSS + 4, rnd(p, 16) ? KSTACK : KSTACK + rnd(p, 8));
	put32(vm, TSS + 8, rnd(p, 8) ? 0x10 : rnd(p, 0x100));
	vm->vcpu.state.gdtr = (struct dtable){ GDT, (uint16_t)(limit < 0x37 ? 0x37 : limit) };
	vm->vcpu.state.idtr = (struct dtable){ IDT, 0x7ff };
	vm->vcpu.state.seg[S_LDTR] = rnd(p, 6) ? (struct segment){ LDT, rnd(p, 2) ? 0xff : rnd(p, 0x100), 0x30, 0x82 } : (struct segment){ 0 };
	vm->vcpu.state.seg[S_TR] = (struct segment){ TSS, rnd(p, 8) ? 0x67 : rnd(p, 0x68), 0x28, 0x8b };
}

static uint32_t random_selector(struct pair *p)
{
	return rnd(p, 3) ? rnd(p, 0x104) : (rnd(p, 4) * 8 + 8 + (rnd(p, 2) ? 0 : rnd(p, 4)));
}

static uint32_t random_flags(struct pair *p)
{
	static const uint32_t odd[] = { FL_TF, FL_NT, FL_RF, FL_AC, FL_ID, FL_VIF, FL_VIP };
	uint32_t f = (rnd(p, 0x1000) & (FL_ARITH | FL_DF | FL_IF)) | FL_FIXED | rnd(p, 4) << 12;

	if (!rnd(p, 4))
		f |= odd[rnd(p, sizeof(odd) / sizeof(*odd))];
	return f;
}

enum form { MOV_SREG, MOV_SREG_MEM, POP_SREG, POPF, INT_N, IRET, SYSENTER, SYSEXIT, VERIFY, FAULT, IRQ, FORMS };

/* One instruction of that form at CODE, then a jump to STOP. */
static void code(struct pair *p, enum form f)
{
	static const uint8_t pops[5][2] = { { 0x07 }, { 0x1f }, { 0x0f, 0xa1 }, { 0x0f, 0xa9 }, { 0x17 } };
	uint8_t c[16] = { 0 };
	uint32_t n = 0, k = rnd(p, 20) ? rnd(p, 4) : 4, rel;
	static const uint8_t reg[5] = { S_ES, S_DS, S_FS, S_GS, S_SS };

	switch (f) {
	case MOV_SREG: c[n++] = 0x8e; c[n++] = (uint8_t)(0xc0 | reg[k] << 3 | rnd(p, 8)); break;
	case MOV_SREG_MEM: c[n++] = 0x8e; c[n++] = (uint8_t)(0x00 | reg[k] << 3 | R_ESI); break;
	case POP_SREG: c[n++] = pops[k][0]; if (pops[k][1]) c[n++] = pops[k][1]; break;
	case POPF: c[n++] = 0x9d; break;
	case INT_N: c[n++] = 0xcd; c[n++] = (uint8_t)(rnd(p, 4) ? 0x80 : rnd(p, 256)); break;
	case IRET: c[n++] = 0xcf; break;
	case VERIFY: c[n++] = 0x0f; c[n++] = 0x00; c[n++] = (uint8_t)(0xe0 | (k & 1) << 3 | rnd(p, 8)); break;
	case SYSENTER: c[n++] = 0x0f; c[n++] = 0x34; break;
	default: c[n++] = 0x0f; c[n++] = 0x35; break;
	}
	c[n] = 0xe9;
	rel = STOP - (CODE + n + 5);
	memcpy(c + n + 1, &rel, 4);
	memcpy(p->bt->mem.host + CODE, c, sizeof(c));
}

static void start_state(struct pair *p, unsigned cpl)
{
	struct cpu_state *s = &p->bt->vcpu.state;
	uint32_t esp = STACK + (rnd(p, 8) ? 0 : rnd(p, 64));

	s->rip = CODE;
	s->rflags = (random_flags(p) & (FL_ARITH | FL_DF | FL_IF | FL_IOPL)) | FL_FIXED;
	if (!rnd(p, 10))
		s->rflags |= FL_NT;
	s->cr2 = 0;
	s->int_shadow = 0;
	s->halted = 0;
	s->seg[S_CS] = segment_flat32(cpl ? 0x1b : 8, 0xb, cpl);
	s->seg[S_SS] = segment_flat32(cpl ? 0x23 : 0x10, 3, cpl);
	for (unsigned i = 0; i < 4; i++) {
		static const uint8_t data[4] = { S_ES, S_DS, S_FS, S_GS };
		unsigned dpl = rnd(p, 4) ? 3 : cpl;
		s->seg[data[i]] = segment_flat32(dpl ? 0x23 : 0x10, 3, dpl);
		if (i >= 2 && !rnd(p, 3))
			s->seg[data[i]] = (struct segment){ .sel = (uint16_t)rnd(p, 4) };
	}
	for (unsigned i = 0; i < 8; i++)
		s->gpr[i] = random_selector(p) | (rnd(p, 2) ? 0 : rnd(p, 0x10000) << 16);
	s->gpr[R_ESP] = esp;
	s->gpr[R_ESI] = STACK + rnd(p, 64);
	s->gpr[R_EDX] = rnd(p, 2) ? s->gpr[R_EDX] : STOP;
	s->sysenter_cs = rnd(p, 6) ? 8 : 0;
	s->sysenter_eip = STOP;
	s->sysenter_esp = KSTACK;
}

/* What POP, POPF and IRET find. */
static void stack(struct pair *p, enum form f)
{
	struct vm *vm = p->bt;
	uint32_t esp = (uint32_t)vm->vcpu.state.gpr[R_ESP], inner = rnd(p, 2);

	for (unsigned i = 0; i < 32; i++)
		put32(vm, STACK + 4 * i, random_selector(p));
	if (f == POPF)
		put32(vm, esp, random_flags(p));
	if (f != IRET)
		return;
	put32(vm, esp, STOP);
	put32(vm, esp + 4, rnd(p, 8) ? (inner ? 8 : 0x1b) : random_selector(p));
	put32(vm, esp + 8, random_flags(p) & (rnd(p, 4) ? ~0u : ~(uint32_t)FL_TF));
	put32(vm, esp + 12, STACK + rnd(p, 256));
	put32(vm, esp + 16, rnd(p, 8) ? 0x23 : random_selector(p));
}

/* Steps until STOP; returns how many, or 0 when it does not get there. */
static unsigned reference(struct vm *vm)
{
	for (unsigned i = 1; i < 8; i++) {
		if (interp_step(&vm->vcpu) != INTERP_DONE)
			return 0;
		if (vm->vcpu.state.rip == STOP)
			return i;
	}
	return 0;
}

static void run_bt(struct vm *vm, unsigned steps)
{
	struct vcpu *v = &vm->vcpu;
	struct exit e;

	v->insns.on = true;
	v->insns.left = steps;
	while (v->insns.left) {
		v->attention = 0;
		cr_assert_eq(vm->ops->run(v, &e), 0);
		cr_assert_eq(e.reason, EXIT_KICK, "exit %d at %#lx", e.reason, (unsigned long)v->state.rip);
	}
}

/* FAULT and IRQ are no instructions. False: the reference does not get through. */
static bool deliver_both(struct pair *p, enum form f)
{
	struct vcpu *v = &p->bt->vcpu;
	struct bt *b = bt_of(v);
	unsigned vector = f == FAULT ? VEC_PF : 32 + rnd(p, 224), how = f == FAULT ? DELIVER_EXC : DELIVER_HW;
	bool light;

	if (interp_deliver(&p->ref->vcpu, (uint8_t)vector, how, f == FAULT, 7) != INTERP_DONE)
		return false;
	bt_flags_in(b);
	bt_mode_sync(b);
	light = gate_deliver(b, vector, how, f == FAULT, 7);
	if (light)
		bt_flags_out(b);
	else
		cr_assert_eq(interp_deliver(v, (uint8_t)vector, how, f == FAULT, 7), INTERP_DONE);
	p->interpreted += !light;
	p->trials++;
	return true;
}

/* Runs the instruction on both. False: the reference does not get to STOP, or shuts down. */
static bool execute_both(struct pair *p)
{
	struct vcpu *v = &p->bt->vcpu;
	unsigned steps = reference(p->ref);
	uint64_t before = v->stats.cell[EV_INTERPRET][MECH_CALLOUT].count;

	if (!steps)
		return false;
	cr_assert_eq(p->bt->ops->push(v, REGS_GPR), 0);
	run_bt(p->bt, steps);
	p->trials++;
	p->interpreted += v->stats.cell[EV_INTERPRET][MECH_CALLOUT].count != before;
	return true;
}

static void trial(struct pair *p, enum form f, unsigned cpl)
{
	struct vcpu *v = &p->bt->vcpu;

	if (p->made++ % 8 == 0)
		tables(p);
	else
		put64(p->bt, GDT + 8 * (7 + rnd(p, 25)), random_descriptor(p)); /* what was cached for it is wrong now */
	code(p, f);
	start_state(p, cpl);
	stack(p, f);
	p->bt->ops->mem_written(p->bt, GPA(CODE), 16);
	memcpy(p->ref->mem.host, p->bt->mem.host, 0x40000);
	p->ref->vcpu.state = v->state;
	interp_tlb_flush(&p->ref->vcpu.interp);
	if (!(f >= FAULT ? deliver_both(p, f) : execute_both(p)))
		return;
	const struct cpu_state *a = &v->state, *r = &p->ref->vcpu.state;
	for (unsigned i = 0; i < 8; i++)
		cr_assert_eq(a->gpr[i], r->gpr[i], "form %d cpl %u trial %lu: register %u %#lx, should be %#lx", f, cpl, p->trials, i, a->gpr[i], r->gpr[i]);
	/* RF lasts for one instruction, and nothing depends on it here: a light IRET leaves it out. */
	cr_assert_eq((a->rflags ^ r->rflags) & ~(uint64_t)(f == IRET ? FL_RF : 0), 0, "form %d cpl %u trial %lu: flags %#lx, should be %#lx", f, cpl, p->trials, a->rflags, r->rflags);
	for (unsigned i = 0; i < SREG_COUNT; i++)
		cr_assert(!memcmp(&a->seg[i], &r->seg[i], sizeof(a->seg[i])),
			"form %d cpl %u trial %lu: segment %u: %#x %#lx %#x %#x, should be %#x %#lx %#x %#x", f, cpl, p->trials, i, a->seg[i].sel,
			a->seg[i].base, a->seg[i].limit, a->seg[i].attr, r->seg[i].sel, r->seg[i].base, r->seg[i].limit, r->seg[i].attr);
	cr_assert(!memcmp(p->bt->mem.host, p->ref->mem.host, 0x40000), "form %d cpl %u trial %lu: memory differs", f, cpl, p->trials);
}

/* In percent: at most so many of the trials may have needed the interpreter. */
static void run_form(enum form f, unsigned cpl, unsigned percent)
{
	struct pair p = { machine(&bt_backend), machine(&interp_backend), 1 + f * 16 + cpl, 0, 0, 0 };

	for (unsigned i = 0; i < 6000; i++)
		trial(&p, f, cpl);
	cr_log_info("form %d cpl %u: %lu trials, %lu through the interpreter", f, cpl, p.trials, p.interpreted);
	cr_expect_gt(p.trials, 1000);
	cr_expect_leq(p.interpreted * 100, p.trials * percent, "form %d cpl %u: %lu of %lu through the interpreter", f, cpl, p.interpreted, p.trials);
	vm_destroy(p.bt);
	vm_destroy(p.ref);
}

Test(gate, mov_to_segment_ring0) { run_form(MOV_SREG, 0, 80); }
Test(gate, mov_to_segment_ring3) { run_form(MOV_SREG, 3, 90); }
Test(gate, mov_to_segment_from_memory) { run_form(MOV_SREG_MEM, 0, 80); }
Test(gate, pop_segment_ring0) { run_form(POP_SREG, 0, 80); }
Test(gate, pop_segment_ring3) { run_form(POP_SREG, 3, 90); }
Test(gate, popf_ring0) { run_form(POPF, 0, 90); }
Test(gate, popf_ring3) { run_form(POPF, 3, 100); }
Test(gate, int_ring0) { run_form(INT_N, 0, 60); }
Test(gate, int_ring3) { run_form(INT_N, 3, 70); }
Test(gate, iret) { run_form(IRET, 0, 80); }
Test(gate, sysenter) { run_form(SYSENTER, 3, 40); }
Test(gate, sysexit) { run_form(SYSEXIT, 0, 100); }
Test(gate, verify_ring0) { run_form(VERIFY, 0, 10); }
Test(gate, verify_ring3) { run_form(VERIFY, 3, 10); }
Test(gate, page_fault_ring0) { run_form(FAULT, 0, 40); }
Test(gate, page_fault_ring3) { run_form(FAULT, 3, 50); }
Test(gate, interrupt_ring0) { run_form(IRQ, 0, 70); }
Test(gate, interrupt_ring3) { run_form(IRQ, 3, 80); }
