/*
 * interp_system.c - privileged and sensitive instructions: control registers, descriptor tables, MSRs, CPUID, time.
 *
 * Who may execute what, and what each checks: SDM vol. 2 and vol. 3, 2.8. Port I/O is interp_io.c's. Read next: cpuid.c,
 * msr.c, interp_seg.c.
 */
#include <x86intrin.h>
#include "core/cpuid.h"
#include "ops.h"
#include "segment_private.h"

static void need_ring0(struct step *c)
{
	if (CPL(c->s))
		step_gp(c, 0);
}

static void flush(struct step *c, uint32_t lin, bool all, bool global)
{
	if (all && global)
		interp_tlb_flush(c->in);
	else if (all)
		interp_tlb_flush_local(c->in);
	else
		interp_tlb_flush_page(c->in, lin);
	if (c->in->hooks.tlb_flush)
		c->in->hooks.tlb_flush(c->in->hooks.ctx, GVA(lin), all, global);
}

void op_cli(struct step *c)
{
	if (CPL(c->s) > iopl(c->s))
		step_gp(c, 0);
	flags_set(c->s, FL_IF, 0);
}

/* The shadow covers one instruction, and only when IF was clear. */
void op_sti(struct step *c)
{
	if (CPL(c->s) > iopl(c->s))
		step_gp(c, 0);
	if (!(c->s->rflags & FL_IF))
		c->s->int_shadow = INT_SHADOW_STI;
	flags_set(c->s, FL_IF, FL_IF);
}

void op_hlt(struct step *c)
{
	need_ring0(c);
	c->s->halted = 1;
	c->result = INTERP_HLT;
}

void op_wbinvd(struct step *c)
{
	need_ring0(c);
}

void op_clts(struct step *c)
{
	need_ring0(c);
	c->s->cr0 &= ~(uint64_t)CR0_TS;
}

/* --- control registers --- */

void op_mov_from_cr(struct step *c)
{
	struct cpu_state *s = c->s;
	uint64_t v;

	need_ring0(c);
	switch (c->i->reg) {
	case 0: v = s->cr0; break;
	case 2: v = s->cr2; break;
	case 3: v = s->cr3; break;
	case 4: v = s->cr4; break;
	default: step_ud(c);
	}
	s->gpr[c->i->rm] = (uint32_t)v;
}

/* SDM vol. 3, 4.4.1: the four PDPTEs are checked when they are loaded. */
static void check_pdptes(struct step *c, uint64_t cr3)
{
	const uint64_t *p = mem_ptr(&c->v->vm->mem, GPA(cr3 & 0xffffffe0u), 32);

	for (unsigned k = 0; p && k < 4; k++)
		if ((p[k] & 1) && (p[k] & 0xfffffff0000001e6ull))
			step_gp(c, 0);
}

#define CR0_KNOWN (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

static void write_cr0(struct step *c, uint32_t v)
{
	struct cpu_state *s = c->s;
	uint32_t old = (uint32_t)s->cr0;

	v = (v & CR0_KNOWN) | CR0_ET;
	if ((v & CR0_PG) && !(v & CR0_PE))
		step_gp(c, 0);
	if ((v & CR0_NW) && !(v & CR0_CD))
		step_gp(c, 0);
	if (!(v & CR0_PE))
		step_crash(c, "the guest left protected mode (CR0 = %#x) at eip %#x: ringlab does not run real-mode code", v, c->eip);
	if ((v & CR0_PG) && !(old & CR0_PG) && (s->cr4 & CR4_PAE))
		check_pdptes(c, s->cr3);
	s->cr0 = v;
	if ((old ^ v) & (CR0_PG | CR0_WP | CR0_PE))
		flush(c, 0, true, true);
}

#define CR4_KNOWN (CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT)

static void write_cr4(struct step *c, uint32_t v)
{
	uint32_t old = (uint32_t)c->s->cr4;

	if (v & ~CR4_KNOWN)
		step_gp(c, 0);
	if ((v & CR4_PAE) && !(old & CR4_PAE) && (c->s->cr0 & CR0_PG))
		check_pdptes(c, c->s->cr3);
	c->s->cr4 = v;
	if ((old ^ v) & (CR4_PSE | CR4_PAE | CR4_PGE))
		flush(c, 0, true, true);
}

void op_mov_to_cr(struct step *c)
{
	struct cpu_state *s = c->s;
	uint32_t v = (uint32_t)s->gpr[c->i->rm];

	need_ring0(c);
	switch (c->i->reg) {
	case 0: write_cr0(c, v); break;
	case 2: s->cr2 = v; break;
	case 3:
		if ((s->cr4 & CR4_PAE) && (s->cr0 & CR0_PG))
			check_pdptes(c, v);
		s->cr3 = v;
		c->kind = EV_CR3_WRITE;
		flush(c, 0, true, false);
		break;
	case 4: write_cr4(c, v); break;
	default: step_ud(c);
	}
}

/* --- debug registers (interp_debug.c) --- */

#define DR7_GD 0x2000u

static unsigned debug_register(struct step *c)
{
	unsigned r = c->i->reg;

	if (r == 4 || r == 5) {
		if (c->s->cr4 & CR4_DE)
			step_ud(c);
		r += 2;
	}
	need_ring0(c);
	if (c->s->dr[7] & DR7_GD) {
		debug_status(c->s, DR6_BD);
		c->s->rflags |= FL_RF; /* a fault: SDM vol. 3, 17.3.1.1 */
		step_raise(c, VEC_DB, false, 0);
	}
	return r;
}

void op_mov_from_dr(struct step *c)
{
	c->s->gpr[c->i->rm] = (uint32_t)c->s->dr[debug_register(c)];
}

void op_mov_to_dr(struct step *c)
{
	unsigned r = debug_register(c);
	uint32_t v = (uint32_t)c->s->gpr[c->i->rm];

	if (r == 6)
		v = (v & 0xe00f) | 0xffff0ff0u;
	else if (r == 7)
		v = (v & 0xffff2bffu) | 0x400;
	c->s->dr[r] = v;
}

/* --- descriptor tables --- */

static void store_table(struct step *c, const struct dtable *t)
{
	uint8_t image[6];
	uint32_t base = (uint32_t)t->base;

	memcpy(image, &t->limit, 2);
	memcpy(image + 2, &base, 4); /* all 32 bits, whatever the operand size (SDM vol. 2B, SGDT) */
	step_write_buf(c, c->i->seg, step_ea(c), image, 6);
	c->kind = EV_DT_STORE;
}

static void load_table(struct step *c, struct dtable *t)
{
	uint8_t image[6];
	uint32_t base;

	need_ring0(c);
	step_read_buf(c, c->i->seg, step_ea(c), image, 6);
	memcpy(&t->limit, image, 2);
	memcpy(&base, image + 2, 4);
	t->base = c->i->opsz == 2 ? base & 0xffffff : base;
	c->kind = EV_DT_LOAD;
}

static void store_word(struct step *c, uint32_t v)
{
	rm_store(c, v, c->i->mod == 3 ? c->i->opsz : 2);
	c->kind = EV_DT_STORE;
}

static void load_system(struct step *c, enum sreg r)
{
	need_ring0(c);
	if (segment_load(c->v, r, (uint16_t)rm_load(c, 2), &c->fault))
		step_fault(c);
	c->kind = EV_DT_LOAD;
}

/* 0f 00: SLDT STR LLDT LTR VERR VERW */
void op_group6(struct step *c)
{
	switch (c->i->reg) {
	case 0: store_word(c, c->s->seg[S_LDTR].sel); break;
	case 1: store_word(c, c->s->seg[S_TR].sel); break;
	case 2: load_system(c, S_LDTR); break;
	case 3: load_system(c, S_TR); break;
	case 4: case 5:
		op_verify(c, c->i->reg == 5);
		c->kind = EV_SEG_QUERY;
		break;
	default: step_ud(c);
	}
}

/* LMSW sets PE, MP, EM and TS, and cannot clear PE. */
static void lmsw(struct step *c)
{
	uint32_t v, old = (uint32_t)c->s->cr0;

	need_ring0(c);
	v = rm_load(c, 2);
	c->kind = EV_CR_WRITE;
	write_cr0(c, (old & ~(CR0_MP | CR0_EM | CR0_TS)) | (v & (CR0_PE | CR0_MP | CR0_EM | CR0_TS)));
}

static void invlpg(struct step *c)
{
	need_ring0(c);
	flush(c, (uint32_t)c->s->seg[c->i->seg].base + step_ea(c), false, true);
	c->kind = EV_TLB_FLUSH;
}

/* 0f 01: SGDT SIDT LGDT LIDT SMSW LMSW INVLPG; the register forms of 0..3 and 7 belong to later CPUs. */
void op_group7(struct step *c)
{
	unsigned r = c->i->reg;

	if (c->i->mod == 3 && r != 4 && r != 6)
		step_ud(c);
	switch (r) {
	case 0: store_table(c, &c->s->gdtr); break;
	case 1: store_table(c, &c->s->idtr); break;
	case 2: load_table(c, &c->s->gdtr); break;
	case 3: load_table(c, &c->s->idtr); break;
	case 4: store_word(c, (uint32_t)c->s->cr0); break;
	case 6: lmsw(c); break;
	case 7: invlpg(c); break;
	default: step_ud(c);
	}
}

/* --- MSRs, CPUID, time --- */

void op_rdmsr(struct step *c)
{
	uint64_t v;

	need_ring0(c);
	if (!msr_read(c->v, (uint32_t)c->s->gpr[R_ECX], &v))
		step_gp(c, 0);
	c->s->gpr[R_EAX] = (uint32_t)v;
	c->s->gpr[R_EDX] = v >> 32;
}

void op_wrmsr(struct step *c)
{
	struct cpu_state *s = c->s;

	need_ring0(c);
	if (!msr_write(c->v, (uint32_t)s->gpr[R_ECX], (uint64_t)(uint32_t)s->gpr[R_EDX] << 32 | (uint32_t)s->gpr[R_EAX]))
		step_gp(c, 0);
}

void op_rdtsc(struct step *c)
{
	uint64_t t;

	if ((c->s->cr4 & CR4_TSD) && CPL(c->s))
		step_gp(c, 0);
	t = vm_tsc(c->v->vm) + c->s->tsc_offset;
	c->s->gpr[R_EAX] = (uint32_t)t;
	c->s->gpr[R_EDX] = t >> 32;
}

/* Two counters that never count. */
void op_rdpmc(struct step *c)
{
	if ((CPL(c->s) && !(c->s->cr4 & CR4_PCE)) || (uint32_t)c->s->gpr[R_ECX] > 1)
		step_gp(c, 0);
	c->s->gpr[R_EAX] = c->s->gpr[R_EDX] = 0;
}

void op_cpuid(struct step *c)
{
	struct cpu_state *s = c->s;
	struct cpuid_regs r = cpuid_model((uint32_t)s->gpr[R_EAX], (uint32_t)s->gpr[R_ECX], false);

	s->gpr[R_EAX] = r.eax;
	s->gpr[R_EBX] = r.ebx;
	s->gpr[R_ECX] = r.ecx;
	s->gpr[R_EDX] = r.edx;
}
