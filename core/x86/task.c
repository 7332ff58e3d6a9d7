/*
 * task.c - hardware task switches through 32-bit TSSs: JMP and CALL to a TSS or task gate, task gates in the IDT, IRET with NT.
 *
 * SDM vol. 3, 7.3. What fails before the switch is a fault of the old task; what fails while the new task's segments are
 * loaded is a fault of the new one. 16-bit TSSs are refused with a sentence.
 */
#include "segment_private.h"
#include "step.h"

struct tss32 {
	uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
	uint32_t gpr[8];
	uint32_t seg[6]; /* ES, CS, SS, DS, FS, GS */
	uint32_t ldt;
	uint32_t trap_iomap;
};
_Static_assert(sizeof(struct tss32) == 104, "SDM vol. 3, figure 7-2");

#define DR7_LOCAL 0x155u /* L0-3 and LE: a task's own (SDM vol. 3, 17.2.4) */

static int check_target(struct vcpu *v, const struct desc *d, enum task_how how, uint32_t ext, struct fault *f)
{
	unsigned want = how == TASK_IRET ? SYS_TSS32_BUSY : SYS_TSS32, type = DESC_TYPE(d);
	uint8_t vector = how == TASK_IRET ? VEC_TS : VEC_GP;

	if (!DESC_S(d) && (type == (how == TASK_IRET ? SYS_TSS16_BUSY : SYS_TSS16)))
		return fault_crash(v, f, "task switch to a 16-bit TSS (selector %#x) at eip %#x: only 32-bit TSSs are known",
			d->sel, (uint32_t)v->state.rip);
	if (DESC_S(d) || type != want)
		return fault_set(f, vector, SEL_ERROR(d->sel) | ext);
	if (!DESC_P(d))
		return fault_set(f, VEC_NP, SEL_ERROR(d->sel) | ext);
	if (desc_segment(d).limit < sizeof(struct tss32) - 1)
		return fault_set(f, VEC_TS, SEL_ERROR(d->sel) | ext);
	return 0;
}

/* Saves EIP, EFLAGS, registers and selectors; the static fields stay. */
static int save_old(struct vcpu *v, uint32_t eip, uint32_t eflags, struct fault *f)
{
	struct cpu_state *s = &v->state;
	uint32_t at = (uint32_t)s->seg[S_TR].base, image[16];
	unsigned i;

	image[0] = eip;
	image[1] = eflags;
	for (i = 0; i < 8; i++)
		image[2 + i] = (uint32_t)s->gpr[i];
	for (i = 0; i < 6; i++)
		image[10 + i] = s->seg[i].sel;
	return sys_write(v, at + offsetof(struct tss32, eip), image, sizeof(image), f);
}

/* The busy bits of both descriptors (SDM vol. 3, table 7-2). */
static int mark_busy(struct vcpu *v, struct desc *d, enum task_how how, struct fault *f)
{
	struct desc old;

	if (how != TASK_CALL) {
		if (desc_read(v, v->state.seg[S_TR].sel, VEC_TS, 0, &old, f) || desc_set_busy(v, &old, false, f))
			return -1;
	}
	return how == TASK_IRET ? 0 : desc_set_busy(v, d, true, f);
}

static int load_new_ldt(struct vcpu *v, uint16_t sel, struct fault *f)
{
	struct desc d;

	v->state.seg[S_LDTR] = (struct segment){ .sel = sel };
	if (sel_null(sel))
		return 0;
	if ((sel & 4) || desc_read(v, sel, VEC_TS, 0, &d, f))
		return fault_set(f, VEC_TS, SEL_ERROR(sel));
	if (DESC_S(&d) || DESC_TYPE(&d) != SYS_LDT || !DESC_P(&d))
		return fault_set(f, VEC_TS, SEL_ERROR(sel));
	v->state.seg[S_LDTR] = desc_segment(&d);
	return 0;
}

static int load_new_cs(struct vcpu *v, uint16_t sel, struct fault *f)
{
	unsigned rpl = sel & 3;
	struct desc d;

	if (sel_null(sel))
		return fault_set(f, VEC_TS, 0);
	if (desc_read(v, sel, VEC_TS, 0, &d, f))
		return -1;
	if (!DESC_CODE(&d) || (DESC_CONFORMING(&d) ? DESC_DPL(&d) > rpl : DESC_DPL(&d) != rpl))
		return fault_set(f, VEC_TS, SEL_ERROR(sel));
	if (!DESC_P(&d))
		return fault_set(f, VEC_NP, SEL_ERROR(sel));
	return code_segment(v, &d, rpl, &v->state.seg[S_CS], f);
}

/* A load under the rules of segment_load, whose #GP is a #TS here. */
static int load_new_data(struct vcpu *v, enum sreg r, uint16_t sel, struct fault *f)
{
	if (!segment_load(v, r, sel, f))
		return 0;
	if (f->vector == VEC_GP)
		f->vector = VEC_TS;
	return -1;
}

static int load_new_segments(struct vcpu *v, const struct tss32 *t, struct fault *f)
{
	static const uint8_t order[] = { S_SS, S_ES, S_DS, S_FS, S_GS };
	struct cpu_state *s = &v->state;
	unsigned i;

	/* The selectors are there at once, the descriptors not yet; SS's DPL is the new CPL from the start. */
	for (i = 0; i < 6; i++)
		s->seg[i] = (struct segment){ .sel = (uint16_t)t->seg[i] };
	s->seg[S_SS].attr = (uint16_t)((t->seg[S_CS] & 3) << 5);
	if (load_new_ldt(v, (uint16_t)t->ldt, f) || load_new_cs(v, (uint16_t)t->seg[S_CS], f))
		return -1;
	for (i = 0; i < ARRAY_LEN(order); i++)
		if (load_new_data(v, order[i], (uint16_t)t->seg[order[i]], f))
			return -1;
	return s->rip > s->seg[S_CS].limit ? fault_set(f, VEC_GP, 0) : 0;
}

static void load_new_state(struct vcpu *v, const struct tss32 *t, const struct desc *d, bool nested)
{
	struct cpu_state *s = &v->state;
	struct interp *in = &v->interp;

	s->seg[S_TR] = desc_segment(d);
	s->seg[S_TR].attr |= 2;
	s->cr0 |= CR0_TS;
	if ((s->cr0 & CR0_PG) && s->cr3 != t->cr3) {
		s->cr3 = t->cr3;
		interp_tlb_flush(in);
		if (in->hooks.tlb_flush)
			in->hooks.tlb_flush(in->hooks.ctx, GVA(0), true, false);
	}
	s->rip = t->eip;
	s->rflags = (t->eflags & (FL_ARITH | FL_TF | FL_IF | FL_DF | FL_IOPL | FL_NT | FL_RF | FL_AC | FL_ID)) | FL_FIXED;
	if (nested)
		s->rflags |= FL_NT;
	for (unsigned i = 0; i < 8; i++)
		s->gpr[i] = t->gpr[i];
}

int task_switch(struct vcpu *v, struct desc *d, enum task_how how, uint32_t eip, uint32_t ext, struct fault *f)
{
	struct cpu_state *s = &v->state;
	uint32_t base = (uint32_t)desc_segment(d).base, flags = (uint32_t)s->rflags & ~FL_RF;
	uint16_t old = s->seg[S_TR].sel;
	struct tss32 t;

	if (check_target(v, d, how, ext, f))
		return -1;
	if (!(s->seg[S_TR].attr & SEG_P) || s->seg[S_TR].limit < sizeof(t) - 1)
		return fault_set(f, VEC_TS, SEL_ERROR(old) | ext);
	if (sys_read(v, base, &t, sizeof(t), f) || sys_check(v, (uint32_t)s->seg[S_TR].base, sizeof(t), true, f))
		return -1;
	if (how == TASK_CALL && sys_check(v, base, 4, true, f))
		return -1;
	if (how == TASK_IRET)
		flags &= ~FL_NT;
	if (save_old(v, eip, flags, f) || mark_busy(v, d, how, f))
		return -1;
	if (how == TASK_CALL && sys_write(v, base, &old, 2, f))
		return -1;
	load_new_state(v, &t, d, how == TASK_CALL);
	s->dr[7] &= ~(uint64_t)DR7_LOCAL;
	if (load_new_segments(v, &t, f))
		return -1;
	if (t.trap_iomap & 1) /* T: a debug trap before the task's first instruction */
		debug_task_trap(&v->interp);
	return 0;
}
