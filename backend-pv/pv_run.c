/*
 * pv_run.c - the run loop: into guest code, out of it, and what brought us out.
 *
 * Guest code runs by itself, at ring 3 in compatibility mode, until a signal or a hypercall brings the VMM back; then
 * v->state holds the truth, and the interface (pv_trap.c, xen_*.c) acts on it. Segments are translated on the way in and
 * back on the way out. Called through pv.c's ops; read next: pv_entry.S, pv_signal.c.
 */
#include "pv_holes.h"
#include "pv_scan.h"
#include "core/witness.h"
#include <sys/syscall.h>
#include <unistd.h>

/* ---- segments: from what the guest believes to LDT selectors, and back ---- */

static const uint8_t data_sreg[4] = { S_DS, S_ES, S_FS, S_GS };

/*
 * A selector that the guest has loaded without a trap: an LDT twin, or one of the host's. Where it is none that the guest may
 * have, what it had stays, and is loaded again on entry: in user mode a twin of the kernel's must not make a kernel of it.
 */
static void seg_adopt(struct vcpu *v, unsigned sreg, uint16_t sel)
{
	struct pv *pv = v->vm->priv;
	const struct segment *ours = pv_ldt_lookup(pv, sel);

	if (!(sel & ~3)) {
		v->state.seg[sreg] = (struct segment){ .sel = sel };
	} else if (pv->xen) {
		if (xen_adopt(v, sreg, sel, ours))
			pv->cpu->repaired = 1;
		if (!ours)
			stat_count(&v->stats, EV_HOST_FAULT, MECH_TRAP);
	} else if (ours && (!pv->cpu->user || SEG_DPL(ours) == 3)) {
		v->state.seg[sreg] = *ours;
	} else {
		stat_count(&v->stats, EV_HOST_FAULT, MECH_TRAP);
	}
}

static void segs_pull(struct vcpu *v)
{
	struct pv_cpu *c = ((struct pv *)v->vm->priv)->cpu;
	uint32_t now[4];

	c->repaired = 0;
	__asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3" : "=r"(now[0]), "=r"(now[1]), "=r"(now[2]), "=r"(now[3]));
	for (int i = 0; i < 4; i++)
		if ((uint16_t)now[i] != c->sel[i])
			seg_adopt(v, data_sreg[i], (uint16_t)now[i]);
	if (!c->live) { /* through the hypercall page: CS did not change, and the flags are where the entry put them */
		c->ss = c->far_ss;
		c->cs = c->far_cs;
		v->state.rflags = (v->state.rflags & ~(uint64_t)FL_REAL) | (c->raw_flags & FL_REAL) | (c->tf_seen ? FL_TF : 0);
		c->tf_seen = 0;
	}
	c->live = 0;
	if (c->ss != (uint16_t)c->iret[4])
		seg_adopt(v, S_SS, c->ss);
	if (c->cs != (uint16_t)c->iret[1])
		seg_adopt(v, S_CS, c->cs);
}

/* Selectors, the iretq frame and the FS base for the next entry. 0, -errno, or 1: CS or SS cannot be run. */
static int segs_push(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;
	struct pv_cpu *c = pv->cpu;
	struct cpu_state *s = &v->state;
	int sel;

	for (int i = 0; i < 4; i++) {
		if ((sel = pv_ldt_select(pv, data_sreg[i], &s->seg[data_sreg[i]])) < 0)
			return sel;
		c->sel[i] = (uint16_t)sel;
	}
	c->guest_fs = pv_ldt_base(pv, c->sel[2]);
	if ((sel = pv_ldt_select(pv, S_CS, &s->seg[S_CS])) <= 0)
		return sel ? sel : 1;
	c->iret[1] = c->far_cs = (uint16_t)sel;
	if ((sel = pv_ldt_select(pv, S_SS, &s->seg[S_SS])) <= 0)
		return sel ? sel : 1;
	c->iret[4] = c->far_ss = (uint16_t)sel;
	c->iret[0] = (uint32_t)s->rip;
	c->iret[2] = (s->rflags & FL_REAL) | FL_IF | FL_FIXED | (pv->scan && pv->scan->step && pv->scan->tf ? FL_TF : 0);
	c->iret[3] = (uint32_t)s->gpr[R_ESP];
	return 0;
}

/* ---- the run loop ---- */

bool pv_ready(struct vcpu *v)
{
	if (((struct pv *)v->vm->priv)->xen)
		return false; /* the ABI has event channels; the 8259 is nobody's there */
	return (v->state.rflags & FL_IF) && !v->state.int_shadow;
}

int pv_inject(struct vcpu *v, uint8_t vector)
{
	uint64_t t0 = stat_begin(&v->stats, EV_IRQ_DELIVERED, MECH_TRAP);
	enum interp_result r = interp_deliver(v, vector, DELIVER_HW, false, 0);

	stat_end(&v->stats, EV_IRQ_DELIVERED, MECH_TRAP, GVA(v->state.rip), t0);
	if (r == INTERP_SHUTDOWN)
		vm_stop(v->vm, END_CRASH, 0, "triple fault while interrupt %#x was delivered at eip %#llx", vector, (unsigned long long)v->state.rip);
	else if (r == INTERP_CRASH)
		vm_stop(v->vm, END_CRASH, 0, "interrupt %#x could not be delivered: %s", vector, v->interp.why);
	return 0;
}

/* What the guest did while it ran, as c->exit says. */
static enum step guest_exit(struct vcpu *v, struct exit *e, enum pv_exit why)
{
	struct pv *pv = v->vm->priv;
	struct pv_cpu *c = pv->cpu;
	enum step step;

	pv_flush_samples(c);
	if (pv->previrt && pv_previrt_settle(v, e, why, &step))
		return step;
	switch (why) {
	case PVX_FAULT:
		if (c->repaired && (c->trapno == VEC_GP || c->trapno == VEC_PF || c->trapno == VEC_SS))
			return STEP_GO; /* it was the host's segment that faulted: once more, with the guest's own */
		return pv->xen ? xen_fault(v, e) : pv_trap_fault(v, e);
	case PVX_HYPERCALL:
		return pv->previrt ? pv_previrt_hypercall(v, e) : xen_hypercall_slow(v, e, MECH_HYPERCALL);
	case PVX_KICK:
		stat_count(&v->stats, EV_KICK, MECH_TRAP);
		if (pv->xen)
			xen_kicked(v);
		return STEP_GO;
	case PVX_ESCAPE:
		exit_crash(e, GVA(c->raw_rip), "guest code reached a 64-bit code segment and faulted there (signal %u, trap %u)", c->sig, c->trapno);
		return STEP_EXIT;
	case PVX_BADENTRY:
		exit_crash(e, GVA(v->state.rip), "guest code cannot be entered: trap %u, error %#x, address %#llx at +%#llx",
			c->trapno, c->err, (unsigned long long)c->cr2, (unsigned long long)c->raw_rip);
		return STEP_EXIT;
	case PVX_NONE:
	case PVX_ABORT:
	case PVX_FLUSH:
		break;
	}
	return STEP_GO;
}

/* What must happen before guest code goes on; STEP_EXIT when run must return instead. */
static enum step before_entry(struct vcpu *v, struct exit *e)
{
	struct pv *pv = v->vm->priv;

again:
	if (v->vm->end != END_NONE) {
		e->reason = EXIT_STOPPED;
		return STEP_EXIT;
	}
	if (v->attention) {
		e->reason = EXIT_KICK;
		return STEP_EXIT;
	}
	if (pv->xen)
		return xen_before_entry(v, e);
	if (v->irq_window && pv_ready(v)) {
		stat_count(&v->stats, EV_IRQ_WINDOW, MECH_TRAP);
		e->reason = EXIT_IRQ_WINDOW;
		return STEP_EXIT;
	}
	/*
	 * The instruction after STI or MOV SS: with an interrupt waiting, it is interpreted, so that the shadow ends after it; and so is
	 * what `previrt` cannot run by itself.
	 */
	if ((v->irq_window && v->state.int_shadow) || (pv->previrt && !pv_previrt_direct(v))) {
		if (pv_trap_interpret(v, e) == STEP_EXIT)
			return STEP_EXIT;
		goto again;
	}
	v->state.int_shadow = 0;
	return STEP_GO;
}

/* What depends on the guest's level, and on what VMM code did meanwhile. 0 or -errno. */
static int entry_prepare(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;
	struct pv_cpu *c = pv->cpu;

	c->user = CPL(&v->state) == 3;
	c->pkru = c->user ? pv->pkru_user : pv->pkru_kernel;
	if (pv->space) {
		int r = pv_refault(pv);
		if (r)
			return r;
	}
	if (pv->scan)
		pv_scan_sync(pv);
	if (pv->cpuid_faulting && c->cpuid_native) {
		c->cpuid_native = 0;
		syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
	}
	if (pv->space) {
		int r = pv_space_sync(pv);
		if (r)
			return r;
#ifdef RINGLAB_HOSTILE
		xen_audit_running(v);
#endif
	}
	if (pv->previrt) {
		int r = pv_previrt_enter(v);
		if (r)
			return r;
	}
	return pv_hide_switch(pv, c->user);
}

/* --witness: who was interrupted by the signal that brought us here. */
static void pv_witness(struct vcpu *v)
{
	const struct pv_cpu *c = ((struct pv *)v->vm->priv)->cpu;

	witness_entry(v, (uint32_t)v->state.rip, (uint32_t)v->state.rflags,
		&(struct witness_real){ .seen = WITNESS_ALL, .cs = c->cs, .ss = c->ss, .eflags = (uint32_t)c->true_flags, .cpl = c->cs & 3 });
}

int pv_run(struct vcpu *v, struct exit *e)
{
	struct pv *pv = v->vm->priv;
	int r;

	for (;;) {
		bool again = false;
		if (before_entry(v, e) == STEP_EXIT || (pv->patch && pv_patch_entry(v, e, &again) == STEP_EXIT) ||
				(pv->holes && pv_holes_advance(v, e, &again) == STEP_EXIT))
			return 0;
		if (again)
			continue;
		if (pv->scan && pv->scan->step && pv_step_check(v, e) == STEP_EXIT)
			return 0;
		if ((r = entry_prepare(v)) < 0 || (r = segs_push(v)) < 0)
			return r;
		if (r) {
			exit_crash(e, GVA(v->state.rip), "CS %#x or SS %#x cannot be run from", v->state.seg[S_CS].sel, v->state.seg[S_SS].sel);
			return 0;
		}
		if (pv->holes)
			pv_holes_arm(v);
		pv->cpu->live = 0;
		enum pv_exit why = (enum pv_exit)(pv->gate ? pv_keys_enter(pv->cpu) : pv_enter(pv->cpu));
		if (why != PVX_ABORT && why != PVX_BADENTRY) {
			bool trapped = pv->cpu->live;

			segs_pull(v);
			if (pv->previrt)
				pv_previrt_left(v);
			if (trapped)
				pv_witness(v);
		}
		if ((pv->holes && pv_holes_after(v, why)) || (pv->scan && pv->scan->step && pv_step_done(v, why)))
			continue;
		if (guest_exit(v, e, why) == STEP_EXIT)
			return 0;
	}
}
